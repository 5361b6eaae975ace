"""Each module of an env by itself, in the order in which data flows, so that blame is exact."""

from typing import Any

import jax

from ..control import Calibration, Joints, ServoLaw
from ..env import Env
from ..observe import Signals
from ..physics import AbstractPhysics, PhysicsState
from ..task.commands import order_of
from .examiner import Examiner, TracedState, float32_spec
from .rules.privileged import leaks
from .trace import source
from .trace.findings import Finding


def modules(env: Env, physics: AbstractPhysics) -> tuple[list[Finding], list[Finding]]:
    """What is wrong with single modules, and the subtler faults; `physics` is the env's own, or stands in for it."""
    examiner = Examiner(env, physics)
    commands = _commands(examiner)
    if commands is not None:
        reset = env.reset_state
        specs = {name: traced_state.out for name, traced_state in commands.items()}
        examiner.examine("env.reset_state", reset, "", reset.protocol, commands=specs)
    params = jax.eval_shape(env.physics.params)
    examiner.known["params"] = params
    _randomised(examiner)
    state = _physical(examiner, params)
    examiner.known["physics"] = _state(state, examiner.size)
    states = None if commands is None else _commanded(examiner, commands)
    controller = env.controller
    examiner.examine("env.controller", controller, "state.controller", controller.protocol)
    calibration, servo = _disturbed(examiner)
    if states is not None:
        observed = {name: float32_spec(len(command.observed)) for name, command in env.commands.items()}
        action, ctrl = examiner.known["action"], examiner.known["ctrl"]
        specs = {"params": params, "calibration": calibration, "servo": servo}
        signals = jax.eval_shape(Signals, examiner.known["physics"], action, action, ctrl, states, observed, **specs)
        _terms(examiner, signals)
    return examiner.found, examiner.subtle


def _commands(examiner: Examiner) -> dict[str, TracedState] | None:
    """The commands' samples; None where one cannot be drawn."""
    samples: dict[str, TracedState] = {}
    for name in sorted(examiner.env.commands):
        command = examiner.env.commands[name]
        calls = tuple(call for call in command.protocol if call.method in ("bounds", "sample"))
        bounds = float32_spec(len(command.channels), 2)
        where, state = f"env.commands[{name!r}]", f"state.commands[{name!r}]"
        sample = examiner.examine(where, command, state, calls, bounds=bounds)
        if sample is not None:
            samples[name] = sample
    return samples if len(samples) == len(examiner.env.commands) else None


def _commanded(examiner: Examiner, samples: dict[str, TracedState]) -> dict[str, Any] | None:
    """The commands carried on, each given the states of those that it needs; their states, as specs."""
    states: dict[str, Any] = {}
    for name in order_of(examiner.env.commands):
        command = examiner.env.commands[name]
        calls = tuple(call for call in command.protocol if call.method not in ("bounds", "sample"))
        others = {needed: states.get(needed) for needed in command.needs}
        value, observed = float32_spec(len(command.channels)), float32_spec(len(command.observed))
        where = f"env.commands[{name!r}]"
        found = len(examiner.found)
        examiner.examine(
            where,
            command,
            f"state.commands[{name!r}]",
            calls,
            samples[name],
            others=others,
            value=value,
            observed=observed,
        )
        if len(examiner.found) > found:
            return None
        states[name] = samples[name].out
    return states


def _randomised(examiner: Examiner) -> None:
    disturbances = examiner.env.disturbances
    for i, randomiser in enumerate(() if disturbances is None else disturbances.randomisers):
        where = f"env.disturbances.randomisers[{i}]"
        examiner.examine(where, randomiser, "state.disturbances.params", randomiser.protocol, stored="params")


def _disturbed(examiner: Examiner) -> tuple[Any, dict[str, Any]]:
    """Calibration errors, servos and events; what `Signals` carries of them, as specs."""
    env, nu = examiner.env, examiner.size["nu"]
    disturbances = env.disturbances
    if disturbances is None:
        return None, {}
    calibration = None
    if disturbances.calibration is not None:
        calibration = jax.eval_shape(Calibration, float32_spec(nu), float32_spec(3))
        own = disturbances.calibration
        where = "state.disturbances.calibration"
        examiner.examine(
            "env.disturbances.calibration", own, where, own.protocol, None, "calibration", calibration=calibration
        )
    servo = {}
    if disturbances.servos is not None:
        joints, law = jax.eval_shape(Joints, *[float32_spec(nu)] * 4), jax.eval_shape(ServoLaw, *[float32_spec(nu)] * 6)
        servo_dt = env.physics.control_dt / disturbances.servos.updates
        for name in disturbances.servos.names:
            part = disturbances.servos.parts[name]
            where, state = f"env.disturbances.servos.parts[{name!r}]", f"state.disturbances.servo[{name!r}]"
            traced_state = examiner.examine(
                where, part, state, part.protocol, joints=joints, law=law, servo_dt=servo_dt
            )
            servo[name] = None if traced_state is None else traced_state.out
    for name in sorted(disturbances.events):
        event = disturbances.events[name]
        where, state = f"env.disturbances.events[{name!r}]", f"state.disturbances.events[{name!r}]"
        examiner.examine(where, event, state, event.protocol)
    return calibration, servo


