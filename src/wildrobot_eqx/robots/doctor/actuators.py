"""Actuators: ranges of position servos, commands in degrees, and their order against that of the joints."""

from collections.abc import Iterator

import mujoco
import numpy as np
from jaxtyping import Float

from ..importing.ranges import ENDLESS, TURNS
from .finding import Finding, listed
from .subject import Subject
from .torque import is_position


def check_actuators(subject: Subject) -> Iterator[Finding]:
    """Ranges, units and order."""
    mj = subject.mj
    joints = [int(mj.actuator_trnid[a, 0]) for a in range(mj.nu)]
    position = [a for a in range(mj.nu) if is_position(mj, a)]
    bare = [a for a in position if not mj.actuator_ctrllimited[a]]
    if bare:
        free = [a for a in bare if not mj.jnt_limited[joints[a]]]
        yield Finding(
            "actuators",
            "fault" if free or subject.robot is not None else "note",
            "Position servos have no range: a policy may ask for any angle.",
            listed([f"joint {subject.joint_name(joints[a])!r}" for a in bare]),
            f"{len(bare)} of {len(position)} without a ctrlrange, {len(free)} of them without a joint's range, too",
            'inheritrange="1" on <position>, and a range on each <joint>',
        )
    turned = [
        a
        for a in position
        if mj.actuator_ctrllimited[a] and mj.jnt_type[joints[a]] == 3 and TURNS < np.abs(_angles(mj, a)).max() < ENDLESS
    ]
    if turned:
        low, high = _angles(mj, turned[0])
        yield Finding(
            "actuators",
            "fault",
            "The range of a position servo is beyond two turns: it is in degrees, or a torque.",
            listed([f"joint {subject.joint_name(joints[a])!r}" for a in turned]),
            f"[{low:.3g}, {high:.3g}] rad",
            "a ctrlrange in rad; <motor> for a torque",
        )
    driven = list(dict.fromkeys(j for a, j in enumerate(joints) if mj.actuator_trntype[a] == 0))
    if driven != sorted(driven):
        first = next(i for i, (a, b) in enumerate(zip(driven, sorted(driven))) if a != b)
        yield Finding(
            "actuators",
            "note",
            "Actuators stand in another order than the joints.",
            "<actuator>",
            f"actuator {first} drives {subject.joint_name(driven[first])!r}, "
            f"joint {first} of the driven ones is {subject.joint_name(sorted(driven)[first])!r}",
            "nothing, where all code goes by joint names; else list them in the joints' order",
        )


def _angles(mj: mujoco.MjModel, actuator: int) -> Float[np.ndarray, " 2"]:
    """The joint's angles (rad) that the ends of a position servo's command ask for: seen through gear and gains."""
    scale = -float(mj.actuator_biasprm[actuator, 1]) * float(mj.actuator_gear[actuator, 0])
    asked = mj.actuator_ctrlrange[actuator] * float(mj.actuator_gainprm[actuator, 0])
    return np.sort(asked / scale) if scale else np.zeros(2)
