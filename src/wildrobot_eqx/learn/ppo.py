"""Proximal policy optimisation: collect -> gae -> update (Schulman et al. 2017, arXiv 1707.06347).

`collect` (collect.py) and `update` are the two jitted functions. `collect` may hold a host callback (the
native backend), which JAX never caches on disk; `update` holds none, so that its compile is
cached. Both are pure: a `TrainState` goes in and a new one comes out.
"""

import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ..env import Env, EnvState, ResetPool
from ..env.rollout import spread_start
from ..physics.base import jit_for
from ..task import Curriculum, CurriculumState
from .agent import Agent as Agent
from .agent import MakePolicy as MakePolicy
from .agent import critics
from .agent import make_agent as make_agent
from .collect import Collector
from .collect import collect as collect
from .config import PPOConfig as PPOConfig
from .gae import gae
from .memory import first_memory, replay
from .networks import AbstractPolicy
from .normalise import RunningNorm
from .state import Rollout as Rollout
from .state import TrainState as TrainState


def init(
    env: Env,
    config: PPOConfig,
    key: PRNGKeyArray,
    make_policy: MakePolicy | None = None,
    curriculum: Curriculum | None = None,
) -> TrainState:
    """The state before the first iteration; `env` is that of one robot."""
    key, key_agent, key_env = jax.random.split(key, 3)
    begun = None if curriculum is None else curriculum.init()
    env = _at_level(env, curriculum, begun)
    agent, opt_state = _make_learner(env, config, key_agent, make_policy)
    env_state, obs, carry = _start_envs(env, config, agent.policy, make_pool(env, config, key_env), key_env)
    return TrainState(
        agent=agent,
        opt_state=opt_state,
        learning_rate=jnp.asarray(config.learning_rate, jnp.float32),
        env_state=env_state,
        obs=obs,
        carry=carry,
        episode_return=jnp.zeros((config.num_envs,), jnp.float32),
        last_return=jnp.zeros((), jnp.float32),
        key=key,
        iteration=jnp.zeros((), jnp.int32),
        curriculum=begun,
    )


def _at_level(env: Env, curriculum: Curriculum | None, state: CurriculumState | None) -> Env:
    """The env with the ranges of the curriculum's level; only array leaves change."""
    return env if curriculum is None or state is None else curriculum.at(env, state.level)


@eqx.filter_jit
def _make_learner(
    env: Env, config: PPOConfig, key: PRNGKeyArray, make_policy: MakePolicy | None
) -> tuple[Agent, PyTree]:
    agent = make_agent(env, config, key, make_policy)
    return agent, _optimiser(config).init(_trainable(agent)[0])


def make_pool(env: Env, config: PPOConfig, key: PRNGKeyArray) -> ResetPool:
    """One iteration's first states, from the third of the three keys that the training state's splits into."""
    return jit_for(env.physics, _make_pool, seldom=True)(env, config, key)


def _make_pool(env: Env, config: PPOConfig, key: PRNGKeyArray) -> ResetPool:
    return ResetPool.make(env, jax.random.split(key, 3)[2], min(config.reset_pool, config.num_envs))


@eqx.filter_jit
def _start_envs(
    env: Env, config: PPOConfig, policy: AbstractPolicy, pool: ResetPool, key: PRNGKeyArray
) -> tuple[EnvState, PyTree, Any]:
    key_pick, key_age = jax.random.split(key)
    first = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], (config.num_envs, *leaf.shape[1:])), pool)
    every = jnp.ones((config.num_envs,), bool)
    env_state, obs = pool.replace(key_pick, every, first.state, first.obs)
    return spread_start(env_state, key_age, env.episode_steps), obs, first_memory(policy, config.num_envs)


def _optimiser(config: PPOConfig) -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(config.max_grad_norm), optax.scale_by_adam())


def _trainable(agent: Agent) -> tuple[Agent, Agent]:
    """Splits an agent into what gradients change and what they do not (the normalisers, the mirrors)."""
    spec = jax.tree.map(eqx.is_inexact_array, agent)
    norms = (agent.policy.norm, agent.value.norm)
    spec = eqx.tree_at(lambda a: (a.policy.norm, a.value.norm), spec, jax.tree.map(lambda _: False, norms))
    return eqx.partition(agent, spec)


