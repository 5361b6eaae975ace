"""What can train a recipe: our own PPO, and Brax's trainers behind the same four functions."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from ..errors import WildRobotError, nearest
from ..learn import TrainState, ppo
from ..learn.networks import AbstractPolicy
from ..physics.base import cpu_shares
from .folder import RunFolder
from .recipe import Recipe

Tell = Callable[[Any, dict[str, Any]], None]
"""Called after each iteration with the new state and its figures; what it raises ends the training."""

TRAINERS = ("ppo", "brax-ppo", "brax-sac")


def _as_it_is(recipe: Recipe) -> Recipe:
    """The recipe's own iterations."""
    return recipe


def _one_share(recipe: Recipe, before: int | None) -> int:
    """All envs step at once."""
    return 1


def _admit_any(recipe: Recipe, state: Any) -> None:
    """Training goes on from any state."""


@dataclasses.dataclass(frozen=True)
class Trainer:
    """One way to train. A state holds `iteration`, and `agent`: the networks' arrays."""

    init: Callable[[Recipe], Any]  # the first state; also traced for its shapes
    run: Callable[[Recipe, Any, Tell, int], None]  # from a state to the recipe's last iteration, in so many shares
    policy: Callable[[Any], AbstractPolicy]  # what a state has learned
    schedule: Callable[[Recipe], Recipe] = _as_it_is  # its iterations, as the trainer divides them
    admit: Callable[[Recipe, Any], None] = _admit_any  # refuses a state that it cannot go on from
    shares: Callable[[Recipe, int | None], int] = (
        _one_share  # in how many the envs step; given how many they did before
    )


def trainer(name: str) -> Trainer:
    """The trainer called `name`; Brax is imported only where it is asked for.

    Raises:
        WildRobotError: no such trainer, or Brax is not installed.
    """
    if name == "ppo":
        return Trainer(_init, _run, lambda state: state.agent.policy, shares=_shares)
    if name not in TRAINERS:
        raise WildRobotError(f"There is no trainer {name!r}.", where="--trainer", hint=nearest(name, TRAINERS))
    from .brax_runner import BRAX_PPO, BRAX_SAC

    return BRAX_PPO if name == "brax-ppo" else BRAX_SAC


def trainer_of(folder: RunFolder) -> Trainer:
    """The trainer that a run was started with."""
    return trainer(folder.manifest().get("trainer", "ppo"))


def template(chosen: Trainer, recipe: Recipe) -> Any:
    """The structure of the trainer's state, without its values."""
    return eqx.filter_eval_shape(chosen.init, recipe)


def _init(recipe: Recipe) -> TrainState:
    key = jax.random.key(recipe.seed)
    return ppo.init(recipe.env, recipe.ppo, key, recipe.policy, recipe.curriculum, recipe.reward_model)


def _shares(recipe: Recipe, before: int | None) -> int:
    """As many as before, so that a run goes on to the bit, where engine and device allow; else one for each core."""
    physics, n = recipe.env.physics, recipe.ppo.num_envs
    allowed = before == 1 or (physics.reentrant and jax.default_backend() == "cpu")
    if before is not None and before >= 1 and n % before == 0 and allowed:
        return before
    return cpu_shares(physics, n)


def _run(recipe: Recipe, state: TrainState, tell: Tell, shares: int) -> None:
    for new, figures in ppo.train(
        recipe.env, recipe.ppo, state, recipe.iterations, recipe.curriculum, shares, recipe.reward_model
    ):
        tell(new, figures)
