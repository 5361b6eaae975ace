"""`sweep RECIPE`: many trainings of a recipe, with what is asked of them."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import WildRobotError
from .shared import PROGRAM, Json, refuse, results

_log = logging.getLogger(__name__)
_PANELS = {"varied": "What is varied", "judged": "What trials are compared by", "spent": "What may be spent, and where"}

Trainer = Annotated[
    Literal["ppo", "brax-ppo", "brax-sac"] | None, typer.Option(help="Who trains.", show_default="the recipe's learner")
]


def _option(panel: str, **how: Any) -> Any:
    return typer.Option(rich_help_panel=_PANELS[panel], **how)


def sweep(
    recipe: Any,
    options: dict[str, Any],
    recipe_path: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or a shipped one's name.")] = "",
    seeds: Annotated[str | None, _option("varied", metavar="A:B|A,B", help="Seeds: 0:16 is 0 to 15.")] = None,
    grid: Annotated[
        list[str] | None,
        _option("varied", metavar="KEY=A,B,...", help="Try each value of an option or of a --set key; repeat it."),
    ] = None,
    sample: Annotated[
        list[str] | None,
        _option(
            "varied",
            metavar="KEY=DIST",
            help="Draw values: uniform(A,B), loguniform(A,B), randint(A,B), choice(A,B,...); repeat it.",
        ),
    ] = None,
    search: Annotated[
        Literal["random", "optuna"], _option("varied", help="Who draws them: optuna learns from ended trials.")
    ] = "random",
    metric: Annotated[
        str | None,
        _option("judged", help="A figure of metrics.jsonl, or gate/...", show_default="gate/score, or episode_return"),
    ] = None,
    mode: Annotated[
        Literal["max", "min"] | None, _option("judged", help="Is more of it better?", show_default="as it is meant")
    ] = None,
    early_stop: Annotated[
        bool, _option("judged", help="Stop trials that are not among the best third (ASHA).")
    ] = False,
    grace: Annotated[
        int | None,
        _option("judged", min=1, metavar="STEPS", help="But none before so many.", show_default="a quarter"),
    ] = None,
    judge_every: Annotated[
        int | None,
        _option("judged", min=1, metavar="STEPS", help="Ask the gate so often, for gate/...", show_default="an eighth"),
    ] = None,
    trials: Annotated[int | None, _option("spent", min=1, help="Trials, at most.")] = None,
    total_steps: Annotated[int | None, _option("spent", min=1, help="Control steps of all trials together.")] = None,
    minutes: Annotated[float | None, _option("spent", min=0.0, help="Minutes of wall clock.")] = None,
    workers: Annotated[
        int | None, _option("spent", min=1, help="Trials at a time.", show_default="as many as there are cores for")
    ] = None,
    cores: Annotated[int | None, _option("spent", min=1, help="Cores of a trial.", show_default="1")] = None,
    gpus: Annotated[
        float | None,
        _option("spent", min=0.0, help="GPUs of a trial, or a share of one.", show_default="1 where there are some"),
    ] = None,
    address: Annotated[str | None, _option("spent", help="A Ray cluster: auto, or HOST:PORT.")] = None,
    slurm: Annotated[bool, _option("spent", help="Trials are jobs of Slurm, without Ray.")] = False,
    slurm_set: Annotated[
        list[str] | None, _option("spent", metavar="NAME=VALUE", help="Of a job: partition=gpu, timeout_min=120, ...")
    ] = None,
    vmap_seeds: Annotated[
        int | None,
        _option("spent", min=1, metavar="N", help="N seeds at a time share one program (--physics tree), without Ray."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a figure of all trials.")
    ] = None,
    trainer: Trainer = None,
    out: Annotated[Path | None, typer.Option(help="The sweep's folder; must be empty or absent.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this sweep.", metavar="SWEEP")] = None,
    no_film: Annotated[bool, typer.Option("--no-film", help="Do not film the best trial.")] = False,
    json: Json = False,
) -> None:
    """Train a recipe many times: seeds, a grid, draws; each trial is a run folder of its own."""
    from ..sweep.setup import Asked

    asked = Asked(
        seeds=seeds,
        grid=tuple(grid or ()),
        sample=tuple(sample or ()),
        search=search,
        trials=trials,
        total_steps=total_steps,
        minutes=minutes,
        metric=metric,
        mode=mode,
        early_stop=early_stop,
        grace=grace,
        judge_every=judge_every,
        cores=cores,
        gpus=gpus,
    )
    if slurm:
        refuse("--slurm", {"--address": address is not None})
    else:
        refuse("Ray", {"--slurm-set": bool(slurm_set)}, "add --slurm, or leave it away")
    if vmap_seeds is not None:
        given = {"--slurm": slurm, "--address": address is not None, "--workers": workers is not None}
        refuse("--vmap-seeds", {**given, "--cores": cores is not None, "--gpus": gpus is not None})
    where: dict[str, Any] = {"slurm": slurm, "settings": slurm_set or [], "address": address, "workers": workers}
    where["vmap_seeds"] = vmap_seeds
    with results(json) as show:
        if resume is not None:
            given = {"--out": out is not None, "--set": bool(set_), "--trainer": trainer is not None}
            given |= {f"--{name.replace('_', '-')}": True for name in options}
            refuse("A sweep that goes on", given, "its trials stay what they are; leave it away")
            passed = resume_sweep(recipe, resume, asked, show, film=not no_film, **where)
        else:
            start = (recipe, recipe_path, options, set_ or [], trainer, asked, out)
            passed = start_sweep(*start, show, film=not no_film, **where)
    raise typer.Exit(0 if passed else 1)


def sweep_recipe(path: str) -> Any:
    """The recipe of a sweep that goes on.

    Raises:
        WildRobotError: there is no such sweep, or its recipe was changed.
    """
    from ..recipes.recipe import load_recipe
    from ..sweep.folder import SweepFolder
    from ..sweep.setup import recipe_file

    return load_recipe(recipe_file(SweepFolder.open(path)))


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
