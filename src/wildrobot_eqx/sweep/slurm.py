"""Trials as jobs of Slurm, by submitit, without Ray. Importing this loads submitit."""

import logging
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import submitit

from ..errors import WildRobotError
from .driver import Driver
from .folder import SweepFolder, last_figure
from .process import TrialProcess

_log = logging.getLogger(__name__)
_POLL = 2.0  # s

Where = Literal["slurm", "local"]


def run_job(
    folder: str, number: int, metric: str, extra: list[str], gpus: float, cwd: str, program: list[str] | None = None
) -> str:
    """What a job does: one trial, to its end; returns its status."""
    process = TrialProcess(SweepFolder(folder), number, metric, extra, 0, gpus, cwd, program)
    process.start()
    try:
        while not process.next()["done"]:
            pass
        return process.outcome().status
    finally:
        process.stop()


def parse_settings(settings: Sequence[str]) -> dict[str, str | int]:
    """Submitit's parameters, such as `partition=gpu` or `timeout_min=120`.

    Raises:
        WildRobotError: one is not of the form NAME=VALUE.
    """
    found: dict[str, str | int] = {}
    for setting in settings:
        match = re.fullmatch(r"(\w+)=(.+)", setting)
        if match is None:
            raise WildRobotError(
                f"{setting!r} is not of the form NAME=VALUE.", where="--slurm-set", hint="such as partition=gpu"
            )
        found[match[1]] = int(match[2]) if match[2].isdigit() else match[2]
    return found


def run_on_slurm(
    driver: Driver, settings: Mapping[str, str | int], workers: int | None, where: Where = "slurm"
) -> None:
    """Run a sweep's trials as jobs until they or its budget are at an end, or the user stops it.

    Args:
        driver: what to run.
        settings: further parameters of submitit: partition, timeout_min, ...; `slurm_` may stand before their names.
        workers: jobs at a time, at most; None: all at once, and Slurm queues them.
        where: "local": as processes of this machine, to try it.

    Raises:
        WildRobotError: there is no Slurm, or it refuses the jobs.
    """
    if where == "slurm" and shutil.which("sbatch") is None:
        raise WildRobotError(
            "There is no Slurm here: sbatch is not found.", where="--slurm", hint="leave it away: Ray runs trials here"
        )
    if driver.plan.search == "optuna" or driver.early_stop is not None:
        raise WildRobotError(
            "Jobs of Slurm know nothing of each other: neither Optuna nor an early stop works there.",
            where="--slurm",
            hint="leave these away, or start Ray inside an allocation and say --address",
        )
    executor = _executor(driver, settings, where)
    how = (driver.goal.metric, driver.extra, max(driver.resources.gpus, 0.0), driver.cwd, driver.program)
    folder, jobs = str(driver.folder.path.resolve()), dict[int, Any]()
    try:
        while not driver.is_over():
            while workers is None or len(jobs) < workers:
                number = driver.next_number()
                if number is None:
                    break
                jobs[number] = executor.submit(run_job, folder, number, *how)
            if not jobs:
                return
            _look(driver, jobs)
            time.sleep(_POLL if where == "slurm" else 0.2)
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, WildRobotError):
            raise
        raise WildRobotError(
            f"Slurm refuses a job: {' '.join(str(error).split())[:300]}", where="--slurm", hint="see --slurm-set"
        ) from error
    finally:
        for job in jobs.values():
            job.cancel(check=False)  # SIGTERM, after which a training saves a checkpoint
        deadline = time.monotonic() + 60.0
        while jobs and time.monotonic() < deadline:
            _look(driver, jobs)
            time.sleep(0.5)


def _executor(driver: Driver, settings: Mapping[str, str | int], where: Where) -> Any:
    executor = submitit.AutoExecutor(folder=str((driver.folder.path / "slurm").resolve()), cluster=where)
    plain = {
        "timeout_min": 24 * 60,
        "name": f"sweep {driver.folder.path.name}",
        "cpus_per_task": driver.resources.cores,
    }
    gpus = {"gpus_per_node": max(1, round(driver.resources.gpus))} if driver.resources.gpus > 0.0 else {}
    given = {
        name if name in _SHARED or name.startswith("slurm_") else f"slurm_{name}": v for name, v in settings.items()
    }
    try:
        executor.update_parameters(**{**plain, **gpus, **given})
    except (NameError, ValueError, TypeError) as error:
        raise WildRobotError(
            f"submitit takes no such setting: {' '.join(str(error).split())[:300]}",
            where="--slurm-set",
            hint="such as partition=gpu, timeout_min=120, account=lab",
        ) from error
    return executor


_SHARED = {
    "timeout_min",
    "mem_gb",
    "nodes",
    "cpus_per_task",
    "gpus_per_node",
    "tasks_per_node",
    "name",
    "stderr_to_stdout",
}


def _look(driver: Driver, jobs: dict[int, Any]) -> None:
    """Forget the jobs that have ended, and tell the driver."""
    for number, job in list(jobs.items()):
        lines = driver.folder.figures(number)
        found, figure = last_figure(lines, "steps"), last_figure(lines, driver.goal.metric)
        if found is not None:
            driver.note_progress(number, found[0], None if figure is None else figure[1])
        if job.done():
            del jobs[number]
            driver.note_end(number, "" if driver.is_over() else _why(job))


def _why(job: Any) -> str:
    """Why a job ended, where it could not say that itself."""
    error = job.exception()
    return "" if error is None else f"its job ended: {(str(error).strip().splitlines() or ['no message'])[-1][:300]}"
