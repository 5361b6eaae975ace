"""What the tree engine reads of a compiled MuJoCo model, as plain Python values known while tracing."""

import dataclasses
import functools
from typing import Any

import mujoco
import numpy as np

from ...robots import Model
from .spatial import Mat, Quat, Vec, quat_matrix

FREE, BALL, SLIDE, HINGE = (int(getattr(mujoco.mjtJoint, f"mjJNT_{n}")) for n in ("FREE", "BALL", "SLIDE", "HINGE"))
PLANE, SPHERE, CAPSULE, ELLIPSOID, BOX = (
    int(getattr(mujoco.mjtGeom, f"mjGEOM_{n}")) for n in ("PLANE", "SPHERE", "CAPSULE", "ELLIPSOID", "BOX")
)
ROUND = {SPHERE, CAPSULE, ELLIPSOID, BOX}
MIN_MU = 1e-5  # mjMINMU: a contact's least friction


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
class Pair:
    """A geom that may touch a plane; mixed parameters as MuJoCo mixes them."""

    plane: int
    geom: int
    body: int
    kind: int
    size: Vec
    condim: int
    margin: float
    solref: tuple[float, ...]
    solimp: tuple[float, ...]
    friction_of: tuple[int, ...]  # geoms of whose friction the larger counts
    listed: int | None  # the <pair> whose friction counts in place of the geoms'
    invweight: float


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


def _vec(a: Any) -> Any:
    """The numbers of an array, as many as there are: a vector, a quaternion, a range."""
    return tuple(float(x) for x in np.asarray(a).ravel())


def disabled(mj: mujoco.MjModel, *names: str) -> bool:
    """Whether any of these features is switched off."""
    return any(mj.opt.disableflags & int(getattr(mujoco.mjtDisableBit, f"mjDSBL_{name}")) for name in names)


