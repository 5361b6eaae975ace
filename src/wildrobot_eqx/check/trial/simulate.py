"""The simulation of a trial: one batch of envs, a third each under zero, random and extreme actions."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from ...env.env import Env, EnvState
from ...env.rollout import ResetPool

GROUPS = ("zero", "random", "extreme")
_EXTREME = 5.0  # actions far outside of what a policy samples, flipping at random
_SETTLE_S = 1.0  # for filters and delays, s


@dataclasses.dataclass(frozen=True)
class Record:
    """What happened, as NumPy arrays: time first, then envs (a third for each of `GROUPS`).

    `finite` says of each field of the physics state whether it was; `traces` counts how often two calls of
    the simulation were traced.
    """

    obs: dict[str, Float[np.ndarray, "steps envs _"]]
    reward: Float[np.ndarray, "steps envs"]
    metrics: dict[str, Float[np.ndarray, "steps envs"]]
    terminated: Bool[np.ndarray, "steps envs"]
    target: Float[np.ndarray, "steps envs nu"]  # rad
    joints: Float[np.ndarray, "steps envs nu"]  # rad
    force: Float[np.ndarray, "steps envs nu"]  # N m
    finite: dict[str, Bool[np.ndarray, "steps envs"]]
    first_qpos: Float[np.ndarray, "envs nq"]
    response: Float[np.ndarray, "nu nu"]  # rad: row i is what a lasting action on entry i does to the targets
    traces: int
    steps: int  # of each of the two calls

    def group(self, name: str) -> slice:
        """The envs of a group."""
        n = self.reward.shape[1] // len(GROUPS)
        return slice(GROUPS.index(name) * n, (GROUPS.index(name) + 1) * n)


def simulate(env: Env, key: PRNGKeyArray, num_envs: int, seconds: float) -> Record:
    """Run `num_envs` envs (a multiple of 3) twice for `seconds` under one compiled function."""
    traces: list[None] = []

    @eqx.filter_jit
    def call(env: Env, pool: ResetPool, state: EnvState, keys: Any, kind: Any) -> tuple[EnvState, dict[str, Any]]:
        traces.append(None)  # runs while it is traced, not when compiled code runs
        return _run(env, pool, state, keys, kind)

    key_reset, key_one, key_two = jax.random.split(key, 3)
    steps = max(round(seconds / env.physics.control_dt), 3)
    start = _begin(env, jax.random.split(key_reset, num_envs))
    state = start.state
    kind = jnp.repeat(jnp.arange(len(GROUPS)), num_envs // len(GROUPS))
    first_qpos = np.asarray(state.physics.qpos)
    parts = []
    for sub in (key_one, key_two):
        state, part = call(env, start, state, jax.random.split(sub, steps), kind)
        parts.append(jax.tree.map(np.asarray, part))
    whole = jax.tree.map(lambda *rows: np.concatenate(rows), *parts)
    response = np.asarray(_response(env))
    return Record(**whole, first_qpos=first_qpos, response=response, traces=len(traces), steps=steps)


@eqx.filter_jit
def _begin(env: Env, keys: Any) -> ResetPool:
    state, timestep = jax.vmap(env.reset)(keys)
    return ResetPool(state, timestep.obs)


def _run(env: Env, pool: ResetPool, state: EnvState, keys: Any, kind: Any) -> tuple[EnvState, dict[str, Any]]:
    n, nu = kind.shape[0], env.action_size

    def body(state: EnvState, key: Any) -> tuple[EnvState, dict[str, Any]]:
        key_action, key_pool = jax.random.split(key)
        noise = jax.random.normal(key_action, (n, nu), jnp.float32)
        scale = jnp.select([kind[:, None] == 0, kind[:, None] == 1], [0.0 * noise, noise], _EXTREME * jnp.sign(noise))
        target, _ = jax.vmap(env.controller)(state.controller, scale)
        new, timestep = jax.vmap(env.raw_step)(state, scale)
        robot = env.physics.robot
        fields = {
            "obs": timestep.obs,
            "reward": timestep.reward,
            "metrics": timestep.metrics,
            "terminated": timestep.terminated,
            "target": target,
            "joints": jax.vmap(robot.joints)(new.physics.qpos),
            "force": new.physics.actuator_force,
            "finite": _finite(new.physics),
        }
        restarted, _ = pool.replace(jax.random.split(key_pool, n), timestep.done, new, timestep.obs)
        return restarted, fields

    return jax.lax.scan(body, state, keys)


def _finite(physics: PyTree) -> dict[str, Bool[Array, " envs"]]:
    """By field: is all of it finite?"""
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(physics):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            finite = jnp.isfinite(leaf.reshape(leaf.shape[0], -1)).all(axis=1)
            found[jax.tree_util.keystr(path, simple=True, separator=".")] = finite
    return found


@eqx.filter_jit
def _response(env: Env) -> Float[Array, "nu nu"]:
    """What a lasting unit of each action entry does to every joint's target, once filters and delays have settled."""
    nu = env.action_size
    steps = round(_SETTLE_S / env.physics.control_dt)

    def settle(action: Float[Array, " nu"]) -> Float[Array, " nu"]:
        def body(state: Any, _: None) -> tuple[Any, Float[Array, " nu"]]:
            target, state = env.controller(state, action)
            return state, target

        return jax.lax.scan(body, env.controller.init(), None, steps)[1][-1]

    rest = settle(jnp.zeros((nu,), jnp.float32))
    small = 0.25 * jnp.eye(nu, dtype=jnp.float32)  # both ways: a joint may rest on its limit
    return jnp.maximum(*(jnp.abs(jax.vmap(settle)(sign * small) - rest) for sign in (1.0, -1.0)))
