"""By name, never by position: what a module knows of joints, sensors and the ground must be this robot's."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ...robots import DrivenJoints, Ground, Robot, Sensor, is_on_ground
from ..trace import source
from ..trace.findings import Finding


def foreign(env: Any) -> list[Finding]:
    """Modules that hold another robot's joints, sensors or ground, or this robot's joints in another order."""
    robot = env.physics.robot
    findings: list[Finding] = []
    for where, module, value, name in _fields(env):
        finding = _finding(robot, f"{where}.{name}", module, value, name)
        if finding is not None and not any(finding.leaf.startswith(other.leaf) for other in findings):
            findings.append(finding)
    return findings


def _fields(env: Any) -> Iterator[tuple[str, Any, Any, str]]:
    """Every field below an env: path of its module, the module, the value, the field's name."""
    stack: list[tuple[str, Any]] = [("env", env)]
    while stack:
        where, value = stack.pop(0)
        if isinstance(value, Robot | DrivenJoints) and where != "env.physics.robot":
            continue  # its owner is reported
        if isinstance(value, eqx.Module):
            for field in dataclasses.fields(value):
                item = getattr(value, field.name, None)
                if where != "env.physics.robot":
                    yield where, value, item, field.name
                    if isinstance(item, tuple):  # such as the sensors of a foot of several geoms
                        parts = [(i, part) for i, part in enumerate(item) if isinstance(part, Sensor)]
                        yield from ((where, value, part, f"{field.name}[{i}]") for i, part in parts)
                stack.append((f"{where}.{field.name}", item))
        elif isinstance(value, dict):
            stack += [(f"{where}[{key!r}]", item) for key, item in value.items()]
        elif isinstance(value, list | tuple):
            stack += [(f"{where}[{i}]", item) for i, item in enumerate(value)]


def _finding(robot: Robot, leaf: str, module: Any, value: Any, name: str) -> Finding | None:
    if name == "ground" and (value is None or isinstance(value, Ground)) and (value is None) == is_on_ground(robot):
        return _ground(leaf, module, value)
    if isinstance(value, Robot):
        if value.joint_names != robot.joint_names:
            return _other(robot, leaf, module, f"Robot {value.name!r}: {_listed(value.joint_names)}")
        return None
    if isinstance(value, DrivenJoints):
        if value.names != robot.joint_names:
            return _other(robot, leaf, module, _listed(value.names))
        return None
    if name == "joint_names" and isinstance(value, tuple) and value != robot.joint_names:
        return _other(robot, leaf, module, _listed(value))
    if isinstance(value, Sensor):
        return _sensor(robot, leaf, module, value)
    if isinstance(value, jax.Array | np.ndarray) and not isinstance(value, jax.core.Tracer):
        return _order(robot, leaf, module, value)
    return None


def _other(robot: Robot, leaf: str, module: Any, held: str) -> Finding:
    return Finding(
        leaf,
        f"Robot {robot.name!r}: {_listed(robot.joint_names)}",
        held,
        f"make it for the robot of env.physics, whose joints stand in the order of its actuators (nu = {robot.nu})",
        source.describe(module),
    )


def _ground(leaf: str, module: Any, held: Ground | None) -> Finding:
    """One knows of slopes and steps, the other of z = 0."""
    if held is None:
        floor, fix = "a Ground: env.physics.robot comes from on_ground", "give it that ground: heights are above it"
        return Finding(leaf, f"the floor is {floor}", "heights above z = 0", fix, source.describe(module))
    fix = "make the robot of env.physics with on_ground, or give this no ground"
    return Finding(leaf, "the floor is a plane", "heights above a Ground", fix, source.describe(module))


def _sensor(robot: Robot, leaf: str, module: Any, held: Sensor) -> Finding | None:
    mj = robot.model.mj
    places = {mj.sensor(i).name: (int(mj.sensor_adr[i]), int(mj.sensor_dim[i])) for i in range(mj.nsensor)}
    place = places.get(held.name)
    if place == (held.address, held.size):
        return None
    known = f"has it at {place[0]}:{sum(place)}" if place else "has no such sensor"
    return Finding(
        leaf,
        f"Robot {robot.name!r} {known}",
        f"sensor {held.name!r} at {held.address}:{held.address + held.size} of sensordata",
        "make it for the robot of env.physics: robot.sensor(name) knows the place",
        source.describe(module),
    )


def _order(robot: Robot, leaf: str, module: Any, value: Any) -> Finding | None:
    """One of the robot's own vectors of joints, but shuffled."""
    own = {"home_joints": robot.home_qpos, "joint_range": robot.joint_range, "torque_limit": robot.torque_limit}
    for name, array in own.items():
        right = np.asarray(array)
        right = right[list(robot.joint_qpos)] if name == "home_joints" else right
        held = np.asarray(value) if value.shape == right.shape and value.dtype == right.dtype else right
        if np.array_equal(held, right) or not np.array_equal(_sorted(held), _sorted(right)):
            continue
        joints = [joint for joint, a, b in zip(robot.joint_names, held, right) if not np.array_equal(a, b)]
        return Finding(
            leaf,
            f"robot.{name}, in the order {_listed(robot.joint_names)}",
            f"the same numbers in another order, at {_listed(joints)}",
            f"take robot.{name}, whose entry i belongs to robot.joint_names[i]",
            source.describe(module),
        )
    return None


def _sorted(rows: np.ndarray) -> np.ndarray:
    return np.array(sorted(rows.reshape(len(rows), -1).tolist()))


def _listed(names: Any) -> str:
    names = list(names)
    return ", ".join(names if len(names) < 7 else [*names[:6], f"... ({len(names)})"])
