"""What the commands do, apart from reading their arguments."""

import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import WildRobotError
from ..evaluate.engines import engine_names
from ..evaluate.gate import GateResult
from ..recipes.recipe import RecipeFunction
from ..runs.folder import RunFolder
from ..train.session import reopen, start
from ..train.startup import enable_compilation_cache
from ..train.verify import short, verify
from .finish import evaluate, evaluate_engines, render, report
from .shared import refuse

_log = logging.getLogger(__name__)

Show = Callable[[Any, Sequence[Any]], None]


def gate_json(result: GateResult) -> dict[str, Any]:
    """A verdict in a document."""
    return {
        "passed": result.passed,
        "provisional": result.provisional or None,
        "failed": result.failed_lines(),
    }


def verdict_lines(result: GateResult | None, folder: RunFolder) -> list[Any]:
    """A verdict as tables and lines; none without a gate."""
    if result is None:
        return []
    failed = [f"  {line}" for line in result.failed_lines()]
    if result.provisional:
        ending = f"{len(failed)} lines failed provisionally:" if failed else "no line failed."
        decides = f"The full gate decides: wildrobot-eqx eval {folder.path}"
        return [*result.tables(), f"Provisional, {result.provisional}: {ending}", *failed, decides]
    words = "The gate is passed." if result.passed else f"The gate is not passed; {len(failed)} lines failed:"
    return [*result.tables(), words, *failed]


def verify_recipe(
    function: RecipeFunction,
    options: dict[str, Any],
    assignments: list[str],
    out: Path | None,
    resume: Path | None,
    show: Show,
    trainer: str | None = None,
    without: dict[str, bool] | None = None,
    identified: Path | None = None,
) -> bool:
    """Ten iterations into `out`, or into a folder that is removed again; False where a check failed.

    `without` names other options and whether they were given: they mean nothing here.
    """
    if resume is not None:
        raise WildRobotError("--verify starts anew.", where="--resume", hint="leave one of the two away")
    refuse("--verify", without or {})
    enable_compilation_cache()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wildrobot-eqx-verify-") as scratch:
        recipe, folder = start(
            *(function, {**function.options, **options}, assignments, out or Path(scratch) / "run", trainer),
            identified=identified,
        )
        checks = verify(short(recipe), folder)
    seconds = time.monotonic() - began
    passed = all(check.passed for check in checks)
    document = {
        "passed": passed,
        "seconds": round(seconds, 2),
        "checks": [{"name": c.name, "passed": c.passed, "detail": c.detail} for c in checks],
    }
    lines = [f"{'ok  ' if check.passed else 'FAIL'}  {check.name}: {check.detail}" for check in checks]
    show(document, [*lines, f"{'All is well' if passed else 'Not all is well'}, after {seconds:.0f} s."])
    return passed


def evaluate_run(
    run: Path,
    episodes: int | None,
    timesteps: tuple[float, ...] | None,
    engines: str | None,
    trust: bool,
    show: Show,
) -> bool:
    """Judge a run's newest policy and renew its report, or judge it on `engines`; False where a gate is not passed."""
    enable_compilation_cache()
    folder = RunFolder.open(run)
    names = None if engines is None else engine_names(engines)
    recipe, _ = reopen(folder, trust)
    if names is not None:
        matrix = evaluate_engines(recipe, folder, names, episodes, timesteps)
        failed = [f"  {line}" for line in matrix.failed_lines()]
        words = "The gate is passed on every engine." if not failed else f"{len(failed)} lines failed:"
        show({"run": str(run), **matrix.to_json()}, [matrix.table(), words, *failed])
        return matrix.passed
    result = evaluate(recipe, folder, episodes, timesteps)
    report(folder)
    show({"run": str(run), **result.to_json()}, verdict_lines(result, folder))
    return result.passed


def evaluate_robustly(
    run: Path,
    episodes: int | None,
    seconds: float | None,
    timesteps: tuple[float, ...],
    trust: bool,
    show: Show,
) -> bool:
    """Judge a run's newest policy in wrong worlds and under pushes; False where it does not hold."""
    from ..evaluate.robust.cases import why_not
    from .robust import evaluate_run_robustly

    _one_at_most("robust", timesteps)
    enable_compilation_cache()
    folder = RunFolder.open(run)
    recipe, _ = reopen(folder, trust)
    if (why := why_not(recipe.env, recipe.gate)) is not None:
        show({"run": str(run), "skipped": why}, [f"Left out: {why}"])
        return True
    result = evaluate_run_robustly(recipe, folder, episodes, seconds, *timesteps)
    report(folder)
    failed = [f"  {line}" for line in result.failed_lines()]
    words = [f"{len(failed)} lines failed:", *failed] if failed else []
    show(
        {"run": str(run), **result.to_json()}, [*result.pages(), *words, f"Plots: {folder.path / 'plots'}/robust_*.png"]
    )
    return result.passed


