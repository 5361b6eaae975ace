"""Microduck's own policy file: one ONNX file as the robot's makers define it, from 61 numbers to 14.

The contract is that of `policy_contract` in their published figures: input `obs` float32[1, 61], output
`actions` float32[1, 14], opset 18, no dynamic axes, the normaliser in the graph, and a JSON document
under the metadata key `microduck`. The robot takes `default_joint_pos + action_scale * actions` for its
targets and clips nothing, so training should clip them to no less than a servo's turn; its `command[2]` is the turn
that is asked for, where training adds what turns the robot back to its heading. docs/deploy.md has what that means.
"""

import json
import logging
from typing import Any

import jax
import numpy as np

from ...control import (
    XL330_GAIN,
    AbstractServo,
    Backlash,
    CommandDelay,
    CommandResolution,
    Deadband,
    GearFriction,
    JointPosition,
    VoltageControlledMotor,
)
from ...env import Env
from ...errors import WildRobotError
from ...learn.networks import AbstractPolicy
from ...observe import (
    AngularVelocity,
    CommandTerm,
    JointPositions,
    JointVelocities,
    LastAction,
    ProjectedGravity,
    ReadingDelay,
    Reserved,
)
from ...task import JointPoseCommand
from .onnx.graph import OUTPUT, add_policy, as_model, policy_states
from .onnx.nodes import Graph

_log = logging.getLogger(__name__)

KEY, OPSET, SCHEMA_VERSION = "microduck", 18, 1
OBSERVATION = (
    ("base_ang_vel", 3, "rad/s, trunk frame"),
    ("projected_gravity", 3, "unit vector, IMU frame"),
    ("joint_pos", 14, "minus default_joint_pos, rad"),
    ("joint_vel", 14, "rad/s, one control step old"),
    ("actions", 14, "previous raw network output"),
    ("command", 3, "vx, vy m/s, vyaw rad/s"),
    ("head_command", 4, "neck_pitch, head_pitch, head_yaw, head_roll, rad from home"),
    ("body_command", 6, "x, y, z m, roll, pitch, yaw rad; zeros where unused"),
)
"""What the robot feeds a policy, in order: name, size, meaning."""

_COMMANDS = {
    "command": ("lin_vel_x", "lin_vel_y", "yaw_rate"),
    "head_command": ("neck_pitch", "head_pitch", "head_yaw", "head_roll"),
}
_TERMS: dict[str, type] = {
    "base_ang_vel": AngularVelocity,
    "projected_gravity": ProjectedGravity,
    "joint_pos": JointPositions,
    "joint_vel": JointVelocities,
    "actions": LastAction,
    "command": CommandTerm,
    "head_command": CommandTerm,
}
_LEG = {"hip_yaw": 0.0, "hip_roll": -0.0873, "hip_pitch": -0.4579, "knee": -0.0049, "ankle": 0.453}  # the left one
_HOME = {
    **{f"left_{name}": angle for name, angle in _LEG.items()},
    "neck_pitch": 0.3491,
    "head_pitch": 0.3491,
    "head_yaw": 0.0,
    "head_roll": 0.0,
    **{f"right_{name}": -angle for name, angle in _LEG.items()},
}
"""The contract's `default_joint_pos`, rad, in the order of its `joint_names`."""
_JOINTS = tuple(_HOME)
_CONTROL_HZ = 50.0
_REGISTER, _STAND_IN = 200.0, 0.55  # of the P gain, and N m/rad of the makers' plain position servo in its place
_TURN = 3.14  # rad: targets up to half a turn either way are the servo's own
_GAINLESS = (CommandDelay, CommandResolution, Backlash, Deadband, GearFriction)
"""Parts of servos that leave the gain as it is."""


def microduck_file(env: Env, policy: AbstractPolicy) -> bytes:
    """The ONNX file of a policy that was trained in `env`, whose every figure fits the robot's contract.

    Args:
        env: the recipe's env.
        policy: its distribution's mode is the action.

    Where training clips targets to the joints' ranges, which the robot does not, a warning is logged.

    Returns:
        The file's bytes; equal arguments give equal bytes.

    Raises:
        WildRobotError: the env differs from the contract, all of it is told; or the policy cannot be exported.
    """
    wrong = [*_wrong_robot(env), *_wrong_servos(env), *_wrong_observation(env)]
    controller = env.controller
    if not isinstance(controller, JointPosition):
        wrong.append(f"its controller is a {type(controller).__name__}, not JointPosition")
    else:
        wrong += _wrong_home("the controller", env, controller.joint_names, controller.home)
    if policy_states(policy, env.observations["policy"].size):
        wrong.append("its policy has a memory, and the file has one input")
    if wrong or not isinstance(controller, JointPosition):
        raise WildRobotError(
            "This is no policy for microduck: " + "; ".join(wrong) + ".",
            where="export --format microduck",
            hint="start from recipes/microduck.py, whose observations are in the robot's order",
        )
    if (np.abs(np.asarray(controller.range)) < _TURN).any():
        _log.warning(
            "microduck: training clips targets to the joints' ranges, and the robot clips none: beyond a range a servo "
            'pulls harder than it did in training; train with JointPosition(limits="command") (docs/deploy.md)'
        )
    size = sum(length for _, length, _ in OBSERVATION)
    graph = Graph()
    add_policy(graph, policy, "obs", size, 1, "")
    graph.add("Identity", [OUTPUT], name="actions")
    document = {
        "schema_version": SCHEMA_VERSION,
        "obs_len": size,
        "action_len": len(_JOINTS),
        "control_hz": int(_CONTROL_HZ),
        "joint_names": list(_JOINTS),
        "default_joint_pos": _floats(controller.home),
        "action_scale": _scale(controller),
        "kp_fw": _register(env),
        "observation": [list(part) for part in OBSERVATION],
    }
    named = [("obs", [1, size])], [("actions", [1, len(_JOINTS)])]
    return as_model(graph, *named, {KEY: json.dumps(document, sort_keys=True)}, OPSET)


