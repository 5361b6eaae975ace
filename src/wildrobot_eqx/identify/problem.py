"""The least-squares problem of a robot's parameters: residuals of windows of logs, and what is believed before."""

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .parameters import Parameters
from .residuals import differences
from .simulate import simulate
from .windows import Window

_SIMULATIONS = 512  # at once
_GUESS = {"position": 0.006, "up": 0.004, "gyro": 0.05}  # rad, 1, rad/s: scales before any is known
_LEAST = {"position": 0.0005, "up": 0.0002, "gyro": 0.002}  # no log is trusted more than that
_LEAST_WORTH = 0.02

Progress = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Problem:
    """Residuals of parameters: differences of readings over their scale, and the distance from what is believed.

    The squares of all residuals sum up to twice the negative logarithm of the posterior density, but for a constant:
    normal errors of standard deviation `scale`, of which a control step has as much news as `worth` says; and a
    normal prior.
    """

    parameters: Parameters
    windows: tuple[Window, ...]
    scale: NDArray[np.float64]  # (channels,) rad, 1, rad/s
    worth: NDArray[np.float64]  # (channels,)
    threads: int = 0

    @staticmethod
    def of(parameters: Parameters, windows: list[Window], threads: int = 0) -> "Problem":
        """With scales that are guesses."""
        guess = _by_channel(parameters, windows[0], _GUESS)
        return Problem(parameters, tuple(windows), guess, np.full(len(guess), 0.1), threads)

    def residuals(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of variants (r, p): (m, r), those of the prior last."""
        owners, which = _same(rows, [i for i, kind in enumerate(self.parameters.kind_of) if kind.simulated])
        part = max(1, _SIMULATIONS // len(self.windows))
        found = []
        weight = np.sqrt(self.worth) / self.scale
        for start in range(0, len(owners), part):
            chosen = rows[owners[start : start + part]]
            traces = simulate(self.parameters.subject, self.parameters, chosen, self.windows, self.threads)
            mine = np.flatnonzero((which >= start) & (which < start + part))
            gone = differences(self.parameters, rows[mine], self.windows, traces, which[mine] - start)
            found.append((mine, gone.stacked() * weight))
        lost = ~np.isfinite(found[0][1][0])  # readings that are not known, or do not count
        out = np.empty((lost.size + len(self.parameters), len(rows)))
        for mine, off in found:
            off[:, lost] = 0.0
            off = np.where(np.isfinite(off), off, 1e3)  # a simulation that has diverged
            out[: lost.size, mine] = off.reshape(len(mine), -1).T
        root = np.linalg.cholesky(self.parameters.prior)
        out[lost.size :] = np.linalg.solve(root, (rows - self.parameters.mean).T)
        return out

    def jacobian(self, x: NDArray[np.float64], at: NDArray[np.float64], sign: float = 1.0) -> NDArray[np.float64]:
        """Derivatives at x (p,), whose residuals are `at` (m,), by one-sided differences in one batch, (m, p).

        Steps go up or down, by `sign`; the other way where a bound forbids it.
        """
        low, high = self.parameters.bounds
        steps = sign * self.parameters.steps
        steps = np.where((x + steps > high) | (x + steps < low), -steps, steps)
        return (self.residuals(x + np.diag(steps)) - at[:, None]) / steps

    def rescaled(self, residuals: NDArray[np.float64]) -> "Problem":
        """With scales and worths that the residuals (m,) at a solution have shown.

        The worth of a control step is that of an AR(1) process of the same correlation, (1 - r) / (1 + r).
        """
        least = _by_channel(self.parameters, self.windows[0], _LEAST)
        w, channels = len(self.windows), len(self.scale)
        off = residuals[: -len(self.parameters)].reshape(w, -1, channels) / np.sqrt(self.worth) * self.scale
        known = off != 0.0
        count = np.maximum(known.sum(axis=(0, 1)), 1)
        power = (off**2).sum(axis=(0, 1)) / count
        both = known[:, 1:] & known[:, :-1]
        product = (off[:, 1:] * off[:, :-1] * both).sum(axis=(0, 1)) / np.maximum(both.sum(axis=(0, 1)), 1)
        alike = np.clip(product / np.maximum(power, 1e-30), 0.0, 0.999)
        worth = np.maximum((1.0 - alike) / (1.0 + alike), _LEAST_WORTH)
        return dataclasses.replace(self, scale=np.maximum(np.sqrt(power), least), worth=worth)

    def part(self, windows: list[int]) -> "Problem":
        """On some of the windows."""
        return dataclasses.replace(self, windows=tuple(self.windows[i] for i in windows))


def _same(rows: NDArray[np.float64], columns: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that differ in some columns, by index, and which of them each row equals there."""
    _, first, inverse = np.unique(rows[:, columns], axis=0, return_index=True, return_inverse=True)
    return first.astype(np.int64), inverse.reshape(-1).astype(np.int64)


def _by_channel(parameters: Parameters, window: Window, values: dict[str, float]) -> NDArray[np.float64]:
    found = [values["position"]] * len(parameters.subject.joints)
    if window.up is not None:
        found += [values["up"]] * 3
    if window.gyro is not None:
        found += [values["gyro"]] * 3
    return np.array(found)
