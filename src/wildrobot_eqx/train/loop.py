"""The loop around PPO: figures, checkpoints, and a clean stop whatever happens."""

import collections
import contextlib
import dataclasses
import logging
import math
import secrets
import time
from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from ..env.divergence import DIVERGED
from ..errors import WildRobotError
from ..recipes.recipe import Recipe
from ..runs.checkpoint import flatten, non_finite
from ..runs.folder import RunFolder, now
from .judging import Judge, judged
from .log import Figures, MetricsFile, TensorBoard, WandB, keep_metrics_until, progress, read_metrics, wall_clock
from .registry import trainer_of
from .session import restore
from .standing import StandingWatch
from .startup import import_in_background, process_age
from .stopping import Stop, stop_signals
from .trainer import Run, Trainer

_log = logging.getLogger(__name__)

SAVE_EVERY = 20.0  # s of wall clock between checkpoints; when they happen changes no result
_LEARNED = (".agent", ".opt_state", ".params", ".reward_model")
DIVERGED_SHARE = 0.01  # of an iteration's control steps that may diverge; one of them always may


@dataclasses.dataclass(frozen=True)
class Trained:
    """How a training ended."""

    state: Any
    initial: dict[str, Shaped[np.ndarray, "..."]]  # the agent's arrays at the start, by path
    figures: Figures  # of the last iteration; empty where nothing was left to do


def train(
    recipe: Recipe,
    folder: RunFolder,
    wandb: bool = False,
    changes: dict[str, Any] | None = None,
    judge: Judge | None = None,
    run: Run | None = None,
) -> Trained:
    """Train from the newest checkpoint, or from the seed, until `recipe.iterations`.

    Every iteration is appended to metrics.jsonl; a checkpoint is saved now and then and at
    the end. Ctrl-C and SIGTERM save one and stop. `changes` go into the manifest once the
    checkpoint is known to fit: a run that is refused stays what it was. `judge` adds the gate's figures where due;
    `run` computes in place of the trainer.

    Raises:
        WildRobotError: a figure is not finite (exit code 1), too many simulations diverged (1), something
            cannot be written (1), the user stopped it (130), or the folder does not fit.
    """
    with folder.lock(), stop_signals() as stop:
        status = _ManifestStatus(folder, changes or {})
        try:
            trained = _train(recipe, folder, wandb, status, stop, judge, run)
        except BaseException as error:
            if not (stop.forced or isinstance(error, KeyboardInterrupt)):
                status.note(error)
                raise
            stopped = _stopped_at_once(folder)
            status.note(stopped)
            raise stopped from error
        if stop.asked:
            raise WildRobotError(
                f"Stopped; all {recipe.iterations} iterations are trained and saved.",
                where=str(folder.path),
                hint=f"judge it by: wildrobot-eqx eval {folder.path}",
                exit_code=130,
            )
    return trained


class _ManifestStatus:
    """Writes the state of one training into the manifest; nothing before `start`, unless the run is new."""

    def __init__(self, folder: RunFolder, changes: dict[str, Any]):
        self.folder, self.changes = folder, changes
        self.started = folder.manifest().get("status") == "created"

    def start(self, num_shards: int) -> None:
        self.started = True
        self.folder.update_manifest(status="running", error=None, num_shards=num_shards, **self.changes)

    def note(self, error: BaseException) -> None:
        """Record how it ended; on a full disk the first error matters more."""
        interrupted = isinstance(error, WildRobotError) and error.exit_code == 130
        text = str(error) if isinstance(error, WildRobotError) else f"{type(error).__name__}: {error}"
        if self.started:
            with contextlib.suppress(WildRobotError):
                status = "interrupted" if interrupted else "failed"
                self.folder.update_manifest(status=status, finished=now(), error=text)


def _train(
    recipe: Recipe,
    folder: RunFolder,
    wandb: bool,
    status: _ManifestStatus,
    stop: Stop,
    judge: Judge | None,
    run: Run | None,
) -> Trained:
    import_in_background("orbax.checkpoint", "tensorboardX")
    chosen = trainer_of(folder)
    state = restore(recipe, folder) if folder.checkpoints.iterations() else chosen.init(recipe)
    chosen.admit(recipe, state)
    first = int(state.iteration)
    initial = flatten(state.agent)
    read_metrics(folder.metrics)  # it may refuse
    with contextlib.ExitStack() as stack:
        online = None
        if wandb:
            known = folder.manifest()
            if "wandb_id" not in known:  # an id of its own: many folders are called seed0
                status.changes["wandb_id"] = secrets.token_hex(8)
            online = WandB(folder.path, {**known, **status.changes}, first)
            stack.callback(online.close)
        num_shards = _num_shards(chosen, recipe, folder)
        status.start(num_shards)  # nothing above changes the folder
        folder.checkpoints.remove_after(first)
        folder.drop_verdict_after(first)
        lines = keep_metrics_until(folder.metrics, first)
        log = _Log(stack, recipe, folder, state, lines, online, stop)
        stop.patient = True
        (run or chosen.run)(recipe, state, judged(judge, log.on_iteration, chosen.policy), num_shards)
    if log.diverged:
        _log.info(f"{log.diverged} control steps diverged; each ended its episode with reward 0 and entered no mean.")
    if first >= recipe.iterations:
        _log.info(f"{folder.path} has its {recipe.iterations} iterations already; give more --steps to train on.")
    folder.update_manifest(
        status="trained",
        finished=now(),
        training_s=log.figures.get("wall_clock_s", wall_clock(lines)),
        steps_done=int(log.state.iteration) * recipe.learner.steps_per_iteration,
    )
    return Trained(log.state, initial, log.figures)


