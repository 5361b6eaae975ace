"""What `sweep` does, apart from reading its arguments, and `eval` of a sweep's folder."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import WildRobotError
from .shared import PROGRAM

_log = logging.getLogger(__name__)


def sweep_recipe(path: str) -> Any:
    """The recipe of a sweep that goes on.

    Raises:
        WildRobotError: there is no such sweep, or its recipe was changed.
    """
    from ..recipes.recipe import load_recipe
    from ..sweep.folder import SweepFolder
    from ..sweep.setup import recipe_file

    return load_recipe(recipe_file(SweepFolder.open(path)))


def is_sweep(path: Path) -> bool:
    """Whether a folder is a sweep's."""
    return os.path.isfile(path / "sweep.json")  # also of a name that no file can have


def evaluate_sweep(
    path: Path,
    arguments: list[str],
    show: Any,
    best: int | None,
    workers: int | None,
    cores: int,
    address: str | None,
) -> bool:
    """Put the finished trials of a sweep through `eval`, side by side; False where one does not pass."""
    from ..sweep.budget import Goal
    from ..sweep.finish import finish_sweep
    from ..sweep.folder import SweepFolder
    from ..sweep.setup import need_engine
    from ..sweep.table import ranked, results_of

    need_engine("ray")
    folder = SweepFolder.open(path)
    goal = Goal(**folder.document()["goal"])
    numbers = [row.trial.number for row in ranked(results_of(folder, goal)) if row.trial.status == "finished"][:best]
    if not numbers:
        raise WildRobotError("No trial of the sweep is finished.", where=str(path), hint="go on with it by --resume")
    _for_cluster(address)
    from ..sweep.ray_eval import evaluate_on_ray

    with folder.lock():
        try:
            found = evaluate_on_ray(folder, numbers, arguments, address, workers, cores)
        except KeyboardInterrupt as error:
            hint = "what was evaluated is in the trials' folders"
            raise WildRobotError("Stopped.", where=str(path), hint=hint, exit_code=130) from error
        finish_sweep(folder, goal, film=False)
    words = {0: "passed", 1: "not passed"}
    lines = [f"trial {number}: {words.get(code, 'failed')}  {folder.run(number)}" for number, code in found.items()]
    document = {
        "sweep": str(path),
        "trials": {str(number): words.get(code, "failed") for number, code in found.items()},
    }
    show(document, lines)
    return all(code == 0 for code in found.values())


def start_sweep(
    function: Any,
    named: str,
    options: dict[str, Any],
    assignments: list[str],
    trainer: str | None,
    asked: Any,
    out: Path | None,
    show: Any,
    **how: Any,
) -> bool:
    """Begin a sweep and run it; False where no trial finished."""
    from ..sweep.setup import new_sweep

    _need(how)
    return _run(new_sweep(function, named, options, assignments, trainer, asked, out), show, **how)


def resume_sweep(function: Any, path: Path, asked: Any, show: Any, **how: Any) -> bool:
    """Go on with a sweep; False where no trial finished."""
    from ..sweep.folder import SweepFolder
    from ..sweep.setup import reopen_sweep

    _need(how)
    folder = SweepFolder.open(path)
    folder.lock().close()
    return _run(reopen_sweep(folder, function, asked), show, **how)


def _for_cluster(address: str | None) -> None:
    """Before Ray is imported: a part of a cluster must be reachable under this machine's address, not the loopback."""
    if address is not None:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "1"


def _need(how: dict[str, Any]) -> None:
    """See that what runs the trials is installed."""
    from ..sweep.setup import need_engine

    if how["vmap_seeds"] is None:
        need_engine("slurm" if how["slurm"] else "ray")


def _run(
    driver: Any,
    show: Any,
    *,
    film: bool,
    slurm: bool,
    settings: list[str],
    address: str | None,
    workers: int | None,
    vmap_seeds: int | None,
) -> bool:
    from ..runs.folder import now
    from ..sweep.finish import finish_sweep
    from ..sweep.table import tables, to_json

    folder = driver.folder
    with folder.lock(), _stopping(driver):
        folder.update_document(status="running")
        _log.info(f"{_count(driver)} -> {folder.path}")
        try:
            if vmap_seeds is not None:
                from ..sweep.vmap_engine import run_vmapped
                from .finish import QUICK_EPISODES, evaluate

                run_vmapped(driver, vmap_seeds, lambda recipe, run: evaluate(recipe, run, QUICK_EPISODES))
            elif slurm:
                from ..sweep.slurm import parse_settings, run_on_slurm

                run_on_slurm(driver, parse_settings(settings), workers)
            else:
                _for_cluster(address)
                from ..sweep.ray_engine import run_on_ray

                run_on_ray(driver, address, workers)
        except KeyboardInterrupt:
            driver.stopped = True
        finally:
            spent = round(driver.budget.minutes_so_far, 3)
            status = "interrupted" if driver.is_over() else "ended"
            folder.update_document(status=status, finished=now(), spent_minutes=spent)
        found = finish_sweep(folder, driver.goal, film and not driver.stopped)
        if driver.stopped:
            raise WildRobotError(
                f"Stopped; {sum(row.trial.status == 'finished' for row in found.rows)} of the {len(found.rows)} trials "
                "that began are finished; the others are saved.",
                where=str(folder.path),
                hint=f"go on with: {PROGRAM} sweep --resume {folder.path}",
                exit_code=130,
            )
    show(
        {"sweep": str(folder.path), "ended": driver.over or None, **to_json(found)},
        [*tables(found), *_closing(driver, found)],
    )
    return found.best() is not None


def _count(driver: Any) -> str:
    plan = driver.plan
    most = f"up to {plan.size}" if plan.samples and plan.trials is None else str(plan.size)
    return f"{driver.function.name}: {most} trials, compared by {driver.goal.metric} ({driver.goal.mode})"


def _closing(driver: Any, found: Any) -> list[str]:
    """The best trial's command, what failed, and where everything is."""
    from ..sweep.driver import describe, first_line_of
    from ..sweep.plan import command_line

    lines = [
        f"trial {r.trial.number} failed: {first_line_of(r.trial.message)}"
        for r in found.rows
        if r.trial.status == "failed"
    ]
    best = found.best()
    if best is not None:
        lines.append(f"the best, trial {best.trial.number}: {describe(best.trial.values, best.trial.seed)}")
        lines.append(f"  {command_line(list(best.trial.arguments))}")
        lines.append(f"  its run: {best.run}")
    if driver.over:
        lines.append(f"{driver.over}; to go on: {PROGRAM} sweep --resume {driver.folder.path}, with more to spend")
    return [*lines, f"table.csv, table.json and report.html are in {driver.folder.path}"]


@contextmanager
def _stopping(driver: Any) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM lets all trials save and end; a second interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(number: int, frame: Any) -> None:
        if driver.stopped:
            raise KeyboardInterrupt
        driver.stopped = True
        _log.info("stopping: trials save and end; once more stops at once")

    previous = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
