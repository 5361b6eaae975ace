"""A recipe whose robot is as it was identified: its nominal values are moved, and drawn within what is not known."""

import dataclasses
import logging
from typing import Any

import equinox as eqx
import numpy as np

from ..arrays import f32
from ..control import Backlash, CommandDelay, DCMotor, RandomCalibrationError, Servos
from ..env import Disturbances
from ..errors import WildRobotError
from ..identify.identified import Entry, Identified
from ..observe import ObservationStack
from ..observe.felt import feeling
from ..physics import (
    MemberRanges,
    ScaleArmature,
    ScaleDamping,
    ScaleFriction,
    ScaleFrictionLoss,
    ScaleGains,
    ScaleStrength,
)
from .recipe import Recipe

_log = logging.getLogger(__name__)
_REPLACED: dict[type, str] = {
    ScaleGains: "stiffness",
    ScaleStrength: "voltage",
    ScaleDamping: "damping",
    ScaleFrictionLoss: "friction",
    ScaleArmature: "armature",
    ScaleFriction: "sole_friction",
}
_LEFT_OUT = ("sole_softness", "gyro_bias")


def with_identified(recipe: Recipe, identified: Identified, where: str = "--identified") -> Recipe:
    """The recipe with what was identified of its robot as nominal values and ranges.

    Masses, centres of mass, gains and frictions are drawn by a `MemberRanges` behind the recipe's own randomisers;
    those of them that draw a factor for the same become 1. Delay and backlash take the place of the recipe's ranges in
    its servos, or are added; encoder zeros and the IMU's mounting become the mean of what is drawn of them, which the
    policy's readings feel, and joints are read as late as on the logs. A recipe's `DCMotor` runs at rated voltage,
    since gains were measured at the robot's own.

    Raises:
        WildRobotError: it is of another robot, or the robot's servos cannot have a delay.
    """
    robot = recipe.env.physics.robot
    identified.check_robot(robot, where)
    if not identified.entries:
        raise WildRobotError("Nothing was identified.", where=where, hint="identify the robot anew")
    old = recipe.env.disturbances or Disturbances()
    ranges = MemberRanges(
        robot,
        stiffness=_joint_spans(identified, "stiffness", robot.joint_names),
        strength=_span(identified, "voltage"),
        damping=_joint_spans(identified, "damping", robot.joint_names),
        friction=_joint_spans(identified, "friction", robot.joint_names),
        armature=_span(identified, "armature"),
        mass=_spans(identified, "mass"),
        shift=_spans(identified, "centre_of_mass"),
        sole_friction=_span(identified, "sole_friction"),
    )
    kept = []
    for randomiser in old.randomisers:
        kind = _REPLACED.get(type(randomiser))
        if kind is not None and identified.of_kind(kind):
            _log.info(f"identified: {type(randomiser).__name__} is left to what was identified")
            randomiser = eqx.tree_at(lambda r: r.range, randomiser, f32((1.0, 1.0)))
        kept.append(randomiser)
    for kind in _LEFT_OUT:
        if identified.of_kind(kind):
            _log.info(f"identified: {kind} is not used: no engine draws it")
    new = Disturbances(
        (*kept, ranges), _servos(recipe, old, identified), _calibration(old, identified, robot.joint_names), old.events
    )
    observations = dict(recipe.env.observations)
    stack = observations["policy"]
    if identified.ages or new.calibration is not None:
        felt = feeling(stack, calibration=new.calibration is not None, ages=identified.ages)
        terms = {name: stack.terms[name] for name in stack.names}
        observations["policy"] = ObservationStack(terms, sensing=felt, history=stack.history)
    env = dataclasses.replace(recipe.env, disturbances=new, observations=observations)
    return dataclasses.replace(recipe, env=env)


def _span(identified: Identified, kind: str) -> tuple[float, float]:
    entry = identified.of_kind(kind).get("")
    return (1.0, 1.0) if entry is None else (entry.low, entry.high)


def _spans(identified: Identified, kind: str) -> dict[str, tuple[float, float]]:
    return {member: (entry.low, entry.high) for member, entry in identified.of_kind(kind).items() if member}


def _joint_spans(identified: Identified, kind: str, joints: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Ranges by joint, of a kind that has one for each, one for all, or none."""
    shared = identified.of_kind(kind).get("")
    common = {} if shared is None else dict.fromkeys(joints, (shared.low, shared.high))
    return {**common, **_spans(identified, kind)}


def _servos(recipe: Recipe, old: Disturbances, identified: Identified) -> Servos | None:
    """The recipe's servos with the delay and the backlash that were identified."""
    new: dict[str, Any] = {}
    late = identified.of_kind("delay").get("")
    if late is not None:
        smooth = identified.of_kind("smoothing").get("")
        mean = 0.0 if smooth is None else 0.5 * smooth.value  # a straight line over so long is half of it late
        new["delay"] = CommandDelay((max(late.low + mean, 0.0), max(late.high + mean, 0.0)))
    plays = list(identified.of_kind("backlash").values())
    if plays:
        new["backlash"] = Backlash((max(min(e.low for e in plays), 0.0), max(e.high for e in plays)))
    if not new:
        return old.servos
    parts = {} if old.servos is None else {name: old.servos.parts[name] for name in old.servos.names}
    classes: dict[str, type] = {"delay": CommandDelay, "backlash": Backlash}
    for name, part in list(parts.items()):
        for kind, made in list(new.items()):
            if isinstance(part, classes[kind]):
                parts[name] = new.pop(kind, made)
        if isinstance(part, DCMotor) and identified.of_kind("stiffness"):
            rated = float(part.rated)
            parts[name] = dataclasses.replace(part, voltage=f32((rated, rated)), strength=f32((1.0, 1.0)))
    if "delay" in new:
        parts = {"delay": new.pop("delay"), **parts}
    parts |= new
    robot = recipe.env.physics.robot
    return Servos(robot, parts, 1 if old.servos is None else old.servos.updates)


def _calibration(old: Disturbances, identified: Identified, joints: tuple[str, ...]) -> RandomCalibrationError | None:
    zeros, tilt = identified.of_kind("servo_zero"), identified.of_kind("imu_tilt")
    if not zeros and not tilt:
        return old.calibration
    before = old.calibration
    spread, angle = (0.0, 0.0), (0.0, 0.0)
    if before is not None:
        spread, angle = tuple(before.joint_offset.tolist()), tuple(before.imu_angle.tolist())
    if zeros:
        half = max(_half(entry) for entry in zeros.values())
        spread = (-half, half)
    if tilt:
        angle = (0.0, max(_half(entry) for entry in tilt.values()))
    return RandomCalibrationError(
        spread,
        angle,
        [zeros[name].value if name in zeros else 0.0 for name in joints],
        [tilt[axis].value if axis in tilt else 0.0 for axis in "xyz"],
    )


def _half(entry: Entry) -> float:
    return float(np.float64(0.5) * (entry.high - entry.low))