def _num_shards(chosen: Trainer, recipe: Recipe, folder: RunFolder) -> int:
    """In how many shards the envs step: as many as when the run began, so that a resume changes no bit."""
    entry = folder.manifest().get("num_shards")
    before = entry if isinstance(entry, int) and not isinstance(entry, bool) else None
    num_shards, own = chosen.num_shards(recipe, before), chosen.num_shards(recipe, None)
    if before is not None and num_shards != before:
        _log.info(
            f"the run began in {before} shards of its envs and goes on in {num_shards}: the order of sums differs now"
        )
    elif num_shards != own:
        _log.info(f"the envs step in {num_shards} shards, as the run began; this machine alone would take {own}")
    return num_shards


class _Log:
    """What happens after every iteration, with any trainer: figures are checked and written, states are saved."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        recipe: Recipe,
        folder: RunFolder,
        state: Any,
        lines: list[Any],
        wandb: WandB | None,
        stop: Stop,
    ):
        self.recipe, self.folder, self.state, self.stop = recipe, folder, state, stop
        self.first, self.figures = int(state.iteration), dict[str, float]()
        self.writers: list[TensorBoard | WandB] = [TensorBoard(folder.tensorboard, self.first)]
        self.writers += [] if wandb is None else [wandb]
        self.metrics = MetricsFile(folder.metrics)
        for writer in (self.metrics, self.writers[0]):
            stack.callback(writer.close)
        self.report = stack.enter_context(progress(recipe.iterations, self.first))
        self.clock = _Clock(recipe.learner.steps_per_iteration, wall_clock(lines))
        self.saved = time.monotonic()
        self.diverged = 0  # control steps, in this attempt
        self.standing = StandingWatch(recipe.env, recipe.iterations, bool(folder.manifest().get("standing")))

    def on_iteration(self, state: Any, raw: dict[str, Any]) -> None:
        """Check and write one more iteration.

        Raises:
            WildRobotError: a figure is not finite, too many simulations diverged, something cannot be written, or
                the user wants to stop.
        """
        self.state, folder = state, self.folder
        iteration, total = int(state.iteration), self.recipe.iterations
        values = {name: float(value) for name, value in jax.device_get(raw).items()}
        _check_finite(values, iteration, folder)
        self.figures = figures = {**self.clock.tick(), **values}
        steps = iteration * self.recipe.learner.steps_per_iteration
        self.metrics.write({"iteration": iteration, "steps": steps, **figures})
        for writer in self.writers:
            writer.write(iteration, figures)
        self.report(iteration, figures)
        if told := self.standing.update(iteration, figures):
            folder.update_manifest(standing=list(told) if self.standing.stood else [])
        if iteration == self.first + 1:
            folder.update_manifest(first_update_s=round(process_age(), 3))
        diverged = round(figures.get(DIVERGED, 0.0))
        self.diverged += diverged
        too_many = diverged > max(DIVERGED_SHARE * self.recipe.learner.steps_per_iteration, 1.0)
        stop = self.stop.asked and iteration < total
        if stop or too_many or iteration == total or time.monotonic() - self.saved > SAVE_EVERY:
            _save(state, folder, iteration)
            self.saved = time.monotonic()
        if too_many:
            raise _too_many_diverged(diverged, self.recipe.learner.steps_per_iteration, iteration, folder)
        if stop:
            raise WildRobotError(
                f"Stopped after iteration {iteration} of {total}; its checkpoint is saved.",
                where=str(folder.path),
                hint=f"go on with: wildrobot-eqx run --resume {folder.path}",
                exit_code=130,
            )


def _save(state: Any, folder: RunFolder, iteration: int) -> None:
    flat = flatten(state)
    bad = [name for name in non_finite(flat) if name.startswith(_LEARNED)]
    if bad:
        raise _not_finite(bad, iteration, folder)
    folder.checkpoints.save(iteration, flat)


def _check_finite(figures: Figures, iteration: int, folder: RunFolder) -> None:
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


def _stopped_at_once(folder: RunFolder) -> WildRobotError:
    saved = folder.checkpoints.iterations()
    state = f"its last checkpoint is of iteration {saved[-1]}" if saved else "no checkpoint had been saved yet"
    return WildRobotError(
        f"Stopped at once; {state}.",
        where=str(folder.path),
        hint=f"go on with: wildrobot-eqx run --resume {folder.path}",
        exit_code=130,
    )


class _Clock:
    """Wall clock since the run began, earlier attempts included, and the speed of the last few iterations."""

    def __init__(self, steps: int, offset: float):
        self.steps, self.began = steps, time.monotonic() - offset
        self.recent = collections.deque([time.monotonic()], maxlen=20)

    def tick(self) -> Figures:
        self.recent.append(time.monotonic())
        taken = max(self.recent[-1] - self.recent[0], 1e-9)
        speed = (len(self.recent) - 1) * self.steps / taken
        return {"wall_clock_s": round(self.recent[-1] - self.began, 3), "steps_per_second": round(speed, 1)}
