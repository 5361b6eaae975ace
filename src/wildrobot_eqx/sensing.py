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
    "SampleHold",
]
