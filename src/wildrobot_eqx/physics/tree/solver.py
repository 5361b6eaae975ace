"""The constraint solver: Newton's method on MuJoCo's reduced primal problem.

    minimise over a:  (a - a0)^T M (a - a0) / 2 + s(J a - aref),   M a0 = applied forces

A contact against ground that never moves leaves the Hessian M + J^T s'' J with M's own
sparsity: its curvature acts like an inertia of the body that touches, and rides along in the
composite rigid body algorithm. Contacts between moving bodies and equality constraints of
joints couple branches of the tree; they add to the entries that they concern, and the
factors have room for what that fills in (`Tree.below`). Sources: MuJoCo's documentation,
Computation, "Reduced primal problem" and "Algorithms"; RBDA chapters 5 and 6.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from jax import lax

from . import cones
from .constraints import Equality, FrictionLoss, JointLimit, Rows, accelerations, along
from .inertia import Sparse, factor, multiply, solve
from .kinematics import Poses
from .model import Tree
from .scalar import Num, Scalar, array, clip, known, minimum, total, where
from .spatial import REST, ZERO, Spatial, Vec, add, move, power, scale, stretch, wrench
from .springs import Springs
from .wide_cones import Matrix

FAR = 1e10
"""The far end of a line search's bracket before one is found."""

TINY = 1e-15
"""Less is no slope: a search along a step of length 0, where all is solved already, divides by nothing whose square
float32 cannot hold, so that its derivative is finite, too."""


@dataclasses.dataclass(frozen=True)
class Effort:
    """How long the solver works: Newton steps, and evaluations of the cost's slope along each."""

    steps: int
    line: int


@dataclasses.dataclass
class Solution:
    """Accelerations, and what holds them."""

    qacc: list[Scalar]
    constraint: list[Scalar]  # joint forces of all constraints
    forces: list[cones.Axes]  # of each contact, in its own axes, N


class Problem:
    """One state's constrained dynamics."""

    def __init__(self, poses: Poses, mass: Sparse, applied: list[Scalar], rows: Rows):
        self.poses, self.tree, self.mass, self.applied, self.rows = poses, poses.tree, mass, applied, rows
        self.grounded = [t for t in rows.touches if t.columns is None]
        touched = {t.body for t in self.grounded}
        self.bodies = _with_parents(self.tree, touched)
        self.dofs = [i for i, dof in enumerate(self.tree.dofs) if dof.body in self.bodies]

    def body_motion(self, q: list[Scalar]) -> dict[int, Spatial]:
        """Spatial motions S q of the bodies that contacts concern."""
        out: dict[int, Spatial] = {}
        own: dict[int, list[int]] = {b: [] for b in self.bodies}
        for i in self.dofs:
            own[self.tree.dofs[i].body].append(i)
        for b in sorted(self.bodies):
            motion = out.get(self.tree.bodies[b].parent, REST)
            for i in own[b]:
                motion = move(motion, stretch(q[i], self.poses.motion[i]))
            out[b] = motion
        return out

    def contact_axes(self, q: list[Scalar]) -> list[cones.Axes]:
        """J q of every contact."""
        motions = self.body_motion(q)
        return [
            accelerations(t, motions[t.body]) if t.columns is None else along(t.columns, q) for t in self.rows.touches
        ]

    def contact_forces_to_joints(self, forces: list[cones.Axes]) -> list[Scalar]:
        """J^T f of every contact together."""
        loads: dict[int, Spatial] = {}
        out: list[Scalar] = [0.0] * self.tree.nv
        for touch, force in zip(self.rows.touches, forces):
            if touch.columns is not None:
                for i, column in touch.columns.items():
                    out[i] = out[i] + total(c * f for c, f in zip(column, force))
                continue
            world: Vec = ZERO
            for axis, f in zip(touch.contact.frame, force):
                world = add(world, scale(f, axis))
            loads[touch.body] = move(loads.get(touch.body, REST), wrench(world, touch.offset))
        for b in sorted(self.bodies, reverse=True):
            parent = self.tree.bodies[b].parent
            if parent in self.bodies:
                loads[parent] = move(loads.get(parent, REST), loads[b])
        for i in self.dofs:
            out[i] = out[i] + power(self.poses.motion[i], loads[self.tree.dofs[i].body])
        return out


def _with_parents(tree: Tree, bodies: set[int]) -> set[int]:
    out = set()
    for b in bodies:
        while tree.bodies[b].tree >= 0:
            out.add(b)
            b = tree.bodies[b].parent
    return out


