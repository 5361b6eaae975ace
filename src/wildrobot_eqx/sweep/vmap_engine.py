"""Trials in this process: seeds of one configuration share a program, under `vmap`. No Ray, no further processes."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import WildRobotError
from ..recipes.options import option_value
from ..recipes.recipe import Recipe
from ..runs.folder import RunFolder
from ..train.judging import Judge
from ..train.session import reopen, start
from ..train.startup import enable_compilation_cache
from ..train.together import train_together
from .driver import Driver, describe
from .folder import SweepFolder, Trial, last_figure
from .process import remove_beginning

_log = logging.getLogger(__name__)

JudgeRun = Callable[[Recipe, RunFolder], object]
"""Writes the verdict of a run that has been trained."""

Begun = tuple[Trial, Recipe, RunFolder]


def run_vmapped(driver: Driver, size: int, judge_run: JudgeRun) -> None:
    """Run a sweep's trials here, `size` seeds of a configuration at a time, until they or its budget are at an end.

    Args:
        driver: what to run.
        size: trainings in one program, at most.
        judge_run: called after the training of each recipe that has a gate.

    Raises:
        WildRobotError: trials depend on each other, or cannot share a program.
    """
    if driver.plan.search == "optuna" or driver.early_stop is not None:
        raise WildRobotError(
            "Trials in one program run in step: neither Optuna nor an early stop works there.",
            where="--vmap-seeds",
            hint="leave these away, or leave --vmap-seeds away",
        )
    enable_compilation_cache()
    driver.folder = SweepFolder(driver.folder.path.resolve())
    with contextlib.chdir(driver.cwd):
        _run_all(driver, size, judge_run)


def _run_all(driver: Driver, size: int, judge_run: JudgeRun) -> None:
    while not driver.is_over():
        trials = list(_planned(driver))
        if not trials:
            return
        for group in groups(trials, size, lambda trial: _iteration(driver, trial)):
            if driver.is_over():
                return
            _run(driver, group, judge_run)


def groups(trials: list[Trial], size: int, iteration: Callable[[Trial], int]) -> Iterator[list[Trial]]:
    """Trials of one configuration that are equally far, `size` at a time."""
    found: dict[Any, list[Trial]] = {}
    for trial in trials:
        found.setdefault((trial.key, iteration(trial)), []).append(trial)
    for alike in found.values():
        yield from (alike[i : i + size] for i in range(0, len(alike), size))


def _planned(driver: Driver) -> Iterator[Trial]:
    """The next trials: all seeds of all points of the grid, of one draw."""
    for _ in range(driver.plan.grid_size * max(len(driver.plan.seeds), 1)):
        number = driver.next_number()
        if number is None:
            return
        yield driver.folder.trial(number)


def _iteration(driver: Driver, trial: Trial) -> int:
    """Of the newest checkpoint; 0 of a trial that begins."""
    return max(RunFolder(driver.folder.run(trial.number)).checkpoints.iterations(), default=0)


def _run(driver: Driver, group: list[Trial], judge_run: JudgeRun) -> None:
    begun: list[Begun] = []
    for trial in group:
        try:
            begun.append((trial, *_begin(driver, trial)))
            driver.folder.change(trial.number, status="running", message="")
        except WildRobotError as refused:
            _end(driver, trial.number, refused)
    if not begun:
        return
    _log.info(f"{len(begun)} seeds in one program: {describe(group[0].values, None)}")
    began = time.monotonic()
    before = sum(_steps(driver, trial) for trial, _, _ in begun)
    judges = [Judge.of(recipe, _judge_every(driver)) for _, recipe, _ in begun]
    recipes, folders = [recipe for _, recipe, _ in begun], [folder for _, _, folder in begun]
    outcomes = train_together(recipes, folders, judges)
    seconds = time.monotonic() - began
    made = sum(_steps(driver, trial) for trial, _, _ in begun) - before
    _log.info(f"{len(begun)} seeds together: {made / max(seconds, 1e-9):,.0f} steps/s, compiles included")
    for (trial, recipe, folder), outcome in zip(begun, outcomes):
        error = outcome if isinstance(outcome, BaseException) else None
        if error is None and recipe.gate is not None:
            try:
                judge_run(recipe, folder)
            except (WildRobotError, KeyboardInterrupt) as caught:
                error = caught
        _end(driver, trial.number, error)
        driver.stopped |= isinstance(error, KeyboardInterrupt) or getattr(error, "exit_code", 0) == 130


def _begin(driver: Driver, trial: Trial) -> tuple[Recipe, RunFolder]:
    """The trial's recipe and run folder, made or opened again."""
    run, base, function = driver.folder.run(trial.number), driver.base, driver.function
    with contextlib.suppress(OSError):
        run.parent.mkdir(parents=True, exist_ok=True)
    if (run / "manifest.json").is_file():
        folder = RunFolder.open(run)
        return reopen(folder, trust=False)[0], folder
    remove_beginning(run)
    options = {**function.options, **base.options}
    own = driver.plan.options
    options |= {key: option_value(function, key, text, key) for key, text in trial.values.items() if key in own}
    if trial.seed is not None:
        options["seed"] = trial.seed
    sets = [f"{key}={text}" for key, text in trial.values.items() if key not in own]
    recipe, folder = start(function, options, [*base.assignments, *sets], run, base.trainer)
    folder.update_manifest(command=["wildrobot-eqx", *trial.arguments, f"--out={run}"])
    return recipe, folder


def _end(driver: Driver, number: int, error: BaseException | None) -> None:
    if error is None:
        driver.folder.change(number, status="finished", message="")
    elif isinstance(error, KeyboardInterrupt) or getattr(error, "exit_code", 0) == 130:
        driver.folder.change(number, status="interrupted", message="stopped before its end")
    else:
        message = str(error) if isinstance(error, WildRobotError) else f"{type(error).__name__}: {error}"
        driver.folder.change(number, status="failed", message=message)
    driver.note_end(number)


def _steps(driver: Driver, trial: Trial) -> int:
    found = last_figure(driver.folder.figures(trial.number), "steps")
    steps = 0 if found is None else found[0]
    driver.budget.note(trial.number, steps)
    return steps


def _judge_every(driver: Driver) -> int | None:
    """The `--judge-every` of the trials' further arguments."""
    found = [one.partition("=")[2] for one in driver.extra if one.startswith("--judge-every=")]
    return int(found[0]) if found else None
