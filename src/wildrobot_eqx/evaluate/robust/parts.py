"""What a robot has that can be wrong, and why not where it lacks it."""

from collections.abc import Callable, Mapping

import numpy as np

from ...control.law import ServoParams
from ...errors import WildRobotError
from ...robots import Robot

Lack = Callable[[Robot], str | None]
"""Why something cannot be wrong with a robot, in a sentence; None where it can."""


def no_servos(robot: Robot) -> str | None:
    """Servo models drive position servos alone."""
    try:
        ServoParams(robot)
    except WildRobotError as error:  # the sentence of who would have to drive them
        return error.what
    return None


def no_base(robot: Robot) -> str | None:
    """What is loaded and pushed is a base that moves."""
    return f"The robot {robot.name!r} has no base that moves." if robot.base is None else None


def no_imu(robot: Robot) -> str | None:
    """A gyro is part of an IMU."""
    return None if robot.imus else f"The robot {robot.name!r} has no IMU."


def no_contacts(robot: Robot) -> str | None:
    """Friction needs two geoms that can touch."""
    mj = robot.model.mj
    touching = mj.npair > 0 or bool(np.any(mj.geom_contype[:, None] & mj.geom_conaffinity[None, :]))
    return None if touching else f"Nothing of the robot {robot.name!r} can touch anything."


def lacking(robot: Robot, needs: Mapping[str, Lack]) -> dict[str, str]:
    """Of some parts of a world, by name, those that the robot cannot have, and why."""
    reasons = {name: lack(robot) for name, lack in needs.items()}
    return {name: why for name, why in reasons.items() if why is not None}
