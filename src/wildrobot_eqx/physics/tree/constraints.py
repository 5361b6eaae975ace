"""Soft constraints: friction loss, joint limits and contacts as rows of a convex cost.

Each row has an acceleration x = J qacc - aref, and pays s(x) for it: friction loss a Huber
cost, limits and the edges of pyramidal cones D x^2 / 2 where x < 0, an elliptic cone its
own. Sources: MuJoCo's documentation, Computation, "Constraint model" (equations for R and
aref), and Modeling, "Solver parameters" (impedance, stiffness, damping).
"""

import dataclasses

from .collide import Contact
from .kinematics import Poses, Velocities
from .model import BALL, FREE, Joint, Tree
from .pairs import MIN_MU, Pair
from .rotations import quat_vector
from .scalar import Mask, Scalar, absolute, exp, known, log, maximum, minimum, total, where
from .spatial import Spatial, Vec, at, dot, neg, quat_unit

MIN_IMPEDANCE, MAX_IMPEDANCE, TINY = 0.0001, 0.9999, 1e-15  # mjMINIMP, mjMAXIMP, mjMINVAL


@dataclasses.dataclass
class FrictionLoss:
    """Friction loss of one dof."""

    dof: int
    bound: Scalar  # N m
    stiff: Scalar  # D, the inverse of R
    aref: Scalar


@dataclasses.dataclass
class JointLimit:
    """The limit of a joint: x = sum of sign * qacc - aref, over one dof or a ball's three."""

    terms: tuple[tuple[int, Scalar], ...]
    stiff: Scalar  # 0 where the joint is inside its range
    aref: Scalar


@dataclasses.dataclass
class Equality:
    """The equality constraint of a joint: x = sum of coefficient * qacc - aref, of one dof or two."""

    terms: tuple[tuple[int, Scalar], ...]
    stiff: Scalar
    aref: Scalar


@dataclasses.dataclass
class Touch:
    """One contact point; stiff is 0 where nothing touches."""

    contact: Contact
    offset: Vec
    friction: Scalar
    mu: Scalar  # of the regularised cone
    stiff: tuple[Scalar, Scalar]  # D of a normal (or edge) row, of a tangential row
    aref: tuple[Scalar, ...]  # of each axis; with pyramids they enter the edges
    columns: dict[int, tuple[Scalar, ...]] | None = None  # J by dof, where two bodies move, and of condim 4 and 6
    frictions: tuple[Scalar, ...] = ()  # of condim 4 and 6: one for each axis after the normal

    @property
    def body(self) -> int:
        """The body on which the contact acts."""
        return self.contact.pair.body

    @property
    def other(self) -> int | None:
        """The other body, if it moves."""
        return self.contact.pair.other


@dataclasses.dataclass
class Rows:
    """All constraints of one state."""

    rubs: list[FrictionLoss]
    limits: list[JointLimit]
    touches: list[Touch]
    equalities: list[Equality]


def _stiffness(tree: Tree, solref: tuple[float, ...], solimp: tuple[float, ...]) -> tuple[float, float]:
    """k (to be multiplied by the impedance) and b of a constraint's virtual spring."""
    constant, ratio = solref
    if tree.refsafe and constant > 0:
        constant = max(constant, 2 * tree.timestep)
    dmax = min(max(solimp[1], MIN_IMPEDANCE), MAX_IMPEDANCE)
    k = 1.0 / max(TINY, (dmax * constant * ratio) ** 2) if solref[0] > 0 else -solref[0] / dmax**2
    b = 2.0 / max(TINY, dmax * constant) if solref[1] > 0 else -solref[1] / dmax
    return k, b


def _impedance(solimp: tuple[float, ...], residual: Scalar) -> Scalar:
    """d(r) of the constraint's residual r."""
    low, high = (min(max(s, MIN_IMPEDANCE), MAX_IMPEDANCE) for s in solimp[:2])
    width, power = max(solimp[2], TINY), max(solimp[4], 1.0)
    middle = min(max(solimp[3], MIN_IMPEDANCE), MAX_IMPEDANCE)
    if low == high or residual == 0.0:  # friction has no residual
        return low
    x = minimum(absolute(residual) * (1.0 / width), 1.0)
    y = x
    if power > 1.0:
        rising = _power(x, power) * (1.0 / middle ** (power - 1.0))
        falling = 1.0 - _power(1.0 - x, power) * (1.0 / (1.0 - middle) ** (power - 1.0))
        y = where(x < middle, rising, falling)
    return low + y * (high - low)


