"""From a training env to the contract: every figure that the robot must share with training."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ... import rotation
from ...arrays import finite_or_none
from ...control import target_range
from ...env import Env
from ...errors import WildRobotError
from ...locomotion import Gait
from ...physics.mujoco_tools.kinematics import sensor_quat
from ...robots import Imu, joint_unit
from ...task import Fallen
from .meanings import GAIT, describe_reset, entries, meaning
from .robot_side import RobotSide

_TARGET_MARGIN = 1.5  # times the fastest change of a target in simulation
_RAMP_SECONDS, _RAMP_SPEED = 2.0, 1.0  # s, rad/s
_STALE_PERIODS = 5  # control periods
_POSITION_MARGIN = 0.35  # rad
_MAX_TILT = 0.8  # rad, where the env has no such limit
_UNITS = {
    "position": {"rad": "rad", "m": "m"},
    "motor": {"rad": "N m over gear and gain", "m": "N over gear and gain"},
    "velocity": {"rad": "rad/s", "m": "m/s"},
}


def describe(
    env: Env,
    side: RobotSide,
    reads: set[str],
    target_speed: Float[np.ndarray, " nu"],
    simulated: dict[str, str] | None,
) -> dict[str, Any]:
    """The contract of an env, but for its policy, training, gate and files.

    Args:
        env: the recipe's env.
        side: its part that runs on the robot.
        reads: what that reads, as `RobotSide.reads` has it.
        target_speed: the fastest change of each joint's target in simulation, per second.
        simulated: the names of the robot's files in the bundle, `model` and `robot`; None if there are none.
    """
    robot, dt = side.robot, side.dt
    others = side.measured[robot.nu :]
    return {
        "robot": {"name": robot.name, "description": robot.description, "model": robot.model.digest},
        "control": {"dt": dt, "rate": 1.0 / dt},
        "joints": _joints(side, target_speed),
        "encoders": [{"name": name, "unit": joint_unit(robot, (name,))} for name in others],
        "controller": {"kind": type(side.controller).__name__, "delay": side.delay},
        "sensors": _sensors(side, reads),
        **(_feet(side) if "foot_switches" in reads else {}),
        "observation": _observation(env, side),
        "command": _command(side),
        "clock": _clock(env),
        "safety": _safety(env, side),
        "reset": describe_reset(env.reset_state),
        "simulation": None if simulated is None else _simulation(env, simulated),
    }


def _joints(side: RobotSide, target_speed: Float[np.ndarray, " nu"]) -> list[dict[str, Any]]:
    robot = side.robot
    mj, servo = robot.model.mj, robot.servo
    rest, targets = _host(side.controller.rest()), target_range(robot, side.controller)
    found = []
    for i, name in enumerate(robot.joint_names):
        unit = joint_unit(robot, (name,))
        kind, limits = robot.actuator_kind[i], _host(robot.joint_range[i])
        low, high = _host(targets[i])
        fastest = servo.no_load_speeds[i] if kind == "position" else 0.0
        found.append(
            {
                "name": name,
                "unit": unit,
                "home": float(robot.home_joints[i]),
                "low": finite_or_none(limits[0]),
                "high": finite_or_none(limits[1]),
                "target": {
                    "kind": kind,
                    "unit": _UNITS[kind][unit],
                    "low": float(low),
                    "high": float(high),
                    "rest": float(rest[i]),
                    "speed": max(float(target_speed[i]) * _TARGET_MARGIN, fastest, 1e-3),
                },
                "no_load_speed": servo.no_load_speeds[i],
                "stall_torque": servo.stall_torques[i],
                "torque_limit": float(robot.torque_limit[i]),
                "kp": float(mj.actuator_gainprm[i, 0]) if kind == "position" else 0.0,
                "kd": float(-mj.actuator_biasprm[i, 2]) + 0.0,
            }
        )
    return found


_SENSORS = {
    "orientation": ("1", "wxyz", "the IMU's, in the world's"),
    "gyro": ("rad/s", "xyz", "the IMU's"),
    "accelerometer": ("m/s^2", "xyz", "the IMU's"),
    "tracker": ("m", "xyz", "the world's"),
}


def _sensors(side: RobotSide, reads: set[str]) -> list[dict[str, Any]]:
    """Those that are read, the others of the same IMU, and the one that measures the tilt."""
    tilt = tilt_imu(side)
    needed = reads | (set() if tilt is None else {tilt.quat.name})
    groups = [{imu.quat.name, imu.gyro.name, imu.accel.name} for imu in side.robot.imus]
    beside = {name for group in groups if group & needed for name in group}
    return [
        {
            "name": sensor.name,
            "kind": kind,
            "size": sensor.size,
            "unit": _SENSORS[kind][0],
            "frame": _SENSORS[kind][2],
            "order": _SENSORS[kind][1],
            "required": sensor.name in needed,
        }
        for kind, sensor in side.robot.measured_sensors
        if sensor.name in needed | beside
    ]


def tilt_imu(side: RobotSide) -> Imu | None:
    """The IMU by which the robot counts as fallen: the first one of a robot whose base moves."""
    robot = side.robot
    return robot.imus[0] if robot.imus and robot.base is not None else None


def _feet(side: RobotSide) -> dict[str, Any]:
    """The feet whose switches are read.

    Raises:
        WildRobotError: no term says what force closes them, or two say it differently.
    """
    terms = side.switches()
    thresholds = {float(term.threshold) for term in terms}
    if len(thresholds) != 1:
        raise WildRobotError(
            f"The policy reads the foot switches with {len(thresholds)} thresholds; a robot has one switch per foot.",
            where="env.observations['policy']",
            hint="give it one term FootSwitches, whose threshold the simulated robot's switches have, too",
        )
    at = thresholds.pop()
    feet = [(foot.name, [part.name for part in foot.force.parts]) for foot in terms[0].feet]
    return {"feet": [{"name": n, "sensor": s if len(s) > 1 else s[0], "threshold": at} for n, s in feet]}


def _observation(env: Env, side: RobotSide) -> list[dict[str, Any]]:
    stack = env.observations["policy"]
    return [
        {
            "name": part.name,
            "kind": type(stack.terms[part.name]).__name__,
            "start": part.start,
            "stop": part.stop,
            "unit": part.unit,
            "frame": part.frame,
            "source": part.source,
            "constants": dict(part.constants),
            "age": part.age,
            "meaning": meaning(stack.terms[part.name]),
            "entries": entries(stack.terms[part.name], side),
        }
        for part in env.layout("policy")
    ]


def _command(side: RobotSide) -> dict[str, Any]:
    names = [channel.name for _, channel in side.channels]
    channels = []
    for command in sorted(side.commands):
        bounds = _host(side.commands[command].bounds())
        for channel, (low, high) in zip(side.commands[command].channels, bounds):
            once = names.count(channel.name) == 1
            channels.append(
                {
                    "name": channel.name if once else f"{command}.{channel.name}",
                    "command": command,
                    "unit": channel.unit,
                    "low": float(low),
                    "high": float(high),
                    "rest": float(np.clip(np.float32(0.0), low, high)),
                }
            )
    parts = {
        name: {
            "kind": type(command).__name__,
            "constants": {key: float(value) for key, value in command.constants().items()},
        }
        for name, command in sorted(side.commands.items())
    }
    return {"channels": channels, "parts": parts}


def _clock(env: Env) -> dict[str, Any] | None:
    """The first gait, if there is one: its clock, and where in it each foot is in the air."""
    gaits = [command for _, command in sorted(env.commands.items()) if isinstance(command, Gait)]
    if not gaits:
        return None
    gait = gaits[0]
    middles = {name: float(middle) for name, middle in zip(gait.feet, _host(gait.mid_swing))}
    return {
        "period": float(gait.period),
        "swing": float(gait.swing),
        "mid_swing": middles,
        "rests": gait.rests,
        "meaning": GAIT,
    }


def _fallen(env: Env) -> tuple[float | None, float | None]:
    """Of the env's `Fallen`, if it has one: the least height (m) and the greatest tilt (rad)."""
    for term in env.endings.values():
        if isinstance(term, Fallen):
            return float(term.min_height), float(term.max_tilt)
    least = env.physics.robot.min_root_height
    return None if least is None else float(least), None


