"""The velocity command: a planar velocity, and a heading that is held."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .. import rotation
from ..arrays import Number, Pair, f32, uniform
from ..module import AbstractModule
from ..observe import Channel
from ..physics import PhysicsState
from ..robots import Robot, Sensor
from ..task import AbstractCommand
from .base import AbstractMotionState


class VelocityState(AbstractMotionState):
    """A commanded velocity, and the heading that the robot measures by its own IMU.

    Headings are relative to the IMU's heading at the start of the episode (`origin`).
    """

    lin_vel_x: Float[Array, ""]  # m/s, along the commanded heading; exactly 0, with all else, means: stand
    yaw_rate: Float[Array, ""]  # rad/s, of the heading controller, the commanded turn included
    heading: Float[Array, ""]  # rad, measured
    target: Float[Array, ""]  # rad, commanded heading
    origin: Float[Array, ""]  # rad, world heading at the start
    lin_vel_y: Float[Array, ""] | None = None  # m/s, to the left of the commanded heading; None: no such channel
    ang_vel_z: Float[Array, ""] | None = None  # rad/s, of the commanded heading to the left; None: no such channel

    @property
    def is_moving(self) -> Float[Array, ""]:
        """1 while a motion is asked for, 0 while the robot should stand."""
        asked = jnp.abs(self.lin_vel_x) > 0.0
        for other in (self.lin_vel_y, self.ang_vel_z):
            asked = asked if other is None else asked | (jnp.abs(other) > 0.0)
        return asked.astype(jnp.float32)

    @property
    def stepping(self) -> Float[Array, ""]:
        """As `is_moving`: without a gait there is no step to finish."""
        return self.is_moving

    def heading_frame(self, vector: Float[Array, " 3"]) -> Float[Array, " 3"]:
        """A world vector along the commanded heading: forward, left, up."""
        return rotation.rotate_z_inverse(self.origin + self.target, vector)


class HeadingController(AbstractModule):
    """Yaw rate that turns the robot back to its commanded heading, from its own IMU.

    `yaw_rate = clip(gain * wrap(target - heading), -limit, limit)`; the robot computes the
    same, so gain and limit belong to its contract.
    """

    gain: Float[Array, ""]  # 1/s
    limit: Float[Array, ""]  # rad/s

    def __init__(self, gain: Number = 1.5, limit: Number = 0.6):
        self.gain = f32(gain)
        self.limit = f32(limit)

    def __call__(self, target: Float[Array, ""], heading: Float[Array, ""]) -> Float[Array, ""]:
        """The yaw rate, rad/s, for a commanded and a measured heading, rad."""
        return jnp.clip(self.gain * rotation.wrap_angle(target - heading), -self.limit, self.limit)


class VelocityCommand(AbstractCommand):
    """A forward speed drawn from a range, or standing, redrawn about every `interval` seconds.

    Speeds below `deadband` become 0, which means: stand. The commanded heading is the one
    the IMU measured at the start of the episode.

    With `lin_vel_y` or `ang_vel_z` the robot is asked to walk sideways and to turn, too:
    each with the probability `axis_probability`, so that some commands are forward alone. A
    share `in_place_probability` of those that ask for such a motion asks for no speed ahead,
    which else is rare. In a turn the commanded heading turns on, but never ahead of the robot
    by more than `max_heading_lead`: one that cannot keep up is not wound up, and walks where
    it looks.

    Args:
        robot: whose first IMU measures the heading, and whose base has the velocity.
        lin_vel_x: range of the speed ahead, m/s.
        lin_vel_y: range of the speed to the left, m/s; None: no such channel.
        ang_vel_z: range of the turn to the left, rad/s; None: no such channel.
        stand_probability: share of commands that ask to stand.
        interval: mean time between redraws, s.
        deadband: below which a speed (m/s) or a turn (rad/s) becomes 0.
        heading: turns the robot back to its commanded heading.
        axis_probability: of each of `lin_vel_y` and `ang_vel_z` to be asked for.
        in_place_probability: of no speed ahead where one of them is asked for.
        max_heading_lead: of the commanded heading ahead of the measured one, rad.
    """

    quat: Sensor
    linvel: Sensor
    angvel: Sensor
    heading: HeadingController
    lin_vel_x: Float[Array, " 2"]  # m/s
    stand_probability: Float[Array, ""]
    interval: Float[Array, ""]  # s
    deadband: Float[Array, ""]  # m/s and rad/s
    lin_vel_y: Float[Array, " 2"] | None  # m/s
    ang_vel_z: Float[Array, " 2"] | None  # rad/s
    axis_probability: Float[Array, ""] | None
    in_place_probability: Float[Array, ""] | None
    max_heading_lead: Float[Array, ""] | None  # rad

    def __init__(
        self,
        robot: Robot,
        lin_vel_x: Pair = (0.0, 0.5),
        stand_probability: Number = 0.1,
        interval: Number = 6.0,
        deadband: Number = 0.05,
        heading: HeadingController | None = None,
        lin_vel_y: Pair | None = None,
        ang_vel_z: Pair | None = None,
        axis_probability: Number = 0.5,
        in_place_probability: Number = 0.0,
        max_heading_lead: Number = 0.1,
    ):
        asker = type(self).__name__
        self.quat, self.linvel = robot.imu().quat, robot.need("base.linvel", asker)
        self.angvel = robot.need("base.angvel", asker)
        self.heading = HeadingController() if heading is None else heading
        self.lin_vel_x = f32(lin_vel_x)
        self.stand_probability = f32(stand_probability)
        self.interval = f32(interval)
        self.deadband = f32(deadband)
        self.lin_vel_y = None if lin_vel_y is None else f32(lin_vel_y)
        self.ang_vel_z = None if ang_vel_z is None else f32(ang_vel_z)
        both = (f32(axis_probability), f32(in_place_probability)) if self.planar else (None, None)
        self.axis_probability, self.in_place_probability = both
        self.max_heading_lead = None if ang_vel_z is None else f32(max_heading_lead)

    @property
    def planar(self) -> bool:
        """Whether the robot is asked for more than to walk ahead."""
        return self.lin_vel_y is not None or self.ang_vel_z is not None

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Speed ahead, and of sideways speed and turn those that are asked for."""
        known = ((self.lin_vel_x, _LIN_VEL_X), (self.lin_vel_y, _LIN_VEL_Y), (self.ang_vel_z, _ANG_VEL_Z))
        return tuple(channel for bounds, channel in known if bounds is not None)

    @property
    def observed(self) -> tuple[Channel, ...]:
        """Speed ahead, to the left where any other motion is asked for, and the yaw rate."""
        return (_LIN_VEL_X, _LIN_VEL_Y, _YAW_RATE) if self.planar else (_LIN_VEL_X, _YAW_RATE)

    @property
    def needs(self) -> tuple[str, ...]:
        """It reads no other command."""
        return ()

    def bounds(self) -> Float[Array, "channels 2"]:
        """The ranges, and 0 where standing is asked for now and then."""
        ranges = jnp.stack([b for b in (self.lin_vel_x, self.lin_vel_y, self.ang_vel_z) if b is not None])
        with_rest = jnp.stack([jnp.minimum(ranges[:, 0], 0.0), jnp.maximum(ranges[:, 1], 0.0)], axis=1)
        return jnp.where(self.stand_probability > 0.0, with_rest, ranges)

    def sample(self, key: PRNGKeyArray) -> VelocityState:
        zero = jnp.zeros((), jnp.float32)
        lin_vel_x, lin_vel_y, ang_vel_z = self._draw(key)
        yaw_rate = zero if ang_vel_z is None else ang_vel_z
        return VelocityState(lin_vel_x, yaw_rate, zero, zero, zero, lin_vel_y, ang_vel_z)

    def start(self, state: VelocityState, physics: PhysicsState, others: Mapping[str, Any]) -> VelocityState:
        """The sampled velocity, its heading zeroed at the IMU's."""
        origin = rotation.yaw(self.quat.read(physics.sensordata))
        return eqx.tree_at(lambda s: s.origin, state, origin)

    def step(
        self, key: PRNGKeyArray, state: VelocityState, physics: PhysicsState, dt: float, others: Mapping[str, Any]
    ) -> VelocityState:
        """The command after `dt` seconds: heading measured anew, velocities redrawn now and then."""
        key_when, key_what = jax.random.split(key)
        redraw = jax.random.uniform(key_when) < dt / self.interval
        heading = rotation.wrap_angle(rotation.yaw(self.quat.read(physics.sensordata)) - state.origin)
        drawn = self._draw(key_what)
        lin_vel_x = jnp.where(redraw, drawn[0], state.lin_vel_x)
        lin_vel_y = _either(redraw, drawn[1], state.lin_vel_y)
        ang_vel_z = _either(redraw, drawn[2], state.ang_vel_z)
        target, yaw_rate = state.target, self.heading(state.target, heading)
        if ang_vel_z is not None and self.max_heading_lead is not None:
            lead = self.max_heading_lead
            ahead = jnp.clip(rotation.wrap_angle(target + ang_vel_z * dt - heading), -lead, lead)
            target = jnp.where(ang_vel_z == 0.0, target, rotation.wrap_angle(heading + ahead))
            yaw_rate = ang_vel_z + self.heading(target, heading)
        return VelocityState(lin_vel_x, yaw_rate, heading, target, state.origin, lin_vel_y, ang_vel_z)

    def observe(self, state: VelocityState) -> Float[Array, " observed"]:
        if not self.planar:
            return jnp.stack([state.lin_vel_x, state.yaw_rate])
        lateral = jnp.zeros((), jnp.float32) if state.lin_vel_y is None else state.lin_vel_y
        return jnp.stack([state.lin_vel_x, lateral, state.yaw_rate])

    def hold(self, value: Float[Array, " channels"]) -> "VelocityCommand":
        """Always `value`, taken as it is: no deadband, no redraw; all 0 means: stand."""
        zero, one = jnp.zeros((), jnp.float32), jnp.ones((), jnp.float32)
        stand = jnp.where(jnp.all(value == 0.0), one, zero)
        held = eqx.tree_at(
            lambda c: (c.lin_vel_x, c.stand_probability, c.interval, c.deadband),
            self,
            (_both(value[0]), stand, f32(jnp.inf), zero),
        )
        rest = iter(value[1:])
        if self.lin_vel_y is not None:
            held = eqx.tree_at(lambda c: c.lin_vel_y, held, _both(next(rest)))
        if self.ang_vel_z is not None:
            held = eqx.tree_at(lambda c: c.ang_vel_z, held, _both(next(rest)))
        if self.planar:
            held = eqx.tree_at(lambda c: (c.axis_probability, c.in_place_probability), held, (one, zero))
        return held

    def set(self, state: VelocityState, value: Float[Array, " channels"]) -> VelocityState:
        """The state that asks for `value`; what is below the deadband is 0, as in training."""
        value = jnp.where(jnp.abs(value) < self.deadband, 0.0, value)
        state = eqx.tree_at(lambda s: s.lin_vel_x, state, value[0])
        rest = iter(value[1:])
        if state.lin_vel_y is not None:
            state = eqx.tree_at(lambda s: s.lin_vel_y, state, next(rest))
        if state.ang_vel_z is not None:
            state = eqx.tree_at(lambda s: s.ang_vel_z, state, next(rest))
        return state

    def asked(self, state: VelocityState) -> Float[Array, " channels"]:
        known = (state.lin_vel_x, state.lin_vel_y, state.ang_vel_z)
        return jnp.stack([value for value in known if value is not None])

    def metrics(self, state: VelocityState, physics: PhysicsState) -> dict[str, Float[Array, ""]]:
        """Measured and commanded velocity by channel, along the commanded heading."""
        linvel = state.heading_frame(self.linvel.read(physics.sensordata))
        found = {"lin_vel_x": linvel[0], "commanded_lin_vel_x": state.lin_vel_x}
        if state.lin_vel_y is not None:
            found |= {"lin_vel_y": linvel[1], "commanded_lin_vel_y": state.lin_vel_y}
        if state.ang_vel_z is not None:
            ang_vel_z = self.angvel.read(physics.sensordata)[2]
            found |= {"ang_vel_z": ang_vel_z, "commanded_ang_vel_z": state.ang_vel_z}
        return found

    def constants(self) -> dict[str, Float[Array, ""]]:
        known = {"heading gain": self.heading.gain, "yaw rate limit": self.heading.limit, "deadband": self.deadband}
        return known if self.max_heading_lead is None else known | {"heading lead": self.max_heading_lead}

    def _draw(self, key: PRNGKeyArray) -> tuple[Float[Array, ""], Float[Array, ""] | None, Float[Array, ""] | None]:
        """Speed ahead, to the left (m/s), and turn (rad/s); None for a channel that there is not."""
        if self.axis_probability is None or self.in_place_probability is None:
            return self._draw_ahead(key), None, None
        key_stand, key_ahead, key_left, key_turn, key_in_place = jax.random.split(key, 5)
        walks = 1.0 - jax.random.bernoulli(key_stand, self.stand_probability).astype(jnp.float32)

        def one(key: PRNGKeyArray, bounds: Float[Array, " 2"], probability: Any) -> Float[Array, ""]:
            key_value, key_use = jax.random.split(key)
            value = walks * uniform(key_value, bounds)
            use = jax.random.bernoulli(key_use, probability) & (jnp.abs(value) >= self.deadband)
            return jnp.where(use, value, 0.0)

        share = self.axis_probability
        ahead = one(key_ahead, self.lin_vel_x, jnp.ones((), jnp.float32))
        left = None if self.lin_vel_y is None else one(key_left, self.lin_vel_y, share)
        turn = None if self.ang_vel_z is None else one(key_turn, self.ang_vel_z, share)
        beside = sum(jnp.abs(motion) for motion in (left, turn) if motion is not None)
        in_place = (beside > 0.0) & jax.random.bernoulli(key_in_place, self.in_place_probability)
        return jnp.where(in_place, 0.0, ahead), left, turn

    def _draw_ahead(self, key: PRNGKeyArray) -> Float[Array, ""]:
        key_stand, key_speed = jax.random.split(key)
        speed = uniform(key_speed, self.lin_vel_x)
        stand = jax.random.bernoulli(key_stand, self.stand_probability) | (jnp.abs(speed) < self.deadband)
        return jnp.where(stand, 0.0, speed)


_LIN_VEL_X = Channel("lin_vel_x", "m/s", 1.0)
_LIN_VEL_Y = Channel("lin_vel_y", "m/s", -1.0)
_ANG_VEL_Z = Channel("ang_vel_z", "rad/s", -1.0)
_YAW_RATE = Channel("yaw_rate", "rad/s", -1.0)


def _both(value: Float[Array, ""]) -> Float[Array, " 2"]:
    return jnp.stack([value, value])


def _either(
    redraw: Bool[Array, ""], new: Float[Array, ""] | None, old: Float[Array, ""] | None
) -> Float[Array, ""] | None:
    return None if new is None or old is None else jnp.where(redraw, new, old)
