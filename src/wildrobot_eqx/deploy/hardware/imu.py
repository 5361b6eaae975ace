"""IMUs: what one says, and how it is mounted."""

import abc
import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..player.attitude import Attitude, multiply

ORIENTATION, GYRO, ACCELEROMETER = "orientation", "gyro", "accelerometer"


@dataclasses.dataclass(frozen=True)
class ImuReading:
    """The newest values of an IMU, in its own frame; None of what it does not measure or has not said yet."""

    time: float  # s, on the port's clock, of the oldest of the values
    quat: tuple[float, float, float, float] | None  # w, x, y, z: from the IMU's frame to the world's
    gyro: tuple[float, float, float] | None  # rad/s
    accel: tuple[float, float, float] | None  # m/s^2; at rest it reads gravity upwards


class AbstractImu(abc.ABC):
    """An IMU that sends of its own accord."""

    damaged: int  # messages with a wrong checksum or of a wrong form

    @abc.abstractmethod
    def read(self) -> ImuReading | None:
        """The newest values, without waiting; None as long as there is none.

        Raises:
            OSError: the port is gone.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Give the port back."""


class MountedImu:
    """An IMU as a robot's model has it: sensors by the model's names, in the frame of the model's IMU.

    Args:
        imu: the IMU.
        names: what the model calls its "orientation", "gyro" and "accelerometer"; those that it lacks are left out.
        mounting: unit quaternion (w, x, y, z), from the IMU's own frame to that of the model's IMU.
        filter: makes an orientation of gyro and accelerometer, for an IMU that estimates none.
    """

    def __init__(
        self,
        imu: AbstractImu,
        names: Mapping[str, str],
        mounting: Sequence[float] = (1.0, 0.0, 0.0, 0.0),
        filter: Attitude | None = None,
    ):
        self.imu, self._names, self._filter = imu, dict(names), filter
        size = math.sqrt(sum(value * value for value in mounting))
        self.mounting = np.asarray(mounting, np.float64) / size
        self._last: float | None = None
        self._turned: NDArray[np.float64] | None = None

    def read(self) -> tuple[float, dict[str, list[float]]] | None:
        """When the values were taken (s), and the values by the model's names; None as long as there is none.

        Raises:
            OSError: the port is gone.
        """
        found = self.imu.read()
        if found is None:
            return None
        values: dict[str, list[float]] = {}
        quat = None if found.quat is None else np.array(found.quat)
        if quat is None and self._filter is not None and found.gyro is not None and found.accel is not None:
            if self._turned is None or found.time != self._last:
                dt = 0.0 if self._last is None else found.time - self._last
                self._turned = self._filter.update(found.gyro, found.accel, dt)
            quat, self._last = self._turned, found.time
        if quat is not None and ORIENTATION in self._names:
            values[self._names[ORIENTATION]] = multiply(quat, inverse(self.mounting)).tolist()
        for kind, vector in ((GYRO, found.gyro), (ACCELEROMETER, found.accel)):
            if vector is not None and kind in self._names:
                values[self._names[kind]] = rotate(self.mounting, np.array(vector)).tolist()
        return found.time, values


def inverse(quat: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of a unit quaternion."""
    return quat * np.array([1.0, -1.0, -1.0, -1.0])


def rotate(quat: NDArray[np.float64], vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """A vector rotated by a unit quaternion."""
    return multiply(multiply(quat, np.concatenate([[0.0], vector])), inverse(quat))[1:]
