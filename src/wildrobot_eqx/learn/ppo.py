"""Proximal policy optimisation: collect -> gae -> update (Schulman et al. 2017, arXiv 1707.06347).

`collect` (collect.py) and `update` are the two jitted functions. `collect` may hold a host callback (the
native engine), which JAX never caches on disk; `update` holds none, so that its compile is
cached. Both are pure: a `TrainState` and a key go in, and a new state comes out. `train` splits the state's key once
per iteration, for all that is drawn in it.
"""

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ..env import Env, EnvState, ResetPool
from ..env.rollout import keys_of, spread_start
from ..physics.base import jit_for
from ..task import Curriculum, CurriculumState
from .agent import Agent as Agent
from .agent import MakePolicy as MakePolicy
from .agent import critic_view
from .agent import make_agent as make_agent
from .collect import Collector
from .collect import collect as collect
from .config import PPO as PPO
from .distributions import AbstractDistribution
from .gae import gae
from .memory import initial_carry, unroll
from .mesh import DEFAULT_DEVICE, Devices
from .networks import AbstractPolicy
from .reward_model import AbstractRewardModel, init_reward_model
from .state import Rollout as Rollout
from .state import TrainState as TrainState


def init(
    env: Env,
    config: PPO,
    key: PRNGKeyArray,
    make_policy: MakePolicy | None = None,
    curriculum: Curriculum | None = None,
    reward_model: AbstractRewardModel | None = None,
) -> TrainState:
    """The state before the first iteration; `env` is that of one robot."""
    key, key_agent, key_pool, key_envs, key_model = jax.random.split(key, 5)
    curriculum_state = None if curriculum is None else curriculum.init()
    env = _at_level(env, curriculum, curriculum_state)
    agent, opt_state = _make_learner(env, config, key_agent, make_policy)
    env_state, obs, carry = _start_envs(env, config, agent.policy, make_pool(env, config, key_pool), key_envs)
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
        curriculum=curriculum_state,
        reward_model=init_reward_model(reward_model, env, key_model),
    )


def _at_level(env: Env, curriculum: Curriculum | None, state: CurriculumState | None) -> Env:
    """The env with the ranges of the curriculum's level; only array leaves change."""
    return env if curriculum is None or state is None else curriculum.at(env, state.level)


@eqx.filter_jit
def _make_learner(env: Env, config: PPO, key: PRNGKeyArray, make_policy: MakePolicy | None) -> tuple[Agent, PyTree]:
    agent = make_agent(env, config, key, make_policy)
    return agent, _optimiser(config).init(eqx.filter(agent, eqx.is_inexact_array))


def make_pool(env: Env, config: PPO, key: PRNGKeyArray, devices: Devices = DEFAULT_DEVICE) -> ResetPool:
    """One iteration's first states, all of them on each device."""
    pool = jit_for(env.physics, _make_pool, quick_compile=True)(env, config, key, devices)
    return pool if devices.mesh is None else _gather_pool(config, devices, pool)


def _make_pool(env: Env, config: PPO, key: PRNGKeyArray, devices: Devices) -> ResetPool:
    keys = jax.random.split(key, config.pool_size)
    unused = -config.pool_size % devices.count  # so that all devices make as many
    keys = keys[jnp.arange(config.pool_size + unused) % config.pool_size] if unused else keys
    return devices.on_each(lambda keys, env: (ResetPool.of(env, keys), None, None), keys, env)[0]


@eqx.filter_jit
def _gather_pool(config: PPO, devices: Devices, pool: ResetPool) -> ResetPool:
    return jax.tree.map(lambda leaf: leaf[: config.pool_size], devices.gather(pool, axis=0))


@eqx.filter_jit
def _start_envs(
    env: Env, config: PPO, policy: AbstractPolicy, pool: ResetPool, key: PRNGKeyArray
) -> tuple[EnvState, PyTree, Any]:
    key_pick, key_age = jax.random.split(key)
    first = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], (config.num_envs, *leaf.shape[1:])), pool)
    every = jnp.ones((config.num_envs,), bool)
    env_state, obs = pool.replace(keys_of(key_pick, 0, config.num_envs), every, first.state, first.obs)
    return spread_start(env_state, key_age, env.episode_steps), obs, initial_carry(policy, config.num_envs)


def _optimiser(config: PPO) -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(config.max_grad_norm), optax.scale_by_adam())