def _power(x: Scalar, power: float) -> Scalar:
    if power == int(power) and power <= 8:
        out = x
        for _ in range(int(power) - 1):
            out = out * x
        return out
    return where(x > 0.0, exp(power * log(where(x > 0.0, x, 1.0))), 0.0)


def _inverse_regulariser(impedance: Scalar, weight: Scalar) -> Scalar:
    """1 / R with R = (1 - d) / d * weight, the approximate inverse inertia."""
    return impedance / maximum((1.0 - impedance) * weight, TINY)


def _where_positive(active: Mask, value: Scalar, like: Scalar) -> Scalar:
    return where(active, known(value, like), 0.0)


def rubs(tree: Tree, friction_loss: list[Scalar], qvel: list[Scalar]) -> list[FrictionLoss]:
    """Rows of the dofs to which the model gives friction loss."""
    out = []
    for i, dof in enumerate(tree.dofs):
        if dof.rubs:
            _, b = _stiffness(tree, dof.solref, dof.solimp)
            stiff = _inverse_regulariser(_impedance(dof.solimp, 0.0), dof.invweight)
            out.append(FrictionLoss(i, friction_loss[i], stiff, -b * qvel[i]))
    return out


def limits(tree: Tree, qpos: list[Scalar], qvel: list[Scalar]) -> list[JointLimit]:
    """Rows of all joint limits, in force or not."""
    out = []
    for body in tree.bodies:
        for joint in body.joints:
            if joint.limit and joint.kind == BALL:
                q = qpos[joint.qpos : joint.qpos + 4]
                vector, angle = quat_vector(quat_unit((q[0], q[1], q[2], q[3])))
                size = absolute(angle)
                safe = where(size < 1e-12, 1.0, size)
                terms = tuple((joint.dof + k, -(vector[k] / safe)) for k in range(3))
                out.append(_limit(tree, joint, max(joint.limit) - size - joint.margin, terms, qvel))
            elif joint.limit and joint.kind != FREE:
                out += _scalar_limits(tree, joint, qpos[joint.qpos], qvel)
    return out


def _scalar_limits(tree: Tree, joint: Joint, q: Scalar, qvel: list[Scalar]) -> list[JointLimit]:
    assert joint.limit
    low, high = joint.limit
    below, above = q - low - joint.margin, high - q - joint.margin
    if 2.0 * joint.margin >= high - low:  # both ends may act at once
        ends = ((below, 1.0), (above, -1.0))
        return [_limit(tree, joint, r, ((joint.dof, sign),), qvel) for r, sign in ends]
    nearer = minimum(below, above)
    one = known(1.0, nearer)
    sign = where(below < above, one, -one)
    return [_limit(tree, joint, nearer, ((joint.dof, sign),), qvel)]


def _limit(
    tree: Tree, joint: Joint, residual: Scalar, terms: tuple[tuple[int, Scalar], ...], qvel: list[Scalar]
) -> JointLimit:
    k, b = _stiffness(tree, joint.solref, joint.solimp)
    impedance = _impedance(joint.solimp, residual)
    speed: Scalar = 0.0
    for dof, sign in terms:
        speed = speed + sign * qvel[dof]
    stiff = _inverse_regulariser(impedance, joint.invweight)
    aref = -b * speed - (k * impedance) * residual
    return JointLimit(terms, _where_positive(residual < 0.0, stiff, residual), aref)


def equalities(tree: Tree, qpos: list[Scalar], qvel: list[Scalar]) -> list[Equality]:
    """Rows of all equality constraints of joints."""
    out = []
    for tie in tree.ties:
        k, b = _stiffness(tree, tie.solref, tie.solimp)
        residual: Scalar = qpos[tie.qpos] - tie.zero - tie.polynomial[0]
        terms: list[tuple[int, Scalar]] = [(tie.dof, 1.0)]
        if tie.leader:
            dof, address, zero = tie.leader
            far = qpos[address] - zero
            power: Scalar = 1.0
            slope: Scalar = 0.0
            for n, c in enumerate(tie.polynomial[1 : tie.degree + 1], 1):
                slope = slope + (n * c) * power
                power = power * far
                residual = residual - c * power
            terms.append((dof, -slope))
        impedance = _impedance(tie.solimp, residual)
        speed = total(c * qvel[i] for i, c in terms)
        stiff = _inverse_regulariser(impedance, tie.invweight)
        out.append(Equality(tuple(terms), stiff, -b * speed - (k * impedance) * residual))
    return out


