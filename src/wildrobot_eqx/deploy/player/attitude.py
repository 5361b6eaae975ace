"""Orientation from a gyro and an accelerometer, for IMUs that estimate none."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

GRAVITY = 9.81  # m/s^2


class Attitude:
    """A complementary filter: turns with the gyro, and leans back towards what the accelerometer calls up.

    Source: Mahony, Hamel and Pflimlin 2008, "Nonlinear Complementary Filters on the Special
    Orthogonal Group", the passive filter with bias (eq. 48), one vector measured. The
    accelerometer counts the less, the further its reading is from gravity's size, as in a footfall.
    Nothing measures the heading: it is the integral of the gyro, and drifts with its bias.

    Args:
        gain: 1/s, of the correction; its inverse is the time that a wrong tilt takes to fade.
        bias_gain: 1/s^2, at which the gyro's bias is learned; 0 learns none.
        trust: fraction of gravity by which a reading may be off before it counts for nothing.
    """

    def __init__(self, gain: float = 1.0, bias_gain: float = 0.02, trust: float = 0.3):
        self._gain, self._bias_gain, self._trust = gain, bias_gain, trust
        self.start()

    def start(self) -> None:
        """Forget everything: the next reading is taken for one at rest; for a level one, if it cannot be that."""
        self._quat: NDArray[np.float64] | None = None
        self.bias = np.zeros(3)  # rad/s

    def update(self, gyro: Sequence[float], accel: Sequence[float], dt: float) -> NDArray[np.float64]:
        """The orientation now: a unit quaternion (w, x, y, z) from the IMU's frame to the world's.

        Args:
            gyro: rad/s, in the IMU's frame.
            accel: m/s^2, likewise: at rest it reads gravity upwards.
            dt: s, since the last call.
        """
        rate, force = np.asarray(gyro, np.float64), np.asarray(accel, np.float64)
        size = float(np.linalg.norm(force))
        weight = max(0.0, 1.0 - abs(size / GRAVITY - 1.0) / self._trust)
        if self._quat is None:
            self._quat = _upright(force / size) if weight > 0.0 else np.array([1.0, 0.0, 0.0, 0.0])
            return self._quat.copy()
        error = np.zeros(3) if weight == 0.0 else weight * np.cross(force / size, _up(self._quat))
        self.bias = self.bias - self._bias_gain * error * dt
        turn = (rate - self.bias + self._gain * error) * dt
        self._quat = multiply(self._quat, exp(turn))
        self._quat /= np.linalg.norm(self._quat)
        return self._quat.copy()


def _up(quat: NDArray[np.float64]) -> NDArray[np.float64]:
    """The world's up in the IMU's frame."""
    w, x, y, z = quat
    return np.array([2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)])


def _upright(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """The orientation of no heading whose up, in the IMU's frame, is `up`: roll and pitch alone."""
    roll = math.atan2(up[1], up[2])
    pitch = math.atan2(-up[0], math.hypot(up[1], up[2]))
    about_y = np.array([math.cos(pitch / 2.0), 0.0, math.sin(pitch / 2.0), 0.0])
    return multiply(about_y, np.array([math.cos(roll / 2.0), math.sin(roll / 2.0), 0.0, 0.0]))


def exp(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quaternion of a turn (rad) about its own axis."""
    angle = float(np.linalg.norm(turn))
    axis = turn / angle if angle > 0.0 else turn
    return np.concatenate([[math.cos(angle / 2.0)], math.sin(angle / 2.0) * axis])


def multiply(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hamilton product: the rotation `b` followed by `a`."""
    return np.concatenate([[a[0] * b[0] - a[1:] @ b[1:]], a[0] * b[1:] + b[0] * a[1:] + np.cross(a[1:], b[1:])])
