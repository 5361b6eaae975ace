"""How a simulation's readings differ from a log's."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .parameters import Parameters
from .simulate import Traces
from .windows import Window


@dataclasses.dataclass(frozen=True)
class Differences:
    """What was read less what the simulation would have read; NaN where nothing was read or where it does not count."""

    position: NDArray[np.float64]  # (r, w, t, joints) rad
    up: NDArray[np.float64] | None  # (r, w, t, 3)
    gyro: NDArray[np.float64] | None  # (r, w, t, 3) rad/s

    def stacked(self) -> NDArray[np.float64]:
        """All of them, (r, w, t, channels): joints, up, gyro."""
        parts = [self.position, *(part for part in (self.up, self.gyro) if part is not None)]
        return np.concatenate(parts, axis=-1)


def differences(
    parameters: Parameters,
    rows: NDArray[np.float64],
    windows: Sequence[Window],
    traces: Traces,
    which: NDArray[np.int64] | None = None,
    *,
    everything: bool = False,
) -> Differences:
    """Of variants in windows; `which` says whose traces each of `rows` has, if not its own.

    Args:
        parameters: what `rows` (r, p) are values of: zeros, the IMU's mounting and its bias change readings.
        rows: a variant each.
        windows: what was read.
        traces: what the variants did.
        which: (r,) indices of variants in `traces`.
        everything: count the first control steps of a window, too.
    """
    r, n = len(rows), traces.position.shape[2] - 1
    which = np.arange(r) if which is None else which
    zero = parameters.values("servo_zero", rows)
    dt = float(traces.time[1])
    shape = (r, len(windows), n)
    position = np.full((*shape, traces.position.shape[-1]), np.nan)
    up = None if traces.up is None or windows[0].up is None else np.full((*shape, 3), np.nan)
    gyro = None if traces.gyro is None or windows[0].gyro is None else np.full((*shape, 3), np.nan)
    tilt, bias = parameters.values("imu_tilt", rows), parameters.values("gyro_bias", rows)
    turn = None if tilt is None else Rotation.from_rotvec(tilt).as_matrix()
    for k, window in enumerate(windows):
        m = len(window.time)
        counts = np.ones(m, bool) if everything else window.scored
        read = np.where(counts[:, None], window.position, np.nan)
        q, v = traces.position[which, k, : m + 1], traces.velocity[which, k, : m + 1]
        simulated = _hermite(q, v, window.time[:, None] - window.age, dt)
        if zero is not None:
            simulated = simulated + zero[:, None, :]
        position[:, k, :m] = read - simulated
        when = window.time - window.imu_age
        for out, found, reading in ((up, traces.up, window.up), (gyro, traces.gyro, window.gyro)):
            if out is None or found is None or reading is None:
                continue
            seen = _linear(found[which, k, : m + 1], when, dt)
            if turn is not None:
                seen = np.einsum("rij,rti->rtj", turn, seen)
            if out is gyro and bias is not None:
                seen = seen + bias[:, None, :]
            out[:, k, :m] = np.where(counts[:, None], reading, np.nan) - seen
    return Differences(position, up, gyro)


def _hermite(
    q: NDArray[np.float64], v: NDArray[np.float64], when: NDArray[np.float64], dt: float
) -> NDArray[np.float64]:
    """Values at times `when` (t, joints) between samples `q` (r, s, joints) with slopes `v`, each `dt`."""
    at = np.clip(when / dt, 0.0, q.shape[1] - 1.0)
    i = np.minimum((at + 1e-9).astype(int), q.shape[1] - 2)
    s = at - i
    j = np.arange(q.shape[2])
    a, b = q[:, i, j], q[:, i + 1, j]
    slope = dt * v[:, i, j], dt * v[:, i + 1, j]
    h = s * s * (3.0 - 2.0 * s)
    return a + h * (b - a) + s * (1 - s) ** 2 * slope[0] - s * s * (1 - s) * slope[1]


def _linear(values: NDArray[np.float64], when: NDArray[np.float64], dt: float) -> NDArray[np.float64]:
    at = np.clip(when / dt, 0.0, values.shape[1] - 1.0)
    i = np.minimum((at + 1e-9).astype(int), values.shape[1] - 2)
    s = (at - i)[:, None]
    return (1.0 - s) * values[:, i] + s * values[:, i + 1]
