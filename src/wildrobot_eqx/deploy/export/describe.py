"""From a training env to the contract: every figure that the robot must share with training."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ... import observe, rotation
from ...control import AbstractController, Delay, JointPosition, LowPass
from ...env import Env
from ...errors import WildRobotError
from ...locomotion import Gait, HeadingController, VelocityCommand, gait_of, velocity_of
from ...physics.mujoco_tools.kinematics import sensor_quat
from ...robots import Sensor
from ...task import Fallen

KINDS: dict[type, str] = {
    observe.ProjectedGravity: "projected_gravity",
    observe.AngularVelocity: "angular_velocity",
    observe.JointPositions: "joint_positions",
    observe.JointVelocities: "joint_velocities",
    observe.LastAction: "last_action",
    observe.FootSwitches: "foot_switches",
}
"""Observation terms that the player can compute, by the names that the contract gives them."""


def kind_of(env: Env, term: observe.AbstractTerm) -> str | None:
    """The contract's name for a term of the env; None where no player can compute it."""
    if type(term) is observe.CommandTerm:
        command = env.commands.get(term.command)
        if type(command) is VelocityCommand:
            return "planar_command" if command.planar else "velocity_command"
        return "gait_phase" if type(command) is Gait else None
    return KINDS.get(type(term))


_TARGET_MARGIN = 1.5  # times the fastest change of a target in simulation
_RAMP_SECONDS, _RAMP_SPEED = 2.0, 1.0  # s, rad/s
_STALE_PERIODS = 5  # control periods
_POSITION_MARGIN = 0.35  # rad
_MAX_TILT = 0.8  # rad, where the env has no such limit


def split_controller(controller: AbstractController) -> tuple[AbstractController, list[LowPass], int]:
    """The controller without delays, its filters from the inside out, and the delay in control periods.

    A delay is the robot's own, so a robot must not wait once more. Delays and filters that start
    from one pose commute, so their order does not matter.

    Raises:
        WildRobotError: it is made of something else.
    """
    stages: list[LowPass | Delay] = []
    base = controller
    while isinstance(base, (LowPass, Delay)):
        stages.append(base)
        base = base.inner
    if not isinstance(base, JointPosition):
        raise _unknown(
            "controller", type(base).__name__, "env.controller", "JointPosition, within LowPass and Delay alone"
        )
    bare: AbstractController = base
    filters: list[LowPass] = []
    delay = 0
    for stage in reversed(stages):
        if not np.array_equal(_host(stage.start), _host(base.home)):
            raise WildRobotError(
                f"The {type(stage).__name__} of the controller does not start from the home pose.",
                where="env.controller",
                hint="give it start=robot.home_joints, which is where a robot starts",
            )
        if isinstance(stage, Delay):
            delay += stage.steps
        else:
            bare = LowPass(bare, stage.start, float(stage.alpha))
            filters.append(bare)
    return bare, filters, delay


def used_sensors(env: Env) -> tuple[dict[str, Sensor], dict[str, str], set[str]]:
    """The sensors of every IMU that the policy reads, their kinds, and those that are needed.

    Raises:
        WildRobotError: a part of the observation is of a kind that no robot can compute.
    """
    needed = {velocity_of(env.commands)[1].quat.name}
    stack = env.observations["policy"]
    for part in stack.layout:
        term = stack.terms[part.name]
        if kind_of(env, term) is None:
            known = ", ".join(sorted(kind.__name__ for kind in KINDS)) + ", CommandTerm of a velocity or a gait"
            raise _unknown(f"observation {part.name!r}", type(term).__name__, "env.observations['policy']", known)
        if isinstance(term, (observe.ProjectedGravity, observe.AngularVelocity)):
            needed.add(term.source)
    sensors: dict[str, Sensor] = {}
    kinds: dict[str, str] = {}
    for imu in env.physics.robot.imus:
        if needed & {imu.gyro.name, imu.accel.name, imu.quat.name}:
            for sensor, kind in ((imu.quat, "orientation"), (imu.gyro, "gyro"), (imu.accel, "accelerometer")):
                sensors[sensor.name], kinds[sensor.name] = sensor, kind
    return sensors, kinds, needed


