"""A robot as the player sees it."""

import abc
from collections.abc import Mapping
from typing import Any

from ..log.recorder import Health, Truth


class AbstractRobot(abc.ABC):
    """Joints that can be read and driven, and sensors, by name."""

    @property
    @abc.abstractmethod
    def joints(self) -> tuple[str, ...]:
        """The names of its joints, those that are only measured included."""

    @abc.abstractmethod
    def now(self) -> float:
        """The present, s, on the clock of the readings' `time`; it never runs backwards."""

    @abc.abstractmethod
    def read(self) -> dict[str, Any]:
        """The readings of this moment, all that `Player.step` takes but for the command.

        A robot that is not read all at once says in `joint_ages` and `sensor_ages` (s, by name) how old each value
        is at `now`; `time` is that of the oldest.

        Raises:
            OSError, WildRobotError: they cannot be had; the loop goes on with older ones for a moment.
        """

    @abc.abstractmethod
    def write(self, targets: Mapping[str, float], seconds: float) -> None:
        """Send targets by joint, positions (rad) of servos, each to be reached within `seconds`: the control period.

        Raises:
            OSError, WildRobotError: they could not be sent.
        """

    @abc.abstractmethod
    def wait(self, until: float) -> None:
        """Let time pass until `until`, s."""

    @abc.abstractmethod
    def release(self) -> None:
        """Take the torque off all joints. Never raises: it is the last resort."""

    def health(self) -> Health:
        """How its bus and its servos are, as far as that is known without asking them."""
        return Health()

    def trouble(self) -> str | None:
        """Why the torque has to go off at once, such as a servo that is overloaded; None while nothing is wrong."""
        return None

    def truth(self) -> Truth | None:
        """What only a simulation knows; None of a robot."""
        return None
