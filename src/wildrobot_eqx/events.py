"""Events: what happens to a robot in the midst of an episode."""

from .task import AbstractEvent, Push, VelocityKick

__all__ = [
    "AbstractEvent",
    "Push",
    "VelocityKick",
]
