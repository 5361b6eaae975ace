"""What `run` does: begin or go on with a training, in one process or in several, and finish it."""

import contextlib
import logging
from pathlib import Path
from typing import Any

import typer

from ..errors import WildRobotError
from ..physics import engine_name, fastest_engine
from ..recipes.recipe import Recipe, RecipeFunction, find_recipe
from ..release.bundle import current_bundle
from ..report.tables import as_text, choices_table
from ..runs.folder import RunFolder, sha256
from ..train.distributed import Processes, shared_folder
from ..train.judging import Judge
from ..train.loop import Trained, train
from ..train.placement import Placement
from ..train.session import check_gate, reopen, start
from ..train.startup import enable_compilation_cache
from .commands import Show, gate_json, verdict_lines
from .finish import finish
from .view import beside, need_view

_log = logging.getLogger(__name__)


def run_recipe(
    function: RecipeFunction,
    options: dict[str, Any],
    assignments: list[str],
    out: Path | None,
    resume: Path | None,
    named: Path | None,
    show: Show,
    *,
    wandb: bool,
    trust: bool,
    judge: bool,
    trainer: str | None = None,
    placement: Placement | None = None,
    view: bool = False,
    gate_only: bool = False,
    judge_every: int | None = None,
    identified: Path | None = None,
) -> bool:
    """Train, then judge, film and report; False where the gate was not passed, unless that is provisional.

    Of several processes the first writes the folder, and goes on alone after the training.

    Raises:
        WildRobotError: several processes are to be judged midway, where only the first could.
    """
    if view:
        need_view()
    enable_compilation_cache()
    processes = Processes()
    processes.at_end.append(lambda error: typer.echo(f"error: {error}", err=True))
    with processes.watched():
        devices = (placement or Placement()).choose()
        if resume is not None:
            if identified is not None:
                raise WildRobotError(
                    "--resume goes on with what was identified at the start.",
                    where="--identified",
                    hint="leave it away",
                )
            recipe, folder, changes = _reopened(resume, options, assignments, out, named, trust, judge, trainer)
            processes.check_same("recipe, or other options,", changes or recipe.steps)
        elif processes.writes:
            changes = {}
            given = {**function.options, **options}
            recipe, folder = start(function, given, assignments, out, trainer, judge, devices, identified)
            processes.share(str(folder.path.absolute()))
        else:
            folder = shared_folder(processes.share(None), processes)
            recipe, changes = reopen(folder, trust)
        processes.check_same("number of --devices", devices.count)
        midway = Judge.of(recipe, judge_every)
        if midway is not None and devices.count > 1:
            raise WildRobotError(
                "A training on several devices is judged at its end only.",
                where="--judge-every",
                hint="leave it away, or train on one device",
            )
        if processes.writes:
            _tell(recipe, folder)
        with _shown(folder) if view and processes.writes else contextlib.nullcontext():
            trained = train(recipe, folder, wandb, changes, devices, processes, midway)
        if not processes.writes:
            document = {"run": str(folder.path), "process": processes.index}
            show(document, [f"process {processes.index} of {processes.count} is done; process 0 goes on"])
            return True
        return _finished(recipe, folder, trained, judge, gate_only, show)


def _reopened(
    run: Path,
    options: dict[str, Any],
    assignments: list[str],
    out: Path | None,
    named: Path | None,
    trust: bool,
    judge: bool,
    trainer: str | None,
) -> tuple[Recipe, RunFolder, dict[str, Any]]:
    """A run to go on with, and what changes in its manifest."""
    if out is not None:
        raise WildRobotError("--resume goes on in the run's own folder.", where="--out", hint="leave --out away")
    folder = RunFolder.open(run)
    before = folder.manifest().get("trainer", "ppo")
    if trainer not in (None, before):
        raise WildRobotError(
            f"The run was started with {before}; {trainer} cannot go on with it.",
            where="--trainer",
            hint="leave --trainer away, or start a new run",
        )
    if named is not None and sha256(find_recipe(named)) != sha256(folder.recipe):
        _log.info(f"{named} differs from the run's own copy, which is used: {folder.recipe}")
    recipe, changes = reopen(folder, trust, options, assignments)
    if judge:
        check_gate(recipe)
    return recipe, folder, changes


def _shown(folder: RunFolder) -> contextlib.AbstractContextManager[None]:
    """The view of the run, opened with its first checkpoint."""
    return beside(folder.path, lambda: bool(folder.checkpoints.iterations()))


def _tell(recipe: Recipe, folder: RunFolder) -> None:
    """Say what is trained, with which engine, and where to."""
    if recipe.choices:
        _log.info(as_text(choices_table(recipe.choices)))
    physics = recipe.env.physics
    engine, why = fastest_engine(physics.robot, physics.timestep, recipe.steps)
    chosen = engine_name(physics)
    _log.info(
        f"physics: {chosen}" + (f"; {why}" if chosen == engine else f", as asked for; --physics auto takes {engine}")
    )
    _log.info(
        f"{recipe.name}: {recipe.iterations} iterations of {recipe.learner.steps_per_iteration} steps -> {folder.path}"
    )


def _finished(recipe: Recipe, folder: RunFolder, trained: Trained, judge: bool, gate_only: bool, show: Show) -> bool:
    """Judge, film and report a run, and show the result."""
    try:
        result = finish(recipe, folder, gate_only) if judge else None
    except KeyboardInterrupt as error:
        raise WildRobotError(
            "Stopped; the training is complete and saved.",
            where=str(folder.path),
            hint=f"judge it by: wildrobot-eqx eval {folder.path}, film it by: wildrobot-eqx render {folder.path}",
            exit_code=130,
        ) from error
    document = {
        "run": str(folder.path),
        "iterations": int(trained.state.iteration),
        "figures": trained.figures,
        "gate": None if result is None else gate_json(result),
        "bundle": current_bundle(folder, int(trained.state.iteration)),
    }
    show(document, [*verdict_lines(result, folder), _closing(trained, folder)])
    return result is None or result.passed or bool(result.provisional)


def _closing(trained: Trained, folder: RunFolder) -> str:
    seconds = trained.figures.get("wall_clock_s", 0.0)
    html = folder.path / "report.html"
    return f"trained in {seconds:.0f} s; everything is in {folder.path}" + (f"; open {html}" if html.exists() else "")