def run(problem: Problem, start: list[Scalar], effort: Effort) -> Solution:
    """The constrained accelerations, from `start` on."""
    tree, rows = problem.tree, problem.rows
    if not (rows.rubs or rows.limits or rows.touches or rows.equalities):
        zero: list[Scalar] = [0.0] * tree.nv
        return Solution(solve(tree.below, factor(tree.below, problem.mass), problem.applied), zero, [])
    like = next(a for a in start if isinstance(a, Num)).a

    def body(carry: tuple[jax.Array, ...], _: None) -> tuple[tuple[jax.Array, ...], None]:
        new = _newton(problem, [Num(a) for a in carry], effort.line)
        return tuple(array(a, like) for a in new), None

    end, _ = lax.scan(body, tuple(array(a, like) for a in start), None, effort.steps)
    qacc: list[Scalar] = [Num(a) for a in end]
    _, forces, joint, _ = _respond(problem, qacc)
    return Solution(qacc, joint, forces)


def _respond(problem: Problem, qacc: list[Scalar]) -> tuple[Any, Any, list[Scalar], Any]:
    """Contact accelerations, contact forces, joint forces of all constraints, and their curvature."""
    tree, rows = problem.tree, problem.rows
    axes = [tuple(a - r for a, r in zip(x, t.aref)) for x, t in zip(problem.contact_axes(qacc), rows.touches)]
    answers = [cones.respond(t, tree.elliptic, x) for x, t in zip(axes, rows.touches)]
    forces = [force for force, _ in answers]
    joint = problem.contact_forces_to_joints(forces) if rows.touches else _zeros(tree)
    for rub in rows.rubs:
        joint[rub.dof] = joint[rub.dof] + clip(rub.stiff * (rub.aref - qacc[rub.dof]), -rub.bound, rub.bound)
    for limit in rows.limits:
        force = -(limit.stiff * minimum(_axis(limit, qacc) - limit.aref, 0.0))
        for dof, sign in limit.terms:
            joint[dof] = joint[dof] + sign * force
    for equality in rows.equalities:
        force = -(equality.stiff * (_axis(equality, qacc) - equality.aref))
        for dof, c in equality.terms:
            joint[dof] = joint[dof] + c * force
    return axes, forces, joint, [c for _, c in answers]


def _zeros(tree: Tree) -> list[Scalar]:
    return [0.0] * tree.nv


def _axis(row: JointLimit | Equality, q: list[Scalar]) -> Scalar:
    return total(c * q[dof] for dof, c in row.terms)


def _newton(problem: Problem, qacc: list[Scalar], line: int) -> list[Scalar]:
    """One Newton step with a line search."""
    tree, rows = problem.tree, problem.rows
    axes, _, joint, curvatures = _respond(problem, qacc)
    momentum = multiply(tree, problem.mass, qacc)
    gradient = [m - f - c for m, f, c in zip(momentum, problem.applied, joint)]
    hessian = _hessian(problem, qacc, curvatures)
    step = [-s for s in solve(tree.below, factor(tree.below, hessian), gradient)]
    inertial = multiply(tree, problem.mass, step)
    first = total(s * (m - f) for s, m, f in zip(step, momentum, problem.applied))
    second = total(s * m for s, m in zip(step, inertial))
    lines = [cones.line(t, tree.elliptic, x, dx) for t, x, dx in zip(rows.touches, axes, problem.contact_axes(step))]
    rubs = [(r, qacc[r.dof] - r.aref, step[r.dof]) for r in rows.rubs]
    limits = [(s, _axis(s, qacc) - s.aref, _axis(s, step)) for s in rows.limits]
    for equality in rows.equalities:  # quadratic all the way
        dx = _axis(equality, step)
        first = first + equality.stiff * (_axis(equality, qacc) - equality.aref) * dx
        second = second + equality.stiff * dx * dx

    def slope(alpha: Scalar) -> tuple[Scalar, Scalar]:
        parts = [cones.slope(on, tree.elliptic, alpha) for on in lines]
        parts += [_rub_slope(r, x + alpha * dx, dx) for r, x, dx in rubs]
        parts += [_limit_slope(s, x + alpha * dx, dx) for s, x, dx in limits]
        return first + alpha * second + total(p[0] for p in parts), second + total(p[1] for p in parts)

    alpha = _search(slope, total(s * g for s, g in zip(step, gradient)), line)
    return [a + alpha * s for a, s in zip(qacc, step)]


