"""The figures of a walking recipe, made from a robot: each a number without a unit times the robot's own sizes."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from ..errors import WildRobotError
from ..robots import Robot
from . import gaits
from .gaits import Gait
from .scales import Scales

GaitName = Literal["auto", "two_beat", "trot", "pace", "bound", "pronk", "walk", "tripod"]
"""A gait by name; `auto`: that of the number of legs."""

_GAITS: dict[str, Callable[..., Gait]] = {
    name: getattr(gaits, name) for name in ("two_beat", "trot", "pace", "bound", "pronk", "walk", "tripod")
}
_BY_LEGS = {1: "two_beat", 2: "two_beat", 4: "trot", 6: "tripod"}
_SWING = {"two_beat": 0.4, "walk": 0.25}  # share of the cycle; of the others half
_DIGITS = 5  # significant ones, to which figures are rounded
_SATURATING = 2.11  # share of the torque limit that a servo gives at once for a unit of action
_SCALES = (0.15, 0.6)  # rad per unit of action, least and greatest
_QUICK = 3.0  # of a servo's rate times T, below which wider targets make up for its lag, at most twice as wide
_STRIDE = 1.02697  # leg lengths that the base moves in a cycle, at most, where the cycle is longer than 3.29 T
_ANSWERS = 6.0  # of the legs' servos' rate times the period, at least: they follow no quicker clock
_DEADBAND = 1 / 13  # of the fastest command, at most: the gate's slowest is two of its thirteenths
_TRACK_WIDTH = 3 / 13  # of the fastest command, at most: a wider kernel pays for standing still
_OF_RANGE = 0.7  # share of a joint's range that a unit of action may be at most


@dataclasses.dataclass(frozen=True)
class Choice:
    """One figure that a recipe chose for a robot.

    Args:
        name: of the figure.
        value: it, in `unit`.
        unit: such as "m/s".
        rule: what it follows from.
    """

    name: str
    value: Any
    unit: str
    rule: str

    @property
    def text(self) -> str:
        """The value."""
        if isinstance(self.value, float):
            return f"{self.value:.4g}"
        if isinstance(self.value, tuple):
            return ", ".join(f"{item:.3g}" if isinstance(item, float) else str(item) for item in self.value) or "none"
        return str(self.value)


def _scaled(share: float, unit: str, rule: str, length: float = 0.0, time: float = 0.0, weight: float = 0.0) -> Any:
    """A field that is `share * L^length * T^time * W^weight`."""
    return dataclasses.field(metadata={"share": share, "powers": (length, time, weight), "unit": unit, "rule": rule})


def _said(unit: str, rule: str) -> Any:
    """A field that follows from the robot by a rule of its own."""
    return dataclasses.field(metadata={"unit": unit, "rule": rule})


@dataclasses.dataclass(frozen=True)
class WalkDesign:
    """What `recipes/walk.py` is made of, in SI units, for one robot: `WalkDesign.of(robot)`.

    Every figure with a unit follows from the robot's leg length L, weight W, time T = sqrt(L / g)
    and servos, so that a robot twice as large in every respect gets figures that make it walk
    alike. Figures are rounded to five significant digits.

    Args:
        scales: the robot's sizes.
        given: names of the figures that were given, and do not follow from it.
        gait: its name, by the number of legs.
        standing: told to stand, it stands; a robot whose feet cannot bear it at rest steps on the spot instead.
        held: joints that are kept near home: those of no leg, and those at the hips that swing it sideways or turn it.
        steps: to train for: arms and waists that are not needed take longer to be left alone.
        action_scale: what a unit of action moves each target by, rad: 0.15 to 0.6 (1.2 of servos that are slow against
            T), and at most 0.7 of the range.
        swing: share of the cycle that a foot is in the air.
        max_speed: the fastest command, m/s: a Froude number of 0.097; of slow servos as many leg lengths in a cycle.
        deadband: commands below it mean to stand, m/s.
        interval: mean time between commands, s.
        heading_gain, heading_limit: of the heading hold, 1/s and rad/s.
        period: of the gait's cycle, s; longer where the legs' servos, by their stiffness over their damping, follow
            none so quick.
        clearance, clearance_width: peak of a sole's curve, and the error at which it earns 1/e, m.
        load: force from which a foot counts as loaded, N.
        track_width, lateral_width, yaw_width: error at which a speed earns 1/e, m/s and rad/s.
        track_slope: pull far from the commanded speed, per m/s.
        lateral_slope: pull against the least of drift, per m/s; a quadruped that was told to walk slowly drifted.
        slip_weight, height_weight: of penalties, per second and square of what is off.
        torque_weight, speed_weight, rate_weight, still_weight: of sums over joints: the more there are, the less.
        still_time: by which joint speeds count beside angles while standing, s.
        joint_velocity_noise, base_velocity_noise, drop: of first poses, rad/s, m/s and m above the floor.
        episode_length: s, short: what falls, falls where a fast command meets a robot that stands.
    """

    scales: Scales
    given: tuple[str, ...]
    gait: str = _said("", "by the number of legs")
    standing: bool = _said("", "what its feet touch in the home pose")
    held: tuple[str, ...] = _said("", "by kinematics")
    steps: int = _said("", "1,000,000; 100,000 a joint of more than 14")
    action_scale: tuple[float, ...] = _said("rad", "2.11 torque limit / gain")
    swing: float = _said("1", "by the gait")
    max_speed: float = _scaled(0.311782, "m/s", "0.312 sqrt(g L), 1.03 L in a cycle", 1, -1)
    deadband: float = _scaled(0.0239832, "m/s", "0.024 sqrt(g L), 1/13 of max speed", 1, -1)
    interval: float = _scaled(18.822, "s", "18.8 T", time=1)
    heading_gain: float = _scaled(0.318776, "1/s", "0.319 / T", time=-1)
    heading_limit: float = _scaled(0.12751, "rad/s", "0.128 / T", time=-1)
    period: float = _scaled(3.293854, "s", "3.29 T, 6 / servo rate", time=1)
    clearance: float = _scaled(0.124138, "m", "0.124 L", 1)
    clearance_width: float = _scaled(0.0716942, "m", "0.0717 L", 1)
    load: float = _scaled(0.1, "N", "0.1 W", weight=1)
    track_width: float = _scaled(0.0719496, "m/s", "0.0719 sqrt(g L), 3/13 of max speed", 1, -1)
    track_slope: float = _scaled(1.042396, "s/m", "1.04 / sqrt(g L)", -1, 1)
    lateral_width: float = _scaled(0.0575597, "m/s", "0.0576 sqrt(g L)", 1, -1)
    lateral_slope: float = _said("s/m", "3.13 / sqrt(g L); 0 of two legs")
    yaw_width: float = _scaled(0.086787, "rad/s", "0.0868 / T", time=-1)
    slip_weight: float = _scaled(-17.385432, "s^2/m^2", "-17.4 / (g L)", -2, 2)
    height_weight: float = _scaled(-3.925934, "1/m^2", "-3.93 / L^2", -2)
    torque_weight: float = _said("1/(N m)^2", "-1.76 / joints / mean squared torque limit")
    speed_weight: float = _said("s^2/rad^2", "-18.6 / joints / mean squared no-load speed")
    rate_weight: float = _said("1", "-0.55 / joints")
    still_weight: float = _said("1/rad^2", "-11 / joints")
    still_time: float = _scaled(0.665459, "s", "0.665 T", time=1)
    joint_velocity_noise: float = _scaled(0.021252, "rad/s", "0.0213 / T", time=-1)
    base_velocity_noise: float = _scaled(0.0479664, "m/s", "0.048 sqrt(g L)", 1, -1)
    drop: float = _scaled(0.0112853, "m", "0.0113 L", 1)
    episode_length: float = _scaled(37.644, "s", "37.6 T", time=1)

    @staticmethod
    def of(robot: Robot, gait: GaitName = "auto", **given: float | bool | None) -> "WalkDesign":
        """The figures for a robot; those `given` and not None are taken as they are.

        `action_scale` is then one number (rad) for all joints.

        Raises:
            WildRobotError: the robot has no feet, no gait is known for so many, its hips are not above its soles,
                or `given` names no figure.
        """
        scales = Scales.of(robot)
        if not scales.length > 0.0:
            raise WildRobotError(
                f"The hips of robot {robot.name!r} are {scales.length:.3f} m above its soles in the home pose.",
                where=f"WalkDesign, robot {robot.name!r}",
                hint="mend [home] and [feet] of its robot.toml, so that it stands upright on the sites of its feet",
            )
        known = {
            field.name: field
            for field in dataclasses.fields(WalkDesign)
            if field.name not in ("scales", "given", "gait")
        }
        for name in given:
            if name not in known or name == "held":
                raise WildRobotError(
                    f"A walk has no figure {name!r}.", where="WalkDesign.of", hint=f"one of {', '.join(known)}"
                )
        chosen = _gait_name(robot, gait)
        rate = _servo_rate(robot)
        made: dict[str, Any] = {
            "standing": robot.can_stand,
            "held": held_joints(robot),
            "steps": 100_000 * robot.nu if robot.nu > 14 else 1_000_000,
            "action_scale": _action_scales(robot, min(max(_QUICK / (rate * scales.time), 1.0), 2.0)),
            "swing": _SWING.get(chosen, 0.5),
            "torque_weight": _rounded(-1.76 / robot.nu / _mean_square(np.asarray(robot.torque_limit))),
            "speed_weight": _rounded(-18.61702 / robot.nu / _mean_square(robot.servo.no_load_speed)),
            "lateral_slope": _rounded(3.127 / scales.speed) if scales.legs > 2 else 0.0,
            "rate_weight": _rounded(-0.55 / robot.nu),
            "still_weight": _rounded(-11.0 / robot.nu),
        }
        for name, field in known.items():
            if "share" in field.metadata:
                length, time, weight = field.metadata["powers"]
                size = scales.length**length * scales.time**time * scales.weight**weight
                made[name] = _rounded(field.metadata["share"] * size)
        if _ANSWERS / rate > made["period"]:
            made["period"] = _rounded(_ANSWERS / rate)
            made["max_speed"] = _rounded(_STRIDE * scales.length / made["period"])
        chosen_by_user = {name: value for name, value in given.items() if value is not None}
        for name, value in chosen_by_user.items():
            _check(name, value, made[name])
            made[name] = (float(value),) * robot.nu if name == "action_scale" else value
        # Slower than its legs would walk: what tells a command from standing still is slower, too.
        for name, most in (("deadband", _DEADBAND), ("track_width", _TRACK_WIDTH)):
            if name not in chosen_by_user:
                made[name] = min(made[name], _rounded(most * made["max_speed"]))
        return WalkDesign(scales=scales, gait=chosen, given=tuple(chosen_by_user), **made)

    def make_gait(self, robot: Robot) -> Gait:
        """The gait, with its period and its swing."""
        return _GAITS[self.gait](robot, period=self.period, swing=self.swing, rests=self.standing)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The robot's sizes and every figure, with what each follows from."""
        s = self.scales
        sizes = (
            Choice("leg length", _rounded(s.length), "m", "L, hips above soles"),
            Choice("weight", _rounded(s.weight), "N", "W"),
            Choice("time", _rounded(s.time), "s", "T = sqrt(L / g)"),
            Choice("speed", _rounded(s.speed), "m/s", "sqrt(g L), of Froude number 1"),
            Choice("legs", s.legs, "", "feet of its robot.toml"),
        )
        fields = [field for field in dataclasses.fields(self) if field.name not in ("scales", "given")]
        return (*sizes, *(self._choice(field) for field in fields))

    def _choice(self, field: Any) -> Choice:
        value = getattr(self, field.name)
        if field.name == "action_scale" and len(set(value)) == 1:
            value = value[0]
        rule = "as given" if field.name in self.given else field.metadata["rule"]
        return Choice(field.name, value, field.metadata["unit"], rule)