def evaluate_for_long(
    run: Path,
    episodes: int | None,
    seconds: float | None,
    timesteps: tuple[float, ...],
    trust: bool,
    show: Show,
) -> bool:
    """Judge a run's newest policy for minutes, with errors that last; False where it does not hold."""
    from .lasting import evaluate_run_lasting, lasting_pages

    _one_at_most("long", timesteps)
    enable_compilation_cache()
    folder = RunFolder.open(run)
    recipe, _ = reopen(folder, trust)
    found = evaluate_run_lasting(recipe, folder, episodes, seconds, *timesteps)
    show({"run": str(run), **found.to_json()}, lasting_pages(found))
    return found.passed


def _one_at_most(kind: str, timesteps: tuple[float, ...]) -> None:
    """Refuse several physics timesteps where an evaluation runs at one."""
    if len(timesteps) > 1:
        raise WildRobotError(
            f"A {kind} evaluation takes one physics timestep, got {len(timesteps)}.",
            where="--timestep",
            hint="leave one",
        )


def render_run(run: Path, trust: bool, show: Show) -> None:
    """Film a run's newest policy, renew its report, and show the files."""
    enable_compilation_cache()
    folder = RunFolder.open(run)
    recipe, _ = reopen(folder, trust)
    files = render(recipe, folder)
    paths = [str(path) for path in (*files, report(folder))]
    show({"run": str(run), "files": paths}, paths)


def run_benchmarks(what: str, seeds: int) -> tuple[dict[str, Any], list[str]]:
    """The figures of `what` ("physics", "train", "trainers" or "all"), as a document and as lines."""
    from ..bench.growth import bench_growth
    from ..bench.physics import bench_physics
    from ..bench.train import bench_train
    from ..bench.trainers import bench_trainers

    document: dict[str, Any] = {}
    if what in ("all", "physics"):
        document["device"] = device_name()
        _log.info("physics: every engine at 1024 envs ...")
        document["physics"] = bench_physics(engines=("native", "mjx", "mjx-warp", "tree"))
        _log.info(_rates(document["physics"]))
        document["physics by envs"] = {}
        for envs in (1, 16, 64, 256, 4096, *(() if on_cpu() else (8192, 32768))):
            _log.info(f"physics: {envs} envs ...")
            engines = ("native", "tree") if on_cpu() else ("mjx", "mjx-warp", "tree")
            figures = bench_physics(engines=engines, num_envs=envs, seconds=3.0)
            document["physics by envs"][str(envs)] = figures
            _log.info(_rates(figures))
        _log.info("physics: more legs ...")
        document["physics by legs"] = bench_growth()
    if what in ("all", "train"):
        document["train"] = bench_train()
    if what in ("all", "train", "trainers"):
        document["trainers"] = bench_trainers(seeds=seeds)
    return document, _lines(document)


def run_scaling_benchmark() -> tuple[dict[str, Any], list[str]]:
    """The figures of `bench scaling`, as a document and as Markdown tables."""
    from ..bench.scaling import bench_scaling, table

    found = {engine: bench_scaling(engine=engine) for engine in ("native", "tree")}
    tables = [[f"walk on {engine}", "", *table(cases), ""] for engine, cases in found.items()]
    return {"device": device_name(), **found}, [line for lines in tables for line in lines]


def run_gpu_benchmark(keep: Path | None) -> tuple[dict[str, Any], list[str]]:
    """The figures of `bench gpu`, as a document and as Markdown tables."""
    from ..bench.gpu import bench_gpu, table

    if keep is not None:
        RunFolder.check_new(keep)  # the training that is to go there comes last
    if on_cpu():
        raise WildRobotError(
            "JAX sees no GPU here.",
            where=f"bench gpu, {device_name()}",
            hint="pip install 'jax[cuda13]' where there is a GPU; on a CPU: wildrobot-eqx bench physics",
            exit_code=1,
        )
    enable_compilation_cache()
    found = bench_gpu(keep=keep)
    return {"device": device_name(), **found}, table(found)


def _rates(figures: dict[str, dict[str, Any]]) -> str:
    """Each case's speed, in a line: what is measured so far, should the rest be interrupted."""
    rates = [f"{name} {case['steps_per_second']:,.0f}" for name, case in figures.items() if "skipped" not in case]
    return f"  steps/s: {', '.join(rates)}"


def on_cpu() -> bool:
    """Whether JAX computes on the CPU."""
    import jax

    return jax.default_backend() == "cpu"


def device_name() -> str:
    """What JAX computes on, and how many cores the machine has."""
    import os

    import jax

    return f"{jax.devices()[0].device_kind}, {os.cpu_count()} cores"


def _lines(document: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for name, value in document.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", *_lines(value, indent + "  ")]
        elif isinstance(value, float):
            lines.append(f"{indent}{name:32} {value:,.4g}" if value < 100 else f"{indent}{name:32} {value:,.0f}")
        else:
            lines.append(f"{indent}{name:32} {value}")
    return lines