def update(
    config: PPO,
    state: TrainState,
    rollout: Rollout,
    key: PRNGKeyArray,
    reward_model: AbstractRewardModel | None = None,
    devices: Devices = DEFAULT_DEVICE,
) -> tuple[TrainState, dict[str, Float[Array, ""]]]:
    """Some epochs of minibatch gradient steps on the clipped objective."""
    key_epochs, key_model = jax.random.split(key)
    rewards, learned, model_figures = _learned_reward(reward_model, state, rollout, key_model)
    values = state.agent.value(critic_view(rollout.obs))
    next_values = state.agent.value(critic_view(rollout.final_obs))
    done = rollout.terminated | rollout.truncated
    advantages, targets = gae(
        rewards, values, next_values, rollout.terminated, done, config.discount, config.gae_lambda
    )
    advantages = (advantages - jnp.mean(advantages)) / (jnp.std(advantages) + 1e-8)
    batches = _minibatches(config, key_epochs)
    sequences = (dataclasses.replace(rollout, carry=None), advantages, targets)
    pick = devices.picker(rollout.carry, sequences, config.num_envs, config.minibatch_groups)

    def take(envs: Int[Array, " n"]) -> tuple[Rollout, Array, Array]:
        """Whole sequences of some envs; the memories have no time axis."""
        carry, (rollout, advantage, target) = pick(envs)
        return dataclasses.replace(rollout, carry=carry), advantage, target

    def loss(trainable: Agent, fixed: Agent, batch: tuple[Any, ...]) -> tuple[Array, dict[str, Array]]:
        rollout, advantage, target = batch
        agent = eqx.combine(trainable, fixed)
        distribution = _replayed(agent.policy, rollout)
        log_ratio = distribution.log_prob(rollout.action) - rollout.log_prob
        ratio, clipped = jnp.exp(log_ratio), jnp.clip(jnp.exp(log_ratio), 1.0 - config.clip, 1.0 + config.clip)
        policy_loss = -jnp.mean(jnp.minimum(ratio * advantage, clipped * advantage))
        value_loss = jnp.mean(jnp.square(agent.value(critic_view(rollout.obs)) - target))
        entropy = jnp.mean(distribution.entropy())
        total = policy_loss + config.value_cost * value_loss - config.entropy_cost * entropy
        kl = _kl(rollout, distribution)
        return total, {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy, "kl": kl}

    def minibatch(
        loop: tuple[Any, ...], batch: tuple[Int[Array, ""], Int[Array, " n"]]
    ) -> tuple[tuple[Any, ...], dict[str, Array]]:
        (arrays, opt_state, rate), (number, envs) = loop, batch
        trainable, fixed = eqx.partition(eqx.combine(arrays, static), eqx.is_inexact_array)
        (_, info), grads = eqx.filter_value_and_grad(loss, has_aux=True)(trainable, fixed, take(envs))
        # What the step before moved the policy by: before the first one nothing has moved.
        rate = jnp.where(number > 0, _adapted(config, rate, info.pop("kl")), rate)
        updates, opt_state = _optimiser(config).update(grads, opt_state)
        agent = eqx.combine(optax.apply_updates(trainable, jax.tree.map(lambda u: -rate * u, updates)), fixed)
        loop = devices.whole((eqx.filter(agent, eqx.is_array), opt_state, rate))
        return loop, {**info, "grad_norm": optax.tree.norm(grads)}

    arrays, static = eqx.partition(state.agent, eqx.is_array)
    loop = (arrays, state.opt_state, _scheduled(config, state))
    (arrays, opt_state, rate), info = jax.lax.scan(minibatch, loop, (jnp.arange(len(batches)), batches))
    agent = eqx.combine(arrays, static)
    last, _, _ = take(batches[-1])  # some envs drawn at random, for one pass more through the policy
    after = _replayed(agent.policy, last)
    kl = _kl(last, after)
    rate = _adapted(config, rate, kl)
    state = dataclasses.replace(
        state,
        agent=devices.whole(_update_norms(agent, rollout)),
        opt_state=opt_state,
        learning_rate=rate,
        iteration=state.iteration + 1,
        reward_model=devices.whole(learned),
    )
    explained = 1.0 - jnp.var(targets - values) / (jnp.var(targets) + 1e-8)
    info = {name: jnp.mean(value) for name, value in info.items()}
    info |= {"kl": kl, "learning_rate": rate, "explained_variance": explained, **after.figures(), **model_figures}
    return state, devices.whole(info)


def _learned_reward(
    model: AbstractRewardModel | None, state: TrainState, rollout: Rollout, key: PRNGKeyArray
) -> tuple[Float[Array, "time envs"], PyTree, dict[str, Array]]:
    """The rewards to learn from, the reward model's next state, and its figures; without one, the env's own."""
    if model is None:
        return rollout.reward, state.reward_model, {}
    rewards = jnp.where(rollout.diverged, 0.0, model.relabel(state.reward_model, rollout))
    learned, figures = model.update(state.reward_model, rollout, key)
    figures = {**figures, "reward_per_step": jnp.mean(rewards)}
    return rewards, learned, {f"reward_model/{name}": value for name, value in figures.items()}


def _replayed(policy: AbstractPolicy, rollout: Rollout) -> AbstractDistribution:
    return unroll(policy, rollout.obs["policy"], rollout.carry, rollout.terminated | rollout.truncated)


def _kl(rollout: Rollout, new: AbstractDistribution) -> Float[Array, ""]:
    """Mean KL divergence of the policy that collected from the `new` one, in nats.

    Where none is known in closed form it is estimated from the actions taken (Schulman 2020, "Approximating KL
    divergence": the mean of r - 1 - log r).
    """
    known = rollout.distribution.kl(new)
    if known is not None:
        return jnp.mean(known)
    log_ratio = new.log_prob(rollout.action) - rollout.log_prob
    return jnp.mean(jnp.exp(log_ratio) - 1.0 - log_ratio)