def _check(name: str, value: float | bool, usual: Any) -> None:
    """Refuse a figure that no walk can have: what is no weight is above 0, and all are finite."""
    if isinstance(value, bool):
        return
    weight = name.endswith("weight")
    if not np.isfinite(value) or (not weight and not value > 0.0) or (name == "swing" and not value < 1.0):
        usual = usual[0] if isinstance(usual, tuple) else usual
        raise WildRobotError(
            f"A walk cannot have {name.replace('_', ' ')} = {value:g}.",
            where=f"WalkDesign, {name}",
            hint=f"leave it out, for {usual:.7g} of this robot" if not weight else "take a finite number",
        )


def held_joints(robot: Robot) -> tuple[str, ...]:
    """Joints that walking does not need, in actuator order, found by kinematics and not by name.

    Those of no leg (a waist, arms, a neck), and those at the hips that swing a leg neither ahead nor up
    (`Leg.sideways`). An ankle that rolls is free: it lets the sole follow the floor.
    """
    legs = {joint.name for leg in robot.legs for joint in leg.joints}
    sideways = {name for leg in robot.legs for name in leg.sideways}
    return tuple(name for name in robot.joint_names if name not in legs or name in sideways)


def _gait_name(robot: Robot, gait: str) -> str:
    if gait != "auto":
        return gait
    n = len(robot.feet)
    if n not in _BY_LEGS:
        raise WildRobotError(
            f"No gait is known for the {n} feet of robot {robot.name!r}.",
            where=f"WalkDesign, robot {robot.name!r}",
            hint="give the recipe a Gait of your own: one mid-swing per foot, as shares of the cycle",
        )
    return _BY_LEGS[n]