@functools.lru_cache(maxsize=32)
def read(model: Model) -> Tree:
    """The model's constants; the class check has passed."""
    mj = model.mj
    fast = int(mj.opt.integrator) == int(mujoco.mjtIntegrator.mjINT_IMPLICITFAST)
    return Tree(
        nq=mj.nq,
        nv=mj.nv,
        bodies=tuple(_body(mj, b) for b in range(mj.nbody)),
        dofs=tuple(_dof(mj, i) for i in range(mj.nv)),
        actuators=() if disabled(mj, "ACTUATION") else tuple(_actuator(mj, i) for i in range(mj.nu)),
        pairs=tuple(_pair(mj, p, g) for p, g in contact_pairs(mj)[0]),
        geoms=tuple(
            Place(int(mj.geom_bodyid[g]), _vec(mj.geom_pos[g]), _vec(mj.geom_quat[g])) for g in range(mj.ngeom)
        ),
        sites=tuple(
            Place(int(mj.site_bodyid[s]), _vec(mj.site_pos[s]), _vec(mj.site_quat[s])) for s in range(mj.nsite)
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
        magnetic=_vec(mj.opt.magnetic),
    )


def _body(mj: mujoco.MjModel, b: int) -> Body:
    first = int(mj.body_jntadr[b])
    joints = tuple(_joint(mj, j) for j in range(first, first + int(mj.body_jntnum[b])))
    return Body(
        parent=int(mj.body_parentid[b]),
        pos=_vec(mj.body_pos[b]),
        quat=_vec(mj.body_quat[b]),
        principal=quat_matrix(_vec(mj.body_iquat[b])),
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
        axis=_vec(mj.jnt_axis[j]),
        pos=_vec(mj.jnt_pos[j]),
        zero=float(mj.qpos0[qpos]),
        spring=_vec(mj.qpos_spring[qpos : qpos + width]),
        stiffness=float(mj.jnt_stiffness[j]),
        limit=_vec(mj.jnt_range[j]) if limited else None,
        margin=float(mj.jnt_margin[j]),
        solref=_vec(mj.jnt_solref[j]),
        solimp=_vec(mj.jnt_solimp[j]),
        invweight=float(mj.dof_invweight0[dof]),
        force_range=_vec(mj.jnt_actfrcrange[j]) if mj.jnt_actfrclimited[j] else None,
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
        solref=_vec(mj.dof_solref[i]),
        solimp=_vec(mj.dof_solimp[i]),
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
        ctrl_range=_vec(mj.actuator_ctrlrange[i]) if clamped else None,
        limited=bool(mj.actuator_forcelimited[i]),
    )


def contact_pairs(mj: mujoco.MjModel) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs of geoms that may touch: (plane that never moves, other geom), and all others.

    Source of the rules: MuJoCo's documentation, Computation, "Collision detection", Selection.
    """
    if disabled(mj, "CONTACT", "CONSTRAINT"):
        return [], []
    excluded = {int(s) for s in mj.exclude_signature}
    weld, parent = mj.body_weldid, mj.body_parentid
    found: set[tuple[int, int]] = set()
    for a in range(mj.ngeom):
        for b in range(a + 1, mj.ngeom):
            body = sorted((int(mj.geom_bodyid[a]), int(mj.geom_bodyid[b])))
            w1, w2 = (int(weld[x]) for x in body)
            p1, p2 = (int(weld[parent[w]]) for w in (w1, w2))
            touches = (mj.geom_contype[a] & mj.geom_conaffinity[b]) or (mj.geom_contype[b] & mj.geom_conaffinity[a])
            related = w1 and w2 and (w1 == p2 or w2 == p1) and not disabled(mj, "FILTERPARENT")
            if touches and w1 != w2 and not related and (body[0] << 16) + body[1] not in excluded:
                found.add((a, b))
    found |= {tuple(sorted(pair)) for pair in zip(mj.pair_geom1.tolist(), mj.pair_geom2.tolist())}
    planes: list[tuple[int, int]] = []
    others: list[tuple[int, int]] = []
    for a, b in sorted(found):
        first, second = (a, b) if mj.geom_type[a] == PLANE else (b, a)
        plane = mj.geom_type[first] == PLANE and weld[mj.geom_bodyid[first]] == 0 and mj.geom_type[second] != PLANE
        (planes if plane else others).append((first, second) if plane else (a, b))
    return planes, others


def listed_pair(mj: mujoco.MjModel, a: int, b: int) -> int | None:
    """The index of the <pair> of these geoms, if the model lists one."""
    for i, pair in enumerate(zip(mj.pair_geom1.tolist(), mj.pair_geom2.tolist())):
        if set(pair) == {a, b}:
            return i
    return None


def contact_dim(mj: mujoco.MjModel, plane: int, geom: int) -> int:
    """The condim of the two geoms' contacts."""
    return _pair(mj, plane, geom).condim


def _pair(mj: mujoco.MjModel, plane: int, geom: int) -> Pair:
    """Source of the mixing rules: MuJoCo's documentation, Modeling, "Contact parameters"."""
    p1, p2 = int(mj.geom_priority[plane]), int(mj.geom_priority[geom])
    body = int(mj.geom_bodyid[geom])
    listed = listed_pair(mj, plane, geom)
    friction: tuple[int, ...] = ()
    margin = float(mj.geom_margin[plane] + mj.geom_margin[geom])
    if listed is not None:
        condim, solref, solimp = int(mj.pair_dim[listed]), mj.pair_solref[listed], mj.pair_solimp[listed]
        margin = float(mj.pair_margin[listed])
    elif p1 != p2:
        chosen = plane if p1 > p2 else geom
        condim, solref, solimp, friction = (
            int(mj.geom_condim[chosen]),
            mj.geom_solref[chosen],
            mj.geom_solimp[chosen],
            (chosen,),
        )
    else:
        s1, s2 = float(mj.geom_solmix[plane]), float(mj.geom_solmix[geom])
        tiny = 1e-15
        share = s1 / (s1 + s2) if min(s1, s2) >= tiny else 0.5 if max(s1, s2) < tiny else float(s1 >= tiny)
        refs = mj.geom_solref[plane], mj.geom_solref[geom]
        mixed = share * refs[0] + (1 - share) * refs[1]
        solref = mixed if refs[0][0] > 0 and refs[1][0] > 0 else np.minimum(*refs)
        solimp = share * mj.geom_solimp[plane] + (1 - share) * mj.geom_solimp[geom]
        condim, friction = int(max(mj.geom_condim[plane], mj.geom_condim[geom])), (plane, geom)
    return Pair(
        plane=plane,
        geom=geom,
        body=body,
        kind=int(mj.geom_type[geom]),
        size=_vec(mj.geom_size[geom]),
        condim=condim,
        margin=margin,
        solref=_vec(solref),
        solimp=_vec(solimp),
        friction_of=friction,
        listed=listed,
        invweight=float(mj.body_invweight0[body, 0] + mj.body_invweight0[mj.geom_bodyid[plane], 0]),
    )
