"""Reward terms. Each is a rate: its value is per second, the env multiplies by the control period once."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..arrays import f32
from ..errors import WildRobotError, nearest
from ..observe import Signals
from ..physics import rotation
from ..robots import Foot, Ground, Robot, Sensor, above


class AbstractReward(eqx.Module):
    """One named, weighted reward term; weights and widths are array leaves, free to change without a recompile."""

    weight: eqx.AbstractVar[Float[Array, ""]]

    @abc.abstractmethod
    def __call__(self, signals: Signals) -> Float[Array, ""]:
        """The unweighted value, per second."""


def _kernel(error: Float[Array, "*n"], width: Float[Array, ""]) -> Float[Array, "*n"]:
    """Peak 1 at no error, 1/e at `width`: exp(-(error / width)^2)."""
    return jnp.exp(-jnp.square(error / width))


class TrackLinVel(AbstractReward):
    """Forward speed as commanded: a kernel, plus a straight slope that still pulls far from the goal."""

    linvel: Sensor
    weight: Float[Array, ""]
    width: Float[Array, ""]  # m/s
    slope: Float[Array, ""]  # per m/s

    def __init__(self, robot: Robot, weight: float = 2.0, width: float = 0.15, slope: float = 0.0):
        self.linvel = robot.need("base.linvel", type(self).__name__)
        self.weight, self.width = f32(weight), f32(width)
        self.slope = f32(slope)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        velocity = signals.heading_frame(self.linvel.read(signals.physics.sensordata))
        error = velocity[0] - signals.command.speed
        return _kernel(error, self.width) - self.slope * jnp.abs(error)


class TrackLateral(AbstractReward):
    """Sideways velocity as commanded, none where none is, in the commanded heading's frame; as `TrackLinVel`."""

    linvel: Sensor
    weight: Float[Array, ""]
    width: Float[Array, ""]  # m/s
    slope: Float[Array, ""] | None  # per m/s

    def __init__(self, robot: Robot, weight: float = 0.5, width: float = 0.15, slope: float | None = None):
        self.linvel = robot.need("base.linvel", type(self).__name__)
        self.weight, self.width = f32(weight), f32(width)
        self.slope = None if slope is None else f32(slope)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        error = signals.heading_frame(self.linvel.read(signals.physics.sensordata))[1]
        if signals.command.lateral is not None:
            error = error - signals.command.lateral
        near = _kernel(error, self.width)
        return near if self.slope is None else near - self.slope * jnp.abs(error)


class TrackYawRate(AbstractReward):
    """Yaw rate as commanded: the heading hold's, and a turn's; as `TrackLinVel`."""

    angvel: Sensor
    weight: Float[Array, ""]
    width: Float[Array, ""]  # rad/s
    slope: Float[Array, ""] | None  # per rad/s

    def __init__(self, robot: Robot, weight: float = 0.5, width: float = 0.5, slope: float | None = None):
        self.angvel = robot.need("base.angvel", type(self).__name__)
        self.weight, self.width = f32(weight), f32(width)
        self.slope = None if slope is None else f32(slope)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        error = self.angvel.read(signals.physics.sensordata)[2] - signals.command.yaw_rate
        near = _kernel(error, self.width)
        return near if self.slope is None else near - self.slope * jnp.abs(error)


class HoldHeading(AbstractReward):
    """Heading as commanded."""

    weight: Float[Array, ""] = eqx.field(default=0.5, converter=f32)
    width: Float[Array, ""] = eqx.field(default=0.2, converter=f32)  # rad

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        command = signals.command
        error = command.target - command.heading
        return _kernel(error if command.turn is None else rotation.wrap_angle(error), self.width)


def _mid_swings(robot: Robot) -> Float[Array, " nfoot"]:
    """Share of the cycle at which each foot is in mid-swing: the left in the first half, the right in the second."""
    return jnp.linspace(0.25, 0.75, len(robot.feet), dtype=jnp.float32)


