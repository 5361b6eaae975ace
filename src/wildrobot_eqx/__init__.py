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
        "JointTorque",
        "JointVelocity",
        "Joints",
        "LowPass",
        "RandomCalibrationError",
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
    "env": ("Disturbances", "DisturbanceState", "Env", "EnvState", "ResetPool", "Timestep"),
    "errors": ("WildRobotError",),
    "evaluate": (
        "AbstractGate",
        "AbstractMeter",
        "Case",
        "Figure",
        "GateResult",
        "GoalGate",
        "Limit",
        "Motion",
        "StandGate",
        "WalkGate",
    ),
    "learn": (
        "AbstractDistribution",
        "AbstractPolicy",
        "AbstractRewardModel",
        "AbstractValue",
        "Agent",
        "MakePolicy",
        "Normal",
        "PPOConfig",
        "Rollout",
        "RunningNorm",
        "SideMirror",
        "TrainState",
        "ppo",
    ),
    "observe": (
        "AbstractSensing",
        "AbstractStatelessTerm",
        "AbstractTerm",
        "AngularVelocity",
        "BaseHeight",
        "BatteryVoltage",
        "Bias",
        "CentreOfMassShift",
        "Channel",
        "CommandLag",
        "CommandTerm",
        "DroppedPackets",
        "EncoderOffset",
        "EncoderOffsets",
        "FootContacts",
        "FootSwitches",
        "FrictionRatio",
        "GearPlay",
        "HingeAngles",
        "ImuRotation",
        "JointPositions",
        "JointRatios",
        "JointVelocities",
        "LastAction",
        "MassRatios",
        "MotorStrengths",
        "MountingError",
        "NamedJointVelocities",
        "Noise",
        "ObservationStack",
        "ProjectedGravity",
        "ReadingDelay",
        "ReadingResolution",
        "SampleHold",
        "Signals",
        "SitePosition",
        "Slice",
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
    "robots": ("FreeBody", "Ground", "Mirror", "Robot", "load_robot", "on_ground", "robot_names"),
    "recipes": ("Recipe", "load_recipe", "recipe"),
    "locomotion": (
        "AbstractMotionState",
        "BaseLinearVelocity",
        "CapturePoint",
        "FeetClearance",
        "FeetSlip",
        "FloorTilt",
        "Gait",
        "GaitContacts",
        "GaitState",
        "HeadingController",
        "IdleFeet",
        "StandStill",
        "TrackAngVelZ",
        "TrackHeading",
        "TrackLinVelX",
        "TrackLinVelY",
        "VelocityCommand",
        "VelocityState",
        "gaits",
    ),
    "task": (
        "AbstractCommand",
        "AbstractEnding",
        "AbstractEvent",
        "AbstractGoal",
        "AbstractReset",
        "AbstractReward",
        "AbstractStatelessEnding",
        "AbstractStatelessReward",
        "ActionRate",
        "Alive",
        "BaseHeightError",
        "Curriculum",
        "Fallen",
        "FlatOrientation",
        "HingeAt",
        "HingeHeight",
        "HingeStill",
        "HomeReset",
        "JointReset",
        "JointsBeyond",
        "JointSpeedLimit",
        "MixedReset",
        "PointCommand",
        "PointState",
        "Posture",
        "Push",
        "SiteAt",
        "SiteDistance",
        "SiteNear",
        "Torque",
        "VelocityKick",
    ),
}
_OF = {name: module for module, names in _EXPORTS.items() for name in names}
_CHECKED = (
    "rotation",
    *(f"deploy.export.{page}" for page in ("describe", "export", "golden", "onnx.graph", "robot_files")),
)
_PAGES = {"ppo"}  # modules, used by name: `ppo.train`
_ROOMS = ("check",)  # rooms that are used by name: `check.check_env`
_UNCHECKED = ("errors", "deploy")
__all__ = sorted(["__version__", *_OF, *_ROOMS])


def __getattr__(name: str) -> Any:
    if name == "typecheck":  # the import hook looks it up here
        return importlib.import_module(f"{__name__}.typecheck")
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
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
        rooms = ["arrays", *(room for room in _EXPORTS if room not in _UNCHECKED), *_ROOMS, *_CHECKED]
        install_import_hook([f"{__name__}.{room}" for room in rooms], f"{__name__}.typecheck.typechecker")


_install_type_checks()
