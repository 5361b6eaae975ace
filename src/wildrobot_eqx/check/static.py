"""The contract of an env, proved by abstract evaluation: no compile, no simulation.

`reset` and `step` must return trees of the same structure, shapes, dtypes and weak types;
else `lax.scan` fails, minutes later and without a name. `check` finds every leaf that differs,
says what came in and what came out, which line made it, and what to change.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ..env.env import Env
from ..physics import AbstractPhysics
from .examiner import float32_spec
from .modules import modules
from .part import key_finding, written
from .rules import prng as keys
from .rules import robot_match as names
from .standin import outlined, traced_once
from .trace import errors, source, statics, trees
from .trace.findings import Finding, Report
from .trace.leaves import Labels
from .trace.tracing import Leaf, Traced, trace

Stage = Callable[[Env], Iterable[Finding]]
"""A further check, such as an adapter's own contract."""


def check_env(env: Env, stages: Iterable[Stage] = ()) -> Report:
    """Prove the contract of `env` (per sample, not batched) by tracing alone; run `stages` if it holds.

    Each module is traced by itself first; what fails there would have a less plain message
    further on. Then `reset`, `step` and a scan of two steps.
    """
    began = time.monotonic()
    findings = _check(env)
    if not findings:
        light = _with(env, outlined(env.physics))
        findings = [finding for stage in stages for finding in stage(light)]
    return Report(tuple(findings), time.monotonic() - began)


def _with(env: Env, physics: AbstractPhysics) -> Env:
    """The env on a stand-in for its engine; another class may use its own in ways that the stand-in does not know."""
    return eqx.tree_at(lambda e: e.physics, env, physics) if type(env) is Env else env


def _check(env: Env) -> list[Finding]:
    foreign = names.foreign(env)
    if static := statics.of_env(env):  # JAX fails to compare such modules, or dies of it
        return [*foreign, *static]
    physics = traced_once(env.physics)
    wrong, subtle = modules(env, physics)
    env = _with(env, physics)
    if not wrong:
        wrong, of_env = _whole(env)
        subtle = subtle or of_env
    reported = {finding.leaf for finding in wrong}
    return [*foreign, *wrong, *(finding for finding in subtle if finding.leaf not in reported)]


def _whole(env: Env) -> tuple[list[Finding], list[Finding]]:
    """Reset, step and a scan of two steps; what is wrong, and keys used twice."""
    robot, key = env.physics.robot, jax.eval_shape(lambda: jax.random.key(0))
    action = float32_spec(env.action_size)
    takes = f"EnvState from reset, action float32[{env.action_size}]"
    try:
        first = trace(lambda e, k: e.reset(k), env, key)
    except Exception as error:  # whatever a module raises while it is traced
        return [_raised(env, "env.reset", "a key", error)], []
    try:
        second = trace(lambda e, s, a: e.step(s, a), env, first.out[0], action)
    except Exception as error:
        return [_raised(env, "env.step", takes, error)], []
    calls = (("env.reset", "a key", first), ("env.step", takes, second))
    for _, given, traced in calls:
        if findings := statics.of_state(traced.out, _name, given, source.describe(env)):
            return findings, []
    findings = _same(env, first, second)
    reported = {finding.leaf for finding in findings}
    findings += [finding for finding in _kinds(env, first, second) if finding.leaf not in reported]
    subtle = [finding for where, given, traced in calls for finding in written(where, given, env, traced)]
    subtle += [
        key_finding(where, given, env, reuse) for where, given, traced in calls for reuse in keys.reuses(traced)[:1]
    ]
    if not findings:
        try:
            trace(_two_steps, env, key, action)
        except Exception as error:
            what, _ = errors.explain(error, robot)
            fix = "return from step what reset returns"
            findings.append(Finding("a scan of two steps", takes, what, fix, source.describe(env)))
    return findings, subtle


def _raised(env: Env, where: str, takes: str, error: Exception) -> Finding:
    what, fix = errors.explain(error, env.physics.robot)
    return Finding(where, takes, what, fix, source.describe(env, source.of_error(error, env)))


