"""Commands: what a robot is asked for."""

from .imitation import ClipCommand, ClipFrame, ClipState
from .locomotion import AbstractMotionState, HeadingController, VelocityCommand, VelocityState
from .observe import Channel
from .task import (
    AbstractCommand,
    JointPoseCommand,
    JointPoseState,
    PointCommand,
    PointState,
)
from .task.commands import no_channels

__all__ = [
    "AbstractCommand",
    "AbstractMotionState",
    "Channel",
    "ClipCommand",
    "ClipFrame",
    "ClipState",
    "HeadingController",
    "JointPoseCommand",
    "JointPoseState",
    "PointCommand",
    "PointState",
    "VelocityCommand",
    "VelocityState",
    "no_channels",
]
