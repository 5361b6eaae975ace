"""Commands: what the robot is told, drawn at reset and redrawn on the way."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .. import rotation
from ..arrays import f32, uniform
from ..observe import Command
from ..physics import PhysicsState
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

    With `lateral_range` or `turn_range` the robot is told to walk sideways and to turn, too:
    each with the probability `mix`, so that some commands are forward alone. A share `alone`
    of those that ask for such a motion asks for no speed ahead, which else is rare. Told to turn,
    the commanded heading turns on, but never ahead of the robot by more than `lead`: one
    that cannot keep up is not wound up, and walks where it looks.
    """

    quat: Sensor
    hold: HeadingHold
    speed_range: Float[Array, " 2"]  # m/s
    stand_probability: Float[Array, ""]
    interval: Float[Array, ""]  # s, mean time between redraws
    deadband: Float[Array, ""]  # m/s, and rad/s of a turn
    lateral_range: Float[Array, " 2"] | None  # m/s, to the left
    turn_range: Float[Array, " 2"] | None  # rad/s, to the left
    mix: Float[Array, ""] | None
    alone: Float[Array, ""] | None
    lead: Float[Array, ""] | None  # rad

    def __init__(
        self,
        robot: Robot,
        speed_range: tuple[float, float] = (0.0, 0.5),
        stand_probability: float = 0.1,
        interval: float = 6.0,
        deadband: float = 0.05,
        hold: HeadingHold | None = None,
        lateral_range: tuple[float, float] | None = None,
        turn_range: tuple[float, float] | None = None,
        mix: float = 0.5,
        alone: float = 0.0,
        lead: float = 0.1,
    ):
        self.quat = robot.imu().quat
        self.hold = HeadingHold() if hold is None else hold
        self.speed_range = f32(speed_range)
        self.stand_probability = f32(stand_probability)
        self.interval = f32(interval)
        self.deadband = f32(deadband)
        self.lateral_range = None if lateral_range is None else f32(lateral_range)
        self.turn_range = None if turn_range is None else f32(turn_range)
        self.mix, self.alone = (f32(mix), f32(alone)) if self.planar else (None, None)
        self.lead = None if turn_range is None else f32(lead)

    @property
    def planar(self) -> bool:
        """Whether the robot is told more than to walk ahead."""
        return self.lateral_range is not None or self.turn_range is not None

    def draw(self, key: PRNGKeyArray) -> Float[Array, ""]:
        """A commanded speed, m/s."""
        key_stand, key_speed = jax.random.split(key)
        low, high = self.speed_range
        speed = jax.random.uniform(key_speed, (), jnp.float32, low, high)
        stand = jax.random.bernoulli(key_stand, self.stand_probability) | (jnp.abs(speed) < self.deadband)
        return jnp.where(stand, 0.0, speed)

    def draw_all(self, key: PRNGKeyArray) -> tuple[Float[Array, ""], Float[Array, ""] | None, Float[Array, ""] | None]:
        """A commanded speed, a lateral one (m/s), and a turn (rad/s); None for what is never asked for."""
        if self.mix is None or self.alone is None:
            return self.draw(key), None, None
        key_stand, key_speed, key_lateral, key_turn, key_alone = jax.random.split(key, 5)
        told = 1.0 - jax.random.bernoulli(key_stand, self.stand_probability).astype(jnp.float32)

        def one(key: PRNGKeyArray, bounds: Float[Array, " 2"] | None, share: Any) -> Float[Array, ""] | None:
            if bounds is None:
                return None
            key_value, key_use = jax.random.split(key)
            value = told * uniform(key_value, bounds)
            use = jax.random.bernoulli(key_use, share) & (jnp.abs(value) >= self.deadband)
            return jnp.where(use, value, 0.0)

        speed = one(key_speed, self.speed_range, jnp.ones((), jnp.float32))
        assert speed is not None  # its range is never None
        lateral, turn = one(key_lateral, self.lateral_range, self.mix), one(key_turn, self.turn_range, self.mix)
        beside = sum(jnp.abs(motion) for motion in (lateral, turn) if motion is not None)
        still = (beside > 0.0) & jax.random.bernoulli(key_alone, self.alone)
        return jnp.where(still, 0.0, speed), lateral, turn

    def init(self, key: PRNGKeyArray, physics: PhysicsState) -> Command:
        """The command at the start of an episode, its heading zeroed at the IMU's."""
        zero = jnp.zeros((), jnp.float32)
        origin = rotation.yaw(self.quat.read(physics.sensordata))
        speed, lateral, turn = self.draw_all(key)
        yaw_rate = zero if turn is None else turn
        return Command(speed, yaw_rate, heading=zero, target=zero, origin=origin, lateral=lateral, turn=turn)

    def step(self, key: PRNGKeyArray, command: Command, physics: PhysicsState, dt: float) -> Command:
        """The command after `dt` seconds: heading measured anew, speeds redrawn now and then."""
        key_when, key_what = jax.random.split(key)
        redraw = jax.random.uniform(key_when) < dt / self.interval
        heading = rotation.wrap_angle(rotation.yaw(self.quat.read(physics.sensordata)) - command.origin)
        drawn = self.draw_all(key_what)
        speed = jnp.where(redraw, drawn[0], command.speed)
        lateral = _either(redraw, drawn[1], command.lateral)
        turn = _either(redraw, drawn[2], command.turn)
        target, yaw_rate = command.target, self.hold(command.target, heading)
        if turn is not None and self.lead is not None:
            ahead = jnp.clip(rotation.wrap_angle(target + turn * dt - heading), -self.lead, self.lead)
            target = jnp.where(turn == 0.0, target, rotation.wrap_angle(heading + ahead))
            yaw_rate = turn + self.hold(target, heading)
        return Command(speed, yaw_rate, heading, target, command.origin, lateral, turn)


def _either(
    redraw: Bool[Array, ""], new: Float[Array, ""] | None, old: Float[Array, ""] | None
) -> Float[Array, ""] | None:
    return None if new is None or old is None else jnp.where(redraw, new, old)


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