def describe(env: Env, target_speed: Float[np.ndarray, " nu"], simulated: dict[str, str] | None) -> dict[str, Any]:
    """The contract of an env, but for its policy, training, gate and files.

    Args:
        env: the recipe's env.
        target_speed: the fastest change of each joint's target in simulation, rad/s.
        simulated: the names of the robot's files in the bundle, `model` and `robot`; None if there are none.

    Raises:
        WildRobotError: the env holds what no player knows.
    """
    name, command = velocity_of(env.commands)
    where = f"env.commands[{name!r}]"
    if type(command) is not VelocityCommand:
        raise _unknown("command", type(command).__name__, where, "VelocityCommand")
    if type(command.heading) is not HeadingController:
        raise _unknown("part", type(command.heading).__name__, f"{where}.heading", "HeadingController")
    gait = gait_of(env.commands)
    if gait is not None and (odd := _odd_gait(gait[1], name)) is not None:
        raise _unknown("gait", odd, f"env.commands[{gait[0]!r}]", "gaits.two_beat")
    controller, filters, delay = split_controller(env.controller)
    while isinstance(controller, LowPass):
        controller = controller.inner
    assert isinstance(controller, JointPosition)
    robot = env.physics.robot
    dt = env.physics.control_dt
    return {
        "robot": {"name": robot.name, "description": robot.description, "model": robot.model.digest},
        "control": {"dt": dt, "rate": 1.0 / dt},
        "joints": _joints(env, controller, target_speed),
        "controller": {
            "low_pass": [{"alpha": float(stage.alpha), "start": _list(stage.start)} for stage in filters],
            "delay": delay,
        },
        "sensors": _sensors(env),
        **_feet(env),
        "observation": _observation(env),
        "command": {
            "speed": {
                "low": min(float(command.lin_vel_x[0]), 0.0),  # standing is always commanded now and then
                "high": max(float(command.lin_vel_x[1]), 0.0),
                "deadband": float(command.deadband),
            },
            **_motions(command),
            "heading_hold": {
                "sensor": command.quat.name,
                "gain": float(command.heading.gain),
                "limit": float(command.heading.limit),
            },
        },
        "clock": {"period": 0.7 if gait is None else float(gait[1].period)},
        "safety": _safety(env),
        "simulation": None if simulated is None else _simulation(env, simulated),
    }


def _odd_gait(gait: Gait, velocity: str) -> str | None:
    """What makes a gait's clock another than the player's, which rests after either of two beats; None if nothing."""
    if type(gait) is not Gait:
        return type(gait).__name__
    if len(gait.feet) > 2:
        return "gait of more than two feet"
    if gait.beats != 2:
        return f"gait of {gait.beats} beat{'s' if gait.beats > 1 else ''}"
    return None if gait.command == velocity else f"gait that follows {gait.command!r}"


def _motions(command: VelocityCommand) -> dict[str, Any]:
    """The ranges of what may be asked for beside a forward speed."""
    ranges = {"lateral": command.lin_vel_y, "turn": command.ang_vel_z}
    found = {
        name: {"low": min(float(bounds[0]), 0.0), "high": max(float(bounds[1]), 0.0)}
        for name, bounds in ranges.items()
        if bounds is not None
    }
    if command.max_heading_lead is not None:
        found["turn"]["lead"] = float(command.max_heading_lead)
    return found


def _joints(env: Env, controller: JointPosition, target_speed: np.ndarray) -> list[dict[str, Any]]:
    robot = env.physics.robot
    mj = robot.model.mj
    stall_torque, no_load_speed = robot.servo.stall_torques, robot.servo.no_load_speeds
    low, high = _host(controller.range).T
    return [
        {
            "name": name,
            "home": float(controller.home[i]),
            "scale": float(controller.scale[i]),
            "low": float(low[i]),
            "high": float(high[i]),
            "target_speed": max(float(target_speed[i]) * _TARGET_MARGIN, no_load_speed[i]),
            "no_load_speed": no_load_speed[i],
            "stall_torque": stall_torque[i],
            "torque_limit": float(robot.torque_limit[i]),
            "kp": float(mj.actuator_gainprm[i, 0]),
            "kd": float(-mj.actuator_biasprm[i, 2]),
        }
        for i, name in enumerate(robot.joint_names)
    ]


