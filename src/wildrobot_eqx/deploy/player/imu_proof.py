"""Proof by motion that an IMU's quaternion turns as its gyro says: its order, its frame and its signs."""

import itertools
import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from ..bundle.contract import Contract
from .attitude import exp, multiply
from .guard import Reading, Unfit

_WINDOW = 0.2  # s
_LEAST = math.radians(4.0)  # of a window's turn by the gyro, that it counts
_AGREES, _DIFFERS = 0.35, 0.8  # of the angle between the two turns, as a share of the gyro's
_ENOUGH, _TOO_MANY = 3, 3  # windows


class ImuProof:
    """Holds an orientation sensor against the gyro beside it.

    Over windows of 0.2 s the turn between two quaternions must be the integral of the gyro. A quaternion read in
    another order, of the inverse rotation, or in a frame other than the gyro's turns about another axis. An IMU at
    rest proves nothing.

    Args:
        quat: the orientation sensor.
        gyro: the gyro.
    """

    def __init__(self, quat: str, gyro: str):
        self.quat, self.gyro = quat, gyro
        self.start()

    @staticmethod
    def of(contract: Contract) -> "ImuProof | None":
        """That of the sensor which measures the tilt, or else of the first one; None where either sensor is missing."""
        read = {s["name"]: s["kind"] for s in contract.document["sensors"] if s["name"] in contract.sensors}
        quats = [name for name, kind in read.items() if kind == "orientation"]
        gyros = [name for name, kind in read.items() if kind == "gyro"]
        if not quats or not gyros:
            return None
        tilt = contract.document["safety"]["tilt"]
        quat = tilt["sensor"] if tilt is not None and tilt["sensor"] in quats else quats[0]
        return ImuProof(quat, max(gyros, key=lambda name: _alike(name, quat)))

    def start(self) -> None:
        """Forget all motion."""
        self._rows = deque[tuple[float, NDArray[np.float64], NDArray[np.float64]]]()
        self._agreed = self._differed = 0

    @property
    def proved(self) -> bool:
        """Motion has shown that the two agree."""
        return self._agreed >= _ENOUGH

    def __call__(self, reading: Reading) -> None:
        """One more reading.

        Raises:
            Unfit: the two turn differently.
        """
        quat, gyro = (reading.sensors[name].astype(np.float64) for name in (self.quat, self.gyro))
        if self._rows and reading.time <= self._rows[-1][0]:
            return
        self._rows.append((reading.time, quat, gyro))
        if self._rows[-1][0] - self._rows[0][0] < _WINDOW - 1e-6:
            return
        turned = np.array([1.0, 0.0, 0.0, 0.0])
        rows = list(self._rows)
        for (t0, _, g0), (t1, _, g1) in itertools.pairwise(rows):
            turned = multiply(turned, exp(0.5 * (g0 + g1) * (t1 - t0)))
        seen = multiply(_inverse(rows[0][1]), rows[-1][1])
        self._rows.clear()
        self._rows.append(rows[-1])
        if (size := _angle(turned)) < _LEAST:
            return
        off = _angle(multiply(_inverse(turned), seen)) / size
        self._agreed += off < _AGREES
        self._differed = self._differed + 1 if off > _DIFFERS else 0
        if self._differed >= _TOO_MANY:
            raise Unfit(
                f"the quaternion {self.quat!r} does not turn as the gyro {self.gyro!r} says: "
                "is it in another order (x, y, z, w), or of the inverse rotation?"
            )


def _alike(one: str, other: str) -> int:
    """How many letters two names begin with together."""
    return next((i for i, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))


def _inverse(quat: NDArray[np.float64]) -> NDArray[np.float64]:
    return quat * np.array([1.0, -1.0, -1.0, -1.0])


def _angle(quat: NDArray[np.float64]) -> float:
    """Of its rotation, rad, 0 to pi."""
    return 2.0 * math.atan2(float(np.linalg.norm(quat[1:])), abs(float(quat[0])))
