"""Gaits: commands that say which foot swings when."""

from .locomotion import Gait, GaitState
from .locomotion.gaits import bound, pace, pronk, tripod, trot, two_beat, walk

__all__ = [
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
