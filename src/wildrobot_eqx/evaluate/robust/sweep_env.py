"""One env in which each parameter of the sweep can be set, so that all of its levels are one batch."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...arrays import f32
from ...control import Backlash, CommandDelay, DCMotor, RandomCalibrationError, Servos
from ...env import Disturbances, Env
from ...observe import AbstractSensing, AngularVelocity, Bias, EncoderOffset, JointPositions
from ...physics import ScaleFriction, ScaleMass, TiltGravity
from ...robots import Robot
from ..rollout import judged_env
from ..walking.episodes import with_command
from .parts import Lack, lacking, no_base, no_contacts, no_imu, no_servos
from .push import NAME, TimedPush
from .wrong_world import hinge_offsets, with_sensing

DEGREE = float(np.pi / 180.0)


Point = tuple[str, float]
"""Which parameter is set, and to which level; `NOMINAL`: all are nominal."""
NOMINAL: Point = ("", 0.0)


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One thing that may be wrong, and how far the sweep takes it."""

    name: str
    label: str
    unit: str
    scale: float  # from stored to shown units
    nominal: float
    levels: tuple[float, ...]  # with the nominal one, rising

    @property
    def points(self) -> tuple[Point, ...]:
        """Each level's point of a sweep."""
        return tuple(NOMINAL if level == self.nominal else (self.name, level) for level in self.levels)

    def around(self, good: Sequence[bool]) -> tuple[float, float] | None:
        """The levels around the nominal one, without a gap, that are good; None where it is not good itself."""
        low = high = self.levels.index(self.nominal)
        if not good[low]:
            return None
        while low > 0 and good[low - 1]:
            low -= 1
        while high + 1 < len(good) and good[high + 1]:
            high += 1
        return self.levels[low], self.levels[high]

    def to_json(self, holds: tuple[float, float] | None, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Plain JSON values of what was found at each level, levels in the shown unit."""

        def shown(level: float) -> float:
            return float(f"{level * self.scale:.9g}")

        return {
            "name": self.name,
            "label": self.label,
            "unit": self.unit,
            "nominal": shown(self.nominal),
            "holds": None if holds is None else [shown(level) for level in holds],
            "levels": [{"level": shown(level), **entry} for level, entry in zip(self.levels, found)],
        }


def parameter(name: str, label: str, unit: str, scale: float, nominal: float, shown: tuple[float, ...]) -> Parameter:
    """Levels and nominal as they are shown."""
    return Parameter(name, label, unit, scale, nominal / scale, tuple(level / scale for level in shown))


PARAMETERS = (
    parameter("latency", "command latency", "ms", 1e3, 10, (0, 10, 20, 30, 40, 50, 60)),
    parameter("voltage", "battery voltage", "V", 1, 11.1, (9.6, 10.1, 10.6, 11.1, 11.6, 12.1, 12.6)),
    parameter("backlash", "backlash", "deg", 1 / DEGREE, 0, (0, 0.5, 1, 1.5, 2, 2.5, 3)),
    parameter("friction", "floor friction", "of nominal", 1, 1, (0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2)),
    parameter("mass", "mass", "% of nominal", 1e2, 100, (70, 80, 90, 100, 110, 120, 130)),
    parameter("encoder_offset", "encoder offset", "+-deg", 1 / DEGREE, 0, (0, 0.5, 1, 1.5, 2, 2.5, 3)),
    parameter("gyro_bias", "gyro bias", "rad/s std", 1, 0, (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)),
    parameter("tilt", "floor tilt", "deg", 1 / DEGREE, 0, (0, 1, 2, 3, 4, 5, 6)),
)
"""What is swept, in the order of the tables. docs/robustness.md defines each."""


def points_of(parameters: Sequence[Parameter]) -> list[Point]:
    """Where all are nominal, once, then every other level of every parameter."""
    return [NOMINAL, *(point for p in parameters for point in p.points if point != NOMINAL)]


def levels_of(parameters: Sequence[Parameter], points: Sequence[Point], episodes: int) -> dict[str, Float[Array, " n"]]:
    """By parameter its level in each of `episodes` episodes per point, point by point."""

    def levels(p: Parameter) -> Float[Array, " n"]:
        at = [level if name == p.name else p.nominal for name, level in points]
        return f32(np.repeat(np.asarray(at, np.float32), episodes))

    return {p.name: levels(p) for p in parameters}


_NEEDS: dict[str, Lack] = {
    "latency": no_servos,
    "voltage": no_servos,
    "backlash": no_servos,
    "friction": no_contacts,
    "gyro_bias": no_imu,
}


def parameters_of(robot: Robot) -> tuple[tuple[Parameter, ...], dict[str, str]]:
    """What is swept of a robot, and by name what is not, and why: it does not have it."""
    left_out = lacking(robot, _NEEDS)
    return tuple(p for p in PARAMETERS if p.name not in left_out), left_out


class SweepValues(eqx.Module):
    """The command and the value of every parameter in one episode; of a batch, one row per episode."""

    speed: Float[Array, "*batch"]  # m/s, the command
    motion: Float[Array, "*batch 2"]  # m/s to the left, and rad/s to the left: the command, too
    latency: Float[Array, "*batch"]  # s
    voltage: Float[Array, "*batch"]  # V
    backlash: Float[Array, "*batch"]  # rad
    friction: Float[Array, "*batch"]  # fraction of the nominal
    mass: Float[Array, "*batch"]  # fraction of the nominal
    encoder_offset: Float[Array, "*batch"]  # rad, largest
    gyro_bias: Float[Array, "*batch"]  # rad/s, standard deviation
    tilt: Float[Array, "*batch"]  # rad


def sweep_values(
    speeds: Float[Array, " n"],
    levels: dict[str, Float[Array, " n"]] | None = None,
    motions: Float[Array, "n 2"] | None = None,
) -> SweepValues:
    """Nominal values for one episode per speed (m/s), but for those in `levels`.

    `motions` are the speed to the left (m/s) and the turn (rad/s) beside each speed; none if None.
    """
    beside = jnp.zeros((*speeds.shape, 2), jnp.float32) if motions is None else motions
    nominal = {parameter.name: jnp.full(speeds.shape, f32(parameter.nominal)) for parameter in PARAMETERS}
    return SweepValues(speed=speeds, motion=beside, **{**nominal, **(levels or {})})


def make_sweep_env(env: Env, timestep: float) -> Env:
    """The recipe's env on the native engine, ideal but for a DC motor and 10 ms of latency; all parameters can be set.

    Encoder offsets and the gyro's bias reach the policy where it observes those readings. A
    push of a base waits to be aimed (`push.aim`). Servos that no model drives are the engine's own.
    `timestep` in s.
    """
    robot, stack = env.physics.robot, env.observations["policy"]
    kinds: dict[type, tuple[AbstractSensing, ...]] = {AngularVelocity: (Bias(0.0),), JointPositions: (EncoderOffset(),)}
    sensing = {name: kinds[type(term)] for name, term in stack.terms.items() if type(term) in kinds}
    judged = judged_env(env, timestep)
    disturbances = Disturbances(
        randomisers=(ScaleMass(), ScaleFriction(), TiltGravity()),
        servos=_servos(robot, 2 - judged.physics.n_substeps % 2) if no_servos(robot) is None else None,
        calibration=RandomCalibrationError(imu_angle=f32((0.0, 0.0))),
        events={NAME: TimedPush(robot)} if no_base(robot) is None else {},
    )
    observations = {"policy": with_sensing(stack, sensing | hinge_offsets(robot, stack))}
    return dataclasses.replace(judged, disturbances=disturbances, observations=observations)


def _servos(robot: Robot, updates: int) -> Servos:
    longest = max(PARAMETERS[0].levels)
    parts = {"delay": CommandDelay((0.0, longest)), "motor": DCMotor(robot), "backlash": Backlash()}
    return Servos(robot, parts, updates)


def with_values(env: Env, values: SweepValues) -> Env:
    """An env of `make_sweep_env` with its parameters set and its velocity commanded; only array leaves change."""
    return with_command(with_parameters(env, values), values.speed, values.motion)


def with_parameters(env: Env, values: SweepValues) -> Env:
    """As `with_values`, without a command; parameters that the robot lacks change nothing."""

    def where(env: Env) -> list[Any]:
        disturbances = env.disturbances
        assert disturbances is not None
        assert disturbances.calibration is not None
        mass, friction, tilt = disturbances.randomisers
        assert isinstance(mass, ScaleMass)
        assert isinstance(friction, ScaleFriction)
        assert isinstance(tilt, TiltGravity)
        biases = [part for part in jax.tree.leaves(env.observations, is_leaf=_is_bias) if _is_bias(part)]
        return [
            disturbances.calibration.joint_offset,
            mass.range,
            friction.range,
            tilt.angle,
            *(bias.std for bias in biases),
            *_servo_fields(disturbances.servos),
        ]

    assert env.disturbances is not None
    driven = env.disturbances.servos is not None
    offset = jnp.stack([-values.encoder_offset, values.encoder_offset])
    fields = [offset, _both(values.mass), _both(values.friction), _both(values.tilt)]
    servos = [_both(values.latency), _both(values.voltage), _both(values.backlash)] if driven else []
    fields += [values.gyro_bias] * (len(where(env)) - len(fields) - len(servos))
    return eqx.tree_at(where, env, [*fields, *servos])


def _servo_fields(servos: Servos | None) -> list[Any]:
    """The fields that latency, voltage and backlash set, in this order; none of servos that no model drives."""
    if servos is None:
        return []
    delay, motor, backlash = (servos.parts[name] for name in ("delay", "motor", "backlash"))
    assert isinstance(delay, CommandDelay)
    assert isinstance(motor, DCMotor)
    assert isinstance(backlash, Backlash)
    return [delay.seconds, motor.voltage, backlash.play]


def _both(value: Float[Array, ""]) -> Float[Array, " 2"]:
    return jnp.stack([value, value])


def _is_bias(value: object) -> bool:
    return isinstance(value, Bias)
