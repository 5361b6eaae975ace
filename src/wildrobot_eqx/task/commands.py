"""Commands: what the robot is told, drawn at reset and redrawn on the way."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import f32
from ..observe import Command
from ..physics import PhysicsState, rotation
from ..robots import Robot, Sensor


class HeadingHold(eqx.Module):
    """Yaw rate that turns the robot back to its commanded heading, from its own IMU.

    `yaw_rate = clip(gain * wrap(target - heading), -limit, limit)`; the robot computes the
    same, so gain and limit belong to its contract.
    """

    gain: Float[Array, ""] = eqx.field(default=1.5, converter=f32)  # 1/s
    limit: Float[Array, ""] = eqx.field(default=0.6, converter=f32)  # rad/s

    def __call__(self, target: Float[Array, ""], heading: Float[Array, ""]) -> Float[Array, ""]:
        """The yaw rate, rad/s, for a commanded and a measured heading, rad."""
        return jnp.clip(self.gain * rotation.wrap_angle(target - heading), -self.limit, self.limit)


class VelocityCommand(eqx.Module):
    """A forward speed drawn from a range, or standing, redrawn about every `interval` seconds.

    Speeds below `deadband` become 0, which means: stand. The commanded heading is the one
    the IMU measured at the start of the episode.
    """

    quat: Sensor
    hold: HeadingHold
    speed_range: Float[Array, " 2"]  # m/s
    stand_probability: Float[Array, ""]
    interval: Float[Array, ""]  # s, mean time between redraws
    deadband: Float[Array, ""]  # m/s

    def __init__(
        self,
        robot: Robot,
        speed_range: tuple[float, float] = (0.0, 0.5),
        stand_probability: float = 0.1,
        interval: float = 6.0,
        deadband: float = 0.05,
        hold: HeadingHold | None = None,
    ):
        self.quat = robot.imu().quat
        self.hold = HeadingHold() if hold is None else hold
        self.speed_range = f32(speed_range)
        self.stand_probability = f32(stand_probability)
        self.interval = f32(interval)
        self.deadband = f32(deadband)

    def draw(self, key: PRNGKeyArray) -> Float[Array, ""]:
        """A commanded speed, m/s."""
        key_stand, key_speed = jax.random.split(key)
        low, high = self.speed_range
        speed = jax.random.uniform(key_speed, (), jnp.float32, low, high)
        stand = jax.random.bernoulli(key_stand, self.stand_probability) | (jnp.abs(speed) < self.deadband)
        return jnp.where(stand, 0.0, speed)

    def init(self, key: PRNGKeyArray, physics: PhysicsState) -> Command:
        """The command at the start of an episode, its heading zeroed at the IMU's."""
        zero = jnp.zeros((), jnp.float32)
        origin = rotation.yaw(self.quat.read(physics.sensordata))
        return Command(speed=self.draw(key), yaw_rate=zero, heading=zero, target=zero, origin=origin)

    def step(self, key: PRNGKeyArray, command: Command, physics: PhysicsState, dt: float) -> Command:
        """The command after `dt` seconds: heading measured anew, speed redrawn now and then."""
        key_when, key_what = jax.random.split(key)
        redraw = jax.random.uniform(key_when) < dt / self.interval
        heading = rotation.wrap_angle(rotation.yaw(self.quat.read(physics.sensordata)) - command.origin)
        return Command(
            speed=jnp.where(redraw, self.draw(key_what), command.speed),
            yaw_rate=self.hold(command.target, heading),
            heading=heading,
            target=command.target,
            origin=command.origin,
        )


class GaitClock(eqx.Module):
    """A phase that runs once per gait cycle; told to stand, it finishes the step it is in and rests at 0.

    The left foot swings in the first half of the cycle, the right one in the second.
    """

    period: Float[Array, ""] = eqx.field(default=0.7, converter=f32)  # s

    def step(self, phase: Float[Array, ""], moving: Float[Array, ""], dt: float) -> Float[Array, ""]:
        """The phase (rad, in [0, 2 pi)) after `dt` seconds."""
        advanced = phase + 2.0 * jnp.pi * dt / self.period
        landed = jnp.floor(advanced / jnp.pi) > jnp.floor(phase / jnp.pi)
        resting = (moving == 0.0) & (landed | (phase == 0.0))
        return jnp.where(resting, 0.0, advanced % (2.0 * jnp.pi))