def _from_mid_swing(phase: Float[Array, ""], mid_swings: Float[Array, " nfoot"]) -> Float[Array, " nfoot"]:
    """Share of the cycle since (or, negative, until) the middle of each foot's swing, -0.5 to 0.5."""
    return (phase / (2.0 * jnp.pi) - mid_swings + 0.5) % 1.0 - 0.5


class FootHeight(AbstractReward):
    """Each sole follows its gait curve: up to `height` and down within its swing, on the floor else.

    The left foot swings in the first half of the clock's cycle, the right in the second; a
    swing takes the share `swing` of the cycle, centred in its half. The curve is a squared
    sine, whose velocity is zero at lift-off and touch-down. Heights are those above the
    `ground` (`robots.on_ground`) under each sole's centre.
    """

    feet: tuple[Foot, ...]
    mid_swings: Float[Array, " nfoot"]  # share of the cycle
    weight: Float[Array, ""]
    height: Float[Array, ""]  # m
    swing: Float[Array, ""]
    width: Float[Array, ""]  # m
    ground: Ground | None

    def __init__(
        self,
        robot: Robot,
        weight: float = 1.0,
        height: float = 0.05,
        swing: float = 0.4,
        width: float = 0.02,
        ground: Ground | None = None,
    ):
        self.feet = robot.need("feet", type(self).__name__)
        self.mid_swings, self.ground = _mid_swings(robot), ground
        self.weight, self.height = f32(weight), f32(height)
        self.swing, self.width = f32(swing), f32(width)

    def reference(self, phase: Float[Array, ""], stepping: Float[Array, ""]) -> Float[Array, " nfoot"]:
        """Height of each sole's reference above the floor, m."""
        share = _from_mid_swing(phase, self.mid_swings)
        inside = jnp.abs(share) < 0.5 * self.swing
        return stepping * jnp.where(inside, self.height * jnp.square(jnp.cos(jnp.pi * share / self.swing)), 0.0)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        height = jnp.stack([above(self.ground, signals.physics.site_xpos[foot.site]) for foot in self.feet])
        error = height - self.reference(signals.phase, signals.stepping)
        return jnp.mean(_kernel(error, self.width))


class GaitContacts(AbstractReward):
    """Share of the feet that are loaded, or in the air, as the gait clock has it.

    After Siekmann et al. 2021, arXiv 2011.01387, sections III and IV. A foot belongs in
    the air for the share `swing` of the cycle, centred in its half, and on the floor else;
    while the robot stands, all feet belong on the floor. Without this term even a symmetric
    policy may settle into a limp: both feet follow their curves, and one lands early.
    """

    feet: tuple[Foot, ...]
    mid_swings: Float[Array, " nfoot"]  # share of the cycle
    weight: Float[Array, ""]
    swing: Float[Array, ""]
    load: Float[Array, ""]  # N, force from which a foot counts as loaded

    def __init__(self, robot: Robot, weight: float = 1.0, swing: float = 0.4, load: float = 3.0):
        self.feet = robot.need("feet", type(self).__name__)
        self.mid_swings = _mid_swings(robot)
        self.weight, self.swing, self.load = f32(weight), f32(swing), f32(load)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        aloft = jnp.abs(_from_mid_swing(signals.phase, self.mid_swings)) < 0.5 * self.swing
        aloft = aloft & (signals.stepping > 0.0)
        loaded = signals.physics.foot_force[:, 2] > self.load
        return jnp.mean((loaded != aloft).astype(jnp.float32))


class FootSlip(AbstractReward):
    """Squared horizontal velocity of loaded feet, (m/s)^2."""

    feet: tuple[Foot, ...]
    weight: Float[Array, ""]
    load: Float[Array, ""]  # N, force from which a foot counts as loaded

    def __init__(self, robot: Robot, weight: float = -1.0, load: float = 3.0):
        self.feet = robot.need("feet", type(self).__name__)
        self.weight, self.load = f32(weight), f32(load)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        physics = signals.physics
        speed = jnp.stack([jnp.sum(jnp.square(foot.linvel.read(physics.sensordata)[:2])) for foot in self.feet])
        return jnp.sum(jnp.where(physics.foot_force[:, 2] > self.load, speed, 0.0))


