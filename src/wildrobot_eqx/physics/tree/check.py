"""The class of models that the tree engine simulates; everything else is refused by name."""

import mujoco
import numpy as np

from ...errors import WildRobotError
from ...robots import Model
from .contact_sensors import MATCHED
from .model import BALL, FREE
from .pairs import ON_EACH_OTHER, ON_PLANES, contact_pairs, listed_pair
from .rays import SHAPES
from .sensors import NAMES, OBJECTS
from .ties import JOINT

_CONTACT_FORCE, _NETFORCE = 1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3
MOST_PAIRS = 32
"""Pairs of moving geoms: each adds 8% to what a biped's step computes and compiles."""
_ENABLED = ("OVERRIDE", "SLEEP", "DIAGEXACT", "IPC", "SPECULATIVE")
_COUNTS = {
    "ntendon": "tendons",
    "nflex": "flexes",
    "nplugin": "plugins",
    "nmocap": "mocap bodies",
    "na": "activation states of actuators",
    "nhistory": "delays",
    "nplastic": "plastic springs",
    "ngravcomp": "gravity compensation",
}
_FLAGS = {"flg_adhesion": "adhesion", "flg_surfacevel": "surface velocities"}
_POLYNOMIALS = {
    "jnt_stiffnesspoly": "polynomial joint stiffness",
    "dof_dampingpoly": "polynomial joint damping",
    "actuator_dampingpoly": "polynomial actuator damping",
    "actuator_damping": "actuator damping",
    "actuator_armature": "actuator armature",
}


def check_class(model: Model, ignore_self_contact: bool) -> None:
    """Refuse a model outside the class, with everything that puts it there.

    Raises:
        WildRobotError: the tree engine lacks something that the model uses.
    """
    mj = model.mj
    found = [*_options(mj), *_joints(mj), *_equalities(mj), *_actuators(mj), *_contacts(mj, ignore_self_contact)]
    found += _sensors(mj)
    if found:
        raise WildRobotError(
            "The tree engine cannot simulate this model: " + "; ".join(found) + ".",
            where="TreePhysics",
            hint="take --physics native, MuJoCo's own C engine, which has all of it"
            + ("; or TreePhysics(robot, ignore_self_contact=True)" if any("among moving" in f for f in found) else ""),
        )


def _options(mj: mujoco.MjModel) -> list[str]:
    opt, found = mj.opt, []
    known = {int(mujoco.mjtIntegrator.mjINT_EULER), int(mujoco.mjtIntegrator.mjINT_IMPLICITFAST)}
    if int(opt.integrator) not in known:
        found.append(f"its integrator is {_name(mujoco.mjtIntegrator, int(opt.integrator))}, not Euler or implicitfast")
    if opt.density or opt.viscosity:
        found.append("fluid forces (density or viscosity)")
    if opt.noslip_iterations:
        found.append("noslip iterations")
    if opt.disableactuator:
        found.append("disabled groups of actuators")
    for name in _ENABLED:
        if opt.enableflags & int(getattr(mujoco.mjtEnableBit, f"mjENBL_{name}")):
            found.append(f"the flag {name.lower()}")
    for name in ("SENSOR", "ACTUATION"):
        if opt.disableflags & int(getattr(mujoco.mjtDisableBit, f"mjDSBL_{name}")):
            found.append(f"{name.lower()} switched off by a flag")
    found += [f"{getattr(mj, n)} {what}" for n, what in _COUNTS.items() if getattr(mj, n)]
    found += [what for n, what in _FLAGS.items() if getattr(mj, n)]
    found += [what for n, what in _POLYNOMIALS.items() if np.any(getattr(mj, n))]
    if not mj.nv:
        found.append("it has no joints")
    return found


def _name(kinds: type, value: int) -> str:
    return kinds(value).name.split("_", 1)[1].lower()


def _joints(mj: mujoco.MjModel) -> list[str]:
    found = []
    if mj.opt.integrator == int(mujoco.mjtIntegrator.mjINT_IMPLICITFAST):
        for tree in range(mj.ntree):
            first = int(mj.tree_dofadr[tree])
            if mj.tree_dofnum[tree] == 6 and mj.jnt_type[mj.dof_jntid[first]] == FREE:
                found.append(f"the free body {mj.body(mj.dof_bodyid[first]).name!r} without joints under implicitfast")
    return found


