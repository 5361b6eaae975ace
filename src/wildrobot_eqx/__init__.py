"""wildrobot-eqx: modular physics and reinforcement learning for small legged robots, in Equinox.

Public names load on first use, so that `import wildrobot_eqx` and `--help` stay light.
Every function of the package is type-checked by beartype through jaxtyping's import hook;
the checks run while JAX traces, so compiled code pays nothing. Set the environment variable
`WILDROBOT_EQX_TYPECHECK=0` to switch them off.
"""

import importlib
import os
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "adapters": ("BraxEnv", "brax_stage", "check_brax"),
    "control": (
        "AbstractController",
        "AbstractServo",
        "Backlash",
        "Calibration",
        "CommandDelay",
        "CommandResolution",
        "DCMotor",
        "Deadband",
        "Delay",
        "GearFriction",
        "IdealPD",
        "JointPosition",
        "Joints",
        "LowPass",
        "Miscalibration",
        "ServoLaw",
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
    "env": ("Env", "EnvState", "ResetPool", "Timestep", "contract"),
    "errors": ("WildRobotError",),
    "learn": (
        "AbstractPolicy",
        "Agent",
        "MakePolicy",
        "Normal",
        "PPOConfig",
        "RunningNorm",
        "SideMirror",
        "TrainState",
        "ppo",
    ),
    "observe": (
        "AbstractSensing",
        "AbstractTerm",
        "AngularVelocity",
        "BaseHeight",
        "BaseLinearVelocity",
        "BatteryVoltage",
        "Bias",
        "CentreOfMassShift",
        "Command",
        "CommandLag",
        "DroppedPackets",
        "EncoderOffset",
        "EncoderOffsets",
        "FloorTilt",
        "FootContacts",
        "FootSwitches",
        "FrictionRatio",
        "GaitPhase",
        "GearPlay",
        "ImuRotation",
        "JointPositions",
        "JointRatios",
        "JointVelocities",
        "LastAction",
        "MassRatios",
        "MotorStrengths",
        "MountingError",
        "Noise",
        "ObservationStack",
        "PlanarCommands",
        "ProjectedGravity",
        "ReadingDelay",
        "ReadingResolution",
        "SampleHold",
        "Signals",
        "Slice",
        "VelocityCommands",
    ),
    "physics": (
        "AbstractPhysics",
        "AbstractRandomiser",
        "Backend",
        "MjxPhysics",
        "NativePhysics",
        "Payload",
        "PhysicsParams",
        "PhysicsState",
        "ScaleArmature",
        "ScaleDamping",
        "ScaleFriction",
        "ScaleFrictionLoss",
        "ScaleGains",
        "ScaleInertia",
        "ScaleMass",
        "ScaleStrength",
        "ShiftCentreOfMass",
        "TiltGravity",
        "TreePhysics",
        "fastest_engine",
        "make_physics",
    ),
    "robots": ("Ground", "Mirror", "Robot", "load_robot", "on_ground", "robot_names"),
    "runs": ("AbstractGate", "GateResult", "Motion", "Recipe", "StandGate", "WalkGate", "load_recipe", "recipe"),
    "task": (
        "AbstractEvent",
        "AbstractReward",
        "AbstractTermination",
        "ActionRate",
        "Alive",
        "BaseHeightError",
        "CapturePoint",
        "Curriculum",
        "Fallen",
        "FootHeight",
        "FootSlip",
        "GaitClock",
        "GaitContacts",
        "HeadingHold",
        "HoldHeading",
        "HomeReset",
        "IdleFeet",
        "JointDeviation",
        "JointSpeedLimit",
        "Push",
        "StandStill",
        "Torque",
        "TrackLateral",
        "TrackLinVel",
        "TrackYawRate",
        "Upright",
        "VelocityCommand",
        "VelocityKick",
    ),
}
_OF = {name: module for module, names in _EXPORTS.items() for name in names}
_CHECKED = tuple(f"deploy.{page}" for page in ("describe", "export", "golden", "graph", "robot_files"))
_PAGES = {"contract", "ppo"}  # modules, used by name: `ppo.train`, `contract.check`
__all__ = sorted(["__version__", *_OF])


def __getattr__(name: str) -> Any:
    if name == "typecheck":  # the import hook looks it up here
        return importlib.import_module(f"{__name__}.typecheck")
    if name in _OF:
        room = importlib.import_module(f"{__name__}.{_OF[name]}")
        if name in _PAGES:
            return importlib.import_module(f"{room.__name__}.{name}")
        return getattr(room, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


def _install_type_checks() -> None:
    if os.environ.get("WILDROBOT_EQX_TYPECHECK", "1") != "0":
        try:
            from jaxtyping import install_import_hook
        except ModuleNotFoundError:  # on a robot, where the player is all that runs
            return
        # The command line, the errors, the paths and the player stay out of it: a checked module loads JAX.
        rooms = ["arrays", *(room for room in _EXPORTS if room not in ("errors", "deploy")), *_CHECKED]
        install_import_hook([f"{__name__}.{room}" for room in rooms], f"{__name__}.typecheck.typechecker")


_install_type_checks()