def _safety(env: Env, side: RobotSide) -> dict[str, Any]:
    robot, imu = side.robot, tilt_imu(side)
    tilt = None
    if imu is not None:
        quat = sensor_quat(robot.model, imu.quat, robot.home_qpos)
        up = rotation.rotate_inverse(quat, jnp.asarray([0.0, 0.0, 1.0], jnp.float32))
        tilt = {"sensor": imu.quat.name, "max": _fallen(env)[1] or _MAX_TILT, "upright": _list(up)}
    servos = np.array([kind == "position" for kind in robot.actuator_kind])
    return {
        "ramp_seconds": _RAMP_SECONDS if servos.any() else 0.0,
        "ramp_speed": _RAMP_SPEED,
        "stale_seconds": _STALE_PERIODS * side.dt,
        "tilt": tilt,
        "position_margin": _POSITION_MARGIN,
        "pose": _list(np.where(servos, _host(robot.home_joints), _host(side.controller.rest()))),
    }


def _simulation(env: Env, simulated: dict[str, str]) -> dict[str, Any]:
    robot = env.physics.robot
    height, tilt = _fallen(env) if robot.base is not None else (None, None)
    return {
        **simulated,
        "timestep": env.physics.timestep,
        "base": None if robot.base is None else robot.model.mj.body(robot.base.body).name,
        "home_qpos": _list(robot.home_qpos),
        "min_height": height,
        "max_tilt": tilt,
    }


def _host(array: Any) -> np.ndarray:
    return np.asarray(jax.device_get(array), np.float32)


def _list(array: Any) -> list[float]:
    return [float(value) for value in _host(array)]
