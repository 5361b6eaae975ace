"""What every controller promises: an action becomes an actuator command."""

import abc
from typing import Any, ClassVar

from jaxtyping import Array, Float

from ..module import AbstractModule
from ..protocol import Call, Protocol
from ..robots import Mirror


class AbstractController(AbstractModule):
    """Turns a policy's action into actuator commands, once per control period.

    A command is what the robot's actuators take: joint angles (rad) for position servos,
    torques for motors, speeds for velocity actuators, in actuator order.
    """

    protocol: ClassVar[Protocol] = (
        Call("rest", (), ("ctrl",)),
        Call("init", (), ("state",)),
        Call("__call__", ("state", "action"), ("ctrl", "state")),
    )

    @property
    @abc.abstractmethod
    def action_size(self) -> int:
        """How many numbers an action is; they need not be as many as there are actuators."""

    @property
    @abc.abstractmethod
    def mirror(self) -> Mirror | None:
        """How an action reflects in the x-z plane; None where no reflection is known."""

    @abc.abstractmethod
    def rest(self) -> Float[Array, " nu"]:
        """The command that is in force before the first action of an episode."""

    @abc.abstractmethod
    def init(self) -> Any:
        """The controller's state at the start of an episode."""

    @abc.abstractmethod
    def __call__(self, state: Any, action: Float[Array, " na"]) -> tuple[Float[Array, " nu"], Any]:
        """The command for `action` (dimensionless), and the next state."""
