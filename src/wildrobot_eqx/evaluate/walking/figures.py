"""From the tallies of many episodes to the figures of one command."""

import numpy as np
from jaxtyping import Array

from .meter import GaitMeter, GaitTally
from .shown import Figure as Figure
from .shown import describe as describe


def figures(meter: GaitMeter, tally: GaitTally, command: float) -> dict[str, float]:
    """The figures of the episodes of one command (m/s), by name; NaN where nothing was there to measure.

    Figures of the end of an episode, and its mean speed, are those of the episodes that last
    to the end; the others pool every judged sample. docs/gate.md defines each.

    Args:
        meter: what gathered the tallies.
        tally: NumPy leaves with one leading axis, the episodes.
        command: the commanded speed, m/s.
    """
    upright = tally.upright
    judged = tally.judged
    moved = (tally.position - tally.warm)[upright] / (meter.dt * np.maximum(judged, 1)[upright, None])
    left_start = (tally.position - tally.start)[upright, 1]
    samples = float(judged.sum())
    joints = joint_torques(meter, tally)
    torque_rms = np.sqrt(np.mean(np.square([joint["torque_rms"] for joint in joints.values()])))
    found = {
        "survival": _mean(upright),
        "speed": _mean(moved[:, 0]),
        "speed_error": _mean(np.abs(moved[:, 0] - command)),
        "drift": _median(np.abs(left_start)),
        "heading_error": float(np.degrees(_median(np.abs(tally.heading_error[upright])))),
    }
    for i, foot in enumerate(meter.feet):
        peaks = tally.peaks[:, i]
        found[f"swing_peak_{foot}"] = _median(peaks[~np.isnan(peaks)])
    found |= {
        "step_rate": _ratio(tally.swings, samples * meter.dt),
        "duty_factor": _ratio(tally.stance_samples, samples * len(meter.feet)),
    }
    right = tuple(i for i in range(len(meter.feet)) if i not in meter.left)
    if meter.left and right:
        found["swing_ratio"] = _swing_ratio(tally, meter.left, right)
    if meter.more_lines:
        found |= _of_the_gait(meter, tally, samples)
    pitch = tally.pitch[judged > 0] / judged[judged > 0]
    return found | {
        "feet_down": _ratio(tally.down_samples, samples),
        "travel_speed": _mean(np.linalg.norm(moved, axis=-1)),
        "pitch": float(np.degrees(np.copysign(_mean(np.abs(pitch)), _mean(pitch)))),
        "tilt": float(np.degrees(_ratio(tally.tilt, samples))),
        "base_speed": _ratio(tally.base_speed, samples),
        "slip": _ratio(tally.slip, float(tally.slip_samples.sum())),
        "torque_rms": float(torque_rms),
        "torque_rms_share": float(torque_rms / np.mean(meter.torque_limit)),
        "torque_peak_share": float((tally.torque_peak / meter.torque_limit).max()) if samples else np.nan,
        "joint_torque_share": max(joint["torque_rms_share"] for joint in joints.values()),
        **_continuous(meter, joints),
        "saturated": _ratio(tally.saturated, samples),
        "overspeed": _ratio(tally.overspeed, samples),
        "action_rate": float(np.sqrt(_ratio(tally.action_change_squared, samples))),
    }


def joint_torques(meter: GaitMeter, tally: GaitTally) -> dict[str, dict[str, float]]:
    """Of each joint by name: RMS and peak torque (N m), and the RMS as a share of the joint's torque limit.

    Args:
        meter: what gathered the tallies.
        tally: NumPy leaves with one leading axis, the episodes; all their judged samples are pooled.
    """
    samples = float(tally.judged.sum())
    found = {}
    for i, name in enumerate(meter.joints):
        rms = float(np.sqrt(_ratio(tally.torque_squared[:, i], samples)))
        peak = float(tally.torque_peak[:, i].max()) if samples else np.nan
        share = rms / float(meter.torque_limit[i])
        found[name] = {"torque_rms": rms, "torque_peak": peak, "torque_rms_share": share}
    return found


def _continuous(meter: GaitMeter, joints: dict[str, dict[str, float]]) -> dict[str, float]:
    """The greatest RMS torque as a share of what its servo bears for ever, where robot.toml says what that is."""
    if meter.continuous_torque is None:
        return {}
    bears = np.asarray(meter.continuous_torque)
    return {"joint_torque_continuous": max(joint["torque_rms"] / float(b) for joint, b in zip(joints.values(), bears))}


def _of_the_gait(meter: GaitMeter, tally: GaitTally, samples: float) -> dict[str, float]:
    """Dragging feet, and whether those that the gait moves together do so, and the pairs alike."""
    found = {"drag": _ratio(tally.drag_samples, float(tally.fast_samples.sum()))}
    if any(len(group) > 1 for group in meter.together):
        found["in_step"] = _ratio(tally.in_step_samples, samples)
        if len(meter.together) == 2:
            found["pair_ratio"] = _swing_ratio(tally, *meter.together)
    return found


def _swing_ratio(tally: GaitTally, first: tuple[int, ...], second: tuple[int, ...]) -> float:
    """Ratio of the mean swing times of two groups of feet, such as those on the left and on the right.

    It is the median size of the episodes' imbalance, on the commoner side. Folding each
    episode's ratio first keeps robots that limp on either leg from averaging out.
    """
    both = (tally.swings > 0).all(axis=1)
    if not both.any():
        return np.nan
    times = tally.swing_samples[both] / tally.swings[both]
    imbalance = np.log(times[:, list(first)].mean(axis=1) / times[:, list(second)].mean(axis=1))
    return float(np.exp(np.copysign(np.median(np.abs(imbalance)), np.median(imbalance))))


def _ratio(values: Array | np.ndarray, count: float) -> float:
    return float(np.sum(np.asarray(values, np.float64))) / count if count else np.nan


def _mean(values: Array | np.ndarray) -> float:
    return float(np.mean(np.asarray(values))) if values.size else np.nan


def _median(values: Array | np.ndarray) -> float:
    return float(np.median(np.asarray(values))) if values.size else np.nan
