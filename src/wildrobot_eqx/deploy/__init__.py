"""Deploy: what leaves the house. A policy bundle, and a player that runs it without JAX.

Names load on first use: the player never loads what made the bundle, nor a robot what it does not drive.
"""

from typing import TYPE_CHECKING

from ..lazy import loader, modules_of

if TYPE_CHECKING:  # the same names as in the table below, which a test compares
    from .bundle.bundle import Bundle as Bundle
    from .export.export import export_bundle as export_bundle
    from .hardware.mujoco_robot import MujocoRobot as MujocoRobot
    from .hardware.port import AbstractPort as AbstractPort
    from .hardware.port import SerialPort as SerialPort
    from .hardware.servo_bus import ServoBus as ServoBus
    from .hardware.servo_robot import ServoMount as ServoMount
    from .hardware.servo_robot import ServoRobot as ServoRobot
    from .log.recorder import Health as Health
    from .log.recorder import Recorder as Recorder
    from .log.recorder import Tick as Tick
    from .log.recorder import Truth as Truth
    from .log.recording import Recording as Recording
    from .log.recording import read_log as read_log
    from .player.attitude import Attitude as Attitude
    from .player.loop import DriveSummary as DriveSummary
    from .player.loop import drive as drive
    from .player.player import Player as Player
    from .player.player import Step as Step
    from .player.robot import AbstractRobot as AbstractRobot

_EXPORTS = {
    "bundle.bundle": ("Bundle",),
    "export.export": ("export_bundle",),
    "hardware.mujoco_robot": ("MujocoRobot",),
    "hardware.port": (
        "AbstractPort",
        "SerialPort",
    ),
    "hardware.servo_bus": ("ServoBus",),
    "hardware.servo_robot": (
        "ServoMount",
        "ServoRobot",
    ),
    "log.recorder": (
        "Health",
        "Recorder",
        "Tick",
        "Truth",
    ),
    "log.recording": (
        "Recording",
        "read_log",
    ),
    "player.attitude": ("Attitude",),
    "player.loop": (
        "DriveSummary",
        "drive",
    ),
    "player.player": (
        "Player",
        "Step",
    ),
    "player.robot": ("AbstractRobot",),
}
_OF = modules_of(_EXPORTS)
__all__ = sorted(_OF)
if not TYPE_CHECKING:  # a type checker refuses what is not named above
    __getattr__, __dir__ = loader(__name__, _OF)
