"""What PPO holds: the state that training goes on from, and what one iteration has seen."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from ..env import EnvState
from ..task import CurriculumState
from .agent import Agent
from .distributions import AbstractDistribution


class TrainState(eqx.Module):
    """Everything that training goes on from: nothing else is kept between iterations."""

    agent: Agent
    opt_state: PyTree
    learning_rate: Float[Array, ""]
    env_state: EnvState
    obs: dict[str, Float[Array, "envs _"]]
    carry: Any  # the policy's memory, one per env
    episode_return: Float[Array, " envs"]  # so far
    last_return: Float[Array, ""]  # mean of the episodes that ended last
    key: PRNGKeyArray
    iteration: Int[Array, ""]
    curriculum: CurriculumState | None = None
    reward_model: Any = None  # the state of a learned reward


class Rollout(eqx.Module):
    """`unroll_length` steps of every env (one, without the time axis, while it is being collected)."""

    obs: dict[str, Float[Array, "*time envs _"]]
    final_obs: dict[str, Float[Array, "*time envs _"]]  # the true next ones of the critic and of a reward model
    carry: Any  # the policy's memory at each sequence's first step
    action: Float[Array, "*time envs nu"]
    distribution: AbstractDistribution  # that the action was drawn from
    log_prob: Float[Array, "*time envs"]
    reward: Float[Array, "*time envs"]
    terminated: Bool[Array, "*time envs"]
    truncated: Bool[Array, "*time envs"]
    diverged: Bool[Array, "*time envs"]  # terminated, with reward 0, because the outcome was not finite
