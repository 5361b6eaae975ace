"""The first half of a PPO iteration: every env steps with actions sampled from the policy.

XLA leaves most of a program on a CPU to one core. Two calls of it from two threads run side by side: so the tree
engine steps equal shares of the envs, one for each core (`Collector`; `cpu_shares` says how many). Every env draws from
keys of its own, so that shares change nothing but the order of sums.
"""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from ..env import Env, EnvState, ResetPool
from ..env.divergence import DIVERGED
from ..env.rollout import batch_step, keys_of, tracking_errors, where
from ..physics.base import jit_for
from .agent import critic_role
from .config import PPO
from .distributions import AbstractDistribution
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
    env: Env, config: PPO, state: TrainState, pool: ResetPool, key: PRNGKeyArray, seen: str | None = None
) -> tuple[TrainState, Rollout, dict[str, Float[Array, ""]]]:
    """Step every env `unroll_length` times; episodes start from `pool`.

    Args:
        env: the env of one robot.
        config: how many of them, and for how long.
        state: the training state.
        pool: first states of episodes.
        key: of this iteration's steps; every env folds its own number into it.
        seen: an observation whose true next values are kept, too, as a reward model wants them.
    """
    every, parts = jnp.int32(0), 1
    return _after(env, state, *_share(env, config, state, pool, key, every, parts, seen))


class Collector:
    """Collects with so many threads; `with` ends them."""

    def __init__(self, shares: int, seen: str | None = None):
        self.shares, self.seen = shares, seen
        self.threads = ThreadPoolExecutor(shares) if shares > 1 else None
        self.compiled = False

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *error: object) -> None:
        if self.threads is not None:
            self.threads.shutdown()

    def __call__(
        self, env: Env, config: PPO, state: TrainState, pool: ResetPool, key: PRNGKeyArray
    ) -> tuple[TrainState, Rollout, dict[str, Float[Array, ""]]]:
        """As `collect`; with shares, only sums are taken in another order."""
        if self.threads is None:
            return jit_for(env.physics, collect)(env, config, state, pool, key, self.seen)

        def part(index: int) -> tuple[Envs, Seen]:
            one = jit_for(env.physics, _share)
            return one(env, config, state, pool, key, jnp.int32(index), self.shares, self.seen)

        first = [] if self.compiled else [part(0)]  # threads that meet an uncompiled function compile it each
        self.compiled = True
        return _join(env, state, [*first, *self.threads.map(part, range(len(first), self.shares))])


def _share(
    env: Env,
    config: PPO,
    state: TrainState,
    pool: ResetPool,
    key: PRNGKeyArray,
    index: Int[Array, ""],
    count: int,
    seen: str | None,
) -> tuple[Envs, Seen]:
    """The steps of the `index`-th of `count` equal shares of the envs."""
    envs = Envs.of(state) if count == 1 else Envs.of(state).share(index, count)
    n = config.num_envs // count
    split = jax.vmap(lambda own: jax.random.split(own, config.unroll_length), out_axes=1)
    return _steps(env, state.agent.policy, envs, pool, split(keys_of(key, index * n, n)), seen)


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
    return _after(env, state, envs, Seen(dataclasses.replace(rollout, carry=carry), metrics, ended))


def _steps(
    env: Env, policy: AbstractPolicy, envs: Envs, pool: ResetPool, keys: Key[Array, "time envs"], seen: str | None
) -> tuple[Envs, Seen]:
    memory = first_memory(policy, envs.episode_return.shape[0])
    role = critic_role(env.observations)
    following = (role,) if seen in (None, role) else (role, seen)

    def act(
        obs: Float[Array, " nobs"], carry: Any, key: PRNGKeyArray
    ) -> tuple[Float[Array, " nu"], Float[Array, ""], AbstractDistribution, Any]:
        distribution, carry = policy(obs, carry)
        action = distribution.sample(key)
        return action, distribution.log_prob(action), distribution, carry

    def step(loop: tuple[Any, ...], keys: Key[Array, " envs"]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        env_state, obs, carry, episode_return = loop
        key_action, key_reset = jax.vmap(jax.random.split, out_axes=1)(keys)
        action, log_prob, distribution, next_carry = jax.vmap(act)(obs["policy"], carry, key_action)
        env_state, timestep = batch_step(env, env_state, action)
        done, diverged = timestep.done, timestep.metrics[DIVERGED] > 0.0
        episode_return = episode_return + timestep.reward
        ended = {
            "return": jnp.sum(jnp.where(done & ~diverged, episode_return, 0.0)),
            "done": jnp.sum((done & ~diverged).astype(jnp.float32)),
            "terminated": jnp.sum((timestep.terminated & ~diverged).astype(jnp.float32)),
        }
        transition = Rollout(
            obs=obs,
            final_obs={name: timestep.obs[name] for name in following},
            carry=None,
            action=action,
            distribution=distribution,
            log_prob=log_prob,
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
    loop, (rollout, metrics, ended) = jax.lax.scan(step, loop, keys)
    rollout = dataclasses.replace(rollout, carry=envs.carry)
    return Envs(*loop), Seen(rollout, metrics, {name: jnp.sum(value) for name, value in ended.items()})


def _after(
    env: Env, state: TrainState, envs: Envs, seen: Seen
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
    )
    figures = _summary(env, seen.metrics, ended, seen.rollout)
    return state, seen.rollout, {**figures, "episode_return": mean_return}


def _summary(env: Env, metrics: dict[str, Any], ended: dict[str, Any], rollout: Rollout) -> dict[str, Array]:
    """One iteration's figures: means over the steps that did not diverge, and terminations per simulated minute.

    For each metric `NAME` with a `commanded_NAME` beside it there is `NAME_error`: the mean over envs of how far each
    one's mean over time is off. The metrics of a step that diverged are zeros, and so leave sums alone.
    """
    metrics = {name: value for name, value in metrics.items() if name != DIVERGED}
    valid = jnp.sum((~rollout.diverged).astype(jnp.float32), axis=0)  # steps of each env
    steps, minutes = jnp.maximum(jnp.sum(valid), 1.0), rollout.reward.size * env.physics.control_dt / 60.0
    off = {name: jnp.sum(value, axis=0) / jnp.maximum(valid, 1.0) for name, value in tracking_errors(metrics).items()}
    return {
        **{name: jnp.sum(value) / steps for name, value in metrics.items()},
        **{name: jnp.mean(jnp.abs(value)) for name, value in off.items()},
        "reward_per_step": jnp.sum(rollout.reward) / steps,
        "episodes": ended["done"],
        "terminations_per_minute": ended["terminated"] / minutes,
        DIVERGED: jnp.sum(rollout.diverged.astype(jnp.float32)),
    }
