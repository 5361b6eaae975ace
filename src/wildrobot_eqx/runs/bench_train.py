"""The training benchmark: how fast PPO runs end to end, and how long the first update takes to come."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ..errors import WildRobotError
from .log import read_metrics
from .runner import Say
from .startup import CACHE_VARIABLE


def bench_train(say: Say, recipe: str = "walk", steps: int = 200_000) -> dict[str, float]:
    """Train `recipe` for `steps` control steps twice, in new processes: with an empty compilation cache, then warm.

    Returns the control steps per second of each (from the second iteration to the last, logging and
    checkpoints included), and the seconds from process start to the first completed update.

    Raises:
        WildRobotError: a run failed.
    """
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="wildrobot-eqx-bench-") as scratch:
        for kind in ("cold", "warm"):
            say(f"training {recipe} for {steps} steps with a {kind} cache ...")
            folder = Path(scratch) / kind
            _run(recipe, steps, folder, Path(scratch) / "cache")
            lines = read_metrics(folder / "metrics.jsonl")
            taken = lines[-1]["wall_clock_s"] - lines[0]["wall_clock_s"]
            figures[f"steps_per_second_{kind}"] = (lines[-1]["steps"] - lines[0]["steps"]) / max(taken, 1e-9)
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            figures[f"first_update_s_{kind}"] = manifest["first_update_s"]
    return figures


def _run(recipe: str, steps: int, folder: Path, cache: Path) -> None:
    command = [sys.executable, "-m", "wildrobot_eqx.cli", "run", recipe]
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        [*command, f"--steps={steps}", "--no-eval", f"--out={folder}"],
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
