"""What the commands of walking have in common: whether a step is asked for."""

import abc

from jaxtyping import Array, Float

from ..module import AbstractModule


class AbstractMotionState(AbstractModule):
    """The state of a command that asks a robot to move or to stand."""

    @property
    @abc.abstractmethod
    def is_moving(self) -> Float[Array, ""]:
        """1 while a motion is asked for, 0 while the robot should stand."""

    @property
    @abc.abstractmethod
    def stepping(self) -> Float[Array, ""]:
        """1 while a step is asked for or still being finished, 0 while the robot should stand still."""
