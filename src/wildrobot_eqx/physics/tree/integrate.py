"""From accelerations to the next state. Source: MuJoCo's documentation, Computation, "Integrators"."""

from .inertia import Sparse, factor, multiply, solve
from .model import BALL, FREE, Tree
from .scalar import Scalar
from .spatial import quat_exp, quat_multiply, quat_unit


def implicit_acceleration(tree: Tree, mass: Sparse, damping: list[Scalar], qacc: list[Scalar]) -> list[Scalar]:
    """(M + h D)^-1 M qacc with D diagonal, the negated slope of smooth forces by velocity."""
    softened = dict(mass)
    for i, d in enumerate(damping):
        softened[i, i] = softened[i, i] + tree.timestep * d
    below = [dof.parents for dof in tree.dofs]
    return solve(below, factor(below, softened), multiply(tree, mass, qacc))


def advance(
    tree: Tree, qpos: list[Scalar], qvel: list[Scalar], qacc: list[Scalar]
) -> tuple[list[Scalar], list[Scalar]]:
    """Semi-implicit Euler: the new velocity moves the position, quaternions along the exponential map."""
    h = tree.timestep
    speed = [v + h * a for v, a in zip(qvel, qacc)]
    new = list(qpos)
    for body in tree.bodies:
        for joint in body.joints:
            q, v = joint.qpos, joint.dof
            if joint.kind == FREE:
                for k in range(3):
                    new[q + k] = qpos[q + k] + h * speed[v + k]
                q, v = q + 3, v + 3
            if joint.kind in (FREE, BALL):
                turn = quat_exp((h * speed[v], h * speed[v + 1], h * speed[v + 2]))
                old = (qpos[q], qpos[q + 1], qpos[q + 2], qpos[q + 3])
                new[q : q + 4] = quat_unit(quat_multiply(quat_unit(old), turn))
            else:
                new[q] = qpos[q] + h * speed[v]
    return new, speed
