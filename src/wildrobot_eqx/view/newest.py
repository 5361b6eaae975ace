"""The newest policy of a run, also while it is training."""

import logging
import threading

from ..errors import WildRobotError
from ..learn.networks import AbstractPolicy
from ..recipes.recipe import Recipe
from ..runs.checkpoint import unflatten
from ..runs.folder import RunFolder
from ..train.registry import template, trainer_of

_log = logging.getLogger(__name__)


class NewestPolicy:
    """A run's newest policy; `poll` looks for a newer one on a thread of its own.

    Args:
        recipe: the run's recipe.
        folder: the run.

    Raises:
        WildRobotError: there is no checkpoint, or it does not fit the recipe.
    """

    iteration: int
    policy: AbstractPolicy

    def __init__(self, recipe: Recipe, folder: RunFolder):
        self._folder, self._trainer = folder, trainer_of(folder)
        self._template = template(self._trainer, recipe)
        self.iteration, self.policy = self._load()
        self._found: tuple[int, AbstractPolicy] | None = None
        self._thread: threading.Thread | None = None

    def _load(self) -> tuple[int, AbstractPolicy]:
        iteration, flat = self._folder.checkpoints.load_latest()
        return iteration, self._trainer.policy(unflatten(self._template, flat))

    def poll(self) -> bool:
        """Whether `policy` and `iteration` have become those of a newer checkpoint since the last call."""
        if self._found is not None:
            (self.iteration, self.policy), self._found = self._found, None
            return True
        busy = self._thread is not None and self._thread.is_alive()
        if not busy and max(self._folder.checkpoints.iterations(), default=-1) > self.iteration:
            self._thread = threading.Thread(target=self._look, daemon=True)
            self._thread.start()
        return False

    def _look(self) -> None:
        try:
            found = self._load()
        except (WildRobotError, OSError) as error:  # it was removed while it was read: there is a newer one
            _log.debug(f"a checkpoint was passed over: {error}")
            return
        if found[0] > self.iteration:
            self._found = found
