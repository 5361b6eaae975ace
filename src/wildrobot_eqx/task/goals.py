"""Goals: whether a moment is what a task asks for. A gate asks how long it lasts."""

import abc

import equinox as eqx
from jaxtyping import Array, Bool

from ..observe import Signals


class AbstractGoal(eqx.Module):
    """What is to be reached, as a yes or no of one moment; it remembers nothing."""

    @abc.abstractmethod
    def __call__(self, signals: Signals) -> Bool[Array, ""]:
        """Whether the robot is there."""
