"""Which named cause fits a log: each alone is fitted, and the share of the differences that it takes away is told."""

from typing import Any

import numpy as np

from ..deploy.log.recording import Recording
from .parameters import Parameters
from .problem import Problem
from .subject import Subject
from .windows import cut

CAUSES: dict[str, tuple[str, ...]] = {
    "servo zeros": ("servo_zero",),
    "delay": ("delay", "smoothing"),
    "gain": ("stiffness",),
    "friction": ("friction", "damping"),
    "backlash": ("backlash",),
    "voltage": ("voltage",),
    "centre of mass": ("mass", "centre_of_mass"),
    "IMU tilt": ("imu_tilt",),
    "sole softness": ("sole_softness", "sole_friction"),
}
_SECONDS, _WINDOW, _WARM_UP = 16.0, 3.0, 1.0  # s of a log that are looked at


def causes(subject: Subject, log: Recording, threads: int = 0) -> list[dict[str, Any]]:
    """Causes by the share of the error that each explains alone, the greatest first.

    The error is the sum of squares of all differences, in units in which 0.34 degrees of a joint, 0.23 degrees of the
    base and 2.9 deg/s count alike, in windows of 3 s whose first second is not counted. A cause's parameters are set by
    one step of Gauss-Newton from the model (with what is believed of them before, so that a cause of many parameters is
    not free to explain anything), shortened as long as the simulation gets worse by it; the share is what a simulation
    with them then takes away. Shares of causes that act alike overlap and do not sum up to 1.
    """
    parameters = Parameters.of(subject)
    windows = cut(subject, log, _WINDOW, _WARM_UP)
    every = max(1, len(windows) // max(1, round(_SECONDS / (_WINDOW + _WARM_UP))))
    problem = Problem.of(parameters, windows[::every], threads)
    nominal = parameters.nominal
    before = problem.residuals(nominal[None])[:, 0]
    count = len(parameters)
    slopes, before = problem.jacobian(nominal, before)[:-count], before[:-count]
    low, high = parameters.bounds
    fractions = (1.0, 0.5, 0.25)
    rows, named = [], []
    for cause, kinds in CAUSES.items():
        which = [i for i, kind in enumerate(parameters.kind_of) if kind.name in kinds]
        if not which:
            continue
        part, spread = slopes[:, which], parameters.prior[np.ix_(which, which)]
        step = -np.linalg.solve(part.T @ part + np.linalg.inv(spread), part.T @ before)
        for fraction in fractions:
            row = nominal.copy()
            row[which] = np.clip(fraction * step, low[which], high[which])
            rows.append(row)
        named.append(cause)
    left = np.square(problem.residuals(np.array(rows))[:-count]).sum(axis=0).reshape(-1, len(fractions))
    total = float(before @ before)
    found = []
    for i, cause in enumerate(named):
        best = int(np.argmin(left[i]))
        share = max(0.0, 1.0 - float(left[i, best]) / total) if total > 0.0 else 0.0
        row = rows[i * len(fractions) + best]
        values = {
            name: float(np.exp(v) if kind.log else v)
            for name, kind, v in zip(parameters.names, parameters.kind_of, row)
            if kind.name in CAUSES[cause]
        }
        found.append({"cause": cause, "share": round(share, 4), "values": values})
    return sorted(found, key=lambda item: -item["share"])
