"""Gaits: commands that say which foot swings when."""

from .locomotion import FootTimedGait, Gait, GaitState
from .locomotion.gaits import bound, pace, pronk, tripod, trot, two_beat, walk

__all__ = [
    "FootTimedGait",
    "Gait",
    "GaitState",
    "bound",
    "pace",
    "pronk",
    "tripod",
    "trot",
    "two_beat",
    "walk",
]
