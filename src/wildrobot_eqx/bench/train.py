"""The training benchmark: how fast PPO runs end to end, and how long the first update takes to come."""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import WildRobotError
from ..train.log import read_metrics
from ..train.startup import CACHE_VARIABLE

_log = logging.getLogger(__name__)

_LARGE = ("learner.num_envs=1024", "learner.num_minibatches=8", "learner.num_epochs=4")


def bench_train(recipe: str = "walk", steps: int = 200_000) -> dict[str, float]:
    """Train `recipe` in new processes: with an empty compilation cache, then a warm one, then with a large batch.

    The first two take `steps` control steps with the recipe's own settings, the last four times
    as many with 1024 envs and 4 epochs of 8 minibatches. Returns the control steps per second of
    each (from the second iteration to the last, logging and checkpoints included), and the
    seconds from process start to the first completed update.

    Raises:
        WildRobotError: a run failed.
    """
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="wildrobot-eqx-bench-") as scratch:
        for kind, settings in {"cold": (), "warm": (), "1024_envs": _LARGE}.items():
            _log.info(f"training {recipe}: {kind} ...")
            folder = Path(scratch) / kind
            run_apart(recipe, 4 * steps if settings else steps, settings, folder, Path(scratch) / "cache")
            figures |= {f"{name}_{kind}": value for name, value in speed(folder).items()}
    return figures


def speed(folder: Path) -> dict[str, float]:
    """Of a finished run: control steps per second after the first update, and seconds to that update."""
    lines = read_metrics(folder / "metrics.jsonl")
    taken = lines[-1]["wall_clock_s"] - lines[0]["wall_clock_s"]
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return {
        "steps_per_second": (lines[-1]["steps"] - lines[0]["steps"]) / max(taken, 1e-9),
        "first_update_s": manifest["first_update_s"],
    }


def run_apart(
    recipe: str, steps: int, settings: Sequence[str], folder: Path, cache: Path, options: Sequence[str] = ()
) -> None:
    """Train in a new process, with a compilation cache of its own.

    Raises:
        WildRobotError: the run failed.
    """
    command = [sys.executable, "-m", "wildrobot_eqx.cli", "run", recipe, *options]
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        [*command, f"--steps={steps}", "--no-eval", f"--out={folder}", *(f"--set={s}" for s in settings)],
        env={**environment, CACHE_VARIABLE: str(cache)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise WildRobotError(
            f"The benchmark's run failed with status {done.returncode}.",
            where=" ".join(command),
            hint=done.stderr.strip()[-800:],
            exit_code=1,
        )