class Upright(AbstractReward):
    """Squared horizontal part of gravity in the base: sin^2 of the tilt."""

    body: int = eqx.field(static=True)
    weight: Float[Array, ""]

    def __init__(self, robot: Robot, weight: float = -2.0):
        self.body = robot.need("base", type(self).__name__).body
        self.weight = f32(weight)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        _, x, y, _ = signals.physics.xquat[self.body]
        up = 1.0 - 2.0 * (x * x + y * y)
        return 1.0 - jnp.square(up)


class BaseHeightError(AbstractReward):
    """Squared error of the base's height above the `ground` against the home pose's, m^2."""

    body: int = eqx.field(static=True)
    weight: Float[Array, ""]
    height: Float[Array, ""]  # m
    ground: Ground | None

    def __init__(self, robot: Robot, weight: float = -20.0, height: float | None = None, ground: Ground | None = None):
        self.body = robot.need("base", type(self).__name__).body
        self.weight, self.ground = f32(weight), ground
        self.height = robot.home_height if height is None else f32(height)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        return jnp.square(above(self.ground, signals.physics.xpos[self.body]) - self.height)


class ActionRate(AbstractReward):
    """Squared change of the action since the last control step."""

    weight: Float[Array, ""] = eqx.field(default=-0.05, converter=f32)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        return jnp.sum(jnp.square(signals.action - signals.previous_action))


class Torque(AbstractReward):
    """Sum of squared actuator torques, (N m)^2."""

    weight: Float[Array, ""] = eqx.field(default=-0.02, converter=f32)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        return jnp.sum(jnp.square(signals.physics.actuator_force))


class JointSpeedLimit(AbstractReward):
    """Squared joint speed beyond a share of the servo's no-load speed, (rad/s)^2."""

    robot: Robot
    weight: Float[Array, ""]
    limit: Float[Array, " nu"]  # rad/s

    def __init__(self, robot: Robot, weight: float = -0.05, share: float = 0.8):
        self.robot, self.weight = robot, f32(weight)
        self.limit = f32(share * robot.servo.no_load_speed)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        speed = jnp.abs(self.robot.joint_velocities(signals.physics.qvel))
        return jnp.sum(jnp.square(jnp.maximum(speed - self.limit, 0.0)))


class JointDeviation(AbstractReward):
    """Squared distance of some joints, or of all, from the home pose, rad^2.

    Raises:
        WildRobotError: the robot has no joint of a given name.
    """

    robot: Robot
    weight: Float[Array, ""]
    mask: Float[Array, " nu"]

    def __init__(self, robot: Robot, weight: float = -0.5, joints: tuple[str, ...] | None = None):
        self.robot, self.weight = robot, f32(weight)
        joints = robot.joint_names if joints is None else joints
        for name in joints:
            if name not in robot.joint_names:
                raise WildRobotError(
                    f"Robot {robot.name!r} has no joint {name!r}.",
                    where="JointDeviation, joints",
                    hint=nearest(name, robot.joint_names),
                )
        self.mask = f32([float(name in joints) for name in robot.joint_names])

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        error = self.robot.joints(signals.physics.qpos) - self.robot.home_joints
        return jnp.sum(self.mask * jnp.square(error))


class StandStill(AbstractReward):
    """While the robot should stand still: squared joint velocities and distance from home, 0 while walking."""

    robot: Robot
    weight: Float[Array, ""]

    def __init__(self, robot: Robot, weight: float = -0.5):
        self.robot, self.weight = robot, f32(weight)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        physics = signals.physics
        error = self.robot.joints(physics.qpos) - self.robot.home_joints
        speed = self.robot.joint_velocities(physics.qvel)
        still = jnp.sum(jnp.square(error)) + 0.02 * jnp.sum(jnp.square(speed))
        return (1.0 - signals.stepping) * still


class Alive(AbstractReward):
    """1 for every second without a fall."""

    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        return jnp.ones((), jnp.float32)
