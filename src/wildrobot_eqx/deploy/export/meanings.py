"""What the numbers of an observation and of a reset mean, in words and by name: for programs that are not ours."""

import dataclasses
import inspect
from typing import Any

import numpy as np

from ...arrays import finite_or_none
from ...observe import AbstractTerm, CommandTerm, HingeAngles
from ...task import AbstractReset
from .robot_side import RobotSide

_XYZ = ("x", "y", "z")
MEANINGS = {
    "ProjectedGravity": "The direction in which gravity pulls, in the IMU's frame: R^T (0, 0, -1), where "
    "the quaternion "
    "(w, x, y, z) turns the IMU's frame into the world's. An IMU that is level reads (0, 0, -1); nose "
    "down by an angle a, "
    "its x is +sin(a).",
    "AngularVelocity": "The gyro's reading as it is.",
    "JointPositions": "Joint angles minus those of the home pose, in the order of `joints`.",
    "JointVelocities": "Joint speeds in the order of `joints`.",
    "LastAction": "The network's own output of the step before, as it came out: before scales, limits "
    "and filters. Zeros in "
    "the first step.",
    "FootSwitches": "1 while a foot's switch is closed, else 0, in the order of `feet`.",
    "HingeAngles": "First the sines of all hinges, then their cosines.",
}
GAIT = (
    "(sin, cos) of the phase, in that order. The phase is 0 in the first step and grows by 2 pi dt / "
    "period in each step "
    "after it. Asked to stand (a command whose size is below its deadband), the gait finishes the beat "
    "that it is in, and "
    "then the clock rests at phase 0 and both numbers are 0, from the first step on if it is asked to stand then. "
    "A clock that never rests (`rests` is false) goes on."
)
_RESET = {
    "joint_noise": "rad: each joint is off its home by up to so much, uniform, within its limits",
    "velocity_noise": "rad/s, and m/s of a floating base: each velocity is up to so much, uniform",
    "base_velocity_noise": "m/s, of a floating base, in place of velocity_noise",
    "drop": "m: the base begins so much above its home height; its heading is uniform",
}


def meaning(term: AbstractTerm) -> str:
    """What a term's numbers mean: of a term of somebody's own, the first paragraph of its class."""
    if isinstance(term, CommandTerm):
        if {channel.name for channel in term.channels} == {"phase_sin", "phase_cos"}:
            return GAIT
        return f"What is asked for by the command {term.command!r}, as `entries` names it; 0 below its deadband."
    own = inspect.cleandoc(type(term).__doc__ or type(term).__name__)
    return MEANINGS.get(type(term).__name__, " ".join(own.partition("\n\n")[0].split()))


def entries(term: AbstractTerm, side: RobotSide) -> list[str]:
    """A name for each of a term's numbers."""
    robot, size = side.robot, term.size
    if isinstance(term, CommandTerm):
        return [channel.name for channel in term.channels]
    if isinstance(term, HingeAngles):
        return [f"{part} {name}" for part in ("sin", "cos") for name in term.joints]
    if size == 3 and "imu" in term.frame.lower():
        return list(_XYZ)
    if term.frame.startswith(("joint", "action")) and size == robot.nu:
        return list(robot.joint_names)
    if term.frame == "foot" and size == len(robot.feet):
        return [foot.name for foot in robot.feet]
    return [f"{i}" for i in range(size)]


def describe_reset(reset: AbstractReset) -> dict[str, Any]:
    """How episodes begin: the class of the reset, its numbers, and what those that are known mean."""
    constants: dict[str, float] = {}
    for field in dataclasses.fields(reset):
        value = getattr(reset, field.name)
        if (
            isinstance(value, (bool, str))
            or value is None
            or np.ndim(value)
            or not np.issubdtype(np.asarray(value).dtype, np.number)
        ):
            continue
        number = finite_or_none(float(np.asarray(value)))
        if number is not None:
            constants[field.name] = number
    return {
        "kind": type(reset).__name__,
        "constants": constants,
        "meaning": {name: text for name, text in _RESET.items() if name in constants},
    }
