"""Randomisers of the physics' parameters, drawn anew for every episode."""

from .physics import (
    AbstractRandomiser,
    MemberRanges,
    Payload,
    ScaleArmature,
    ScaleDamping,
    ScaleFriction,
    ScaleFrictionLoss,
    ScaleGains,
    ScaleInertia,
    ScaleMass,
    ScaleStrength,
    ShiftCentreOfMass,
    TiltGravity,
)

__all__ = [
    "AbstractRandomiser",
    "MemberRanges",
    "Payload",
    "ScaleArmature",
    "ScaleDamping",
    "ScaleFriction",
    "ScaleFrictionLoss",
    "ScaleGains",
    "ScaleInertia",
    "ScaleMass",
    "ScaleStrength",
    "ShiftCentreOfMass",
    "TiltGravity",
]