def _rub_slope(rub: FrictionLoss, x: Scalar, dx: Scalar) -> tuple[Scalar, Scalar]:
    pull = rub.stiff * x
    inside = where(pull < rub.bound, where(pull > -rub.bound, rub.stiff * dx * dx, 0.0), 0.0)
    return clip(pull, -rub.bound, rub.bound) * dx, inside


def _limit_slope(limit: JointLimit, x: Scalar, dx: Scalar) -> tuple[Scalar, Scalar]:
    stiff = limit.stiff * dx
    return stiff * minimum(x, 0.0), where(x < 0.0, stiff * dx, 0.0)


def _search(slope: Callable[[Scalar], tuple[Scalar, Scalar]], start: Scalar, evaluations: int) -> Scalar:
    """Where the slope of the convex cost vanishes, 1 being the first guess: Newton's method, else the bracket's secant.

    The slope is negative at 0 (`start`) and never falls, so its sign tells the bracket's ends.
    Until the far end is known, what is no longer a step forward in floating point leaves the guess where it is.
    """
    alpha, low, high = (known(x, start) for x in (1.0, 0.0, FAR))
    at_low, at_high = start, known(1.0, start)
    for _ in range(evaluations):
        first, second = slope(alpha)
        short = first < 0.0
        low, at_low = where(short, alpha, low), where(short, first, at_low)
        high, at_high = where(short, high, alpha), where(short, at_high, first)
        bends = second > TINY
        guess = alpha - where(bends, first / where(bends, second, known(1.0, start)), known(0.0, start))
        rises = at_high - at_low
        settled = where(high < FAR, rises, 0.0) <= TINY  # no far end, or both at the minimum: stay
        secant = low - at_low * (high - low) / where(settled, known(1.0, start), rises)
        secant = where(settled, alpha, secant)
        alpha = where(guess > low, where(guess < high, guess, secant), secant)
    return alpha


def _hessian(problem: Problem, qacc: list[Scalar], curvatures: list[cones.Curvature | Matrix]) -> Sparse:
    """M + J^T s'' J: M's sparsity, but for limited ball joints, whose dofs one body holds, and for coupled branches."""
    tree, rows = problem.tree, problem.rows
    out = dict(problem.mass)
    loads: dict[int, Springs] = {}
    for touch, curvature in zip(rows.touches, curvatures):
        if touch.columns is not None:
            _couple(out, touch.columns, curvature)
            continue
        assert isinstance(curvature, cones.Curvature)
        spring = Springs.of(touch, curvature)
        loads[touch.body] = loads[touch.body].plus(spring) if touch.body in loads else spring
    for b in sorted(problem.bodies, reverse=True):
        parent = tree.bodies[b].parent
        if parent in problem.bodies:
            loads[parent] = loads[parent].plus(loads[b]) if parent in loads else loads[b]
    for i in problem.dofs:
        pushed = loads[tree.dofs[i].body] @ problem.poses.motion[i]
        for j in (i, *tree.dofs[i].parents):
            out[i, j] = out[i, j] + power(problem.poses.motion[j], pushed)
    for rub in rows.rubs:
        pull = rub.stiff * (qacc[rub.dof] - rub.aref)
        stiff = known(rub.stiff, pull)
        inside = where(pull < rub.bound, where(pull > -rub.bound, stiff, 0.0), 0.0)
        out[rub.dof, rub.dof] = out[rub.dof, rub.dof] + inside
    for limit in rows.limits:
        x = _axis(limit, qacc)
        stiff = where(x < limit.aref, known(limit.stiff, x), 0.0)
        for i, s in limit.terms:
            for j, t in limit.terms:
                if j <= i:
                    out[i, j] = out[i, j] + stiff * s * t
    for equality in rows.equalities:
        for i, s in equality.terms:
            for j, t in equality.terms:
                if j <= i:
                    out[i, j] = out.get((i, j), 0.0) + equality.stiff * (s * t)
    return out


def _couple(out: Sparse, columns: dict[int, tuple[Scalar, ...]], c: cones.Curvature | Matrix) -> None:
    """Add J^T C J of a contact that has columns."""
    for j, column in columns.items():
        pushed = c @ column
        for i in columns:
            if j <= i:
                out[i, j] = out.get((i, j), 0.0) + total(a * b for a, b in zip(columns[i], pushed))