def touches(
    p: Poses,
    v: Velocities,
    qvel: list[Scalar],
    found: list[Contact],
    geom_friction: list[Vec],
    pair_friction: list[list[Scalar]],
) -> list[Touch]:
    """Rows of all contact points, touching or not."""
    out = []
    for contact in found:
        tree, pair = p.tree, contact.pair
        k, b = _stiffness(tree, pair.solref, pair.solimp)
        residual = contact.distance - pair.margin
        impedance = _impedance(pair.solimp, residual)
        kinds = _SLIDE if pair.condim <= 3 else _FRICTIONS[: pair.condim - 1]  # columns of geom_friction
        frictions = tuple(_friction(pair, n, kind, geom_friction, pair_friction) for n, kind in enumerate(kinds))
        friction = frictions[0]
        frame = contact.frame if pair.condim > 1 else contact.frame[:1]
        columns = None if pair.other is None and pair.condim <= 3 else _columns(p, contact, frame)
        if columns is None:
            velocity = at(v.body[pair.body], contact.offset)
            speed = [dot(axis, velocity) for axis in frame]
        else:
            speed = list(along(columns, qvel))
        aref = [-b * s for s in speed]
        aref[0] = aref[0] - (k * impedance) * residual
        mu = friction * (1.0 / tree.impratio**0.5)
        weight: Scalar = pair.invweight
        if pair.condim > 1 and not tree.elliptic:
            square = friction * friction
            weight = (weight + square * weight) * (2.0 / tree.impratio) * square
        touching = residual < 0.0
        normal = _where_positive(touching, _inverse_regulariser(impedance, weight), residual)
        tangential = normal * tree.impratio
        stiff = (normal, tangential)
        out.append(Touch(contact, contact.offset, friction, mu, stiff, tuple(aref), columns, frictions))
    return out


_SLIDE, _FRICTIONS = (0,), (0, 0, 1, 2, 2)


def _friction(pair: Pair, n: int, kind: int, geom_friction: list[Vec], pair_friction: list[list[Scalar]]) -> Scalar:
    """The coefficient of a contact's n-th axis after the normal, in geoms the `kind`-th."""
    friction: Scalar = MIN_MU
    if pair.listed is not None:
        friction = maximum(pair_friction[pair.listed][n], friction)
    for geom in pair.friction_of:
        friction = maximum(geom_friction[geom][kind], friction)
    return friction


def _columns(p: Poses, contact: Contact, frame: tuple[Vec, ...]) -> dict[int, tuple[Scalar, ...]]:
    """By dof, how its unit speed moves the body at the contact's point against the other one, in the contact's axes."""
    pair = contact.pair
    ours = p.tree.chain(pair.body)
    theirs = () if pair.other is None else p.tree.chain(pair.other)
    moved = {i: (at(p.motion[i], contact.offset), p.motion[i][0]) for i in ours if i not in theirs}
    if contact.other_offset is not None:
        moved |= {i: (neg(at(p.motion[i], contact.other_offset)), neg(p.motion[i][0])) for i in theirs if i not in ours}
    turning = frame[: max(0, pair.condim - 3)]
    return {
        i: (*(dot(axis, speed) for axis in frame), *(dot(axis, spin) for axis in turning))
        for i, (speed, spin) in moved.items()
    }


def along(columns: dict[int, tuple[Scalar, ...]], q: list[Scalar]) -> tuple[Scalar, ...]:
    """J q of a contact between bodies that both move, by its columns."""
    size = len(next(iter(columns.values())))
    return tuple(total(q[i] * column[k] for i, column in columns.items()) for k in range(size))


def accelerations(touch: Touch, body: Spatial) -> tuple[Scalar, ...]:
    """J qacc of a contact's axes, given the body's spatial acceleration by qacc alone."""
    a = at(body, touch.offset)
    frame = touch.contact.frame
    return tuple(dot(axis, a) for axis in (frame if touch.contact.pair.condim > 1 else frame[:1]))
