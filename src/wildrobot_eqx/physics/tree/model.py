"""What the tree engine reads of a compiled MuJoCo model, as plain Python values known while tracing."""

import dataclasses
import functools

import mujoco

from ...robots import Model
from .pairs import Pair, contact_pairs, disabled, numbers, pair_of
from .spatial import Mat, Quat, Vec, quat_matrix
from .ties import Tie, filled, ties_of

FREE, BALL, SLIDE, HINGE = (int(getattr(mujoco.mjtJoint, f"mjJNT_{n}")) for n in ("FREE", "BALL", "SLIDE", "HINGE"))


@dataclasses.dataclass(frozen=True)
class Joint:
    """One joint; `dof` and `qpos` are its first addresses."""

    kind: int
    dof: int
    qpos: int
    axis: tuple[float, float, float]
    pos: Vec
    zero: float  # reference position of a scalar joint
    spring: tuple[float, ...]  # rest position
    stiffness: float
    limit: tuple[float, float] | None
    margin: float
    solref: tuple[float, ...]
    solimp: tuple[float, ...]
    invweight: float
    force_range: tuple[float, float] | None


@dataclasses.dataclass(frozen=True)
class Body:
    """One body with the joints that tie it to its parent."""

    parent: int
    pos: Vec
    quat: Quat
    principal: Mat  # axes of its inertia, in the body frame
    joints: tuple[Joint, ...]
    tree: int  # -1: it never moves


@dataclasses.dataclass(frozen=True)
class Actuator:
    """One actuator on a scalar joint."""

    dof: int
    qpos: int
    zero: float
    gear: float
    affine_gain: bool
    affine_bias: bool
    ctrl_range: tuple[float, float] | None
    limited: bool


@dataclasses.dataclass(frozen=True)
class Place:
    """A frame fixed to a body: a geom, a site, or the body's own."""

    body: int
    pos: Vec
    quat: Quat

    @property
    def mat(self) -> Mat:
        """The rotation matrix into the body frame."""
        return quat_matrix(self.quat)


@dataclasses.dataclass(frozen=True)
class Dof:
    """One degree of freedom."""

    parents: tuple[int, ...]  # those it moves with, root last
    body: int
    rubs: bool  # the model gives it friction loss
    solref: tuple[float, ...]
    solimp: tuple[float, ...]
    invweight: float


@dataclasses.dataclass(frozen=True)
class Tree:
    """The model."""

    nq: int
    nv: int
    bodies: tuple[Body, ...]
    dofs: tuple[Dof, ...]
    actuators: tuple[Actuator, ...]
    pairs: tuple[Pair, ...]
    ties: tuple[Tie, ...]
    below: tuple[tuple[int, ...], ...]  # of each dof: the lower ones that the solver's Hessian may couple it with
    geoms: tuple[Place, ...]
    sites: tuple[Place, ...]
    timestep: float
    impratio: float
    elliptic: bool
    refsafe: bool
    implicit_damping: bool
    implicit_fast: bool
    gravity: bool
    springs: bool
    dampers: bool
    magnetic: Vec

    def chain(self, body: int) -> tuple[int, ...]:
        """The dofs that move a body, last first."""
        while body and not self.bodies[body].joints:
            body = self.bodies[body].parent
        own = [i for i, dof in enumerate(self.dofs) if dof.body == body]
        return (own[-1], *self.dofs[own[-1]].parents) if own else ()