def update(config: PPOConfig, state: TrainState, rollout: Rollout) -> tuple[TrainState, dict[str, Float[Array, ""]]]:
    """Some epochs of minibatch gradient steps on the clipped objective."""
    key, key_epochs = jax.random.split(state.key)
    values = state.agent.value(critics(rollout.obs))
    next_values = state.agent.value(rollout.final_obs)
    done = rollout.terminated | rollout.truncated
    advantages, targets = gae(
        rollout.reward, values, next_values, rollout.terminated, done, config.discount, config.gae_lambda
    )
    advantages = (advantages - jnp.mean(advantages)) / (jnp.std(advantages) + 1e-8)
    data = (rollout, advantages, targets)
    old_log_std = state.agent.policy.log_std

    def loss(trainable: Agent, fixed: Agent, batch: tuple) -> tuple[Array, dict[str, Array]]:
        rollout, advantage, target = batch
        agent = eqx.combine(trainable, fixed)
        done = rollout.terminated | rollout.truncated
        distribution = replay(agent.policy, rollout.obs["policy"], rollout.carry, done)
        ratio = jnp.exp(distribution.log_prob(rollout.action) - rollout.log_prob)
        clipped = jnp.clip(ratio, 1.0 - config.clip, 1.0 + config.clip)
        policy_loss = -jnp.mean(jnp.minimum(ratio * advantage, clipped * advantage))
        value_loss = jnp.mean(jnp.square(agent.value(critics(rollout.obs)) - target))
        entropy = distribution.entropy()
        kl = _kl(rollout.mean, old_log_std, distribution.mean, distribution.log_std)
        total = policy_loss + config.value_cost * value_loss - config.entropy_cost * entropy
        return total, {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy, "kl": kl}

    def minibatch(loop: tuple, envs: Int[Array, " n"]) -> tuple[tuple, dict[str, Array]]:
        agent, opt_state, rate = loop
        batch = _take_envs(data, envs)
        trainable, fixed = _trainable(agent)
        (_, info), grads = eqx.filter_value_and_grad(loss, has_aux=True)(trainable, fixed, batch)
        if config.desired_kl is not None:
            rate = _adapt(config, config.desired_kl, rate, info["kl"])
        updates, opt_state = _optimiser(config).update(grads, opt_state)
        agent = eqx.combine(optax.apply_updates(trainable, jax.tree.map(lambda u: -rate * u, updates)), fixed)
        return (agent, opt_state, rate), {**info, "grad_norm": optax.tree.norm(grads)}

    n = config.num_envs // config.num_minibatches
    orders = [jax.random.permutation(k, config.num_envs) for k in jax.random.split(key_epochs, config.num_epochs)]
    batches = jnp.concatenate(orders).reshape(-1, n)
    arrays, static = eqx.partition(state.agent, eqx.is_array)

    def scan_minibatch(loop: tuple, envs: Int[Array, " n"]) -> tuple[tuple, dict[str, Array]]:
        (agent, opt_state, rate), info = minibatch((eqx.combine(loop[0], static), *loop[1:]), envs)
        return (eqx.filter(agent, eqx.is_array), opt_state, rate), info

    loop = (arrays, state.opt_state, _scheduled(config, state))
    (arrays, opt_state, rate), info = jax.lax.scan(scan_minibatch, loop, batches)
    agent = _update_norms(eqx.combine(arrays, static), rollout)
    explained = 1.0 - jnp.var(targets - values) / (jnp.var(targets) + 1e-8)
    info = {name: jnp.mean(value) for name, value in info.items()}
    info |= {"learning_rate": rate, "explained_variance": explained, "std": jnp.mean(jnp.exp(agent.policy.log_std))}
    state = dataclasses.replace(
        state, agent=agent, opt_state=opt_state, learning_rate=rate, key=key, iteration=state.iteration + 1
    )
    return state, info


def _kl(mean0: Array, log_std0: Array, mean1: Array, log_std1: Array) -> Float[Array, ""]:
    """Mean KL divergence of diagonal Gaussians, old (0) to new (1), in nats."""
    ratio = jnp.exp(2.0 * (log_std0 - log_std1))
    distance = jnp.square((mean0 - mean1) * jnp.exp(-log_std1))
    return jnp.mean(jnp.sum(0.5 * (ratio + distance - 1.0) + log_std1 - log_std0, axis=-1))


