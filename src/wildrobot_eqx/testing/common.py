"""What the conformance tests share: a small env around one part, its proof, and a few steps of it."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..check import check_env
from ..control import AbstractController, JointPosition, JointTorque, JointVelocity
from ..env import Env, EnvState, Timestep
from ..physics import NativePhysics
from ..robots import Mirror, Robot
from ..task import HomeReset

STEPS = 2


def require(holds: Any, what: str) -> None:
    """Raise `AssertionError(what)` unless it holds."""
    if not bool(holds):
        raise AssertionError(what)


def env_around(on: Robot | Env, **parts: Any) -> Env:
    """An env with `parts` and little else: a robot's on the native engine, or one with an env's commands and world."""
    if isinstance(on, Env):
        return dataclasses.replace(on, **{"observations": {}, "rewards": {}, "endings": {}, **parts})
    bare: dict[str, Any] = {
        "physics": NativePhysics(on, threads=1),
        "controller": controller_of(on) if "controller" not in parts else None,
        "observations": {},
        "rewards": {},
        "endings": {},
        "reset_state": HomeReset(on),
    }
    return Env(**{**bare, **parts})


def controller_of(robot: Robot) -> AbstractController:
    """The plain controller for the robot's kind of actuators."""
    kind = robot.actuator_kind[0]
    if kind == "position":
        return JointPosition(robot)
    return JointTorque(robot) if kind == "motor" else JointVelocity(robot)


def prove(env: Env) -> None:
    """The contract of the env, traced part by part; what is wrong is named leaf by leaf."""
    findings = check_env(env).findings
    require(not findings, "\n".join(str(finding) for finding in findings))


def run(env: Env, seed: int = 0, steps: int = STEPS) -> list[tuple[EnvState, Timestep]]:
    """The first state and timestep of an episode, and those of some steps under random actions, finite or not."""
    key, key_actions = jax.random.split(jax.random.key(seed))
    found = [env.reset(key)]
    for action in jax.random.normal(key_actions, (steps, env.action_size), jnp.float32):
        found.append(env.raw_step(found[-1][0], action))
    return found


def require_finite(tree: Any, what: str) -> None:
    """All floats in a tree are finite."""
    for path, leaf in jax.tree.leaves_with_path(tree):
        if eqx.is_inexact_array(leaf):
            require(np.isfinite(np.asarray(leaf)).all(), f"{what}{jax.tree_util.keystr(path)} is not finite: {leaf}")


def require_same(first: Any, second: Any, what: str) -> None:
    """Two trees are equal to the last bit."""
    require(bool(eqx.tree_equal(_raw(first), _raw(second))), f"{what}: {first} and {second}")


def require_mirror(mirror: Mirror | None, size: int, what: str) -> None:
    """A reflection of `size` numbers that gives the vector back when it is applied twice."""
    if mirror is None:
        return
    require(len(mirror.source) == len(mirror.sign) == size, f"{what} reflects {len(mirror.source)} of {size} numbers")
    vector = jnp.arange(1.0, size + 1.0, dtype=jnp.float32)
    twice = mirror(mirror(vector))
    require(np.array_equal(twice, vector), f"{what} applied twice makes {twice} of {vector}")


def _raw(tree: Any) -> Any:
    def plain(leaf: Any) -> Any:
        typed = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return jax.random.key_data(leaf) if typed else leaf

    return jax.tree.map(plain, tree)
