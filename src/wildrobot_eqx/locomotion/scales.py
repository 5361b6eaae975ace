"""The sizes by which walking scales: a length, a weight and the time and speed that follow from them."""

import dataclasses
import math

from ..robots import Robot


@dataclasses.dataclass(frozen=True)
class Scales:
    """What makes the figures of legged robots comparable: two that differ in size alone walk alike by these.

    A speed over `speed` is the square root of its Froude number `v^2 / (g L)` (Alexander 1984,
    "The gaits of bipedal and quadrupedal animals").

    Args:
        length: leg length L, height of the hips above the soles in the home pose, m.
        weight: of the robot, N.
        gravity: g, m/s^2.
        legs: how many feet there are.
    """

    length: float
    weight: float
    gravity: float
    legs: int

    @staticmethod
    def of(robot: Robot) -> "Scales":
        """Those of a robot.

        Raises:
            WildRobotError: it has no feet.
        """
        return Scales(robot.leg_length, robot.weight, robot.gravity, len(robot.need("feet", "Scales")))

    @property
    def time(self) -> float:
        """sqrt(L / g), s."""
        return math.sqrt(self.length / self.gravity)

    @property
    def speed(self) -> float:
        """sqrt(g L), m/s: that of Froude number 1, at which a stiff leg loses the floor."""
        return math.sqrt(self.length * self.gravity)

    @property
    def mass(self) -> float:
        """Of the robot, kg."""
        return self.weight / self.gravity
