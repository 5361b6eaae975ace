"""Rewards of feet: where a gait has them, and what they should not do."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..arrays import Number, f32
from ..observe import Signals
from ..robots import DrivenJoints, Foot, Ground, Robot, above
from ..task import AbstractStatelessReward, kernel
from .base import AbstractMotionState
from .gaits import GaitState


class FeetClearance(AbstractStatelessReward):
    """Each sole follows its gait's curve: up to `height` and down within its swing, on the ground else.

    Heights are those above the `ground` (`robots.on_ground`) under each sole's centre.

    Args:
        robot: whose feet they are.
        weight: per second of all feet on their curves.
        height: the curve's peak, m; 0.179 leg lengths by default.
        width: error at which a foot earns 1/e, m; 0.0717 leg lengths by default.
        ground: what the robot walks on, where that is no plane.
        gait: the command that has the feet's swings.
    """

    feet: tuple[Foot, ...]
    weight: Float[Array, ""]
    height: Float[Array, ""]  # m
    width: Float[Array, ""]  # m
    ground: Ground | None
    gait: str = eqx.field(static=True)

    def __init__(
        self,
        robot: Robot,
        weight: Number = 1.0,
        height: Number | None = None,
        width: Number | None = None,
        ground: Ground | None = None,
        gait: str = "gait",
    ):
        self.feet, self.ground = robot.need("feet", type(self).__name__), ground
        self.gait, self.weight = gait, f32(weight)
        self.height = f32(0.179 * robot.leg_length if height is None else height)
        self.width = f32(0.0717 * robot.leg_length if width is None else width)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        height = jnp.stack([above(self.ground, signals.physics.site_xpos[foot.site]) for foot in self.feet])
        error = height - signals.command(self.gait, GaitState, self).height(self.height)
        return jnp.mean(kernel(error, self.width))


def load_threshold(robot: Robot) -> float:
    """The vertical force (N) from which a foot counts as loaded: a tenth of the robot's weight."""
    return 0.1 * robot.weight


class GaitContacts(AbstractStatelessReward):
    """Share of the feet that are loaded, or in the air, as the gait has it.

    After Siekmann et al. 2021, arXiv 2011.01387, sections III and IV. While the robot stands,
    all feet belong on the ground. Without this term even a symmetric policy may settle into a
    limp: both feet follow their curves, and one lands early.

    Args:
        robot: whose feet they are.
        weight: per second of all feet where they belong.
        load: force from which a foot counts as loaded, N; a tenth of the robot's weight by default.
        gait: the command that has the feet's swings.
    """

    weight: Float[Array, ""]
    load: Float[Array, ""]  # N
    gait: str = eqx.field(static=True)

    def __init__(self, robot: Robot, weight: Number = 1.0, load: Number | None = None, gait: str = "gait"):
        self.weight, self.gait = f32(weight), gait
        self.load = f32(load_threshold(robot) if load is None else load)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        aloft = signals.command(self.gait, GaitState, self).aloft > 0.0
        loaded = signals.physics.foot_force[:, 2] > self.load
        return jnp.mean((loaded != aloft).astype(jnp.float32))


class FeetSlip(AbstractStatelessReward):
    """Squared horizontal velocity of loaded feet, (m/s)^2.

    Args:
        robot: whose feet they are.
        weight: per (m/s)^2 and s.
        load: force from which a foot counts as loaded, N; a tenth of the robot's weight by default.
    """

    feet: tuple[Foot, ...]
    weight: Float[Array, ""]
    load: Float[Array, ""]  # N

    def __init__(self, robot: Robot, weight: Number = -1.0, load: Number | None = None):
        self.feet, self.weight = robot.need("feet", type(self).__name__), f32(weight)
        self.load = f32(load_threshold(robot) if load is None else load)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        physics = signals.physics
        speed = jnp.stack([jnp.sum(jnp.square(foot.linvel.read(physics.sensordata)[:2])) for foot in self.feet])
        return jnp.sum(jnp.where(physics.foot_force[:, 2] > self.load, speed, 0.0))


class StandStill(AbstractStatelessReward):
    """While the robot should stand still: squared distance from home and joint velocities, 0 while walking.

    Args:
        robot: whose joints they are.
        weight: per rad^2 and s.
        command: the velocity command, or the gait, which still finishes a step.
        time: a joint that moves costs as much as one that is off by its speed times `time`, s; 0.665 sqrt(L / g) by
            default, L the leg length.
        joints: those that count; all by default. A joint that has a pose of its own to hold does not belong to them.

    Raises:
        WildRobotError: the robot has no driven joint of a given name.
    """

    driven: DrivenJoints
    weight: Float[Array, ""]
    time: Float[Array, ""]  # s
    command: str = eqx.field(static=True)

    def __init__(
        self,
        robot: Robot,
        weight: Number = -0.5,
        command: str = "velocity",
        time: Number | None = None,
        joints: tuple[str, ...] | None = None,
    ):
        self.driven = robot.driven if joints is None else robot.driven.only(joints, "StandStill, joints")
        self.weight, self.command = f32(weight), command
        self.time = f32(0.665 * robot.time_scale if time is None else time)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        physics = signals.physics
        error = self.driven.positions(physics.qpos) - self.driven.home
        speed = self.driven.velocities(physics.qvel)
        still = jnp.sum(jnp.square(error)) + jnp.square(self.time) * jnp.sum(jnp.square(speed))
        return (1.0 - signals.command(self.command, AbstractMotionState, self).stepping) * still
