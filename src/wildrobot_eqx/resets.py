"""Resets: the distribution of first poses."""

from .task import (
    AbstractReset,
    HomeReset,
    JointReset,
    MixedReset,
)

__all__ = [
    "AbstractReset",
    "HomeReset",
    "JointReset",
    "MixedReset",
]
