"""One env in which each parameter of the sweep is a dial, so that all of its levels are one batch."""

import dataclasses
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
from ..rollout import judged_env
from ..walking.episodes import with_command
from .push import NAME, TimedPush
from .wrong_world import with_sensing

DEGREE = float(np.pi / 180.0)


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One thing that may be wrong, and how far the sweep takes it."""

    name: str
    label: str
    unit: str
    scale: float  # from stored to shown units
    nominal: float
    levels: tuple[float, ...]  # with the nominal one, rising


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
"""What is swept, in the order in which it is told. docs/robustness.md defines each."""


class Dials(eqx.Module):
    """Where every parameter stands in one episode; of a batch, one row per episode."""

    speed: Float[Array, "*batch"]  # m/s, the command
    motion: Float[Array, "*batch 2"]  # m/s to the left, and rad/s to the left: the command, too
    latency: Float[Array, "*batch"]  # s
    voltage: Float[Array, "*batch"]  # V
    backlash: Float[Array, "*batch"]  # rad
    friction: Float[Array, "*batch"]  # share of the nominal
    mass: Float[Array, "*batch"]  # share of the nominal
    encoder_offset: Float[Array, "*batch"]  # rad, largest
    gyro_bias: Float[Array, "*batch"]  # rad/s, standard deviation
    tilt: Float[Array, "*batch"]  # rad


def dials(
    speeds: Float[Array, " n"],
    turned: dict[str, Float[Array, " n"]] | None = None,
    motions: Float[Array, "n 2"] | None = None,
) -> Dials:
    """Nominal dials for one episode per speed (m/s), but for those that are `turned`.

    `motions` are the speed to the left (m/s) and the turn (rad/s) beside each speed; none if None.
    """
    beside = jnp.zeros((*speeds.shape, 2), jnp.float32) if motions is None else motions
    nominal = {parameter.name: jnp.full(speeds.shape, f32(parameter.nominal)) for parameter in PARAMETERS}
    return Dials(speed=speeds, motion=beside, **{**nominal, **(turned or {})})


def dial_env(env: Env, timestep: float) -> Env:
    """The recipe's env on the native engine, perfect but for a DC motor and 10 ms of latency, with all dials in it.

    Encoder offsets and the gyro's bias reach the policy where it observes those readings. A
    push waits to be aimed (`push.aim`). `timestep` in s.
    """
    robot, stack = env.physics.robot, env.observations["policy"]
    kinds: dict[type, tuple[AbstractSensing, ...]] = {AngularVelocity: (Bias(0.0),), JointPositions: (EncoderOffset(),)}
    sensing = {name: kinds[type(term)] for name, term in stack.terms.items() if type(term) in kinds}
    longest = max(PARAMETERS[0].levels)
    judged = judged_env(env, timestep)
    servos = {
        "delay": CommandDelay((0.0, longest)),
        "motor": DCMotor(robot),
        "backlash": Backlash(),
    }
    disturbances = Disturbances(
        randomisers=(ScaleMass(), ScaleFriction(), TiltGravity()),
        servos=Servos(robot, servos, 2 - judged.physics.n_substeps % 2),
        calibration=RandomCalibrationError(imu_angle=f32((0.0, 0.0))),
        events={NAME: TimedPush(robot)},
    )
    seen = {"policy": with_sensing(stack, sensing)}
    return dataclasses.replace(judged, disturbances=disturbances, observations=seen)


def turn(env: Env, dials: Dials) -> Env:
    """An env of `dial_env` with its dials turned; only array leaves change."""

    def where(env: Env) -> list[Any]:
        disturbances = env.disturbances
        assert disturbances is not None
        assert disturbances.servos is not None
        assert disturbances.calibration is not None
        delay, motor, backlash = (disturbances.servos.parts[name] for name in ("delay", "motor", "backlash"))
        mass, friction, tilt = disturbances.randomisers
        assert isinstance(delay, CommandDelay)
        assert isinstance(motor, DCMotor)
        assert isinstance(backlash, Backlash)
        assert isinstance(mass, ScaleMass)
        assert isinstance(friction, ScaleFriction)
        assert isinstance(tilt, TiltGravity)
        biases = [part for part in jax.tree.leaves(env.observations, is_leaf=_is_bias) if _is_bias(part)]
        return [
            delay.seconds,
            motor.voltage,
            backlash.play,
            disturbances.calibration.joint_offset,
            mass.range,
            friction.range,
            tilt.angle,
            *(bias.std for bias in biases),
        ]

    def both(value: Float[Array, ""]) -> Float[Array, " 2"]:
        return jnp.stack([value, value])

    offset = jnp.stack([-dials.encoder_offset, dials.encoder_offset])
    values = [both(dials.latency), both(dials.voltage), both(dials.backlash), offset]
    values += [both(dials.mass), both(dials.friction), both(dials.tilt)]
    values += [dials.gyro_bias] * (len(where(env)) - len(values))
    return with_command(eqx.tree_at(where, env, values), dials.speed, dials.motion)


def _is_bias(value: object) -> bool:
    return isinstance(value, Bias)
