"""Drives a simulated robot with what a log sent, and says where and how the two part."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..deploy.log.figures import slope
from ..deploy.log.recording import Recording
from .causes import causes
from .parameters import Parameters
from .residuals import differences
from .simulate import simulate
from .subject import Subject
from .windows import Window, cut

_LONGEST_DELAY = 0.08  # s
_ZERO = 1e-4  # rad: what less than that is has no cause
_PARTED = math.radians(3.0)


@dataclasses.dataclass(frozen=True)
class Replay:
    """A log, and what a simulated robot did under its targets."""

    subject: Subject
    log: Recording
    time: NDArray[np.float64]  # (t,) s since the log's first control step, of the whole run
    read: NDArray[np.float64]  # (t, joints) rad, as it was read
    simulated: NDArray[np.float64]  # (t, joints) rad, in one go
    tilt: NDArray[np.float64] | None  # (t, 2, 2) pitch and roll, rad: read, simulated
    figures: dict[str, Any]


def replay(
    subject: Subject,
    log: Recording,
    *,
    seconds: float = 0.5,
    parameters: Parameters | None = None,
    values: NDArray[np.float64] | None = None,
    find_causes: bool = True,
    threads: int = 0,
) -> Replay:
    """Replay a log in windows, each begun at the state that was logged, and once over the whole.

    A log of a simulation has its states; that of a robot has readings, from which each state is estimated
    (`start.states`). Windows are simulated under the log's targets, and so is the whole.

    Args:
        subject: the log's robot.
        log: what it wrote.
        seconds: length of a window, s.
        parameters: of another robot than the model, with `values` (p,); the model itself, if None.
        find_causes: look for what explains the differences.
        threads: 0: one for each core.

    Raises:
        WildRobotError: the log is of another robot, or no window fits into it.
    """
    subject.need(log, "LOG")
    truth = log.qpos is not None
    if parameters is None or values is None:
        parameters = Parameters.of(subject, ("delay",))
        late = log.header.get("delay")
        values = np.array([float(late) if isinstance(late, (int, float)) else 0.0])
    row = values[None]
    windows = cut(subject, log, seconds, 0.0, truth=truth)
    off = differences(parameters, row, windows, simulate(subject, parameters, row, windows, threads), everything=True)
    long = max(
        cut(subject, log, max(len(log.time) * log.dt, seconds), 0.0, truth=truth), key=lambda window: len(window.time)
    )
    traces = simulate(subject, parameters, row, [long], threads)
    over = differences(parameters, row, [long], traces, everything=True)
    m = len(long.time)
    read, simulated = long.position, long.position - over.position[0, 0, :m]
    tilt = None
    if over.up is not None and long.up is not None:
        tilt = np.stack([_tilt(long.up), _tilt(long.up - over.up[0, 0, :m])], axis=1)
    start = float(log.time[long.first] - log.time[0])
    time = start + long.time
    joints = {
        name: {
            "windows": _spread(off.position[0, :, :, j]),
            "whole": _spread(over.position[0, 0, :, j]),
            **_alike(time, read[:, j], simulated[:, j], log.dt),
        }
        for j, name in enumerate(subject.joints)
    }
    largest = float(np.nanmax(np.abs(off.position), initial=0.0))
    figures: dict[str, Any] = {
        "robot": subject.robot.name,
        "source": log.header["source"],
        "started from": "the simulation's states" if truth else "states that were estimated from readings",
        "seconds": round(m * log.dt, 3),
        "window_s": seconds,
        "windows": len(windows),
        "largest_error_deg": _plain(math.degrees(largest)),
        "joints": joints,
        "tilt": None if off.up is None else _spread(np.linalg.norm(off.up[0], axis=-1)),
        "drift": None if tilt is None else _drift(time, tilt),
        "feet": _feet(log, traces.load, subject, long),
        "parts": _parts(time, read - simulated, tilt, subject),
        "causes": None,
    }
    if find_causes and largest > _ZERO:
        figures["causes"] = causes(subject, log, threads)
    return Replay(subject, log, time, read, simulated, tilt, figures)


def _plain(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _spread(values: NDArray[np.float64]) -> dict[str, float | None]:
    """Root mean square, mean and greatest of differences, degrees."""
    known = np.degrees(values[np.isfinite(values)])
    if not known.size:
        return {"rms_deg": None, "mean_deg": None, "most_deg": None}
    rms, most = float(np.sqrt(np.mean(known**2))), float(np.abs(known).max())
    return {"rms_deg": _plain(rms), "mean_deg": _plain(float(known.mean())), "most_deg": _plain(most)}


def _alike(
    time: NDArray[np.float64], read: NDArray[np.float64], simulated: NDArray[np.float64], dt: float
) -> dict[str, float | None]:
    """The delay, gain and offset by which the simulation comes nearest to a joint's readings.

    read(t) = mean + offset + gain * (simulated(t - delay) - mean), with the simulation's mean; `left` is the share of
    the readings' variance that this does not explain.
    """
    good = np.isfinite(read) & np.isfinite(simulated)
    t, r, s = time[good], read[good], simulated[good]
    if len(t) < 20 or np.ptp(s) < 1e-3 or np.ptp(r) < 1e-3:
        return {"delay_ms": None, "gain": None, "offset_deg": None, "left": None}

    def at(delay: float) -> tuple[float, float, float]:
        inside = t - delay >= t[0]
        late, seen = np.interp(t[inside] - delay, t, s), r[inside]
        gain = float(np.cov(late, seen, bias=True)[0, 1] / max(float(late.var()), 1e-30))
        offset = float(seen.mean() - gain * late.mean())
        return float(np.mean((seen - offset - gain * late) ** 2)), gain, offset

    delays = np.arange(-2.0 * dt, _LONGEST_DELAY, 0.1 * dt)
    delays[np.argmin(np.abs(delays))] = 0.0
    found = [at(float(delay)) for delay in delays]
    best = int(np.argmin([left for left, _, _ in found]))
    left, gain, offset = found[best]
    return {
        "delay_ms": _plain(1e3 * float(delays[best])),
        "gain": _plain(gain),
        "offset_deg": _plain(math.degrees(offset - (1.0 - gain) * float(s.mean()))),
        "left": _plain(left / max(float(r.var()), 1e-30)),
    }


def _tilt(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pitch (nose down) and roll (right side down) of ups in the IMU's frame whose x axis points forward, rad."""
    return np.stack([np.arctan2(-up[:, 0], up[:, 2]), np.arctan2(up[:, 1], up[:, 2])], axis=1)


