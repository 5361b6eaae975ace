"""The finished trials of a sweep put through `eval`, side by side. Importing this loads Ray."""

import logging
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .budget import Resources
from .folder import SweepFolder
from .ray_engine import cluster, fitting, ray  # which sets Ray up before it is imported
from .ray_trial import run_command

_log = logging.getLogger(__name__)


def evaluate_on_ray(
    folder: SweepFolder,
    numbers: Sequence[int],
    arguments: Sequence[str],
    address: str | None,
    workers: int | None,
    cores: int,
    program: list[str] | None = None,
) -> dict[int, int]:
    """Run `wildrobot-eqx eval RUN` of each trial, `workers` at a time.

    Args:
        folder: the sweep's.
        numbers: of the trials.
        arguments: further ones of `eval`.
        address: of a Ray cluster; None: this machine alone.
        workers: evaluations at a time, at most; None: as many as there are cores for.
        cores: of each evaluation, whose engine steps episodes on all that it has.
        program: what takes the arguments; None: the command line.

    Returns:
        The exit status of each trial's evaluation: 0, or 1 where its gate was not passed; others are failures,
        told by trials/NUMBER.eval.log.
    """
    waiting, running, found = list(numbers), dict[Any, int](), dict[int, int]()
    with tempfile.TemporaryDirectory(prefix="wildrobot-eqx-ray-") as scratch, cluster(address, scratch):
        resources = fitting(Resources(cores, 0.0))
        most = workers or max(1, math.floor(ray.cluster_resources().get("CPU", 1.0) / cores))
        remote = ray.remote(num_cpus=resources.cores, max_retries=0)(run_command)
        while waiting or running:
            while waiting and len(running) < most:
                number = waiting.pop(0)
                run = str(folder.run(number).resolve())
                log = str(evaluation_log(folder, number))
                task = remote.remote(["eval", run, *arguments], cores, os.getcwd(), log, program)
                running[task] = number
            ready, _ = ray.wait(list(running), timeout=1.0)
            for task in ready:
                number = running.pop(task)
                try:
                    found[number] = int(ray.get(task))
                except ray.exceptions.RayError:  # its worker died
                    found[number] = -1
                words = {0: "passed", 1: "not passed"}.get(found[number], f"failed: {evaluation_log(folder, number)}")
                _log.info(f"trial {number} {words}; {len(waiting) + len(running)} to come")
    return {number: found[number] for number in numbers}


def evaluation_log(folder: SweepFolder, number: int) -> Path:
    """What a trial's evaluation printed."""
    return folder.log(number).with_suffix(".eval.log").resolve()
