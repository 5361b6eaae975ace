"""Servos: what they make of a target, effect by effect."""

from .control import (
    XL330_ARMATURE,
    XL330_GAIN,
    AbstractServo,
    Backlash,
    CommandDelay,
    CommandResolution,
    DCMotor,
    Deadband,
    GearFriction,
    IdealPD,
    Joints,
    ServoLaw,
    VoltageControlledMotor,
    xl330,
)

__all__ = [
    "XL330_ARMATURE",
    "XL330_GAIN",
    "AbstractServo",
    "Backlash",
    "CommandDelay",
    "CommandResolution",
    "DCMotor",
    "Deadband",
    "GearFriction",
    "IdealPD",
    "Joints",
    "ServoLaw",
    "VoltageControlledMotor",
    "xl330",
]
