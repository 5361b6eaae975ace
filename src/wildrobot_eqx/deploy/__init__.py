"""Deploy: what leaves the house. A policy bundle, and a player that runs it without JAX.

Names load on first use: the player never loads what made the bundle, nor a robot what it does not drive.
"""

import importlib
from typing import Any

_EXPORTS = {
    "bundle.bundle": ("Bundle",),
    "hardware.mujoco_robot": ("MujocoRobot",),
    "hardware.servo_bus": ("ServoBus",),
    "hardware.servo_robot": ("ServoMount", "ServoRobot"),
    "player.attitude": ("Attitude",),
    "player.loop": ("AbstractRobot", "DriveSummary", "drive"),
    "player.player": ("Player", "Step"),
}
_OF = {name: module for module, names in _EXPORTS.items() for name in names}
__all__ = sorted(_OF)


def __getattr__(name: str) -> Any:
    if name in _OF:
        return getattr(importlib.import_module(f"{__name__}.{_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
