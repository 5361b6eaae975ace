"""What a log says in figures: timing, joints, the slopes of the base, the bus; and two logs side by side."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .recording import Recording

STANDING = ("hold", "run")  # modes in which the robot stands on its own


def figures(recording: Recording) -> dict[str, Any]:
    """A log in figures, as JSON values; None where nothing is known.

    `base` has the slopes of pitch, roll and heading while the robot held its home pose or the policy had it, each with
    its standard error. Pitch is positive with the nose down, roll with the right side down, heading to the left.
    """
    r = recording
    standing = np.isin(r.mode, STANDING)
    off = r.target - r.position[:, : len(r.joints)]
    duration = float(r.time[-1] - r.time[0]) + r.dt
    return {
        "robot": r.header.get("robot"),
        "source": r.header["source"],
        "started": r.header.get("started"),
        "bundle": r.header.get("bundle"),
        "seconds": _plain(duration),
        "steps": len(r.time),
        "lacking": int(r.tick[-1] - r.tick[0] + 1 - len(r.tick)),
        "cut": r.cut,
        "modes": {str(mode): round(float(np.sum(r.mode == mode)) * r.dt, 3) for mode in dict.fromkeys(r.mode.tolist())},
        "fault": next((str(fault) for fault in r.fault if fault), None),
        "timing_ms": {name: _spread(1e3 * values[1:]) for name, values in r.timing.items() if name != "coasting"},
        "missed": _total(r.counts["missed"]),
        "coasting": {
            "longest_ms": _plain(1e3 * np.nanmax(r.timing["coasting"], initial=0.0)),
            "steps": int(np.sum(r.timing["coasting"] > 0.0)),
        },
        "bus": {name: _last(values) for name, values in r.counts.items() if name != "missed"},
        "voltage": _spread(r.voltage),
        "joints": {
            name: {
                "error_deg": _degrees(_mean(off[standing, i])),
                "error_rms_deg": _degrees(_rms(off[standing, i])),
                "age_ms": _spread(1e3 * r.age[:, i]),
                "temperature": _last(r.temperature[:, i]),
                "load": _plain(_rms(r.load[:, i])),
            }
            for i, name in enumerate(r.joints)
        },
        "base": base(r.rows(standing)) if standing.any() else None,
        "events": [{"time": _plain(e.time - r.time[0]), "message": e.message} for e in r.events],
    }


def base(recording: Recording) -> dict[str, dict[str, float | None]] | None:
    """Means and slopes of pitch, roll and heading, degrees and degrees per second; None without an orientation."""
    turned = angles(recording)
    if turned is None or not np.isfinite(turned).any():
        return None
    found = {}
    for name, values in zip(("pitch", "roll", "heading"), np.degrees(turned).T):
        rate, error = slope(recording.time, values)
        found[name] = {
            "first": _plain(_mean(values[:25])),
            "mean": _plain(_mean(values)),
            "last": _plain(_mean(values[-25:])),
            "slope": _plain(rate),
            "slope_error": _plain(error),
        }
    return found


def angles(recording: Recording) -> NDArray[np.float64] | None:
    """Pitch, roll and heading of the base, rad, (n, 3), from the sensor that measures the tilt.

    Pitch and roll are those of the world's up in the IMU's frame, turned so that the home pose has none; heading is
    the quaternion's, without jumps. The IMU's x axis points forward.
    """
    name = recording.header.get("tilt") or recording.sensor("quat")
    if name is None or name not in recording.sensors:
        return None
    w, x, y, z = recording.sensors[name].T
    up = np.stack([2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)], axis=1)
    up = up @ _levelled(np.asarray(recording.header.get("upright", (0.0, 0.0, 1.0)), np.float64)).T
    heading = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    good = np.isfinite(heading)
    heading[good] = np.unwrap(heading[good])
    return np.stack([np.arctan2(-up[:, 0], up[:, 2]), np.arctan2(up[:, 1], up[:, 2]), heading], axis=1)


def slope(time: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[float, float]:
    """The slope of a straight line through values, and its standard error, per second; NaN of fewer than three.

    Ordinary least squares. Neighbouring residuals of a robot are alike: the error is that of as many independent ones
    as an AR(1) process of the same correlation is worth, n (1 - r) / (1 + r).
    """
    good = np.isfinite(values) & np.isfinite(time)
    t, v = time[good], values[good]
    if len(t) < 3 or np.ptp(t) <= 0.0:
        return math.nan, math.nan
    t = t - t.mean()
    rate = float(t @ v / (t @ t))
    rest = v - v.mean() - rate * t
    power = float(rest @ rest)
    r = min(max(float(rest[1:] @ rest[:-1]) / power, 0.0), 0.999) if power > 0.0 else 0.0
    free = max(len(t) * (1.0 - r) / (1.0 + r) - 2.0, 1.0)
    return rate, math.sqrt(power / len(t) / free / float(t @ t / len(t)))


def compare(one: Recording, other: Recording) -> dict[str, Any]:
    """Two logs side by side: `rows` of a figure's name, its unit, its value in each, and the difference.

    A difference of slopes has its standard error, too, that of both together.
    """
    a, b = figures(one), figures(other)
    rows: list[dict[str, Any]] = []

    def row(name: str, unit: str, first: Any, second: Any, error: float | None = None) -> None:
        numbers = isinstance(first, (int, float)) and isinstance(second, (int, float))
        rows.append(
            {
                "figure": name,
                "unit": unit,
                "values": [first, second],
                "difference": _plain(second - first) if numbers else None,
                "error": error,
            }
        )

    row("length", "s", a["seconds"], b["seconds"])
    for axis in ("pitch", "roll", "heading"):
        pair = [(found["base"] or {}).get(axis, {}) for found in (a, b)]
        errors = [one.get("slope_error") for one in pair]
        both = _plain(math.hypot(*errors)) if None not in errors else None
        row(f"{axis}, slope", "deg/s", pair[0].get("slope"), pair[1].get("slope"), both)
        row(f"{axis}, mean", "deg", pair[0].get("mean"), pair[1].get("mean"))
    for name in (n for n in one.joints if n in other.joints):
        row(f"{name}, error", "deg", *(found["joints"][name]["error_deg"] for found in (a, b)))
        row(f"{name}, RMS error", "deg", *(found["joints"][name]["error_rms_deg"] for found in (a, b)))
        row(f"{name}, age 99%", "ms", *((found["joints"][name]["age_ms"] or {}).get("p99") for found in (a, b)))
    for name in ("period", "reading", "thinking", "writing"):
        row(f"{name} 99%", "ms", *((found["timing_ms"][name] or {}).get("p99") for found in (a, b)))
    row("control periods missed", "", a["missed"], b["missed"])
    for name in a["bus"]:
        row(name.replace("_", " "), "", a["bus"][name], b["bus"][name])
    return {"logs": [a, b], "rows": rows}


def _levelled(upright: NDArray[np.float64]) -> NDArray[np.float64]:
    """The least rotation that takes `upright` to (0, 0, 1)."""
    size = float(np.linalg.norm(upright))
    up = upright / size if size > 0.0 else np.array([0.0, 0.0, 1.0])
    axis, cosine = np.cross(up, [0.0, 0.0, 1.0]), float(up[2])
    if cosine < -0.999999:
        return np.diag([1.0, -1.0, -1.0])
    cross = np.array([[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    return np.eye(3) + cross + cross @ cross / (1.0 + cosine)


def _mean(values: NDArray[np.float64]) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else math.nan


def _rms(values: NDArray[np.float64]) -> float:
    return math.sqrt(_mean(values * values)) if np.isfinite(values).any() else math.nan


def _degrees(value: float) -> float | None:
    return _plain(math.degrees(value))


def _plain(value: Any) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None


def _spread(values: NDArray[np.float64]) -> dict[str, float | None] | None:
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    p50, p99 = np.percentile(values, [50, 99])
    return {"least": _plain(values.min()), "p50": _plain(p50), "p99": _plain(p99), "most": _plain(values.max())}


def _last(values: NDArray[np.float64]) -> float | None:
    values = values[np.isfinite(values)]
    return _plain(values[-1]) if values.size else None


def _total(values: NDArray[np.float64]) -> int:
    return int(values[np.isfinite(values)].sum())
