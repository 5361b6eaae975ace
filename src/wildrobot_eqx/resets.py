"""Resets: the distribution of first poses."""

from .imitation import ClipReset
from .task import (
    AbstractReset,
    HomeReset,
    JointReset,
    MixedReset,
)

__all__ = [
    "AbstractReset",
    "ClipReset",
    "HomeReset",
    "JointReset",
    "MixedReset",
]
