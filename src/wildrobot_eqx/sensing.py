"""Sensing: what sensors make of the truth, step by step."""

from .observe import (
    AbstractSensing,
    Bias,
    DroppedPackets,
    EncoderOffset,
    HingeOffset,
    MountingError,
    Noise,
    ReadingDelay,
    ReadingResolution,
    RoundRobin,
    SampleHold,
)

__all__ = [
    "AbstractSensing",
    "Bias",
    "DroppedPackets",
    "EncoderOffset",
    "HingeOffset",
    "MountingError",
    "Noise",
    "ReadingDelay",
    "ReadingResolution",
    "RoundRobin",
    "SampleHold",
]
