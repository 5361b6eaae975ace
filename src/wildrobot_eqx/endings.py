"""Endings: when an episode is over, by a failure or without one."""

from .imitation import ClipOver
from .task import (
    AbstractEnding,
    AbstractStatelessEnding,
    Fallen,
    JointsBeyond,
)

__all__ = [
    "AbstractEnding",
    "AbstractStatelessEnding",
    "ClipOver",
    "Fallen",
    "JointsBeyond",
]
