"""Joints by name, those without an actuator included."""

from collections.abc import Sequence

import mujoco

from ..errors import WildRobotError, nearest
from .robot import Robot

_HINGE, _SLIDE = int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)
_ENCODERS = {int(mujoco.mjtSensor.mjSENS_JOINTPOS): "qpos", int(mujoco.mjtSensor.mjSENS_JOINTVEL): "qvel"}


def joint_addresses(robot: Robot, joints: Sequence[str], asker: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where hinges and slides lie in qpos and in qvel, in the order given.

    Args:
        robot: whose joints they are, with or without an actuator.
        joints: their names in the MJCF.
        asker: who asks, such as "HingeAngles".

    Raises:
        WildRobotError: there is no such joint, or it is neither a hinge nor a slide.
    """
    mj = robot.model.mj
    known = {mj.joint(i).name: i for i in range(mj.njnt) if mj.jnt_type[i] in (_HINGE, _SLIDE)}
    for name in joints:
        if name not in known:
            raise WildRobotError(
                f"Robot {robot.name!r} has no hinge or slide {name!r}.",
                where=f"{asker}, joints",
                hint=nearest(name, known),
            )
    found = [known[name] for name in joints]
    return tuple(int(mj.jnt_qposadr[i]) for i in found), tuple(int(mj.jnt_dofadr[i]) for i in found)


def need_hinges(robot: Robot, joints: Sequence[str], asker: str) -> None:
    """Refuse joints that slide, for an asker that takes sines and cosines of angles.

    Raises:
        WildRobotError: one of the joints is no hinge.
    """
    joint_addresses(robot, joints, asker)  # raises where there is none
    for name in joints:
        if robot.model.mj.joint(name).type[0] != _HINGE:
            raise WildRobotError(
                f"The joint {name!r} of robot {robot.name!r} is a slide, and {asker} wants hinges.",
                where=f"{asker}, joints",
                hint="name a hinge",
            )


def one_unit(units: Sequence[str]) -> str:
    """The unit of a vector: the entries' own where all have the same, else one for each, parted by commas."""
    return units[0] if len(set(units)) == 1 else ", ".join(units)


def joint_unit(robot: Robot, joints: Sequence[str], per: str = "") -> str:
    """The unit of a vector with an entry for each joint: rad of a hinge, m of a slide, and `per` after it.

    The joints have actuators, or are hinges and slides that `joint_addresses` knows; `per` is such as "/s".
    """
    slides = [robot.model.mj.joint(name).type[0] == _SLIDE for name in joints]
    return one_unit([("m" if slide else "rad") + per for slide in slides])


def encoded(robot: Robot, part: str) -> frozenset[int]:
    """The entries of `part` ("qpos" or "qvel") that sensors of the MJCF measure at a joint.

    These are the joints with a <jointpos> or a <jointvel>; a servo knows its own, too.
    """
    mj = robot.model.mj
    addresses = mj.jnt_qposadr if part == "qpos" else mj.jnt_dofadr
    of = [i for i in range(mj.nsensor) if _ENCODERS.get(int(mj.sensor_type[i])) == part]
    own = robot.joint_qpos if part == "qpos" else robot.joint_dof
    return frozenset((*own, *(int(addresses[mj.sensor_objid[i]]) for i in of)))


def site_of(robot: Robot, name: str, asker: str) -> int:
    """The number of the site called `name`.

    Raises:
        WildRobotError: the model has no such site.
    """
    mj = robot.model.mj
    known = {mj.site(i).name: i for i in range(mj.nsite)}
    if name not in known:
        raise WildRobotError(
            f"Robot {robot.name!r} has no site {name!r}.", where=f"{asker}, site", hint=nearest(name, known)
        )
    return known[name]


def measured_joints(robot: Robot) -> tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]:
    """Hinges and slides whose position is measured: names, and where they lie in qpos and in qvel.

    Those with an actuator come first, in its order, then those with a <jointpos> sensor alone.
    """
    mj, known = robot.model.mj, encoded(robot, "qpos") - set(robot.joint_qpos)
    others = [i for i in range(mj.njnt) if mj.jnt_type[i] in (_HINGE, _SLIDE) and int(mj.jnt_qposadr[i]) in known]
    names = (*robot.joint_names, *(mj.joint(i).name for i in others))
    qpos = (*robot.joint_qpos, *(int(mj.jnt_qposadr[i]) for i in others))
    return names, qpos, (*robot.joint_dof, *(int(mj.jnt_dofadr[i]) for i in others))