def _stiffness(robot: Robot) -> Float[np.ndarray, " nu"]:
    """Of each servo, N m/rad; infinite where an actuator is no position servo."""
    servo = np.array([kind == "position" for kind in robot.actuator_kind])
    return np.where(servo, np.maximum(-robot.model.mj.actuator_biasprm[:, 1], 1e-9), np.inf)


def _servo_rate(robot: Robot) -> float:
    """Stiffness over damping, 1/s, median over the legs: the rate at which a servo without a load closes in."""
    mj = robot.model.mj
    damping = np.maximum(-mj.actuator_biasprm[:, 2], 0.0) + mj.dof_damping[list(robot.joint_dof)]
    rates = _stiffness(robot) / np.maximum(damping, 1e-9)
    legs = {joint.name for leg in robot.legs for joint in leg.joints}
    own = [rate for name, rate in zip(robot.joint_names, rates) if name in legs]
    return float(np.median(own or rates))


def _action_scales(robot: Robot, wider: float) -> tuple[float, ...]:
    """What a unit of action moves each target by, rad.

    A servo of stiffness `kp` answers it at once with `kp * scale`, which is 2.11 times what it can give:
    weaker or softer servos get wider targets, within bounds, and no wider ones than the joint's range allows.
    The upper bound is `wider` where servos are slow.
    """
    kp = _stiffness(robot)
    low, high = np.asarray(robot.joint_range, np.float64).T
    scale = np.clip(_SATURATING * np.asarray(robot.torque_limit, np.float64) / kp, _SCALES[0], wider * _SCALES[1])
    return tuple(_rounded(float(value)) for value in np.minimum(scale, _OF_RANGE * (high - low)))


def _mean_square(values: Any) -> float:
    return float(np.mean(np.square(np.asarray(values, np.float64))))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
