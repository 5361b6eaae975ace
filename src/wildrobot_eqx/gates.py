"""Gates: what counts as done."""

from .evaluate import AbstractGate, GateResult, Motion, StandGate, WalkGate
from .evaluate.gate_result import CommandFigures, GateLine, Limit

__all__ = [
    "AbstractGate",
    "CommandFigures",
    "GateLine",
    "GateResult",
    "Limit",
    "Motion",
    "StandGate",
    "WalkGate",
]