def _sensors(env: Env) -> list[dict[str, Any]]:
    sensors, kinds, needed = used_sensors(env)
    units = {"orientation": ("1", "wxyz"), "gyro": ("rad/s", "xyz"), "accelerometer": ("m/s^2", "xyz")}
    frames = {"orientation": "the IMU's, in the world's", "gyro": "the IMU's", "accelerometer": "the IMU's"}
    return [
        {
            "name": name,
            "kind": kinds[name],
            "size": sensor.size,
            "unit": units[kinds[name]][0],
            "frame": frames[kinds[name]],
            "order": units[kinds[name]][1],
            "required": name in needed,
        }
        for name, sensor in sensors.items()
    ]


def foot_switches(env: Env) -> list[observe.FootSwitches]:
    """The terms by which the policy reads foot switches."""
    return [t for t in env.observations["policy"].terms.values() if isinstance(t, observe.FootSwitches)]


def _feet(env: Env) -> dict[str, Any]:
    """The feet whose switches the policy reads; nothing where it reads none."""
    terms = foot_switches(env)
    thresholds = {float(term.threshold) for term in terms}
    if len(thresholds) > 1:
        raise WildRobotError(
            "The policy reads the foot switches twice, with two thresholds; a robot has one switch per foot.",
            where="env.observations['policy']",
            hint="keep one of the terms",
        )
    feet = [(foot, threshold) for term, threshold in zip(terms, thresholds) for foot in term.feet]
    described = [{"name": foot.name, "sensor": foot.force.name, "threshold": at} for foot, at in feet]
    return {"feet": described} if described else {}


def _observation(env: Env) -> list[dict[str, Any]]:
    stack = env.observations["policy"]
    return [
        {
            "name": part.name,
            "kind": kind_of(env, stack.terms[part.name]),
            "start": part.start,
            "stop": part.stop,
            "unit": part.unit,
            "frame": part.frame,
            "source": part.source,
            "constants": dict(part.constants),
            "age": part.age,
        }
        for part in env.layout("policy")
    ]


def _fallen(env: Env) -> tuple[float, float]:
    """Of the env's `Fallen`, if it has one: the least height (m) and the greatest tilt (rad)."""
    for term in env.endings.values():
        if isinstance(term, Fallen):
            return float(term.min_height), float(term.max_tilt)
    least = env.physics.robot.min_root_height
    return 0.0 if least is None else float(least), _MAX_TILT


def _safety(env: Env) -> dict[str, Any]:
    robot, dt = env.physics.robot, env.physics.control_dt
    quat = sensor_quat(robot.model, velocity_of(env.commands)[1].quat, robot.home_qpos)
    return {
        "ramp_seconds": _RAMP_SECONDS,
        "ramp_speed": _RAMP_SPEED,
        "stale_seconds": _STALE_PERIODS * dt,
        "max_tilt": _fallen(env)[1],
        "upright": _list(rotation.rotate_inverse(quat, jax.numpy.asarray([0.0, 0.0, 1.0], jax.numpy.float32))),
        "position_margin": _POSITION_MARGIN,
        "pose": _list(robot.home_joints),
    }


def _simulation(env: Env, simulated: dict[str, str]) -> dict[str, Any]:
    robot = env.physics.robot
    height, tilt = _fallen(env)
    return {
        **simulated,
        "timestep": env.physics.timestep,
        "base": robot.model.mj.body(robot.need("base", "export").body).name,
        "home_qpos": _list(robot.home_qpos),
        "min_height": height,
        "max_tilt": tilt,
    }


def _host(array: Any) -> np.ndarray:
    return np.asarray(jax.device_get(array), np.float32)


def _list(array: Any) -> list[float]:
    return [float(value) for value in _host(array)]


def _unknown(what: str, kind: str, where: str, known: str) -> WildRobotError:
    return WildRobotError(
        f"The {what} is a {kind}, which a bundle cannot describe and a robot could not compute.",
        where=where,
        hint=f"a bundle knows: {known}",
    )