def _scheduled(config: PPOConfig, state: TrainState) -> Float[Array, ""]:
    """This iteration's first learning rate: fixed, falling in a straight line, or the adapted one."""
    if config.decay_steps is None or config.desired_kl is not None:
        return state.learning_rate
    done = state.iteration.astype(jnp.float32) * jnp.float32(config.steps_per_iteration / config.decay_steps)
    return jnp.float32(config.learning_rate) * jnp.clip(1.0 - 0.9 * done, 0.1, 1.0)


def _adapt(config: PPOConfig, desired_kl: float, rate: Float[Array, ""], kl: Float[Array, ""]) -> Float[Array, ""]:
    """The learning rate that keeps the KL divergence near `desired_kl` (as rsl_rl does)."""
    factor = jnp.where(kl > 2.0 * desired_kl, 1.0 / 1.5, jnp.where(kl < 0.5 * desired_kl, 1.5, 1.0))
    return jnp.clip(rate * factor, 1e-5, config.max_learning_rate)


def _take_envs(data: tuple[Rollout, Array, Array], envs: Int[Array, " n"]) -> tuple[Rollout, Array, Array]:
    """Whole sequences of some envs; the memories have no time axis."""
    rollout, *rest = data
    carry = jax.tree.map(lambda leaf: leaf[envs], rollout.carry)
    sequences = (dataclasses.replace(rollout, carry=None), *rest)
    rollout, *rest = jax.tree.map(lambda leaf: leaf[:, envs], sequences)
    return (dataclasses.replace(rollout, carry=carry), *rest)


def _update_norms(agent: Agent, rollout: Rollout) -> Agent:
    """Include this iteration's observations, as the networks see them, for the next one."""

    def updated(network: Any, obs: Array) -> RunningNorm:
        if network.mirror is not None:
            obs = jnp.where(network.mirror.reflected(obs), network.mirror.observation(obs), obs)
        return network.norm.update(obs.reshape(-1, obs.shape[-1]))

    norms = (updated(agent.policy, rollout.obs["policy"]), updated(agent.value, critics(rollout.obs)))
    return eqx.tree_at(lambda a: (a.policy.norm, a.value.norm), agent, norms)


_update = eqx.filter_jit(update)


def _compile_update(env: Env, config: PPOConfig, state: TrainState) -> None:
    """Compile `update` by a dry run on zeros: on a thread of its own, beside the compile of `collect`."""
    with contextlib.suppress(Exception):  # the loop itself meets the same error, and raises it
        pool = eqx.filter_eval_shape(make_pool, env, config, state.key)
        _, rollout, _ = eqx.filter_eval_shape(collect, env, config, state, pool)
        _update(config, state, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), rollout))


def train(
    env: Env,
    config: PPOConfig,
    state: TrainState,
    iterations: int,
    curriculum: Curriculum | None = None,
    shares: int = 1,
) -> Iterator[tuple[TrainState, dict[str, Float[Array, ""]]]]:
    """Iterate until `state.iteration` is `iterations`, yielding each new state and its figures.

    A curriculum moves the env's ranges from iteration to iteration; `state` must have begun with it. The envs are
    stepped in `shares` equal shares at once; their number is part of what makes a training repeat.
    """
    if int(state.iteration) >= iterations:
        return
    compiling = threading.Thread(target=_compile_update, args=(env, config, state), daemon=True)
    compiling.start()
    with Collector(shares) as collector:
        while int(state.iteration) < iterations:
            now = _at_level(env, curriculum, state.curriculum)
            state, rollout, figures = collector(now, config, state, make_pool(now, config, state.key))
            compiling.join()
            state, info = _update(config, state, rollout)
            if curriculum is not None and state.curriculum is not None:
                info["curriculum_level"] = state.curriculum.level  # with which this iteration was collected
                state = dataclasses.replace(state, curriculum=curriculum.next(state.curriculum, {**figures, **info}))
            yield state, {**figures, **info}
