"""Trainings that differ by their seed only, in one process and one program; each has its own run folder."""

import dataclasses
import logging
import queue
import threading
from collections.abc import Sequence
from typing import Any

import equinox as eqx

from ..errors import WildRobotError
from ..learn.config import PPO, as_learner
from ..learn.together import iterate, row, stack
from ..physics import engine_name
from ..recipes.recipe import Recipe
from ..runs.checkpoint import flatten
from ..runs.folder import RunFolder
from .judging import Judge
from .loop import Trained, train
from .stopping import Stop, stop_signals
from .trainer import OnIteration

_log = logging.getLogger(__name__)

Outcome = Trained | BaseException


def train_together(
    recipes: Sequence[Recipe], folders: Sequence[RunFolder], judges: Sequence[Judge | None] = ()
) -> list[Outcome]:
    """Train each recipe into its folder, all in step; each folder is what `train` makes of it.

    One that fails ends by itself, with the others going on. Ctrl-C and SIGTERM save all and stop.

    Args:
        recipes: alike but for their seeds, with our own PPO and an engine that is pure JAX.
        folders: one each.
        judges: one each, or none at all.

    Returns:
        How each training ended, or what it raised.

    Raises:
        WildRobotError: they cannot be trained together.
    """
    check_together(recipes, folders)
    group = _Group(recipes[0])
    judges = judges or [None] * len(recipes)
    workers = [
        threading.Thread(target=group.work, args=(i, *each), daemon=True, name=f"training {i}")
        for i, each in enumerate(zip(recipes, folders, judges, strict=True))
    ]
    with stop_signals() as stop:
        for worker in workers:
            worker.start()
        stop.patient = True
        group.drive(len(workers), stop)
    for worker in workers:
        worker.join()
    return [group.outcomes[i] for i in range(len(workers))]


def check_together(recipes: Sequence[Recipe], folders: Sequence[RunFolder]) -> None:
    """Whether trainings can share a program.

    Raises:
        WildRobotError: they cannot.
    """
    first = recipes[0]
    engine = engine_name(first.env.physics)
    where = "--vmap-seeds"
    if engine == "native":
        raise WildRobotError(
            "The engine native is not pure JAX: seeds cannot share one program.",
            where=where,
            hint="add --physics tree, or leave --vmap-seeds away: trials run side by side",
        )
    if any(folder.manifest().get("trainer") != "ppo" for folder in folders) or not isinstance(first.learner, PPO):
        raise WildRobotError("Only our own PPO trains seeds together.", where=where, hint="leave one of the two away")
    for other in recipes[1:]:
        if not eqx.tree_equal(dataclasses.replace(other, seed=first.seed).env, first.env):
            raise WildRobotError("The trainings differ by more than their seed.", where=where, hint="leave it away")


class _Group:
    """Hands states to and fro between the trainings' threads and the one that computes."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.arrived: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()  # a state, or None: the thread is done
        self.given: dict[int, queue.SimpleQueue[Any]] = {}
        self.outcomes: dict[int, Outcome] = {}

    def work(self, index: int, recipe: Recipe, folder: RunFolder, judge: Judge | None) -> None:
        """One training, in a thread of its own: all of `train` but the computing."""
        self.given[index] = queue.SimpleQueue()

        def run(recipe: Recipe, state: Any, on_iteration: OnIteration, num_shards: int) -> None:
            if int(state.iteration) >= recipe.iterations:
                return
            self.arrived.put((index, state))
            while True:
                state, figures = self.given[index].get()
                if figures is None:  # stopped
                    folder.checkpoints.save(int(state.iteration), flatten(state))
                    raise WildRobotError(
                        f"Stopped after iteration {int(state.iteration)} of {recipe.iterations}; it is saved.",
                        where=str(folder.path),
                        hint=f"go on with: wildrobot-eqx run --resume {folder.path}",
                        exit_code=130,
                    )
                on_iteration(state, figures)
                if int(state.iteration) >= recipe.iterations:
                    return
                self.arrived.put((index, state))

        try:
            self.outcomes[index] = train(recipe, folder, judge=judge, run=run, changes={"together": True})
        except BaseException as error:  # told by whoever asked for the trainings
            self.outcomes[index] = error
        self.arrived.put((index, None))

    def drive(self, count: int, stop: Stop) -> None:
        """Compute until all threads are done.

        Raises:
            WildRobotError: the trainings are not at the same iteration.
        """
        live = self._all(range(count))
        try:
            if len({int(state.iteration) for state in live.values()}) > 1:
                raise WildRobotError("The trainings are not at the same iteration.", where="--vmap-seeds")
            while live and not stop.asked:
                numbers = list(live)
                states = stack([live[i] for i in numbers])
                while list(live) == numbers and not stop.asked:  # until one of them fails, or all end
                    states, figures = self._iterate(states)
                    for k, i in enumerate(numbers):
                        live[i] = row(states, k)
                        self.given[i].put((live[i], {name: value[k] for name, value in figures.items()}))
                    live = self._all(numbers)
        finally:
            for i, state in live.items():
                self.given[i].put((state, None))
            self._all(list(live))

    def _iterate(self, states: Any) -> tuple[Any, dict[str, Any]]:
        recipe = self.recipe
        return iterate(recipe.env, as_learner(recipe.learner, PPO), states, recipe.curriculum, recipe.reward_model)

    def _all(self, numbers: Sequence[int]) -> dict[int, Any]:
        """The states of those that go on, once each has said whether it does."""
        found = dict(sorted((self.arrived.get() for _ in numbers), key=lambda pair: pair[0]))
        return {i: found[i] for i in numbers if found[i] is not None}
