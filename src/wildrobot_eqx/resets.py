"""Resets: the distribution of first poses."""

from .task import AbstractReset, HomeReset

__all__ = [
    "AbstractReset",
    "HomeReset",
]