def _two_steps(env: Env, key: Any, action: Any) -> Any:
    return jax.lax.scan(lambda carry, _: (env.step(carry[0], action), None), env.reset(key), None, length=2)[0]


def _same(env: Env, first: Traced, second: Traced) -> list[Finding]:
    """Leaf by leaf: the same paths, shapes, dtypes and weak types; then the same tree."""
    labels = Labels(
        _name,
        lambda path, leaf: source.describe(_module(env, path)[1], leaf.line if leaf else ""),
        lambda path: _maker(env, path),
    )
    return trees.differing(first.out, second.out, first.leaves, second.leaves, labels)


def _kinds(env: Env, first: Traced, second: Traced) -> list[Finding]:
    """Shapes and dtypes that every timestep must have."""
    owed: list[tuple[str, tuple[int, ...], Any, str]] = []
    for name, dtype in (("reward", jnp.float32), ("terminated", jnp.bool_), ("truncated", jnp.bool_)):
        fix = f"make it a scalar {jnp.dtype(dtype).name}, not weakly typed: jnp.asarray(value, jnp.{dtype.__name__})"
        owed.append((f"[1].{name}", (), dtype, fix))
    for name, stack in env.observations.items():
        fix = f"its layout says float32[{stack.size}]: mend the terms of env.observations[{name!r}]"
        owed.append((f"[1].obs[{name!r}]", (stack.size,), jnp.float32, fix))
    findings = []
    for path, shape, dtype, fix in owed:
        was, now = (traced.leaves.get(path, Leaf(other="missing")) for traced in (first, second))
        if any(leaf.other or leaf.weak or leaf.shape != shape or leaf.dtype != dtype for leaf in (was, now)):
            line = source.describe(_module(env, path)[1], now.line or was.line)
            findings.append(Finding(_name(path), str(was), str(now), f"{fix} ({_maker(env, path)})", line))
    return findings


def _maker(env: Env, path: str) -> str:
    """The module that makes a leaf, and its place, in words."""
    where, module = _module(env, path)
    return f"{where}, {type(module).__name__}" if where else type(module).__name__


def _name(path: str) -> str:
    return ("state" if path.startswith("[0]") else "timestep") + path[3:]


def _module(env: Env, path: str) -> tuple[str, Any]:
    """Where in `env` the module stands that makes a leaf, and the module."""
    text = path[3:]
    owners = _owners(env)
    for start, (where, module) in owners.items():
        if text.startswith(start):
            return where, module
    return "", env


def _owners(env: Env) -> dict[str, tuple[str, Any]]:
    """By the path of what it makes, in the state or the timestep: where a module stands, and the module."""
    owners: dict[str, tuple[str, Any]] = {
        ".physics": ("env.physics", env.physics),
        ".controller": ("env.controller", env.controller),
    }
    for kind, parts in (("commands", env.commands), ("rewards", env.rewards), ("endings", env.endings)):
        owners |= {f".{kind}[{name!r}]": (f"env.{kind}[{name!r}]", part) for name, part in parts.items()}
    for name, stack in env.observations.items():
        where = (f"env.observations[{name!r}]", stack)
        owners |= {f".observations[{name!r}]": where, f".obs[{name!r}]": where}
    for name, term in env.rewards.items():
        for prefix in ("raw", "reward"):
            owners[f".metrics['{prefix}/{name}']"] = (f"env.rewards[{name!r}]", term)
    if env.disturbances is not None:
        place, disturbances = "env.disturbances", env.disturbances
        owners[".disturbances.calibration"] = (f"{place}.calibration", disturbances.calibration)
        servos = {} if disturbances.servos is None else disturbances.servos.parts
        for name, part in servos.items():
            owners[f".disturbances.servo[{name!r}]"] = (f"{place}.servos.parts[{name!r}]", part)
        for name, event in disturbances.events.items():
            owners[f".disturbances.events[{name!r}]"] = (f"{place}.events[{name!r}]", event)
    return owners
