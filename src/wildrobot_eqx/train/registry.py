"""What can train a recipe: our own PPO, and Brax's trainers behind the same four functions."""

from typing import Any

import equinox as eqx
import jax

from ..errors import WildRobotError, nearest
from ..learn import TrainState, ppo
from ..physics.base import cpu_shares
from ..recipes.recipe import Recipe
from ..runs.folder import RunFolder
from .trainer import Tell, Trainer

TRAINERS = ("ppo", "brax-ppo", "brax-sac")


def trainer(name: str) -> Trainer:
    """The trainer called `name`; Brax is imported only where it is asked for.

    Raises:
        WildRobotError: no such trainer, or Brax is not installed.
    """
    if name == "ppo":
        return Trainer(_init, _run, lambda state: state.agent.policy)
    if name not in TRAINERS:
        raise WildRobotError(f"There is no trainer {name!r}.", where="--trainer", hint=nearest(name, TRAINERS))
    from .brax_trainer import BRAX_PPO, BRAX_SAC

    return BRAX_PPO if name == "brax-ppo" else BRAX_SAC


def trainer_of(folder: RunFolder) -> Trainer:
    """The trainer that a run was started with."""
    return trainer(folder.manifest().get("trainer", "ppo"))


def template(chosen: Trainer, recipe: Recipe) -> Any:
    """The structure of the trainer's state, without its values."""
    return eqx.filter_eval_shape(chosen.init, recipe)


def _init(recipe: Recipe) -> TrainState:
    return ppo.init(recipe.env, recipe.ppo, jax.random.key(recipe.seed), recipe.policy, recipe.curriculum)


def _run(recipe: Recipe, state: TrainState, tell: Tell) -> None:
    shares = cpu_shares(recipe.env.physics, recipe.ppo.num_envs)
    for new, figures in ppo.train(recipe.env, recipe.ppo, state, recipe.iterations, recipe.curriculum, shares):
        tell(new, figures)