def _drift(time: NDArray[np.float64], tilt: NDArray[np.float64]) -> dict[str, Any]:
    found = {}
    for axis, name in enumerate(("pitch", "roll")):
        both = {}
        for which, label in enumerate(("log", "simulation")):
            rate, error = slope(time, np.degrees(tilt[:, which, axis]))
            both[label] = {"slope": _plain(rate), "slope_error": _plain(error)}
        rate, error = slope(time, np.degrees(tilt[:, 0, axis] - tilt[:, 1, axis]))
        both["difference"] = {"slope": _plain(rate), "slope_error": _plain(error)}
        found[name] = both
    return found


def _feet(log: Recording, load: NDArray[np.float64] | None, subject: Subject, window: Window) -> dict[str, Any] | None:
    """The share of the time in which each foot bore the robot: by its switch or by a logged force, and simulated."""
    if load is None or not subject.feet:
        return None
    rows = slice(window.first, window.first + len(window.time))
    some = 0.02 * subject.robot.weight
    found = {}
    for i, foot in enumerate(subject.feet):
        known: float | None = None
        if foot in log.feet:
            closed = log.switches[rows, log.feet.index(foot)]
            known = _plain(float(np.nanmean(closed))) if np.isfinite(closed).any() else None
        elif log.foot_force is not None and i < log.foot_force.shape[1]:
            known = _plain(float(np.mean(log.foot_force[rows, i] > some)))
        found[foot] = {"log": known, "simulation": _plain(float(np.mean(load[0, 0, 1:, i] > some)))}
    return found


def _parts(
    time: NDArray[np.float64], off: NDArray[np.float64], tilt: NDArray[np.float64] | None, subject: Subject
) -> dict[str, Any] | None:
    """When simulation and robot are first 3 degrees apart, and in what; None if they never are."""
    columns, names = np.abs(off - np.nanmean(off[:5], axis=0)), list(subject.joints)
    if tilt is not None:
        columns = np.concatenate([columns, np.abs(tilt[:, 0] - tilt[:, 1])], axis=1)
        names += ["pitch", "roll"]
    far = np.nan_to_num(columns) > _PARTED
    if not far.any():
        return None
    first = int(np.argmax(far.any(axis=1)))
    return {"time": _plain(float(time[first])), "what": [n for n, is_far in zip(names, far[first]) if is_far]}