@functools.lru_cache(maxsize=32)
def read(model: Model, self_contact: bool = True) -> Tree:
    """The model's constants; the class check has passed.

    Args:
        model: the compiled model.
        self_contact: whether moving geoms may touch each other.
    """
    mj = model.mj
    dofs = tuple(_dof(mj, i) for i in range(mj.nv))
    found = contact_pairs(mj)
    pairs = tuple(pair_of(mj, *pair) for pair in (*found.planes, *found.still, *(found.moving if self_contact else ())))
    ties = ties_of(mj)
    fast = int(mj.opt.integrator) == int(mujoco.mjtIntegrator.mjINT_IMPLICITFAST)
    return Tree(
        nq=mj.nq,
        nv=mj.nv,
        bodies=tuple(_body(mj, b) for b in range(mj.nbody)),
        dofs=dofs,
        actuators=() if disabled(mj, "ACTUATION") else tuple(_actuator(mj, i) for i in range(mj.nu)),
        pairs=pairs,
        ties=ties,
        below=filled(mj, [dof.parents for dof in dofs], pairs, ties),
        geoms=tuple(
            Place(int(mj.geom_bodyid[g]), numbers(mj.geom_pos[g]), numbers(mj.geom_quat[g])) for g in range(mj.ngeom)
        ),
        sites=tuple(
            Place(int(mj.site_bodyid[s]), numbers(mj.site_pos[s]), numbers(mj.site_quat[s])) for s in range(mj.nsite)
        ),
        timestep=float(mj.opt.timestep),
        impratio=float(mj.opt.impratio),
        elliptic=int(mj.opt.cone) == int(mujoco.mjtCone.mjCONE_ELLIPTIC),
        refsafe=not disabled(mj, "REFSAFE"),
        implicit_damping=not fast and not disabled(mj, "EULERDAMP", "DAMPER"),
        implicit_fast=fast,
        gravity=not disabled(mj, "GRAVITY"),
        springs=not disabled(mj, "SPRING"),
        dampers=not disabled(mj, "DAMPER"),
        magnetic=numbers(mj.opt.magnetic),
    )


def _body(mj: mujoco.MjModel, b: int) -> Body:
    first = int(mj.body_jntadr[b])
    joints = tuple(_joint(mj, j) for j in range(first, first + int(mj.body_jntnum[b])))
    return Body(
        parent=int(mj.body_parentid[b]),
        pos=numbers(mj.body_pos[b]),
        quat=numbers(mj.body_quat[b]),
        principal=quat_matrix(numbers(mj.body_iquat[b])),
        joints=joints,
        tree=int(mj.body_treeid[b]),
    )


def _joint(mj: mujoco.MjModel, j: int) -> Joint:
    kind, qpos, dof = int(mj.jnt_type[j]), int(mj.jnt_qposadr[j]), int(mj.jnt_dofadr[j])
    width = {FREE: 7, BALL: 4}.get(kind, 1)
    limited = mj.jnt_limited[j] and not disabled(mj, "LIMIT", "CONSTRAINT")
    return Joint(
        kind=kind,
        dof=dof,
        qpos=qpos,
        axis=numbers(mj.jnt_axis[j]),
        pos=numbers(mj.jnt_pos[j]),
        zero=float(mj.qpos0[qpos]),
        spring=numbers(mj.qpos_spring[qpos : qpos + width]),
        stiffness=float(mj.jnt_stiffness[j]),
        limit=numbers(mj.jnt_range[j]) if limited else None,
        margin=float(mj.jnt_margin[j]),
        solref=numbers(mj.jnt_solref[j]),
        solimp=numbers(mj.jnt_solimp[j]),
        invweight=float(mj.dof_invweight0[dof]),
        force_range=numbers(mj.jnt_actfrcrange[j]) if mj.jnt_actfrclimited[j] else None,
    )


def _dof(mj: mujoco.MjModel, i: int) -> Dof:
    parents, at = [], int(mj.dof_parentid[i])
    while at >= 0:
        parents.append(at)
        at = int(mj.dof_parentid[at])
    return Dof(
        parents=tuple(parents),
        body=int(mj.dof_bodyid[i]),
        rubs=bool(mj.dof_frictionloss[i] > 0) and not disabled(mj, "FRICTIONLOSS", "CONSTRAINT"),
        solref=numbers(mj.dof_solref[i]),
        solimp=numbers(mj.dof_solimp[i]),
        invweight=float(mj.dof_invweight0[i]),
    )


def _actuator(mj: mujoco.MjModel, i: int) -> Actuator:
    joint = int(mj.actuator_trnid[i, 0])
    clamped = mj.actuator_ctrllimited[i] and not disabled(mj, "CLAMPCTRL")
    return Actuator(
        dof=int(mj.jnt_dofadr[joint]),
        qpos=int(mj.jnt_qposadr[joint]),
        zero=float(mj.qpos0[mj.jnt_qposadr[joint]]),
        gear=float(mj.actuator_gear[i, 0]),
        affine_gain=int(mj.actuator_gaintype[i]) == int(mujoco.mjtGain.mjGAIN_AFFINE),
        affine_bias=int(mj.actuator_biastype[i]) == int(mujoco.mjtBias.mjBIAS_AFFINE),
        ctrl_range=numbers(mj.actuator_ctrlrange[i]) if clamped else None,
        limited=bool(mj.actuator_forcelimited[i]),
    )
