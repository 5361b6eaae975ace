"""The first half of a PPO iteration: every env steps with actions sampled from the policy.

XLA leaves most of a program on a CPU to one core. Two calls of it from two threads run side by side: so the tree
engine steps equal shards of the envs, one for each core (`Collector`; `cpu_shards` says how many). Every env draws from
keys of its own, so that shards change nothing but the order of sums.
"""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray, PyTree

from ..env import Env, EnvState, ResetPool
from ..env.divergence import DIVERGED
from ..env.rollout import batch_step, keys_of, tracking_errors, where
from ..physics.base import jit_for
from .agent import critic_role
from .config import PPO
from .distributions import AbstractDistribution
from .memory import initial_carry
from .mesh import DEFAULT_DEVICE, Devices
from .networks import AbstractPolicy
from .state import Rollout, TrainState


class EnvBatch(eqx.Module):
    """The part of the training state that has a row for each env."""

    state: EnvState
    obs: dict[str, Float[Array, "envs _"]]
    carry: Any
    episode_return: Float[Array, " envs"]

    @staticmethod
    def of(state: TrainState) -> "EnvBatch":
        """Those of a training state."""
        return EnvBatch(state.env_state, state.obs, state.carry, state.episode_return)

    def shard(self, index: Int[Array, ""], num_shards: int) -> "EnvBatch":
        """One of `num_shards` equal parts of the rows."""

        def rows(leaf: Array) -> Array:
            n = leaf.shape[0] // num_shards
            return jax.lax.dynamic_slice_in_dim(leaf, index * n, n)

        return jax.tree.map(rows, self)


class Transitions(eqx.Module):
    """The steps of some envs, (time, envs, ...), and sums over the episodes that ended."""

    rollout: Rollout
    metrics: dict[str, Float[Array, "time envs"]]
    ended: dict[str, Float[Array, ""]]


def collect(
    env: Env, config: PPO, state: TrainState, pool: ResetPool, key: PRNGKeyArray, observation: str | None = None
) -> tuple[TrainState, Rollout, dict[str, Float[Array, ""]]]:
    """Step every env `unroll_length` times; episodes start from `pool`.

    Args:
        env: the env of one robot.
        config: how many of them, and for how long.
        state: the training state.
        pool: first states of episodes.
        key: of this iteration's steps; every env folds its own number into it.
        observation: a further one whose true next values are kept, as a reward model wants them.
    """
    every, parts = jnp.int32(0), 1
    return _finish(env, state, *_collect_shard(env, config, state, pool, key, every, parts, observation))


class Collector:
    """Collects with so many threads, or on these devices; `with` ends the threads."""

    def __init__(self, num_shards: int, observation: str | None = None, devices: Devices = DEFAULT_DEVICE):
        self.num_shards, self.observation, self.devices = num_shards, observation, devices
        self.threads = ThreadPoolExecutor(num_shards) if num_shards > 1 else None
        self.compiled = False

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *error: object) -> None:
        if self.threads is not None:
            self.threads.shutdown()

    def __call__(
        self, env: Env, config: PPO, state: TrainState, pool: ResetPool, key: PRNGKeyArray
    ) -> tuple[TrainState, Rollout, dict[str, Float[Array, ""]]]:
        """As `collect`; with shards or devices, only sums are taken in another order."""
        if self.devices.mesh is not None:
            parts = jit_for(env.physics, _collect_parts)
            return _finish_parts(
                env, state, self.devices, parts(env, config, state, pool, key, self.devices, self.observation)
            )
        if self.threads is None:
            return jit_for(env.physics, collect)(env, config, state, pool, key, self.observation)

        def part(index: int) -> tuple[EnvBatch, Transitions]:
            one = jit_for(env.physics, _collect_shard)
            return one(env, config, state, pool, key, jnp.int32(index), self.num_shards, self.observation)

        first = [] if self.compiled else [part(0)]  # threads that meet an uncompiled function compile it each
        self.compiled = True
        return _join(env, state, [*first, *self.threads.map(part, range(len(first), self.num_shards))])


def _collect_shard(
    env: Env,
    config: PPO,
    state: TrainState,
    pool: ResetPool,
    key: PRNGKeyArray,
    index: Int[Array, ""],
    count: int,
    observation: str | None,
) -> tuple[EnvBatch, Transitions]:
    """The steps of the `index`-th of `count` equal shards of the envs."""
    envs = EnvBatch.of(state) if count == 1 else EnvBatch.of(state).shard(index, count)
    n = config.num_envs // count
    return _steps(env, state.agent.policy, envs, pool, _step_keys(config, key, index * n, n), observation)