def _actuators(mj: mujoco.MjModel) -> list[str]:
    found = []
    on_joint = {int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT)}
    gains = {int(mujoco.mjtGain.mjGAIN_FIXED), int(mujoco.mjtGain.mjGAIN_AFFINE)}
    biases = {int(mujoco.mjtBias.mjBIAS_NONE), int(mujoco.mjtBias.mjBIAS_AFFINE)}
    for i in range(mj.nactuator):
        lacks = []
        if int(mj.actuator_trntype[i]) not in on_joint or mj.jnt_type[mj.actuator_trnid[i, 0]] in (FREE, BALL):
            lacks.append("acts on no hinge or slide joint")
        if mj.actuator_dyntype[i] != int(mujoco.mjtDyn.mjDYN_NONE):
            lacks.append("has dynamics of its own")
        if int(mj.actuator_gaintype[i]) not in gains or int(mj.actuator_biastype[i]) not in biases:
            lacks.append("has a gain or bias that is neither fixed nor affine")
        if mj.actuator_ctrlnum[i] != 1 or mj.actuator_outnum[i] != 1:
            lacks.append("takes several commands")
        if lacks:
            found.append(f"the actuator {mj.actuator(i).name!r} {' and '.join(lacks)}")
    return found


def _equalities(mj: mujoco.MjModel) -> list[str]:
    found = []
    for kind in sorted({int(k) for k in mj.eq_type} - {JOINT}):
        found.append(f"{np.sum(mj.eq_type == kind)} equality constraints of the kind {_name(mujoco.mjtEq, kind)}")
    return found


def _contacts(mj: mujoco.MjModel, ignore_self_contact: bool) -> list[str]:
    pairs = contact_pairs(mj)
    moving = [] if ignore_self_contact else pairs.moving
    found = _shapes(mj, "among moving geoms", [p for p in moving if _kinds(mj, p) not in ON_EACH_OTHER])
    found += _shapes(mj, "with still geoms", [p for p in pairs.still if _kinds(mj, p) not in ON_EACH_OTHER])
    found += _shapes(mj, "on the ground", [p for p in pairs.planes if _kinds(mj, p)[1] not in ON_PLANES])
    if len(moving) > MOST_PAIRS:
        found.append(f"contacts among moving geoms in {len(moving)} pairs, more than the {MOST_PAIRS} that it takes")
    all_pairs = [*pairs.planes, *pairs.still, *moving]
    for pair in all_pairs:
        i = listed_pair(mj, *pair)
        even = i is None or mj.pair_dim[i] > 3 or mj.pair_friction[i, 0] == mj.pair_friction[i, 1]
        if not even or (i is not None and np.any(mj.pair_solreffriction[i])):
            found.append(f"anisotropic friction of a <pair> ({_pair(mj, pair)})")
    return found


def _kinds(mj: mujoco.MjModel, pair: tuple[int, int]) -> tuple[int, int]:
    return int(mj.geom_type[pair[0]]), int(mj.geom_type[pair[1]])


def _shapes(mj: mujoco.MjModel, where: str, wrong: list[tuple[int, int]]) -> list[str]:
    """What to say of pairs of geoms whose shapes the engine cannot bring together: once for each two shapes."""
    by_kind: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for pair in wrong:
        by_kind.setdefault(_kinds(mj, pair), []).append(pair)
    found = []
    for kinds, pairs in by_kind.items():
        first, second = (_name(mujoco.mjtGeom, kind) for kind in kinds)
        count = "" if len(pairs) == 1 else f"{len(pairs)} pairs, such as "
        found.append(f"contacts {where} of a {first} and a {second} ({count}{_pair(mj, pairs[0])})")
    return found


def _pair(mj: mujoco.MjModel, pair: tuple[int, int]) -> str:
    names = [mj.geom(g).name or mj.body(mj.geom_bodyid[g]).name for g in pair]
    return f"{names[0]!r} with {names[1]!r}"


def _sensors(mj: mujoco.MjModel) -> list[str]:
    found = []
    for i in range(mj.nsensor):
        kind, name = int(mj.sensor_type[i]), mj.sensor(i).name
        objects = [
            int(k)
            for k, j in ((mj.sensor_objtype[i], mj.sensor_objid[i]), (mj.sensor_reftype[i], mj.sensor_refid[i]))
            if j >= 0
        ]
        if kind not in NAMES or mj.sensor_delay[i] or np.any(mj.sensor_interval[i]):
            found.append(f"the sensor {name!r} ({_name(mujoco.mjtSensor, kind)})")
        elif NAMES[kind].startswith("FRAME") and not set(objects) <= set(OBJECTS):
            found.append(f"the sensor {name!r} of a camera's frame")
        elif NAMES[kind] == "TOUCH" and int(mj.site_type[mj.sensor_objid[i]]) not in SHAPES:
            found.append(f"the touch sensor {name!r}, whose site is no sphere, ellipsoid or box")
        elif NAMES[kind] == "CONTACT":
            data, reduce, _ = mj.sensor_intprm[i]
            if data != _CONTACT_FORCE or reduce != _NETFORCE or not set(objects) <= MATCHED:
                found.append(f"the contact sensor {name!r}, which needs data='force', reduce='netforce', no site")
    return found
