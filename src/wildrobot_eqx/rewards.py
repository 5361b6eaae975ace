"""Rewards: terms per second, each with a weight."""

from .locomotion import (
    CapturePoint,
    FeetClearance,
    FeetSlip,
    GaitContacts,
    IdleFeet,
    StandStill,
    TrackAngVelZ,
    TrackHeading,
    TrackLinVelX,
    TrackLinVelY,
)
from .task import (
    AbstractReward,
    AbstractStatelessReward,
    ActionRate,
    Alive,
    BaseHeightError,
    FlatOrientation,
    JointSpeedLimit,
    Posture,
    Torque,
    kernel,
)

__all__ = [
    "AbstractReward",
    "AbstractStatelessReward",
    "ActionRate",
    "Alive",
    "BaseHeightError",
    "CapturePoint",
    "FeetClearance",
    "FeetSlip",
    "FlatOrientation",
    "GaitContacts",
    "IdleFeet",
    "JointSpeedLimit",
    "Posture",
    "StandStill",
    "Torque",
    "TrackAngVelZ",
    "TrackHeading",
    "TrackLinVelX",
    "TrackLinVelY",
    "kernel",
]
