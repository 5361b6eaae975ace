"""The loop around PPO: figures, checkpoints, and a clean stop whatever happens."""

import collections
import contextlib
import dataclasses
import logging
import secrets
import time
from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from ..env.divergence import DIVERGED
from ..errors import WildRobotError
from ..learn.mesh import DEFAULT_DEVICE, Devices
from ..recipes.recipe import Recipe
from ..runs.checkpoint import flatten
from ..runs.folder import RunFolder, now
from .distributed import Processes
from .judging import Judge, judged
from .log import Figures, MetricsFile, TensorBoard, WandB, keep_metrics_until, progress, read_metrics, wall_clock
from .registry import trainer_of
from .saving import Follower, check_finite, save_or_stop
from .session import restore
from .standing import StandingWatch
from .startup import import_in_background, process_age
from .stopping import Stop, stop_signals
from .trainer import Run, Trainer

_log = logging.getLogger(__name__)

SAVE_EVERY = 20.0  # s of wall clock between checkpoints; when they happen changes no result


@dataclasses.dataclass(frozen=True)
class Trained:
    """How a training ended."""

    state: Any
    initial: dict[str, Shaped[np.ndarray, "..."] | Shaped[jax.Array, "..."]]  # the agent's arrays at the start, by path
    figures: Figures  # of the last iteration; empty where nothing was left to do


def train(
    recipe: Recipe,
    folder: RunFolder,
    wandb: bool = False,
    changes: dict[str, Any] | None = None,
    devices: Devices = DEFAULT_DEVICE,
    processes: Processes | None = None,
    judge: Judge | None = None,
    run: Run | None = None,
) -> Trained:
    """Train from the newest checkpoint, or from the seed, until `recipe.iterations`.

    Every iteration is appended to metrics.jsonl; a checkpoint is saved now and then and at
    the end. Ctrl-C and SIGTERM save one and stop. `changes` go into the manifest once the
    checkpoint is known to fit: a run that is refused stays what it was. Of several `processes`, which share the folder,
    the first writes it. `judge` adds the gate's figures where due; `run` computes in place of the trainer.

    Raises:
        WildRobotError: a figure is not finite (exit code 1), too many simulations diverged (1), something
            cannot be written (1), the user stopped it (130), or the folder does not fit.
    """
    processes = Processes() if processes is None else processes
    with folder.lock() if processes.writes else contextlib.nullcontext(), stop_signals() as stop:
        status = _ManifestStatus(folder, changes or {}) if processes.writes else None
        if status is not None:
            processes.at_end.append(status.note)
        try:
            trained = _train(recipe, folder, wandb, status, stop, devices, processes, judge, run)
        except BaseException as error:
            stopped = _stopped_at_once(folder) if stop.forced or isinstance(error, KeyboardInterrupt) else error
            if status is not None:
                status.note(stopped)
            if stopped is error:
                raise
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

    def start(self, num_shards: int, devices: Devices) -> None:
        self.started = True
        mesh = {"devices": devices.count, "processes": devices.processes}
        self.folder.update_manifest(status="running", error=None, num_shards=num_shards, mesh=mesh, **self.changes)

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
    status: _ManifestStatus | None,
    stop: Stop,
    devices: Devices,
    processes: Processes,
    judge: Judge | None,
    run: Run | None,
) -> Trained:
    import_in_background("orbax.checkpoint", "tensorboardX")
    chosen = trainer_of(folder)
    chosen.admit_devices(recipe, devices)
    state = restore(recipe, folder) if folder.checkpoints.iterations() else chosen.init(recipe)
    chosen.admit(recipe, state)
    first = int(state.iteration)
    initial = flatten(state.agent)
    read_metrics(folder.metrics)  # it may refuse
    processes.check_same("checkpoint", first)  # all have read theirs
    if status is None:
        processes.wait()
        follower = Follower(recipe, folder, stop, processes)
        stop.patient = True
        chosen.run(recipe, state, follower.on_iteration, 1, devices)
        return Trained(follower.state if follower.state is not None else state, initial, {})
    with contextlib.ExitStack() as stack:
        online = None
        if wandb:
            known = folder.manifest()
            if "wandb_id" not in known:  # an id of its own: many folders are called seed0
                status.changes["wandb_id"] = secrets.token_hex(8)
            online = WandB(folder.path, {**known, **status.changes}, first)
            stack.callback(online.close)
        num_shards = _num_shards(chosen, recipe, folder, devices)
        processes.wait()
        status.start(num_shards, devices)  # nothing above changes the folder
        folder.checkpoints.remove_after(first)
        folder.drop_verdict_after(first)
        lines = keep_metrics_until(folder.metrics, first)
        log = _Log(stack, recipe, folder, state, lines, online, stop, processes)
        stop.patient = True
        on_iteration = judged(judge, log.on_iteration, chosen.policy)
        if run is not None:
            run(recipe, state, on_iteration, num_shards)
        else:
            chosen.run(recipe, state, on_iteration, num_shards, devices)
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


def _num_shards(chosen: Trainer, recipe: Recipe, folder: RunFolder, devices: Devices) -> int:
    """In how many shards the envs step: as many as when the run began, so that a resume changes no bit."""
    manifest = folder.manifest()
    entry, mesh = manifest.get("num_shards"), manifest.get("mesh")
    cut = mesh.get("devices", 1) if isinstance(mesh, dict) else 1
    if entry is not None and cut != devices.count:
        _log.info(f"devices: {cut} when the run began, {devices.count} now; the order of sums differs")
    if devices.mesh is not None:
        return 1
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
        processes: Processes,
    ):
        self.recipe, self.folder, self.state, self.stop, self.processes = recipe, folder, state, stop, processes
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
        iteration = int(state.iteration)
        values = {name: float(value) for name, value in jax.device_get(raw).items()}
        check_finite(values, iteration, folder)
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
        self.diverged += round(figures.get(DIVERGED, 0.0))
        due = time.monotonic() - self.saved > SAVE_EVERY
        if save_or_stop(self.recipe, folder, state, values, due, self.stop, self.processes):
            self.saved = time.monotonic()


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
