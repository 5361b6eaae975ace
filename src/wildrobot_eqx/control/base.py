"""What every controller promises: an action becomes an actuator command."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..robots import Robot


class AbstractController(eqx.Module):
    """Turns a policy's action into joint targets, once per control period."""

    @abc.abstractmethod
    def init(self) -> Any:
        """The controller's state at the start of an episode."""

    @abc.abstractmethod
    def __call__(self, state: Any, action: Float[Array, " nu"]) -> tuple[Float[Array, " nu"], Any]:
        """The joint targets (rad, actuator order) for `action` (dimensionless), and the next state."""


class JointPosition(AbstractController):
    """Targets around the home pose: `clip(home + scale * action, range)`."""

    home: Float[Array, " nu"]  # rad
    scale: Float[Array, " nu"]  # rad per unit of action
    range: Float[Array, "nu 2"]  # rad
    joint_names: tuple[str, ...] = eqx.field(static=True)  # whose entries these are; the contract check compares them

    def __init__(self, robot: Robot, scale: float | Float[Array, " nu"] = 0.4):
        self.home = robot.home_joints
        self.scale = jnp.broadcast_to(jnp.asarray(scale, jnp.float32), self.home.shape)
        self.range = robot.joint_range
        self.joint_names = robot.joint_names

    def init(self) -> tuple[()]:
        return ()

    def __call__(
        self, state: tuple[()], action: Float[Array, " {self.home.size}"]
    ) -> tuple[Float[Array, " nu"], tuple[()]]:
        target = self.home + self.scale * action
        return jnp.clip(target, self.range[:, 0], self.range[:, 1]), state
