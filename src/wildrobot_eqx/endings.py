"""Endings: when an episode is over, by a failure or without one."""

from .task import (
    AbstractEnding,
    AbstractStatelessEnding,
    Fallen,
    JointsBeyond,
)

__all__ = [
    "AbstractEnding",
    "AbstractStatelessEnding",
    "Fallen",
    "JointsBeyond",
]
