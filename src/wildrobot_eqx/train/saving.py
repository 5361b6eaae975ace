"""After each iteration, in every process: figures are finite, checkpoints are saved when due, and all stop together."""

import math
from typing import Any

import jax

from ..env.divergence import DIVERGED
from ..errors import WildRobotError
from ..recipes.recipe import Recipe
from ..runs.checkpoint import flatten, non_finite
from ..runs.folder import RunFolder
from .distributed import Processes
from .log import Figures
from .stopping import Stop

_LEARNED = (".agent", ".opt_state", ".params", ".reward_model")
DIVERGED_SHARE = 0.01  # of an iteration's control steps that may diverge; one of them always may


class Follower:
    """What happens after every iteration in a process that writes no file but its part of the checkpoints."""

    def __init__(self, recipe: Recipe, folder: RunFolder, stop: Stop, processes: Processes):
        self.recipe, self.folder, self.stop, self.processes = recipe, folder, stop, processes
        self.state: Any = None

    def on_iteration(self, state: Any, raw: dict[str, Any]) -> None:
        """Checks figures; saves and stops as process 0 does."""
        self.state = state
        values = {name: float(value) for name, value in jax.device_get(raw).items()}
        check_finite(values, int(state.iteration), self.folder)
        save_or_stop(self.recipe, self.folder, state, values, False, self.stop, self.processes)


def save_or_stop(
    recipe: Recipe, folder: RunFolder, state: Any, figures: Figures, due: bool, asked: Stop, processes: Processes
) -> bool:
    """Save a checkpoint where one is `due` or the training ends; whether one was saved. All processes do the same.

    Raises:
        WildRobotError: too many simulations diverged, it cannot be written, or a user wants to stop.
    """
    iteration, total = int(state.iteration), recipe.iterations
    steps = recipe.learner.steps_per_iteration
    diverged = round(figures.get(DIVERGED, 0.0))
    too_many = diverged > max(DIVERGED_SHARE * steps, 1.0)
    stop, due = processes.agree(asked.asked and iteration < total, due)
    saves = stop or too_many or iteration == total or due
    if saves:
        _save(state, folder, iteration)
    if too_many:
        raise _too_many_diverged(diverged, steps, iteration, folder)
    if stop:
        raise WildRobotError(
            f"Stopped after iteration {iteration} of {total}; its checkpoint is saved.",
            where=str(folder.path),
            hint=f"go on with: wildrobot-eqx run --resume {folder.path}",
            exit_code=130,
        )
    return saves


def _save(state: Any, folder: RunFolder, iteration: int) -> None:
    flat = flatten(state)
    bad = non_finite({name: leaf for name, leaf in flat.items() if name.startswith(_LEARNED)})
    if bad:
        raise _not_finite(bad, iteration, folder)
    folder.checkpoints.save(iteration, flat)


def check_finite(figures: Figures, iteration: int, folder: RunFolder) -> None:
    """Refuse figures of which one is not finite.

    Raises:
        WildRobotError: one is not; all are named, causes first.
    """
    bad = [name for name, value in figures.items() if not math.isfinite(value)]
    bad.sort(key=lambda name: (not name.startswith("raw/"), not name.startswith("reward"), name))  # causes first
    if bad:
        raise _not_finite(bad, iteration, folder)


def _not_finite(names: list[str], iteration: int, folder: RunFolder) -> WildRobotError:
    good = folder.checkpoints.iterations()
    saved = f"the checkpoint of iteration {good[-1]} is kept" if good else "no checkpoint had been saved yet"
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return WildRobotError(
        f"Not finite at iteration {iteration}: {', '.join(names[:6])}{more}.",
        where=str(folder.path),
        hint=f"{saved}; a diverging simulation wants a smaller physics timestep, diverging losses a smaller "
        "learner.learning_rate",
        exit_code=1,
    )


def _too_many_diverged(count: int, steps: int, iteration: int, folder: RunFolder) -> WildRobotError:
    return WildRobotError(
        f"{count} of the {steps} control steps of iteration {iteration} diverged: their state, observation or reward "
        f"is not finite. At most {100.0 * DIVERGED_SHARE:g}% may.",
        where=str(folder.path),
        hint="`wildrobot-eqx check RECIPE --run` names the first term that is not finite; a simulation that blows up "
        "wants a smaller physics timestep. The checkpoint of this iteration is saved",
        exit_code=1,
    )
