"""The first half of a PPO iteration: every env steps with actions sampled from the policy.

XLA leaves most of a program on a CPU to one core. Two calls of it from two threads run side by side: so the tree
engine steps equal shares of the envs, one for each core (`Collector`; `cpu_shares` says how many).
"""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..env import Env, EnvState, ResetPool
from ..env.divergence import DIVERGED
from ..env.rollout import batch_step, where
from ..physics.base import jit_for
from .agent import critics
from .config import PPOConfig
from .memory import first_memory
from .networks import AbstractPolicy
from .state import Rollout, TrainState


class Envs(eqx.Module):
    """The part of the training state that has a row for each env."""

    state: EnvState
    obs: dict[str, Float[Array, "envs _"]]
    carry: Any
    episode_return: Float[Array, " envs"]

    @staticmethod
    def of(state: TrainState) -> "Envs":
        """Those of a training state."""
        return Envs(state.env_state, state.obs, state.carry, state.episode_return)

    def share(self, index: Int[Array, ""], shares: int) -> "Envs":
        """One of `shares` equal parts of the rows."""

        def rows(leaf: Array) -> Array:
            n = leaf.shape[0] // shares
            return jax.lax.dynamic_slice_in_dim(leaf, index * n, n)

        return jax.tree.map(rows, self)


class Seen(eqx.Module):
    """What some steps of some envs have shown: (time, envs, ...), and sums over the episodes that ended."""

    rollout: Rollout
    metrics: dict[str, Float[Array, "time envs"]]
    ended: dict[str, Float[Array, ""]]


def collect(
    env: Env, config: PPOConfig, state: TrainState, pool: ResetPool
) -> tuple[TrainState, Rollout, dict[str, Float[Array, ""]]]:
    """Step every env `unroll_length` times; episodes start from `pool`."""
    key, key_steps, _ = jax.random.split(state.key, 3)
    envs, seen = _steps(env, config, state.agent.policy, Envs.of(state), pool, key_steps)
    return _after(env, state, key, envs, seen)


class Collector:
    """Collects with so many threads; `with` ends them."""

    def __init__(self, shares: int):
        self.shares = shares
        self.threads = ThreadPoolExecutor(shares) if shares > 1 else None
        self.compiled = False

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *error: object) -> None:
        if self.threads is not None:
            self.threads.shutdown()

    def __call__(
        self, env: Env, config: PPOConfig, state: TrainState, pool: ResetPool
    ) -> tuple[TrainState, Rollout, dict[str, Float[Array, ""]]]:
        """As `collect`; each share draws random numbers of its own."""
        if self.threads is None:
            return jit_for(env.physics, collect)(env, config, state, pool)

        def part(index: int) -> tuple[Envs, Seen]:
            return jit_for(env.physics, _share)(env, config, state, pool, jnp.int32(index), self.shares)

        first = [] if self.compiled else [part(0)]  # threads that meet an uncompiled function compile it each
        self.compiled = True
        return _join(env, state, [*first, *self.threads.map(part, range(len(first), self.shares))])


def _share(
    env: Env, config: PPOConfig, state: TrainState, pool: ResetPool, index: Int[Array, ""], count: int
) -> tuple[Envs, Seen]:
    _, key_steps, _ = jax.random.split(state.key, 3)
    key = jax.random.fold_in(key_steps, index)
    return _steps(env, config, state.agent.policy, Envs.of(state).share(index, count), pool, key)


@eqx.filter_jit
def _join(
    env: Env, state: TrainState, parts: list[tuple[Envs, Seen]]
) -> tuple[TrainState, Rollout, dict[str, Float[Array, ""]]]:
    def joined(axis: int, trees: list[Any]) -> Any:
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis), *trees)

    envs = joined(0, [part for part, _ in parts])
    carry = joined(0, [seen.rollout.carry for _, seen in parts])
    rollout = joined(1, [dataclasses.replace(seen.rollout, carry=None) for _, seen in parts])
    metrics = joined(1, [seen.metrics for _, seen in parts])
    ended = jax.tree.map(lambda *sums: sum(sums), *[seen.ended for _, seen in parts])
    key, _, _ = jax.random.split(state.key, 3)
    return _after(env, state, key, envs, Seen(dataclasses.replace(rollout, carry=carry), metrics, ended))


