"""Controllers: what an action means to the actuators."""

from .control import AbstractController, Delay, JointPosition, JointTorque, JointVelocity, LowPass

__all__ = [
    "AbstractController",
    "Delay",
    "JointPosition",
    "JointTorque",
    "JointVelocity",
    "LowPass",
]
