"""A sweep's end: what its trials reached, the film of the best, tables and a page."""

import contextlib
import logging
import subprocess
import sys

from .budget import Goal
from .driver import settle
from .folder import SweepFolder
from .page import write_page
from .table import Results, Row, results_of, write_tables

_log = logging.getLogger(__name__)


def finish_sweep(folder: SweepFolder, goal: Goal, film: bool) -> Results:
    """Write table.json, table.csv and report.html; with `film`, first film the best trial if it has no film.

    Raises:
        WildRobotError: something cannot be written.
    """
    settle(folder)
    results = results_of(folder, goal)
    write_tables(folder, results)
    best = results.best()
    if film and best is not None and not has_film(best):
        _log.info(f"filming the best, trial {best.trial.number} ...")
        program = [sys.executable, "-m", "wildrobot_eqx.cli", "render", best.run]
        with contextlib.suppress(OSError):
            done = subprocess.run(program, capture_output=True, text=True, check=False)
            if done.returncode:
                _log.info(f"no film of the best: {done.stderr.strip().splitlines()[-3:]}")
    write_page(folder, results)
    return results


def has_film(row: Row) -> bool:
    """Whether a trial's run has been filmed."""
    run = SweepFolder(row.run).path
    return any((run / name).is_file() for name in ("walk.mp4", "film.mp4"))