def _scheduled(config: PPO, state: TrainState) -> Float[Array, ""]:
    """This iteration's first learning rate: fixed, falling in a straight line, or the adapted one."""
    if config.decay_steps is None or config.desired_kl is not None:
        return state.learning_rate
    done = state.iteration.astype(jnp.float32) * jnp.float32(config.steps_per_iteration / config.decay_steps)
    return jnp.float32(config.learning_rate) * jnp.clip(1.0 - (1.0 - config.decay_to) * done, config.decay_to, 1.0)


def _adapted(config: PPO, rate: Float[Array, ""], kl: Float[Array, ""]) -> Float[Array, ""]:
    """The learning rate that keeps the KL divergence near `desired_kl` (as rsl_rl does); without one, the same."""
    if config.desired_kl is None:
        return rate
    low, high = 0.5 * config.desired_kl, 2.0 * config.desired_kl
    factor = jnp.where(kl > high, 1.0 / 1.5, jnp.where(kl < low, 1.5, 1.0))
    return jnp.clip(rate * factor, 1e-5, config.max_learning_rate)


def _minibatches(config: PPO, key: PRNGKeyArray) -> Int[Array, "minibatches n"]:
    """The envs of each minibatch of all epochs; equally many of each of the groups, which follow one another."""
    groups, n = config.minibatch_groups, config.num_envs // config.minibatch_groups

    def epoch(key: PRNGKeyArray) -> Int[Array, "minibatches n"]:
        keys = [key] if groups == 1 else jax.random.split(key, groups)
        orders = jnp.stack([jax.random.permutation(one, n) + i * n for i, one in enumerate(keys)])
        return orders.reshape(groups, config.num_minibatches, -1).swapaxes(0, 1).reshape(config.num_minibatches, -1)

    return jnp.concatenate([epoch(one) for one in jax.random.split(key, config.num_epochs)])


def _update_norms(agent: Agent, rollout: Rollout) -> Agent:
    """Include this iteration's observations for the next one."""
    policy_obs, value_obs = (
        obs.reshape(-1, obs.shape[-1]) for obs in (rollout.obs["policy"], critic_view(rollout.obs))
    )
    return Agent(agent.policy.update_norm(policy_obs), agent.value.update_norm(value_obs))


_update: Any = eqx.filter_jit(update)
_Update = Callable[..., tuple[TrainState, dict[str, Float[Array, ""]]]]


def _compile_update(
    env: Env,
    config: PPO,
    state: TrainState,
    reward_model: AbstractRewardModel | None,
    observation: str | None,
    devices: Devices,
) -> _Update:
    """`update`, compiled for rollouts of this env; nothing of it runs."""
    pool = eqx.filter_eval_shape(make_pool, env, config, state.key)
    _, rollout, _ = eqx.filter_eval_shape(collect, env, config, state, pool, state.key, observation)
    return _update.lower(config, state, devices.blank(rollout), state.key, reward_model, devices).compile()


def train(
    env: Env,
    config: PPO,
    state: TrainState,
    iterations: int,
    curriculum: Curriculum | None = None,
    num_shards: int = 1,
    reward_model: AbstractRewardModel | None = None,
    devices: Devices = DEFAULT_DEVICE,
) -> Iterator[tuple[TrainState, dict[str, Float[Array, ""]]]]:
    """Iterate until `state.iteration` is `iterations`, yielding each new state and its figures.

    A curriculum moves the env's ranges from iteration to iteration, a reward model replaces the env's rewards; `state`
    must have been initialised with both. The envs are stepped in `num_shards` equal shards at once, which changes
    only the order of sums; so do `devices`, on each of which an equal part of the envs is stepped.
    """
    if int(state.iteration) >= iterations:
        return
    observation = None if reward_model is None else reward_model.observation
    devices.check(config)
    env, reward_model, state = devices.place(env), devices.place(reward_model), devices.place_state(state)
    with ThreadPoolExecutor(1) as beside, Collector(num_shards, observation, devices) as collector:
        compiling = beside.submit(_compile_update, env, config, state, reward_model, observation, devices)
        while int(state.iteration) < iterations:
            key, key_pool, key_steps, key_update = jax.random.split(state.key, 4)
            now = _at_level(env, curriculum, state.curriculum)
            pool = make_pool(now, config, key_pool, devices)
            state, rollout, figures = collector(now, config, state, pool, key_steps)
            state, info = compiling.result()(config, state, rollout, key_update, reward_model, devices)
            if curriculum is not None and state.curriculum is not None:
                info["curriculum_level"] = state.curriculum.level  # with which this iteration was collected
                state = dataclasses.replace(state, curriculum=curriculum.next(state.curriculum, {**figures, **info}))
            state = dataclasses.replace(state, key=key)
            yield state, {**figures, **info}
