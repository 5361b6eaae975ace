"""Proof that a policy sees what the robot can measure: the true state is followed through each of its terms."""

from typing import Any

import jax
import numpy as np

from ... import jax_compat
from ...env.env import Env
from ...observe import Signals
from ...robots import Robot, encoded
from ..trace import source
from ..trace.findings import Finding
from ..trace.flow import COMPARED, follow
from ..trace.tracing import Traced, trace

_FIX = (
    "set measurable = False and give the term to the critic, or compute it from the IMUs of robot.toml, "
    "the servos' angles and velocities, those of joints with a <jointpos> or <jointvel> sensor, the feet's switches "
    "if it has them, the trackers of bodies beside it, what commands observe (CommandTerm) "
    "and the actions"
)


def leaks(env: Env, signals: Signals) -> list[Finding]:
    """Terms and sensing modules of `env.observations["policy"]` that read what only the simulator knows.

    `signals` is the spec of what terms are given.
    """
    stack = env.observations.get("policy")
    if stack is None:
        return []
    robot, findings = env.physics.robot, []
    secret = _secrets(robot, signals)
    for name, term in stack.terms.items():
        where = f"env.observations['policy'].terms[{name!r}]"
        said = "" if term.measurable else f"{type(term).__name__} says that the robot cannot measure it"
        try:
            traced = trace(lambda term, signals: term.step(term.init(signals), signals)[0], term, signals)
        except Exception:  # reported where the term is examined by itself
            continue
        read = said or _listed(_read(traced, secret, robot), "reads")
        if read:
            findings.append(_finding(where, term, read))
        value = jax.ShapeDtypeStruct((term.size,), np.float32)
        for i, part in enumerate(stack.sensing.get(name, ())):
            used = _of_sensing(part, value, signals, env.physics.control_dt)
            if used:
                findings.append(_finding(f"env.observations['policy'].sensing[{name!r}][{i}]", part, used))
    return findings


def _finding(where: str, module: Any, read: str) -> Finding:
    return Finding(where, "what the robot can measure", read, _FIX, source.describe(module))


def _listed(paths: list[str], verb: str) -> str:
    return f"{verb} {', '.join(paths[:4])}{', ...' if len(paths) > 4 else ''}" if paths else ""


def _of_sensing(part: Any, value: Any, signals: Signals, dt: float) -> str:
    """Sensing may know the reading and the calibration, and nothing else of the simulator."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    try:
        begun = trace(lambda part, *args: part.init(*args, dt), part, key, value, signals)
        called = trace(lambda part, *args: part(*args), part, key, begun.out, value, signals)
    except Exception:  # reported where the module is examined by itself
        return ""
    paths = []
    for traced, place in ((begun, "[2]"), (called, "[3]")):
        jaxpr, _ = jax_compat.opened(traced.jaxpr)
        used = {id(v) for eqn in jaxpr.eqns for v in eqn.invars} | {id(v) for v in jaxpr.outvars}
        for i, path in traced.inputs.items():
            inside = path.removeprefix(place)
            allowed = not path.startswith(place) or inside.startswith(".calibration")
            if not allowed and id(jaxpr.invars[i]) in used:
                paths.append(f"signals{inside}")
    return _listed(sorted(set(paths)), "reads")


def _secrets(robot: Robot, signals: Signals) -> dict[str, np.ndarray]:
    """By path in `Signals`: which entries the robot cannot measure."""
    secret = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(signals):
        name = jax.tree_util.keystr(path)
        mask = np.zeros(leaf.shape, bool)
        if name.startswith((".physics", ".params", ".calibration", ".servo", ".commands")):
            mask[...] = name != ".physics.time"
        if name == ".physics.qpos":
            mask[sorted(encoded(robot, "qpos"))] = False
        if name == ".physics.qvel":
            mask[sorted(encoded(robot, "qvel"))] = False
        if name == ".physics.sensordata":
            for _, sensor in robot.measured_sensors:
                mask[sensor.address : sensor.address + sensor.size] = False
        secret[name] = mask
    return secret


def _read(traced: Traced, secret: dict[str, np.ndarray], robot: Robot) -> list[str]:
    """The leaves of `Signals` whose secret entries reach the result.

    Whether the vertical force on a foot is above a threshold is what its switch says, where all feet have one.
    """
    jaxpr, consts = jax_compat.opened(traced.jaxpr)
    bits: dict[int, str] = {}
    marks: list[np.ndarray] = []
    for i, var in enumerate(jaxpr.invars):
        path = traced.inputs.get(i, "").removeprefix("[0]")
        mask = secret.get(path, np.zeros(var.aval.shape, bool)) if i >= traced.own else np.zeros(var.aval.shape, bool)
        bit = 0
        if mask.any():
            bit = 1 << (len(bits) % 60)
            bits[len(bits)] = path
        mark = np.asarray(np.where(mask, bit, 0), np.int64)
        if mask.any() and path == ".physics.foot_force" and all(foot.switch for foot in robot.feet):
            mark[..., 2] = COMPARED
        marks.append(mark)
    known: dict[Any, np.ndarray] = dict(zip(jaxpr.constvars, map(np.asarray, consts)))
    out = 0
    for mark in follow(jaxpr, marks, known):
        out |= int(np.bitwise_or.reduce(mark.ravel(), initial=0))
    paths = [f"signals{path}" for i, path in bits.items() if out >> (i % 60) & 1]
    paths += ["signals.physics.foot_force"] if out & COMPARED else []
    return [_place(path, robot) for path in dict.fromkeys(paths)]


def _place(path: str, robot: Robot) -> str:
    parts = {
        "signals.physics.qpos": "signals.physics.qpos of the base",
        "signals.physics.qvel": "signals.physics.qvel of the base",
        "signals.physics.sensordata": f"sensors of signals.physics.sensordata that are no IMU of {robot.name!r}",
    }
    return parts.get(path, path)
