"""Servos: what they make of a target, effect by effect."""

from .control import (
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
)

__all__ = [
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
]
