"""Readings of a robot that is not driven: its servos let go, or hold still."""

import math
from collections.abc import Callable

from ...errors import WildRobotError
from ..hardware.imu import ImuReading, MountedImu
from ..hardware.servo_robot import ServoRobot


def gather(
    robot: ServoRobot, seconds: float, every: float = 0.02, step: Callable[[float], None] | None = None
) -> tuple[dict[str, list[float]], list[ImuReading]]:
    """Read a robot for some time: positions by joint (units), and the IMU's own readings, each once.

    Args:
        robot: whose servos are asked, its joints' mounts not used.
        seconds: for how long, s.
        every: how often, s.
        step: called before each reading with the time since the start, s.

    Raises:
        WildRobotError: nothing answers.
    """
    positions: dict[str, list[float]] = {joint: [] for joint in robot.joints}
    rows: list[ImuReading] = []
    start = robot.now()
    while (since := robot.now() - start) < seconds:
        if step is not None:
            step(since)
        for joint, mount in robot.mounts.items():
            found = robot.buses[mount.bus].read_many((mount.id,))
            if mount.id in found:
                positions[joint].append(found[mount.id].position)
            _look(robot, rows)
        robot.wait(robot.now() + every)
    if not any(positions.values()):
        raise WildRobotError(
            "No servo answers.", where="the servo bus", hint="look at its cable, its supply and the port", exit_code=1
        )
    return positions, rows


def watch_imu(robot: ServoRobot, seconds: float, every: float = 0.005) -> list[ImuReading]:
    """The IMU's own readings for some time, s, each once."""
    rows: list[ImuReading] = []
    start = robot.now()
    while robot.now() - start < seconds:
        _look(robot, rows)
        robot.wait(robot.now() + every)
    return rows


def wait_for_lean(robot: ServoRobot, patience: float, angle: float = 0.2) -> list[ImuReading]:
    """The IMU's own readings until the robot has been leaned by `angle` (rad) and held still again.

    Raises:
        WildRobotError: nobody leaned it within `patience`, s.
    """
    rows: list[ImuReading] = []
    start, leaned, still = robot.now(), 0.0, 0.0
    while robot.now() - start < patience:
        count = len(rows)
        _look(robot, rows)
        if len(rows) > max(count, 1) and (gyro := rows[-1].gyro) is not None:
            dt = rows[-1].time - rows[-2].time
            speed = math.sqrt(sum(value * value for value in gyro))
            leaned += speed * dt
            still = still + dt if speed < 0.05 else 0.0
            if leaned > angle and still > 0.5:
                return rows
        robot.wait(robot.now() + 0.005)
    raise WildRobotError(
        "Nobody has leaned the robot.", where="imu", hint="lean it nose down by 20 degrees, and hold it", exit_code=1
    )


def _look(robot: ServoRobot, rows: list[ImuReading]) -> None:
    if not isinstance(robot.imu, MountedImu):
        return
    found = robot.imu.imu.read()
    if found is not None and (not rows or found.time > rows[-1].time):
        rows.append(found)
