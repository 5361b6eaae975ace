"""Gates: what counts as done."""

from .evaluate import (
    AbstractGate,
    AbstractMeter,
    Case,
    ClipGate,
    Figure,
    GateResult,
    GoalGate,
    Motion,
    Pose,
    PosedWalkGate,
    StandGate,
    WalkGate,
)
from .evaluate.gate_result import CommandFigures, GateLine, Limit
from .task import AbstractGoal, HingeAt, SiteAt

__all__ = [
    "AbstractGate",
    "AbstractGoal",
    "AbstractMeter",
    "Case",
    "ClipGate",
    "CommandFigures",
    "Figure",
    "GateLine",
    "GateResult",
    "GoalGate",
    "HingeAt",
    "Limit",
    "Motion",
    "Pose",
    "PosedWalkGate",
    "SiteAt",
    "StandGate",
    "WalkGate",
]
