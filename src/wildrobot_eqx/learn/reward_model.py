"""Learned rewards: what a discriminator, a novelty or a human's choices are worth, learned along with the policy."""

import abc
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray

from ..env import Env
from ..errors import WildRobotError, nearest
from ..module import AbstractModule
from .state import Rollout


class AbstractRewardModel(AbstractModule):
    """A reward that is learned: each iteration PPO learns from `relabel`, and then calls `update`.

    A rollout holds every observation by name (`obs`), the true next one of `observation` (`final_obs`: of the final
    moment, never of the reset one, where an episode ended), actions, the env's own rewards, and which steps terminated,
    were truncated or diverged. The next observation of a step that diverged is zeros: leave those steps out. All of it
    is (time, envs, ...).
    """

    observation: eqx.AbstractVar[str]  # of the env's, which the model sees before and after each step

    @abc.abstractmethod
    def init(self, key: PRNGKeyArray, env: Env) -> Any:
        """The model's first state: networks, an optimiser's moments, statistics; it is saved and resumed as it is."""

    @abc.abstractmethod
    def relabel(self, state: Any, rollout: Rollout) -> Float[Array, "time envs"]:
        """The reward of each control step, in place of the env's own, which `rollout.reward` has."""

    @abc.abstractmethod
    def update(self, state: Any, rollout: Rollout, key: PRNGKeyArray) -> tuple[Any, dict[str, Float[Array, ""]]]:
        """The state after an iteration, and its figures by name; `rollout.reward` is the env's own."""


def init_reward_model(model: AbstractRewardModel | None, env: Env, key: PRNGKeyArray) -> Any:
    """The first state of a reward model; None without one.

    Raises:
        WildRobotError: the env has no observation of the name that the model asks for.
    """
    if model is None:
        return None
    if model.observation not in env.observations:
        raise WildRobotError(
            f"The reward model sees the observation {model.observation!r}, which the env does not have.",
            where=f"{type(model).__name__}, observation",
            hint=nearest(model.observation, env.observations),
        )
    return eqx.filter_jit(model.init)(key, env)