def _steps(
    env: Env, config: PPOConfig, policy: AbstractPolicy, envs: Envs, pool: ResetPool, key: PRNGKeyArray
) -> tuple[Envs, Seen]:
    memory = first_memory(policy, envs.episode_return.shape[0])

    def step(loop: tuple, key: PRNGKeyArray) -> tuple[tuple, tuple]:
        env_state, obs, carry, episode_return = loop
        key_action, key_reset = jax.random.split(key)
        distribution, next_carry = policy(obs["policy"], carry)
        action = distribution.sample(key_action)
        env_state, timestep = batch_step(env, env_state, action)
        done, diverged = timestep.done, timestep.metrics[DIVERGED] > 0.0
        episode_return = episode_return + timestep.reward
        ended = {
            "return": jnp.sum(jnp.where(done & ~diverged, episode_return, 0.0)),
            "done": jnp.sum((done & ~diverged).astype(jnp.float32)),
            "falls": jnp.sum((timestep.terminated & ~diverged).astype(jnp.float32)),
        }
        transition = Rollout(
            obs=obs,
            final_obs=critics(timestep.obs),
            carry=None,
            action=action,
            mean=distribution.mean,
            log_prob=distribution.log_prob(action),
            reward=timestep.reward,
            terminated=timestep.terminated,
            truncated=timestep.truncated,
            diverged=diverged,
        )
        env_state, obs = pool.replace(key_reset, done, env_state, timestep.obs)
        next_carry = where(done, memory, next_carry)
        loop = (env_state, obs, next_carry, jnp.where(done, 0.0, episode_return))
        return loop, (transition, timestep.metrics, ended)

    loop = (envs.state, envs.obs, envs.carry, envs.episode_return)
    loop, (rollout, metrics, ended) = jax.lax.scan(step, loop, jax.random.split(key, config.unroll_length))
    rollout = dataclasses.replace(rollout, carry=envs.carry)
    return Envs(*loop), Seen(rollout, metrics, {name: jnp.sum(value) for name, value in ended.items()})


def _after(
    env: Env, state: TrainState, key: PRNGKeyArray, envs: Envs, seen: Seen
) -> tuple[TrainState, Rollout, dict[str, Float[Array, ""]]]:
    ended = seen.ended
    mean_return = jnp.where(ended["done"] > 0.0, ended["return"] / jnp.maximum(ended["done"], 1.0), state.last_return)
    state = dataclasses.replace(
        state,
        env_state=envs.state,
        obs=envs.obs,
        carry=envs.carry,
        episode_return=envs.episode_return,
        last_return=mean_return,
        key=key,
    )
    figures = _summary(env, seen.metrics, ended, seen.rollout)
    return state, seen.rollout, {**figures, "episode_return": mean_return}


def _summary(env: Env, metrics: dict, ended: dict, rollout: Rollout) -> dict[str, Array]:
    """One iteration's figures: means over the steps that did not diverge, and falls per minute of simulated time.

    The metrics of a step that diverged are zeros, and so leave sums alone.
    """
    metrics = {name: value for name, value in metrics.items() if name != DIVERGED}
    valid = jnp.sum((~rollout.diverged).astype(jnp.float32), axis=0)  # steps of each env
    steps = jnp.maximum(jnp.sum(valid), 1.0)

    def error(name: str) -> Array:
        total = jnp.sum(metrics[name] - metrics[f"commanded_{name}"], axis=0)
        return jnp.mean(jnp.abs(total / jnp.maximum(valid, 1.0)))

    errors = {f"{name}_error": error(name) for name in ("speed", "lateral_speed", "turn") if name in metrics}
    minutes = rollout.reward.size * env.physics.control_dt / 60.0
    return {
        **{name: jnp.sum(value) / steps for name, value in metrics.items()},
        "reward_per_step": jnp.sum(rollout.reward) / steps,
        "episodes": ended["done"],
        "falls_per_minute": ended["falls"] / minutes,
        DIVERGED: jnp.sum(rollout.diverged.astype(jnp.float32)),
        **errors,
    }
