"""The benchmark of an accelerator: physics by engine and number of envs, and a training from process start."""

import json
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from ..errors import WildRobotError
from ..physics.native import NativePhysics
from ..robots import load_robot
from ..train.log import read_metrics
from .physics import EngineCase, make_engine, script, why_not
from .train import run_apart, speed

_log = logging.getLogger(__name__)

_TURNS = 5
_CONTROL_STEPS = 25  # of `script`
WALK = ("learner.num_envs=1024", "learner.num_minibatches=8")
"""How `recipes/walk.py` is set for a device that steps thousands of envs in the time of one."""


def bench_gpu(
    robot: str = "wildrobot",
    engines: Sequence[str] = ("tree", "mjx", "mjx-warp"),
    sizes: Sequence[int] = (1024, 8192, 32768),
    recipe: str = "walk",
    steps: int = 3_000_000,
    settings: Sequence[str] = WALK,
    keep: Path | None = None,
) -> dict[str, dict[str, Any]]:
    """Physics steps per second of engines on JAX's default device, and trainings on `tree` from process start.

    Args:
        robot: whose physics.
        engines: `tree`, `mjx` and `mjx-warp`; one that does not run here has one entry, `skipped`: the reason.
        sizes: how many envs step together.
        recipe: what to train, once with an empty compilation cache and once with that of the first training.
        steps: control steps of a training; 0 leaves the trainings out.
        settings: the recipe's figures, as `--set` takes them.
        keep: a folder to keep the second training's run in.

    Returns:
        `physics`: by engine and number of envs the physics steps per second (the median of 5 calls of 25 control
        steps), seconds to compile and MB that the compiled rollout holds; of a case that the device cannot run,
        such as for want of memory, `skipped` in their place: the reason. `train`: of each training the control
        steps per second, the seconds from process start to the first update and to the end, and the velocity
        error of its last iteration, m/s.

    Raises:
        WildRobotError: no such robot, engine or recipe, or a training failed.
    """
    found: dict[str, dict[str, Any]] = {"physics": {}, "train": {}}
    native = NativePhysics(load_robot(robot))
    for engine in engines:
        cases = found["physics"].setdefault(engine, {})
        for n in sizes:
            try:
                cases[str(n)] = _rate(engine, native, n)
            except WildRobotError as error:
                if engine != "mjx-warp":
                    raise
                cases["skipped"] = error.what
                break
            except jax.errors.JaxRuntimeError as error:
                cases[str(n)] = {"skipped": why_not(error)}
                _log.info(f"  {engine}, {n} envs: skipped: {cases[str(n)]['skipped']}")
                continue
            _log.info(f"  {engine}, {n} envs: {cases[str(n)]['steps_per_second']:,.0f} steps/s")
    if steps:
        found["train"] = _trainings(recipe, steps, settings, keep)
    return found


def _rate(engine: str, native: NativePhysics, n: int) -> dict[str, float]:
    case = EngineCase.of(make_engine(engine, native), *script(native, n))
    case.run()
    seconds = statistics.median(_seconds(case.run) for _ in range(_TURNS))
    return {
        "steps_per_second": n * _CONTROL_STEPS * native.n_substeps / seconds,
        "compile_seconds": case.compile_seconds,
        "memory_mb": case.memory_mb,
    }


def _seconds(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _trainings(recipe: str, steps: int, settings: Sequence[str], keep: Path | None) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="wildrobot-eqx-bench-") as scratch:
        for kind in ("cold", "warm"):
            folder = keep if keep is not None and kind == "warm" else Path(scratch) / kind
            _log.info(f"training {recipe}: {kind} ...")
            start = time.perf_counter()
            run_apart(recipe, steps, settings, folder, Path(scratch) / "cache", ("--physics=tree",))
            found[kind] = {**speed(folder), "process_seconds": time.perf_counter() - start}
            last = read_metrics(folder / "metrics.jsonl")[-1]
            found[kind] |= {name: float(last[name]) for name in last if name.endswith("_error")}
            _log.info(f"  {json.dumps(found[kind])}")
    return found


def table(found: dict[str, dict[str, Any]]) -> list[str]:
    """The figures of `bench_gpu` as Markdown tables, under the name of the device."""
    lines = [f"{jax.devices()[0].device_kind}, jax {jax.__version__}", ""]
    lines += ["| engine | envs | physics steps/s | compile | memory |", "|---|---|---|---|---|"]
    for engine, cases in found["physics"].items():
        for n, case in cases.items():
            if n == "skipped":
                lines.append(f"| {engine} | | {case} | | |")
            elif "skipped" in case:
                lines.append(f"| {engine} | {int(n):,} | {case['skipped']} | | |")
            else:
                rate, seconds, memory = (case[k] for k in ("steps_per_second", "compile_seconds", "memory_mb"))
                lines.append(f"| {engine} | {int(n):,} | {rate:,.0f} | {seconds:.0f} s | {memory:,.0f} MB |")
    if found["train"]:
        lines += [
            "",
            "| training | control steps/s | first update after | process start to exit |",
            "|---|---|---|---|",
        ]
    for kind, case in found["train"].items():
        rate, first, whole = (case[k] for k in ("steps_per_second", "first_update_s", "process_seconds"))
        lines.append(f"| {kind} cache | {rate:,.0f} | {first:.0f} s | {whole:.0f} s |")
    return lines
