"""What can train a recipe: our own PPO, and Brax's trainers behind the same four functions."""

import dataclasses
from typing import Any

import equinox as eqx
import jax

from ..errors import WildRobotError, nearest
from ..learn import TrainState, ppo
from ..learn.config import LEARNERS, PPO, as_learner
from ..learn.mesh import DEFAULT_DEVICE, Devices
from ..physics.base import cpu_shards
from ..recipes.recipe import Recipe
from ..runs.folder import RunFolder
from .trainer import OnIteration, Trainer

TRAINERS = tuple(learner.trainer for learner in LEARNERS)


def trainer(name: str) -> Trainer:
    """The trainer called `name`; Brax is imported only where it is asked for.

    Raises:
        WildRobotError: no such trainer, or Brax is not installed.
    """
    if name == "ppo":
        return Trainer(
            _init, _run, lambda state: state.agent.policy, num_shards=_num_shards, admit_devices=_admit_devices
        )
    if name not in TRAINERS:
        raise _unknown(name)
    from .brax_trainer import BRAX_PPO, BRAX_SAC

    return BRAX_PPO if name == "brax-ppo" else BRAX_SAC


def trainer_of(folder: RunFolder) -> Trainer:
    """The trainer that a run was started with."""
    return trainer(folder.manifest().get("trainer", "ppo"))


def learned_by(recipe: Recipe, name: str) -> Recipe:
    """The recipe with the learner of the trainer called `name`, and of its own learner's figures those that fit.

    Raises:
        WildRobotError: no such trainer.
    """
    kinds = {learner.trainer: learner for learner in LEARNERS}
    if name not in kinds:
        raise _unknown(name)
    return dataclasses.replace(recipe, learner=as_learner(recipe.learner, kinds[name]))


def template(chosen: Trainer, recipe: Recipe) -> Any:
    """The structure of the trainer's state, without its values."""
    return eqx.filter_eval_shape(chosen.init, recipe)


def _unknown(name: str) -> WildRobotError:
    return WildRobotError(f"There is no trainer {name!r}.", where="--trainer", hint=nearest(name, TRAINERS))


def _init(recipe: Recipe) -> TrainState:
    key = jax.random.key(recipe.seed)
    return ppo.init(
        recipe.env, as_learner(recipe.learner, PPO), key, recipe.policy, recipe.curriculum, recipe.reward_model
    )


def _num_shards(recipe: Recipe, before: int | None) -> int:
    """As many as before, so that a run goes on to the bit, where engine and device allow; else one for each core."""
    physics, n = recipe.env.physics, recipe.learner.num_envs
    allowed = before == 1 or (physics.reentrant and jax.default_backend() == "cpu")
    if before is not None and before >= 1 and n % before == 0 and allowed:
        return before
    return cpu_shards(physics, n)


def _admit_devices(recipe: Recipe, devices: Devices) -> None:
    devices.check(as_learner(recipe.learner, PPO))


def _run(
    recipe: Recipe, state: TrainState, on_iteration: OnIteration, num_shards: int, devices: Devices = DEFAULT_DEVICE
) -> None:
    for new, figures in ppo.train(
        recipe.env,
        as_learner(recipe.learner, PPO),
        state,
        recipe.iterations,
        recipe.curriculum,
        num_shards,
        recipe.reward_model,
        devices,
    ):
        on_iteration(new, figures)
