"""Goals: whether a moment is what a task asks for. A gate asks how long it lasts."""

import abc

from jaxtyping import Array, Bool

from ..module import AbstractModule
from ..observe import Signals


class AbstractGoal(AbstractModule):
    """What is to be reached, as a yes or no of one moment; it remembers nothing."""

    @abc.abstractmethod
    def __call__(self, signals: Signals) -> Bool[Array, ""]:
        """Whether the robot is there."""
