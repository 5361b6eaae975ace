"""Endings: when an episode is over. Some are failures, some truncate it; running out of time is the env's own."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..arrays import Number, f32
from ..module import AbstractModule
from ..observe import Signals
from ..protocol import Call, Protocol
from ..robots import Ground, Robot, above, joint_addresses


class AbstractEnding(AbstractModule):
    """One named way for an episode to end, with a state of its own.

    One that `truncates` is no failure: the clip is over, the goal was held, the arena ends. The
    value function bootstraps through it, as through the end of the time.
    """

    protocol: ClassVar[Protocol] = (
        Call("init", ("signals",), ("state",)),
        Call("step", ("state", "signals"), ("ends", "state")),
    )

    truncates: eqx.AbstractVar[bool]

    @abc.abstractmethod
    def init(self, signals: Signals) -> Any:
        """The ending's state at the start of an episode."""

    @abc.abstractmethod
    def step(self, state: Any, signals: Signals) -> tuple[Bool[Array, ""], Any]:
        """Whether the episode is over after a control step, and the next state."""


class AbstractStatelessEnding(AbstractEnding):
    """An ending that a moment decides: it remembers nothing."""

    protocol: ClassVar[Protocol] = (Call("__call__", ("signals",), ("ends",)),)

    def init(self, signals: Signals) -> tuple[()]:
        """No state."""
        return ()

    def step(self, state: tuple[()], signals: Signals) -> tuple[Any, tuple[()]]:
        """Whether the moment ends the episode."""
        return self(signals), state

    @abc.abstractmethod
    def __call__(self, signals: Signals) -> Bool[Array, ""]:
        """Whether the episode is over."""


class Fallen(AbstractStatelessEnding):
    """The base is too low or tilts too far.

    On a `ground` (`robots.on_ground`) it is low above the ground below it.

    Args:
        robot: whose base it is; its robot.toml has the lowest height.
        max_tilt: of the base from upright, rad.
        ground: what the robot stands on, where that is no plane.
    """

    body: int = eqx.field(static=True)
    min_height: Float[Array, ""]  # m
    max_tilt: Float[Array, ""]  # rad
    ground: Ground | None
    truncates = False

    def __init__(self, robot: Robot, max_tilt: Number = 0.8, ground: Ground | None = None):
        self.ground = ground
        self.body = robot.need("base", type(self).__name__).body
        self.min_height = robot.need("min_root_height", type(self).__name__)
        self.max_tilt = f32(max_tilt)

    def __call__(self, signals: Signals) -> Bool[Array, ""]:
        _, x, y, _ = signals.physics.xquat[self.body]
        up = 1.0 - 2.0 * (x * x + y * y)
        height = above(self.ground, signals.physics.xpos[self.body])
        standing = (height > self.min_height) & (up > jnp.cos(self.max_tilt))
        return ~standing


class JointsBeyond(AbstractStatelessEnding):
    """A hinge or a slide is too far from zero or too fast: a cart at the end of its rail, a pole that spins.

    Args:
        robot: whose joints they are, with or without an actuator.
        positions: by joint, the greatest size of its position, rad or m.
        velocities: by joint, the greatest size of its velocity, rad/s or m/s.

    Raises:
        WildRobotError: the robot has no such hinge or slide.
    """

    position: Float[Array, " positions"]  # rad or m
    velocity: Float[Array, " velocities"]  # rad/s or m/s
    qpos_addresses: tuple[int, ...] = eqx.field(static=True)
    dof_addresses: tuple[int, ...] = eqx.field(static=True)
    truncates = False

    def __init__(
        self,
        robot: Robot,
        positions: Mapping[str, float] | None = None,
        velocities: Mapping[str, float] | None = None,
    ):
        far, fast = positions or {}, velocities or {}
        self.qpos_addresses, _ = joint_addresses(robot, tuple(far), "JointsBeyond")
        _, self.dof_addresses = joint_addresses(robot, tuple(fast), "JointsBeyond")
        self.position, self.velocity = f32(list(far.values())), f32(list(fast.values()))

    def __call__(self, signals: Signals) -> Bool[Array, ""]:
        qpos = signals.physics.qpos[np.array(self.qpos_addresses, int)]
        qvel = signals.physics.qvel[np.array(self.dof_addresses, int)]
        return jnp.any(jnp.abs(qpos) > self.position) | jnp.any(jnp.abs(qvel) > self.velocity)
