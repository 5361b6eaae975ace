"""Ranges of joints that cannot be meant: written in degrees, or lost by MuJoCo on the way from a URDF."""

import math
from collections.abc import Collection

import mujoco

from ...errors import WildRobotError
from .findings import Findings
from .read import Source

TURNS, ENDLESS = 4.0 * math.pi, 1e3
"""rad: a limit between these two is in degrees, or a torque; one beyond the latter means that there is none."""
_HINGE = int(mujoco.mjtJoint.mjJNT_HINGE)
_NAMED = 4  # joints that a finding names


def check_ranges(source: Source, locked: Collection[str], findings: Findings) -> None:
    """Tell of joints whose range is not what their file's author meant.

    Args:
        source: the robot.
        locked: joints that become rigid, whose ranges do not matter.
        findings: where it is noted.

    Raises:
        WildRobotError: a range lies wholly beyond two turns, as only degrees do.
    """
    mj = source.mj
    joints = [mj.joint(j) for j in range(mj.njnt) if mj.joint(j).name not in locked]
    wide = []
    for joint in joints:
        name, (low, high) = joint.name, map(float, joint.range)
        if not mj.jnt_limited[joint.id] or mj.jnt_type[joint.id] != _HINGE:
            continue
        if low > TURNS or high < -TURNS:
            raise WildRobotError(
                f"The range of joint {name!r} is {low:.4g} to {high:.4g} rad, beyond two turns: that is in degrees.",
                where=str(source.path),
                hint="write limits in rad, as a URDF has them; in an MJCF set angle on <compiler>",
            )
        if TURNS < max(abs(low), abs(high)) < ENDLESS:
            wide.append(name)
    if wide:
        findings.add(
            "wide ranges", _listed(wide), "beyond two turns: in degrees, or meant as none", "guess", check=True
        )
    lost = [joint.name for joint in joints if joint.name in source.limits and not mj.jnt_limited[joint.id]]
    if lost:
        low, high = source.limits[lost[0]]
        why = f"the file's are empty or the wrong way round: {low:g} to {high:g} of {lost[0]}; they move without end"
        findings.add("ranges left out", _listed(lost), why, "sure", check=True)


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
