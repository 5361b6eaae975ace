"""Limits that the gates of walking share, as shares of a robot's own sizes."""

from ...locomotion import Scales
from ..gate import Limit
from .meter import GaitMeter

_DIGITS = 3  # significant ones of a limit


def of_speed(share: float, scales: Scales) -> float:
    """A share of sqrt(g L), m/s, rounded to three significant digits."""
    return _rounded(share * scales.speed)


def of_length(share: float, scales: Scales) -> float:
    """A share of the leg length, m, likewise."""
    return _rounded(share * scales.length)


def of_rate(share: float, scales: Scales) -> float:
    """A share of 1 / sqrt(L / g), rad/s, likewise."""
    return _rounded(share / scales.time)


def effort(meter: GaitMeter, cases: tuple[str, ...]) -> list[Limit]:
    """What the servos may be asked for: RMS torque, what they bear for ever where that is known, saturation, speed."""
    bears = meter.continuous_torque is not None
    return [
        Limit("slip", high=of_speed(0.0239832, meter.scales), cases=cases),
        Limit("torque_rms", high=meter.stall_torque / 3.0, cases=cases),
        *([Limit("joint_torque_continuous", high=1.0, cases=cases)] if bears else []),
        Limit("saturated", high=0.02, cases=cases),
        Limit("overspeed", high=0.01, cases=cases),
    ]


def of_the_gait(meter: GaitMeter, cases: tuple[str, ...]) -> list[Limit]:
    """What moving feet are held to where there are more than two, or where they are points.

    A robot on two soles shows by its swings alone whether it walks; a quadruped may drag a
    foot, or shuffle, on the three others.
    """
    if not meter.more_lines:
        return []
    duty = [] if meter.duty is None else [Limit("duty_factor", meter.duty - 0.15, meter.duty + 0.15, cases=cases)]
    paired = any(len(group) > 1 for group in meter.together)
    return [
        *duty,
        Limit("drag", high=0.1, cases=cases),
        *([Limit("in_step", low=0.8, cases=cases)] if paired else []),
        *([Limit("pair_ratio", 0.8, 1.25, cases=cases)] if paired and len(meter.together) == 2 else []),
    ]


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
