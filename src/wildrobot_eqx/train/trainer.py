"""What every trainer of a recipe provides."""

import dataclasses
from collections.abc import Callable
from typing import Any

from ..errors import WildRobotError
from ..learn.mesh import Devices
from ..learn.networks import AbstractPolicy
from ..recipes.recipe import Recipe

OnIteration = Callable[[Any, dict[str, Any]], None]
"""Called after each iteration with the new state and its figures; what it raises ends the training."""


Run = Callable[[Recipe, Any, OnIteration, int], None]
"""Computes from a state to the recipe's last iteration, the envs in so many shards."""


def _as_it_is(recipe: Recipe) -> Recipe:
    """The recipe's own iterations."""
    return recipe


def _one_shard(recipe: Recipe, before: int | None) -> int:
    """All envs step at once."""
    return 1


def _default_device(recipe: Recipe, devices: Devices) -> None:
    """Trains on JAX's default device.

    Raises:
        WildRobotError: others are asked for.
    """
    if devices.mesh is not None:
        raise WildRobotError(
            f"{recipe.learner.trainer} trains on one device.",
            where="--devices, --distributed",
            hint="train with --trainer ppo, or leave them away",
        )


def _admit_any(recipe: Recipe, state: Any) -> None:
    """Training goes on from any state."""


@dataclasses.dataclass(frozen=True)
class Trainer:
    """One way to train. A state holds `iteration`, and `agent`: the networks' arrays."""

    init: Callable[[Recipe], Any]  # the first state; also traced for its shapes
    run: Callable[
        [Recipe, Any, OnIteration, int, Devices], None
    ]  # from a state to the recipe's last iteration, in so many shards or on these devices
    policy: Callable[[Any], AbstractPolicy]  # what a state has learned
    schedule: Callable[[Recipe], Recipe] = _as_it_is  # its iterations, as the trainer divides them
    admit: Callable[[Recipe, Any], None] = _admit_any  # refuses a state that it cannot go on from
    num_shards: Callable[[Recipe, int | None], int] = _one_shard  # in how many the envs step; given how many before
    admit_devices: Callable[[Recipe, Devices], None] = _default_device  # refuses those that it cannot train on