def _wrong_robot(env: Env) -> list[str]:
    robot = env.physics.robot
    wrong = []
    if robot.joint_names != _JOINTS:
        wrong.append(f"its joints are {', '.join(robot.joint_names)}, not {', '.join(_JOINTS)}")
    if abs(1.0 / robot.control_dt - _CONTROL_HZ) > 1e-6:
        wrong.append(f"it is controlled {1.0 / robot.control_dt:g} times a second, not {_CONTROL_HZ:g}")
    return wrong


def _wrong_home(whose: str, env: Env, joints: tuple[str, ...], home: Any) -> list[str]:
    """Joints whose home is not the contract's: the robot adds a policy's output to its own."""
    if joints != _JOINTS:
        told = f"{whose} has the joints {', '.join(joints)}, not {', '.join(_JOINTS)}"
        return [] if joints == env.physics.robot.joint_names else [told]
    return [
        f"{whose} has {name} at home at {float(found):.6g} rad, not {wanted:g}"
        for (name, wanted), found in zip(_HOME.items(), np.asarray(jax.device_get(home)))
        if not abs(found - wanted) <= 1e-6
    ]


def _wrong_observation(env: Env) -> list[str]:
    """Parts of the policy's observation that are not those of the contract, in its order."""
    stack = env.observations["policy"]
    found = [(part.name, part.stop - part.start) for part in stack.layout]
    wanted = [(name, size) for name, size, _ in OBSERVATION]
    if found != wanted:
        told = [", ".join(f"{name} ({size})" for name, size in parts) for parts in (found, wanted)]
        return [f"its policy sees {told[0]}, not {told[1]}"]
    wrong = []
    for name, kind in _TERMS.items():
        if not isinstance(stack.terms[name], kind):
            wrong.append(f"{name} is a {type(stack.terms[name]).__name__}, not a {kind.__name__}")
    for name, channels in _COMMANDS.items():
        term = stack.terms[name]
        seen = tuple(channel.name for channel in term.channels) if isinstance(term, CommandTerm) else ()
        if isinstance(asked := env.commands.get(getattr(term, "command", "")), JointPoseCommand):
            wrong += _wrong_home(name, env, asked.joints.names, asked.joints.home)
        if seen != channels:
            wrong.append(f"{name} is {', '.join(seen) or 'no command'}, not {', '.join(channels)}")
    if isinstance(angles := stack.terms["joint_pos"], JointPositions):
        wrong += _wrong_home("joint_pos", env, angles.driven.names, angles.driven.home)
    age = [part.seconds for part in stack.sensing.get("joint_vel", ()) if isinstance(part, ReadingDelay)]
    if len(age) != 1 or not np.allclose(age[0], 1.0 / _CONTROL_HZ, atol=1e-6):
        wrong.append("joint_vel is not one control step old: sense it by ReadingDelay((0.02, 0.02))")
    body = stack.terms["body_command"]
    if not isinstance(body, (CommandTerm, Reserved)):
        wrong.append(f"body_command is a {type(body).__name__}, neither a command nor Reserved")
    return wrong


def _wrong_servos(env: Env) -> list[str]:
    """Why no register of the robot's P gain has the stiffness that the policy was trained on."""
    motors = _motors(env)
    if not motors:
        gains = sorted({round(float(gain), 6) for gain in env.physics.robot.model.mj.actuator_gainprm[:, 0]})
        told = ", ".join(f"{gain:g}" for gain in gains)
        wanted = f"the stand-in of register {_REGISTER:g} has {_STAND_IN:g}"
        return [] if gains == [_STAND_IN] else [f"its position servos have a kp of {told} N m/rad, and {wanted}"]
    if len(motors) == 1 and all(isinstance(part, VoltageControlledMotor) for part in motors.values()):
        return []
    told = ", ".join(f"{name} ({type(part).__name__})" for name, part in motors.items())
    return [f"its servos' gain is that of {told}, and only one VoltageControlledMotor tells the register"]


def _register(env: Env) -> float:
    """The P gain's register that the env's servos were simulated with; the robot's own where it is the stand-in's."""
    motors = [part for part in _motors(env).values() if isinstance(part, VoltageControlledMotor)]
    return round(float(motors[0].gain) / XL330_GAIN, 3) if motors else _REGISTER


def _motors(env: Env) -> dict[str, AbstractServo]:
    """The parts of the env's servos that may set the gain, in order."""
    servos = None if env.disturbances is None else env.disturbances.servos
    parts = {} if servos is None else {name: servos.parts[name] for name in servos.names}
    return {name: part for name, part in parts.items() if type(part) not in _GAINLESS}


def _scale(controller: JointPosition) -> float | list[float]:
    """One number where all joints have the same, else one for each."""
    scales = _floats(controller.scale)
    return scales[0] if len(set(scales)) == 1 else scales


def _floats(array: Any) -> list[float]:
    """As decimal numbers that read back to the same float32."""
    return [float(str(value)) for value in np.asarray(jax.device_get(array), np.float32)]
