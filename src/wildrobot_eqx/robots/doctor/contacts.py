"""Contacts: parts that stand in each other at home, that always touch, and that never can."""

from collections.abc import Iterator

import mujoco
import numpy as np

from .finding import Finding
from .subject import Subject, is_scalar, may_touch, paired

_NOTE, _FAULT = 0.002, 0.01  # depth, share of the robot's size
_SAMPLES = 100  # poses within the joints' ranges
_CONTACT = int(mujoco.mjtSensor.mjSENS_CONTACT)


def check_contacts(subject: Subject) -> Iterator[Finding]:
    """Bodies of the robot that touch in every pose, and those that stand in something in the home pose."""
    always = _always(subject)
    for (a, b), depth in always.items():
        yield Finding(
            "contacts",
            # A URDF cannot say which parts may touch; whoever imports it must.
            "fault" if depth > _NOTE * subject.size and not subject.urdf else "note",
            "Two parts touch in every pose: their contact is work for the solver, and a force on their joints.",
            f"{subject.body_name(a)!r} and {subject.body_name(b)!r}",
            f"in {_SAMPLES} of {_SAMPLES} poses within the joints' ranges, at least {1e3 * depth:.2g} mm deep",
            "make the geoms smaller, take one out of collision (contype, conaffinity), or <exclude> the pair",
        )
    if subject.home is None:
        return
    mj, data = subject.mj, subject.at_home
    feet = {foot.body for foot in subject.feet}
    deepest: dict[tuple[int, int], float] = {}
    for contact in data.contact:
        a, b = sorted(int(mj.geom_bodyid[g]) for g in contact.geom if g >= 0)
        if not feet & {a, b} or mj.body_weldid[a] != 0:
            deepest[a, b] = max(deepest.get((a, b), 0.0), -float(contact.dist))
    for (a, b), depth in deepest.items():
        if depth > _NOTE * subject.size and {a, b} & set(subject.bodies) and (a, b) not in always:
            yield Finding(
                "contacts",
                "fault" if depth > _FAULT * subject.size else "note",
                "In the home pose two parts stand in each other: the solver drives them apart from the first step on.",
                f"{subject.body_name(a)!r} and {subject.body_name(b)!r}, {subject.home_from}",
                f"{1e3 * depth:.3g} mm deep",
                "change the home pose, make the geoms smaller, or <exclude> the pair",
            )


def _always(subject: Subject) -> dict[tuple[int, int], float]:
    """Pairs of the robot's own bodies that touch in every pose of their joints, and how deep at least, m."""
    mj = subject.mj
    own = set(subject.bodies)
    data = mujoco.MjData(mj)
    start = mj.qpos0 if subject.home is None else subject.home
    random = np.random.default_rng(0)
    always: dict[tuple[int, int], float] | None = None
    for sample in range(_SAMPLES):
        data.qpos[:] = start
        if sample:
            for j in range(mj.njnt):
                if is_scalar(mj, j) and int(mj.jnt_bodyid[j]) != subject.root:
                    low, high = mj.jnt_range[j] if mj.jnt_limited[j] else (-np.pi, np.pi)
                    data.qpos[mj.jnt_qposadr[j]] = random.uniform(low, high)
        mujoco.mj_kinematics(mj, data)
        mujoco.mj_comPos(mj, data)
        mujoco.mj_collision(mj, data)
        now: dict[tuple[int, int], float] = {}
        for contact in data.contact:
            a, b = sorted(int(mj.geom_bodyid[g]) if g >= 0 else 0 for g in contact.geom)
            if a in own and b in own and contact.dist < 0.0:
                now[a, b] = max(now.get((a, b), 0.0), -float(contact.dist))
        always = now if always is None else {p: min(d, now[p]) for p, d in always.items() if p in now}
        if not always:
            break
    return always or {}


def check_never(subject: Subject) -> Iterator[Finding]:
    """Feet that cannot touch the floor, contact sensors and pairs of geoms that cannot touch each other."""
    mj = subject.mj
    fixed = [g for g in range(mj.ngeom) if mj.body_weldid[mj.geom_bodyid[g]] == 0]
    for foot in subject.feet if fixed else ():
        if not any(_can(mj, g, f) for g in foot.geoms for f in fixed):
            yield Finding(
                "contacts",
                "fault",
                "A foot cannot touch the floor: their masks do not meet.",
                f"foot {foot.name!r}, body {subject.body_name(foot.body)!r}",
                f"none of its {len(foot.geoms)} geoms, against {len(fixed)} that stand still",
                "let contype of the one meet conaffinity of the other",
            )
    for i in range(mj.nsensor):
        if int(mj.sensor_type[i]) != _CONTACT:
            continue
        kinds = int(mj.sensor_objtype[i]), int(mj.sensor_reftype[i])
        a, b = int(mj.sensor_objid[i]), int(mj.sensor_refid[i])
        geom = int(mujoco.mjtObj.mjOBJ_GEOM)
        if kinds == (geom, geom) and not _can(mj, a, b):
            yield Finding(
                "contacts",
                "fault",
                "A contact sensor is between two geoms that cannot touch: it always reads 0.",
                f"sensor {mj.sensor(i).name!r}, geoms {subject.geom_name(a)!r} and {subject.geom_name(b)!r}",
                f"contype {mj.geom_contype[a]}, {mj.geom_contype[b]}; "
                f"conaffinity {mj.geom_conaffinity[a]}, {mj.geom_conaffinity[b]}",
                "let contype of the one meet conaffinity of the other, and take <exclude> away",
            )
    for a, b in zip(mj.pair_geom1, mj.pair_geom2):
        bodies = int(mj.geom_bodyid[a]), int(mj.geom_bodyid[b])
        if mj.body_weldid[bodies[0]] == mj.body_weldid[bodies[1]]:
            yield Finding(
                "contacts",
                "note",
                "A <pair> is of two geoms that move together: their distance never changes.",
                f"geoms {subject.geom_name(int(a))!r} and {subject.geom_name(int(b))!r}",
                f"both on {subject.body_name(bodies[0])!r}",
                "take the pair out",
            )


def _can(mj: mujoco.MjModel, a: int, b: int) -> bool:
    """Whether MuJoCo ever looks for contacts between two geoms."""
    together = set(zip(map(int, mj.pair_geom1), map(int, mj.pair_geom2)))
    if a in paired(mj) and ((a, b) in together or (b, a) in together):
        return True
    bodies = sorted((int(mj.body_weldid[mj.geom_bodyid[a]]), int(mj.body_weldid[mj.geom_bodyid[b]])))
    excluded = {int(s) for s in mj.exclude_signature}
    one, two = sorted((int(mj.geom_bodyid[a]), int(mj.geom_bodyid[b])))
    return may_touch(mj, a, b) and bodies[0] != bodies[1] and ((one << 16) + two) not in excluded