def _terms(examiner: Examiner, signals: Signals) -> None:
    """Observation terms and sensing, rewards and endings."""
    env = examiner.env
    examiner.known["signals"] = signals
    for role in sorted(env.observations):
        stack = env.observations[role]
        for name in stack.names:
            term = stack.terms[name]
            where, state = f"env.observations[{role!r}].terms[{name!r}]", f"state.observations[{role!r}][0][{name!r}]"
            reading = float32_spec(term.size)
            examiner.examine(where, term, state, term.protocol, reading=reading)
            for i, part in enumerate(stack.sensing.get(name, ())):
                place = f"env.observations[{role!r}].sensing[{name!r}][{i}]"
                examiner.examine(place, part, f"{place} state", part.protocol, reading=reading)
    for name in sorted(env.rewards):
        reward = env.rewards[name]
        examiner.examine(f"env.rewards[{name!r}]", reward, f"state.rewards[{name!r}]", reward.protocol)
        if isinstance(reward.weight, jax.Array) and reward.weight.shape != ():
            fix = "a weight is one number: f32(1.0), or sum inside the term"
            actual = f"{reward.weight.dtype}{list(reward.weight.shape)}"
            leaf = f"env.rewards[{name!r}].weight"
            examiner.found.append(Finding(leaf, "the recipe's weight", actual, fix, source.describe(reward)))
    for name in sorted(env.endings):
        ending = env.endings[name]
        examiner.examine(f"env.endings[{name!r}]", ending, f"state.endings[{name!r}]", ending.protocol)
    examiner.found += leaks(env, signals)


def _physical(examiner: Examiner, params: Any) -> Any:
    """The physics; returns the state that it starts from, None where that is wrong."""
    env, n = examiner.env, examiner.size
    names = (("", "state.physics"),)
    axes = {f".{name}": axes[0] for name, axes in _AXES.items() if axes and isinstance(axes[0], str)}
    pose = (float32_spec(n["nq"]), float32_spec(n["nv"]))
    takes = f"PhysicsParams, qpos float32[{n['nq']}], qvel float32[{n['nv']}]"
    initial = _physics(examiner, "init", (params, *pose), takes, names, axes)
    if initial is None:
        return None
    takes = f"PhysicsParams, PhysicsState, ctrl float32[{n['nu']}]"
    stepped = _physics(examiner, "step", (params, initial.out, float32_spec(n["nu"])), takes, names, axes)
    if stepped is not None:
        examiner.same(
            "env.physics", env.physics, TracedState(initial.out, initial, "init"), stepped, "state.physics", "step"
        )
    return initial.out


def _physics(
    examiner: Examiner, method: str, args: tuple[Any, ...], takes: str, names: Any, axes: dict[str, str]
) -> Any:
    """One method of the physics, whose named fields are known, but not its carry."""
    env = examiner.env
    found = len(examiner.found)
    traced = examiner.part("env.physics", examiner.physics, args, takes, names, method=method, owner=env.physics)
    if traced is None or not isinstance(traced.out, PhysicsState):
        if len(examiner.found) == found:
            line = source.describe(env.physics, source.method(env.physics, method))
            after = f"a {type(traced.out).__name__}" if traced else "nothing"
            examiner.found.append(Finding("state.physics", takes, after, f"{method} must return PhysicsState", line))
        return None
    expected = {f".{name}": spec for name, spec in _fields(examiner.size).items()}
    for path, spec in expected.items():
        leaf = traced.leaves.get(path)
        if leaf is None or leaf.other or leaf.shape != spec.shape or leaf.dtype != spec.dtype or leaf.weak:
            line = source.describe(env.physics, leaf.line if leaf and leaf.line else source.method(env.physics, method))
            fix = f"{type(env.physics).__name__} must return float32{list(spec.shape)}"
            if leaf is not None and path in axes and leaf.shape != spec.shape and leaf.shape:
                fix += f" ({axes[path]} = {spec.shape[0]} from Robot {examiner.robot.name!r}, got {leaf.shape[0]})"
            examiner.found.append(Finding(f"state.physics{path}", takes, str(leaf or "a tree"), fix, line))
    return traced if len(examiner.found) == found else None


_AXES: dict[str, tuple[str | int, ...]] = {
    "qpos": ("nq",),
    "qvel": ("nv",),
    "time": (),
    "xpos": ("nbody", 3),
    "xquat": ("nbody", 4),
    "site_xpos": ("nsite", 3),
    "sensordata": ("nsensordata",),
    "foot_force": ("nfoot", 3),
    "actuator_force": ("nu",),
}


def _fields(size: dict[str, int]) -> dict[str, Any]:
    return {name: float32_spec(*(size[a] if isinstance(a, str) else a for a in axes)) for name, axes in _AXES.items()}


def _state(state: Any, size: dict[str, int]) -> PhysicsState:
    """The physics' own state, or one made of the robot's sizes."""
    if state is not None:
        return state
    return jax.eval_shape(lambda fields: PhysicsState(**fields, carry=()), _fields(size))
