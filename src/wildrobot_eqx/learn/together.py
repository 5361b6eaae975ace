"""Several trainings of one env in one program: PPO's iteration under `vmap`, a row of the state for each training.

A training of few envs leaves most of a device idle: kernels start, compute little and end. Some of them side by side
fill it. Each row draws what it would draw by itself (`ppo.train`), so that only sums are taken in another order.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..env import Env, ResetPool
from ..physics.base import jit_for
from ..task import Curriculum
from .collect import collect
from .config import PPO
from .ppo import update
from .reward_model import AbstractRewardModel
from .state import TrainState


def stack(states: list[TrainState]) -> TrainState:
    """States of several trainings as one, with a row for each; they have the same structure."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


def row(states: TrainState, index: int) -> TrainState:
    """The state of one of them."""
    return jax.tree.map(lambda leaf: leaf[index], states)


def iterate(
    env: Env,
    config: PPO,
    states: TrainState,
    curriculum: Curriculum | None = None,
    reward_model: AbstractRewardModel | None = None,
) -> tuple[TrainState, dict[str, Float[Array, " trainings"]]]:
    """One iteration of every training: the next states, and the figures of each.

    The env's engine must be pure JAX: one with a host callback would be called once for each training.
    """
    return jit_for(env.physics, _iterate)(env, config, states, curriculum, reward_model)


def _iterate(
    env: Env,
    config: PPO,
    states: TrainState,
    curriculum: Curriculum | None,
    reward_model: AbstractRewardModel | None,
) -> tuple[TrainState, dict[str, Float[Array, " trainings"]]]:
    observation = None if reward_model is None else reward_model.observation

    def one(state: TrainState) -> tuple[TrainState, dict[str, Any]]:
        key, key_pool, key_steps, key_update = jax.random.split(state.key, 4)
        level = state.curriculum
        now = env if curriculum is None or level is None else curriculum.at(env, level.level)
        pool = ResetPool.make(now, key_pool, config.pool_size)
        state, rollout, figures = collect(now, config, state, pool, key_steps, observation)
        state, info = update(config, state, rollout, key_update, reward_model)
        if curriculum is not None and level is not None:
            info["curriculum_level"] = level.level
            state = dataclasses.replace(state, curriculum=curriculum.next(level, {**figures, **info}))
        return dataclasses.replace(state, key=key), {**figures, **info}

    return eqx.filter_vmap(one)(states)
