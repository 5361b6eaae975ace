"""Some joints held where they are told, such as those of a head: the command, and the reward for it."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import Number, f32
from ..errors import WildRobotError, nearest
from ..observe import Channel, Signals
from ..physics import PhysicsState
from ..robots import DrivenJoints, Robot
from .commands import AbstractCommand
from .posture import kernel
from .rewards import AbstractStatelessReward


class JointPoseState(eqx.Module):
    """Where the joints are to go, and where they are to be now, rad from home."""

    goal: Float[Array, " n"]
    value: Float[Array, " n"]


class JointPoseCommand(AbstractCommand):
    """Places of some joints, rad from home, drawn evenly and redrawn about every `interval` seconds.

    What is asked for moves to what was drawn at no more than `speed`; an episode begins at home.

    Args:
        robot: whose driven joints they are.
        ranges: lowest and highest place of each joint by name, rad from home.
        home_probability: share of draws that ask for home, all joints together.
        interval: mean time between redraws, s.
        speed: at which what is asked for moves, rad/s.

    Raises:
        WildRobotError: no such driven joint, or a place that the joint cannot reach.
    """

    joints: DrivenJoints
    indices: tuple[int, ...] = eqx.field(static=True)  # of the joints, in actuator order
    range: Float[Array, "n 2"]  # rad
    home_probability: Float[Array, ""]
    interval: Float[Array, ""]  # s
    speed: Float[Array, ""]  # rad/s

    def __init__(
        self,
        robot: Robot,
        ranges: Mapping[str, tuple[float, float]],
        home_probability: Number = 0.3,
        interval: Number = 4.0,
        speed: Number = 2.0,
    ):
        self.joints, self.indices = robot.driven, _indices(robot, tuple(ranges), "JointPoseCommand")
        reach = np.asarray(robot.joint_range - robot.home_joints[:, None])[list(self.indices)]
        for (name, (low, high)), (least, most) in zip(ranges.items(), reach):
            if not least - 1e-4 <= low <= high <= most + 1e-4:
                raise WildRobotError(
                    f"The joint {name!r} is to go from {low:g} to {high:g} rad from home, "
                    f"and reaches from {least:.3f} to {most:.3f}.",
                    where="JointPoseCommand, ranges",
                    hint="a range within what the joint reaches",
                )
        self.range = f32(np.array(list(ranges.values())).reshape(-1, 2))
        self.home_probability, self.interval, self.speed = f32(home_probability), f32(interval), f32(speed)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """A place of each joint, rad from home; its image in the mirror is known of joints in the middle alone."""
        mirror = self.joints.mirror
        return tuple(
            Channel(
                self.joints.names[i],
                "rad",
                mirror.sign[i] if mirror is not None and mirror.source[i] == i else None,
            )
            for i in self.indices
        )

    @property
    def observed(self) -> tuple[Channel, ...]:
        """The same."""
        return self.channels

    @property
    def needs(self) -> tuple[str, ...]:
        """It reads no other command."""
        return ()

    def bounds(self) -> Float[Array, "channels 2"]:
        """The ranges, and home where that is drawn."""
        home = jnp.stack([jnp.minimum(self.range[:, 0], 0.0), jnp.maximum(self.range[:, 1], 0.0)], axis=1)
        return jnp.where(self.home_probability > 0.0, home, self.range)

    def sample(self, key: PRNGKeyArray) -> JointPoseState:
        return JointPoseState(self._draw(key), jnp.zeros((len(self.indices),), jnp.float32))

    def start(self, state: JointPoseState, physics: PhysicsState, others: Mapping[str, Any]) -> JointPoseState:
        return state

    def step(
        self, key: PRNGKeyArray, state: JointPoseState, physics: PhysicsState, dt: float, others: Mapping[str, Any]
    ) -> JointPoseState:
        """The command after `dt` seconds."""
        key_when, key_what = jax.random.split(key)
        redraw = jax.random.uniform(key_when) < dt / self.interval
        goal = jnp.where(redraw, self._draw(key_what), state.goal)
        step = self.speed * jnp.float32(dt)
        return JointPoseState(goal, state.value + jnp.clip(goal - state.value, -step, step))

    def observe(self, state: JointPoseState) -> Float[Array, " observed"]:
        return state.value

    def hold(self, value: Float[Array, " channels"]) -> "JointPoseCommand":
        """Always `value`, moved to from home at `speed`."""
        both, never = jnp.stack([value, value], axis=1), jnp.zeros((), jnp.float32)
        return eqx.tree_at(lambda c: (c.range, c.home_probability, c.interval), self, (both, never, f32(jnp.inf)))

    def set(self, state: JointPoseState, value: Float[Array, " channels"]) -> JointPoseState:
        """The state that moves to `value`."""
        return JointPoseState(value, state.value)

    def asked(self, state: JointPoseState) -> Float[Array, " channels"]:
        return state.goal

    def error(self, state: JointPoseState, physics: PhysicsState) -> Float[Array, " n"]:
        """How far the joints are from where they are to be now, rad."""
        return self._places(physics) - state.value

    def metrics(self, state: JointPoseState, physics: PhysicsState) -> dict[str, Float[Array, ""]]:
        """Places and what is asked for, rad from home, by joint."""
        places = self._places(physics)
        names = [self.joints.names[i] for i in self.indices]
        found = {name: places[i] for i, name in enumerate(names)}
        return found | {f"commanded_{name}": state.value[i] for i, name in enumerate(names)}

    def constants(self) -> dict[str, Float[Array, ""]]:
        return {"speed": self.speed}

    def _places(self, physics: PhysicsState) -> Float[Array, " n"]:
        return (self.joints.positions(physics.qpos) - self.joints.home)[np.array(self.indices)]

    def _draw(self, key: PRNGKeyArray) -> Float[Array, " n"]:
        key_place, key_home = jax.random.split(key)
        low, high = self.range.T
        place = low + (high - low) * jax.random.uniform(key_place, low.shape, jnp.float32)
        return jnp.where(jax.random.bernoulli(key_home, self.home_probability), 0.0, place)


class TrackJointPose(AbstractStatelessReward):
    """Joints where a `JointPoseCommand` has them: the mean over them of a kernel of the error.

    Args:
        command: the command in the env, of which the joints are taken.
        name: its name there.
        weight: per second of all joints in their places.
        width: error at which a joint earns 1/e, rad.
        slope: taken for the mean error, per rad: pulls from afar, too.
    """

    joints: DrivenJoints
    indices: tuple[int, ...] = eqx.field(static=True)
    command: str = eqx.field(static=True)
    weight: Float[Array, ""]
    width: Float[Array, ""]  # rad
    slope: Float[Array, ""]  # 1/rad

    def __init__(
        self,
        command: JointPoseCommand,
        name: str = "pose",
        weight: Number = 1.0,
        width: Number = 0.1,
        slope: Number = 0.0,
    ):
        self.joints, self.indices, self.command = command.joints, command.indices, name
        self.weight, self.width, self.slope = f32(weight), f32(width), f32(slope)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        state = signals.command(self.command, JointPoseState, self)
        place = (self.joints.positions(signals.physics.qpos) - self.joints.home)[np.array(self.indices)]
        error = place - state.value
        return jnp.mean(kernel(error, self.width) - self.slope * jnp.abs(error))


def _indices(robot: Robot, names: tuple[str, ...], asker: str) -> tuple[int, ...]:
    for name in names:
        if name not in robot.joint_names:
            raise WildRobotError(
                f"Robot {robot.name!r} has no driven joint {name!r}.",
                where=f"{asker}, ranges",
                hint=nearest(name, robot.joint_names),
            )
    return tuple(robot.joint_names.index(name) for name in names)
