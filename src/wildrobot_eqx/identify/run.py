"""Identification from logs to a file: the windows, the fit, the check on a log that was left out, and the report."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..deploy.log.recording import Recording
from ..errors import WildRobotError
from .fit import Fit, fit
from .parameters import Parameters
from .residuals import differences
from .simulate import simulate
from .subject import Subject
from .weak import weak
from .windows import Window, cut

_WALKS = 0.5  # share of a log in which a policy has the robot, from which on windows are short


@dataclasses.dataclass(frozen=True)
class Found:
    """A fit, and how far it brings a simulation to logs, those of the fit and one that was left out."""

    fit: Fit
    before: dict[str, float]  # root mean squares of differences, the model as it is
    after: dict[str, float]
    tested: tuple[dict[str, float], dict[str, float]] | None  # before and after, on a log that was not used
    window: tuple[float, float]  # s that count, and s before them

    def to_json(self) -> dict[str, Any]:
        """As JSON values: ratios and values in their units, with what is not told."""
        fit = self.fit
        rows = []
        for i, (name, kind) in enumerate(zip(fit.parameters.names, fit.parameters.kind_of)):
            value, off = float(fit.values[i]), float(fit.deviation[i])
            rows.append(
                {
                    "name": name,
                    "unit": kind.unit or "ratio",
                    "value": math.exp(value) if kind.log else value,
                    "deviation": math.exp(value) * off if kind.log else off,
                    "told": round(float(np.clip(fit.told[i], 0.0, 1.0)), 4),
                }
            )
        return {
            "parameters": rows,
            "not told": weak(fit),
            "before": self.before,
            "after": self.after,
            "test": None if self.tested is None else {"before": self.tested[0], "after": self.tested[1]},
            "window_s": list(self.window),
            "seconds": round(fit.seconds, 2),
        }


def identify(
    subject: Subject,
    logs: Sequence[Recording],
    *,
    kinds: Sequence[str] | None = None,
    test: Recording | None = None,
    window: float | None = None,
    warm_up: float | None = None,
    rounds: Sequence[int] = (3, 2),
    threads: int = 0,
) -> Found:
    """Fit parameters of a robot to logs.

    A robot that stands forgets where it began: windows of 8 s count, after 2 s that let the estimated first state
    settle. One that a policy drives does not: its windows have 0.5 s and count from the start.

    Args:
        subject: whose logs they are.
        logs: one or more.
        kinds: names of kinds of parameters; all that the robot has, if None.
        test: a log that is not used for the fit, on which it is shown.
        window: s of a window that count.
        warm_up: s before them.
        rounds: iterations of each round of the fit.
        threads: 0: one for each core.

    Raises:
        WildRobotError: a log is of another robot, or holds no window.
    """
    if not logs:
        raise WildRobotError("There is no log to identify from.", where="LOG", hint="name at least one")
    for log in (*logs, *(() if test is None else (test,))):
        subject.need(log, "LOG")
    parameters = Parameters.of(subject, kinds)
    driven = float(np.mean(np.concatenate([_by_policy(log) for log in logs]))) > _WALKS
    window = (0.5 if driven else 8.0) if window is None else window
    warm_up = (0.0 if driven else 2.0) if warm_up is None else warm_up
    windows = [w for number, log in enumerate(logs) for w in cut(subject, log, window, warm_up, number)]
    found = fit(parameters, windows, rounds=rounds, threads=threads)
    both = np.stack([parameters.nominal, found.values])
    before, after = rms(parameters, both, windows, threads)
    tested = None
    if test is not None:
        tested = rms(parameters, both, cut(subject, test, window, warm_up), threads)
    return Found(found, before, after, tested, (window, warm_up))


def _by_policy(log: Recording) -> NDArray[np.bool_]:
    """In which control steps a policy had the robot; an excitation is a motion without one."""
    return np.asarray((log.mode == "run") & np.isfinite(log.action).any(axis=1), bool)


def rms(
    parameters: Parameters, rows: NDArray[np.float64], windows: Sequence[Window], threads: int = 0
) -> tuple[dict[str, float], dict[str, float]]:
    """Root mean squares of the differences of two variants (2, p): joints (deg), tilt (deg), rates (deg/s)."""
    off = differences(parameters, rows, windows, simulate(parameters.subject, parameters, rows, windows, threads))
    found = []
    for i in range(2):
        item = {"joints_deg": off.position[i]}
        if off.up is not None:
            item["tilt_deg"] = off.up[i]
        if off.gyro is not None:
            item["rates_deg_per_s"] = off.gyro[i]
        found.append({name: float(f"{_rms(values):.6g}") for name, values in item.items()})
    return found[0], found[1]


def _rms(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.degrees(np.sqrt(np.mean(known**2)))) if known.size else math.nan