def _step_keys(config: PPO, key: PRNGKeyArray, first: Int[Array, ""], n: int) -> Key[Array, "time envs"]:
    """A key for each step of `n` envs from the `first` on."""
    split = jax.vmap(lambda own: jax.random.split(own, config.unroll_length), out_axes=1)
    return split(keys_of(key, first, n))


def _collect_parts(
    env: Env,
    config: PPO,
    state: TrainState,
    pool: ResetPool,
    key: PRNGKeyArray,
    devices: Devices,
    observation: str | None,
) -> tuple[EnvBatch, PyTree, PyTree]:
    """The steps of all envs, an equal part on each device; what is summed over envs is left to `_finish_parts`.

    An engine's host callback waits for no other device so.
    """

    def part(envs: EnvBatch, whole: PyTree) -> tuple[EnvBatch, PyTree, PyTree]:
        env, policy, pool, key = whole
        n = config.num_envs // devices.count
        keys = _step_keys(config, key, devices.index() * n, n)
        envs, steps = _steps(env, policy, envs, pool, keys, observation)
        sequences = (dataclasses.replace(steps.rollout, carry=None), steps.metrics)
        return envs, sequences, jax.tree.map(lambda total: total[None], steps.ended)

    return devices.on_each(part, EnvBatch.of(state), (env, state.agent.policy, pool, key))


@eqx.filter_jit
def _finish_parts(
    env: Env, state: TrainState, devices: Devices, parts: tuple[EnvBatch, PyTree, PyTree]
) -> tuple[TrainState, Rollout, dict[str, Float[Array, ""]]]:
    envs, (rollout, metrics), ended = parts
    rollout = dataclasses.replace(rollout, carry=state.carry)
    ended = {name: jnp.sum(value) for name, value in ended.items()}
    state, rollout, figures = _finish(env, state, envs, Transitions(rollout, metrics, ended))
    last_return, figures = devices.whole((state.last_return, figures))
    return dataclasses.replace(state, last_return=last_return), rollout, figures


@eqx.filter_jit
def _join(
    env: Env, state: TrainState, parts: list[tuple[EnvBatch, Transitions]]
) -> tuple[TrainState, Rollout, dict[str, Float[Array, ""]]]:
    def joined(axis: int, trees: list[Any]) -> Any:
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis), *trees)

    envs = joined(0, [part for part, _ in parts])
    steps = [part for _, part in parts]
    carry = joined(0, [part.rollout.carry for part in steps])
    rollout = joined(1, [dataclasses.replace(part.rollout, carry=None) for part in steps])
    metrics = joined(1, [part.metrics for part in steps])
    ended = jax.tree.map(lambda *sums: sum(sums), *[part.ended for part in steps])
    return _finish(env, state, envs, Transitions(dataclasses.replace(rollout, carry=carry), metrics, ended))


def _steps(
    env: Env,
    policy: AbstractPolicy,
    envs: EnvBatch,
    pool: ResetPool,
    keys: Key[Array, "time envs"],
    observation: str | None,
) -> tuple[EnvBatch, Transitions]:
    memory = initial_carry(policy, envs.episode_return.shape[0])
    role = critic_role(env.observations)
    following = (role,) if observation in (None, role) else (role, observation)

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
    return EnvBatch(*loop), Transitions(rollout, metrics, {name: jnp.sum(value) for name, value in ended.items()})


def _finish(
    env: Env, state: TrainState, envs: EnvBatch, steps: Transitions
) -> tuple[TrainState, Rollout, dict[str, Float[Array, ""]]]:
    ended = steps.ended
    mean_return = jnp.where(ended["done"] > 0.0, ended["return"] / jnp.maximum(ended["done"], 1.0), state.last_return)
    state = dataclasses.replace(
        state,
        env_state=envs.state,
        obs=envs.obs,
        carry=envs.carry,
        episode_return=envs.episode_return,
        last_return=mean_return,
    )
    figures = _summary(env, steps.metrics, ended, steps.rollout)
    return state, steps.rollout, {**figures, "episode_return": mean_return}


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
