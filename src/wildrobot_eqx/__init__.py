"""wildrobot-eqx: modular physics and reinforcement learning for small legged robots, in Equinox.

A flat core (`Env`, `Robot`, `Recipe`, `ppo`, `Player`, ...) and namespaces, one for each kind of
part: `rewards`, `terms`, `sensing`, `servos`, `gates`, ... `dir(wildrobot_eqx.rewards)` lists them.

Public names load on first use, so that `import wildrobot_eqx` and `--help` stay light.
Every function of the package is type-checked by beartype through jaxtyping's import hook;
the checks run while JAX traces, so compiled code pays nothing. Set the environment variable
`WILDROBOT_EQX_TYPECHECK=0` to switch them off.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:  # the same names as in the tables below, which a test compares
    from . import adapters as adapters
    from . import check as check
    from . import commands as commands
    from . import controllers as controllers
    from . import deploy as deploy
    from . import endings as endings
    from . import errors as errors
    from . import events as events
    from . import gaits as gaits
    from . import gates as gates
    from . import policies as policies
    from . import randomise as randomise
    from . import resets as resets
    from . import rewards as rewards
    from . import rotation as rotation
    from . import sensing as sensing
    from . import servos as servos
    from . import terms as terms
    from . import testing as testing
    from .adapters import BraxEnv as BraxEnv
    from .adapters import GymnasiumEnv as GymnasiumEnv
    from .adapters import GymnasiumVectorEnv as GymnasiumVectorEnv
    from .adapters import brax_stage as brax_stage
    from .adapters import check_brax as check_brax
    from .check import check_env as check_env
    from .control import Calibration as Calibration
    from .control import RandomCalibrationError as RandomCalibrationError
    from .control import Servos as Servos
    from .deploy import AbstractRobot as AbstractRobot
    from .deploy import Attitude as Attitude
    from .deploy import Bundle as Bundle
    from .deploy import DriveSummary as DriveSummary
    from .deploy import MujocoRobot as MujocoRobot
    from .deploy import Player as Player
    from .deploy import ServoBus as ServoBus
    from .deploy import ServoMount as ServoMount
    from .deploy import ServoRobot as ServoRobot
    from .deploy import drive as drive
    from .env import Disturbances as Disturbances
    from .env import DisturbanceState as DisturbanceState
    from .env import Env as Env
    from .env import EnvState as EnvState
    from .env import PersistentBias as PersistentBias
    from .env import ResetPool as ResetPool
    from .env import Timestep as Timestep
    from .errors import WildRobotError as WildRobotError
    from .imitation import MotionClip as MotionClip
    from .imitation import load_clip as load_clip
    from .imitation import write_clip as write_clip
    from .learn import PPO as PPO
    from .learn import Agent as Agent
    from .learn import BraxPPO as BraxPPO
    from .learn import BraxSAC as BraxSAC
    from .learn import Rollout as Rollout
    from .learn import TrainState as TrainState
    from .learn import ppo as ppo
    from .locomotion import Choice as Choice
    from .locomotion import GaitName as GaitName
    from .locomotion import Scales as Scales
    from .locomotion import WalkDesign as WalkDesign
    from .observe import Channel as Channel
    from .observe import ObservationStack as ObservationStack
    from .observe import Signals as Signals
    from .observe import Slice as Slice
    from .physics import AbstractPhysics as AbstractPhysics
    from .physics import EngineName as EngineName
    from .physics import MjxPhysics as MjxPhysics
    from .physics import NativePhysics as NativePhysics
    from .physics import PhysicsParams as PhysicsParams
    from .physics import PhysicsState as PhysicsState
    from .physics import TreePhysics as TreePhysics
    from .physics import fastest_engine as fastest_engine
    from .physics import make_physics as make_physics
    from .protocol import Call as Call
    from .protocol import Protocol as Protocol
    from .recipes.recipe import Recipe as Recipe
    from .recipes.recipe import load_recipe as load_recipe
    from .recipes.recipe import recipe as recipe
    from .robots import Base as Base
    from .robots import Foot as Foot
    from .robots import FreeBody as FreeBody
    from .robots import Ground as Ground
    from .robots import Imu as Imu
    from .robots import Leg as Leg
    from .robots import LegJoint as LegJoint
    from .robots import Mirror as Mirror
    from .robots import Model as Model
    from .robots import Robot as Robot
    from .robots import Sensor as Sensor
    from .robots import Servo as Servo
    from .robots import load_robot as load_robot
    from .robots import on_ground as on_ground
    from .robots import robot_names as robot_names
    from .task import Curriculum as Curriculum

_EXPORTS = {
    "adapters": (
        "BraxEnv",
        "GymnasiumEnv",
        "GymnasiumVectorEnv",
        "brax_stage",
        "check_brax",
    ),
    "check": ("check_env",),
    "control": (
        "Calibration",
        "RandomCalibrationError",
        "Servos",
    ),
    "deploy": (
        "AbstractRobot",
        "Attitude",
        "Bundle",
        "DriveSummary",
        "MujocoRobot",
        "Player",
        "ServoBus",
        "ServoMount",
        "ServoRobot",
        "drive",
    ),
    "env": (
        "DisturbanceState",
        "Disturbances",
        "Env",
        "EnvState",
        "PersistentBias",
        "ResetPool",
        "Timestep",
    ),
    "errors": ("WildRobotError",),
    "imitation": (
        "MotionClip",
        "load_clip",
        "write_clip",
    ),
    "learn": (
        "Agent",
        "PPO",
        "BraxPPO",
        "BraxSAC",
        "Rollout",
        "TrainState",
        "ppo",
    ),
    "locomotion": (
        "Choice",
        "GaitName",
        "Scales",
        "WalkDesign",
    ),
    "observe": (
        "Channel",
        "ObservationStack",
        "Signals",
        "Slice",
    ),
    "physics": (
        "AbstractPhysics",
        "EngineName",
        "MjxPhysics",
        "NativePhysics",
        "PhysicsParams",
        "PhysicsState",
        "TreePhysics",
        "fastest_engine",
        "make_physics",
    ),
    "protocol": (
        "Call",
        "Protocol",
    ),
    "recipes.recipe": (
        "Recipe",
        "load_recipe",
        "recipe",
    ),
    "robots": (
        "Base",
        "Foot",
        "FreeBody",
        "Ground",
        "Imu",
        "Leg",
        "LegJoint",
        "Mirror",
        "Model",
        "Robot",
        "Sensor",
        "Servo",
        "load_robot",
        "on_ground",
        "robot_names",
    ),
    "task": ("Curriculum",),
}
_NAMESPACES = (
    "adapters",
    "check",
    "commands",
    "controllers",
    "deploy",
    "endings",
    "errors",
    "events",
    "gaits",
    "gates",
    "policies",
    "randomise",
    "resets",
    "rewards",
    "rotation",
    "sensing",
    "servos",
    "terms",
    "testing",
)
_OF = {name: module for module, names in _EXPORTS.items() for name in names}
_PAGES = {"ppo"}  # modules, used by name: `ppo.train`
_CHECKED = (
    "adapters",
    "arrays",
    "check",
    "control",
    "env",
    "evaluate",
    "imitation",
    "learn",
    "locomotion",
    "observe",
    "physics",
    "recipes",
    "robots",
    "rotation",
    "task",
    *(f"deploy.export.{page}" for page in ("describe", "export", "golden", "onnx.graph", "robot_files")),
)
"""What the import hook checks. The command line, the errors, the paths and the player stay out: it loads JAX."""
__all__ = sorted(["__version__", *_OF, *_NAMESPACES])


def _load(name: str) -> Any:
    if name == "typecheck" or name in _NAMESPACES:  # the import hook looks up `typecheck` here
        return importlib.import_module(f"{__name__}.{name}")
    if name in _OF:
        room = importlib.import_module(f"{__name__}.{_OF[name]}")
        return importlib.import_module(f"{room.__name__}.{name}") if name in _PAGES else getattr(room, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if not TYPE_CHECKING:  # a type checker refuses what is not named above
    __getattr__ = _load


def __dir__() -> list[str]:
    return __all__


def _install_type_checks() -> None:
    if os.environ.get("WILDROBOT_EQX_TYPECHECK", "1") != "0":
        try:
            from jaxtyping import install_import_hook
        except ModuleNotFoundError:  # on a robot, where the player is all that runs
            return
        install_import_hook([f"{__name__}.{room}" for room in _CHECKED], f"{__name__}.typecheck.typechecker")


_install_type_checks()
