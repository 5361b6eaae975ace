"""Limits that the gates of walking share."""

from ..gate import Limit
from .meter import GaitMeter


def effort(meter: GaitMeter, cases: tuple[str, ...]) -> list[Limit]:
    """What the servos may be asked for: RMS torque, what they bear for ever where that is known, saturation, speed."""
    bears = meter.continuous_torque is not None
    return [
        Limit("slip", high=0.05, cases=cases),
        Limit("torque_rms", high=meter.stall_torque / 3.0, cases=cases),
        *([Limit("joint_torque_continuous", high=1.0, cases=cases)] if bears else []),
        Limit("saturated", high=0.02, cases=cases),
        Limit("overspeed", high=0.01, cases=cases),
    ]
