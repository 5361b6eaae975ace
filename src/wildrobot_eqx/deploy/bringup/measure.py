"""What calibration computes of readings: zeros, and how an IMU is mounted and ordered."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import WildRobotError
from ..hardware.imu import ImuReading, inverse
from ..hardware.servo_robot import ServoMount
from ..player.attitude import exp, multiply

_STILL = 3.0  # units by which a servo may move while its zero is measured
_WINDOW = 0.2  # s
_LEAST = math.radians(3.0)  # of a window's turn, that it counts
_AGREES = 0.35  # of the angle between two turns, as a share of the gyro's
_PULL = (8.5, 11.0)  # m/s^2: an accelerometer that reads so much feels gravity
_DOWN = 0.5  # rad, by which a quaternion's up may differ from the accelerometer's
_UPRIGHT = 0.95  # cosine of how far the model's IMU may be from level for its mounting to be found so
_LEANT = (math.radians(8.0), math.radians(60.0))  # rad, how far a robot is to be leaned


def zeros(
    mounts: Mapping[str, ServoMount],
    positions: Mapping[str, Sequence[float]],
    pose: Mapping[str, float],
    limits: Mapping[str, tuple[float, float]],
) -> dict[str, float]:
    """The units at which each joint is at 0 rad, from readings in a pose that is known.

    Args:
        mounts: by joint; their zeros do not matter.
        positions: readings by joint, units.
        pose: where the joints are, rad.
        limits: how far the model's joints go (rad).

    Raises:
        WildRobotError: a joint moved meanwhile, was not read, or with that zero its servo cannot turn as far as the
            model's joint goes.
    """
    found = {}
    for joint, mount in mounts.items():
        read = np.asarray(positions.get(joint, ()), np.float64)
        if read.size < 3:
            raise WildRobotError(
                f"The joint {joint!r} was not read.", where="zeros", hint="look at its plug and its id"
            )
        if float(np.ptp(read)) > _STILL:
            raise WildRobotError(
                f"The joint {joint!r} moved by {np.ptp(read):.0f} units while its zero was measured.",
                where="zeros",
                hint="hold the robot still in its jig, and try again",
            )
        zero = float(read.mean()) - mount.sign * pose[joint] / mount.step
        trial = dataclasses.replace(mount, zero=zero)
        ends = sorted((trial.angle(mount.low), trial.angle(mount.high)))
        low, high = limits[joint]
        if ends[0] > low + mount.step or ends[1] < high - mount.step:
            raise WildRobotError(
                f"With that zero the servo of {joint!r} turns from {ends[0]:.2f} to {ends[1]:.2f} rad, and the model's "
                f"joint from {low:.2f} to {high:.2f}.",
                where="zeros",
                hint="is that the pose, the joint and the sign? else put the horn on another tooth",
            )
        found[joint] = zero
    return found


@dataclasses.dataclass(frozen=True)
class ImuOrder:
    """What motion has said of an IMU's quaternions, by the share of the gyro's turns that they missed."""

    order: str  # "wxyz" or "xyzw": of the numbers as they come
    missed: dict[str, float]  # by hypothesis


def imu_order(rows: Sequence[ImuReading]) -> ImuOrder:
    """In which order the four numbers of a moving IMU's quaternion come, held against its gyro.

    Some orders turn alike about one axis: an order whose up is not the accelerometer's is none, either, and counts as
    one that misses all of the turn and as much again.

    Args:
        rows: readings, whose quaternions are taken as they came for w, x, y, z.

    Raises:
        WildRobotError: it was hardly moved, or neither order fits the gyro, or both do.
    """
    turns = [
        (
            {"wxyz": np.array(row.quat), "xyzw": np.array([row.quat[3], *row.quat[:3]])},
            np.array(row.gyro),
            row.time,
            None if row.accel is None else np.array(row.accel),
        )
        for row in rows
        if row.quat is not None and row.gyro is not None
    ]
    turns = [b for a, b in itertools.pairwise(turns) if b[2] > a[2]]
    missed: dict[str, list[float]] = {"wxyz": [], "xyzw": []}
    start = 0
    turned = np.array([1.0, 0.0, 0.0, 0.0])
    for i, (now, before) in enumerate(zip(turns[1:], turns), 1):
        turned = multiply(turned, exp(0.5 * (now[1] + before[1]) * (now[2] - before[2])))
        if now[2] - turns[start][2] < _WINDOW:
            continue
        size = _angle(turned)
        if size >= _LEAST:
            for order, found in missed.items():
                seen = multiply(inverse(turns[start][0][order]), now[0][order])
                found.append(_angle(multiply(inverse(turned), seen)) / size)
        start, turned = i, np.array([1.0, 0.0, 0.0, 0.0])
    if len(missed["wxyz"]) < 3:
        raise WildRobotError(
            "The IMU was hardly turned.",
            where="imu",
            hint="lean the robot forward by 20 degrees and back, within a second or two",
        )
    medians = {order: float(np.median(found)) for order, found in missed.items()}
    for order in medians:
        off = [
            float(np.arccos(np.clip(_up(quats[order]) @ felt / np.linalg.norm(felt), -1.0, 1.0)))
            for quats, _, _, felt in turns
            if felt is not None and _PULL[0] < np.linalg.norm(felt) < _PULL[1]
        ]
        if off and float(np.median(off)) > _DOWN:
            medians[order] = max(medians[order], 2.0)
    best = min(medians, key=lambda order: medians[order])
    if medians[best] > _AGREES:
        raise WildRobotError(
            f"The IMU's quaternion does not turn as its gyro says, in neither order: it misses "
            f"{100 * medians['wxyz']:.0f}% as w, x, y, z and {100 * medians['xyzw']:.0f}% as x, y, z, w.",
            where="imu",
            hint="is the gyro in rad/s (degrees = true), and are both in one frame?",
        )
    if max(medians.values()) <= _AGREES:
        raise WildRobotError(
            "Both orders of the quaternion turn as the gyro says.",
            where="imu",
            hint="lean the robot to its side, too: this IMU has no accelerometer to tell them apart",
        )
    return ImuOrder(best, medians)


def imu_mounting(
    level: NDArray[np.float64], leaned: NDArray[np.float64], upright: Sequence[float]
) -> NDArray[np.float64]:
    """The rotation (w, x, y, z) from an IMU's own frame to that of the model's IMU, from two poses.

    Two vectors are known in both frames: up, and the axis about which the robot was leaned nose down, its y.
    Source: Black 1964, "A passive system for determining the attitude of a satellite" (TRIAD).

    Args:
        level: the world's up in the IMU's frame while the robot stands level in its home pose.
        leaned: the same while it is leaned nose down.
        upright: what the model's IMU sees of up in the home pose.

    Raises:
        WildRobotError: it was leaned too little or too far, or the model's IMU is mounted on its side.
    """
    wanted = np.asarray(upright, np.float64) / np.linalg.norm(upright)
    if wanted[2] < _UPRIGHT:
        raise WildRobotError(
            f"The model's IMU sees up at {np.round(wanted, 2).tolist()} in its home pose.",
            where="imu",
            hint="its mounting can be found only where that is near [0, 0, 1]: set `mounting` by hand",
        )
    one, other = level / np.linalg.norm(level), leaned / np.linalg.norm(leaned)
    cross = np.cross(one, other)
    angle = math.atan2(float(np.linalg.norm(cross)), float(one @ other))
    if not _LEANT[0] <= angle <= _LEANT[1]:
        raise WildRobotError(
            f"The robot was leaned by {math.degrees(angle):.0f} degrees.",
            where="imu",
            hint="lean it nose down by about 20 degrees",
        )
    axis = -cross / np.linalg.norm(cross)  # up turns the other way than the robot
    left = np.array([0.0, 1.0, 0.0]) - wanted[1] * wanted
    left /= np.linalg.norm(left)
    here = np.stack([one, axis, np.cross(one, axis)], axis=1)
    there = np.stack([wanted, left, np.cross(wanted, left)], axis=1)
    return _quaternion(there @ here.T)


def up_of(rows: Sequence[ImuReading]) -> NDArray[np.float64]:
    """The world's up in an IMU's frame, the mean of readings at rest: of its accelerometer, else of its quaternion.

    Raises:
        WildRobotError: there are none.
    """
    felt = [row.accel for row in rows if row.accel is not None]
    if felt:
        up = np.mean(np.array(felt), axis=0)
    else:
        seen = [_up(np.array(row.quat)) for row in rows if row.quat is not None]
        up = np.mean(np.array(seen), axis=0) if seen else np.zeros(3)
    size = float(np.linalg.norm(up))
    if size == 0.0:
        raise WildRobotError("The IMU says nothing.", where="imu", hint="look at its plug, port and baud", exit_code=1)
    return up / size


def _up(quat: NDArray[np.float64]) -> NDArray[np.float64]:
    w, x, y, z = quat
    return np.array([2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)])


def _angle(quat: NDArray[np.float64]) -> float:
    return 2.0 * math.atan2(float(np.linalg.norm(quat[1:])), abs(float(quat[0])))


def _quaternion(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of a rotation matrix. Source: Bar-Itzhack 2000, the eigenvector of the largest eigenvalue."""
    m = matrix
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
        ]
    )
    values, vectors = np.linalg.eigh(k)
    x, y, z, w = vectors[:, int(values.argmax())]
    found = np.array([w, x, y, z])
    return found if w >= 0.0 else -found
