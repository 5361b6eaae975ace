"""What every controller promises: an action becomes an actuator command."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..protocol import Call, Protocol
from ..robots import Mirror, Robot


class AbstractController(eqx.Module):
    """Turns a policy's action into joint targets, once per control period."""

    protocol: ClassVar[Protocol] = (
        Call("rest", (), ("ctrl",)),
        Call("init", (), ("state",)),
        Call("__call__", ("state", "action"), ("ctrl", "state")),
    )

    @property
    @abc.abstractmethod
    def action_size(self) -> int:
        """Length of the action vector, which need not be the number of actuators."""

    @property
    @abc.abstractmethod
    def mirror(self) -> Mirror | None:
        """How an action reflects in the x-z plane; None where no reflection is known."""

    @abc.abstractmethod
    def rest(self) -> Float[Array, " nu"]:
        """What is sent before the first action: home angles (rad) to position servos, no torque to motors."""

    @abc.abstractmethod
    def init(self) -> Any:
        """The controller's state at the start of an episode."""

    @abc.abstractmethod
    def __call__(self, state: Any, action: Float[Array, " na"]) -> tuple[Float[Array, " nu"], Any]:
        """What is sent to the actuators for `action` (dimensionless), in actuator order, and the next state."""


class JointPosition(AbstractController):
    """Targets around the home pose: `clip(home + scale * action, range)`."""

    home: Float[Array, " nu"]  # rad
    scale: Float[Array, " nu"]  # rad per unit of action
    range: Float[Array, "nu 2"]  # rad
    reflection: Mirror | None
    joint_names: tuple[str, ...] = eqx.field(static=True)  # whose entries these are; the contract check compares them

    def __init__(self, robot: Robot, scale: float | Float[Array, " nu"] = 0.4):
        self.home = robot.home_joints
        self.scale = jnp.broadcast_to(jnp.asarray(scale, jnp.float32), self.home.shape)
        self.range = robot.joint_range
        self.joint_names, self.reflection = robot.joint_names, robot.mirror

    @property
    def action_size(self) -> int:
        """One entry per joint."""
        return len(self.joint_names)

    @property
    def mirror(self) -> Mirror | None:
        return self.reflection

    def rest(self) -> Float[Array, " nu"]:
        return self.home

    def init(self) -> tuple[()]:
        return ()

    def __call__(
        self, state: tuple[()], action: Float[Array, " {self.home.size}"]
    ) -> tuple[Float[Array, " nu"], tuple[()]]:
        target = self.home + self.scale * action
        return jnp.clip(target, self.range[:, 0], self.range[:, 1]), state
