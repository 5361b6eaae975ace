"""After training: the gate's verdict, the video and the report of a run."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..atomic import writing
from ..errors import WildRobotError
from ..evaluate.engines import EngineMatrix, judge_on_engines
from ..evaluate.gate import AbstractGate, Case, GateResult
from ..locomotion import velocities, velocity_of
from ..recipes.recipe import Recipe
from ..runs.files import read_object
from ..runs.folder import RunFolder, now, write_json
from ..train.registry import trainer_of
from ..train.session import restore

_log = logging.getLogger(__name__)

QUICK_EPISODES = 64  # per command, for the verdict at the end of a training


def evaluate(
    recipe: Recipe,
    folder: RunFolder,
    episodes: int | None = None,
    timesteps: tuple[float, ...] | None = None,
) -> GateResult:
    """Put the run's newest policy through the recipe's gate and write eval.json.

    A provisional verdict does not replace a fuller one of the same iteration.

    Raises:
        WildRobotError: the recipe has no gate, or there is no checkpoint.
    """
    gate = _gate(recipe, folder)
    state = restore(recipe, folder)
    began = time.monotonic()
    policy = trainer_of(folder).policy(state)
    result = gate(recipe.env, policy, episodes=episodes, timesteps=timesteps)
    verdict: dict[str, Any] = {
        "iteration": int(state.iteration),
        "when": now(),
        "seconds": round(time.monotonic() - began, 2),
        **result.to_json(),
    }
    previous = read_object(folder.verdict)
    if result.provisional and previous.get("iteration") == verdict["iteration"] and _fuller(previous, verdict):
        _log.info(f"{folder.verdict} keeps the fuller verdict of this iteration; this one is only printed")
    else:
        write_json(folder.verdict, verdict)
    return result


def evaluate_engines(
    recipe: Recipe,
    folder: RunFolder,
    engines: Sequence[str],
    episodes: int | None = None,
    timesteps: tuple[float, ...] | None = None,
) -> EngineMatrix:
    """Put the run's newest policy through the recipe's gate on each engine, and write engines.json.

    Raises:
        WildRobotError: the recipe has no gate, there is no checkpoint, or an engine cannot simulate the robot.
    """
    gate = _gate(recipe, folder)
    state = restore(recipe, folder)

    def keep(matrix: EngineMatrix) -> None:
        write_json(folder.path / "engines.json", {"iteration": int(state.iteration), "when": now(), **matrix.to_json()})

    return judge_on_engines(recipe.env, gate, trainer_of(folder).policy(state), engines, episodes, timesteps, keep)


def _gate(recipe: Recipe, folder: RunFolder) -> AbstractGate:
    if recipe.gate is None:
        raise WildRobotError(
            f"The recipe {recipe.name!r} has no gate to evaluate.",
            where=str(folder.recipe),
            hint="give its Recipe a gate, such as gate=WalkGate()",
        )
    return recipe.gate


def _fuller(previous: dict[str, Any], new: dict[str, Any]) -> bool:
    episodes = previous.get("episodes")
    return not previous.get("provisional") or (isinstance(episodes, int) and episodes > new["episodes"])


def render(recipe: Recipe, folder: RunFolder) -> list[Path]:
    """Write the run's film: a walk with a picture of one stride, or the cases of a gate that holds no velocity.

    Raises:
        WildRobotError: there is no checkpoint, or nothing here can render.
    """
    from ..report.case_film import NAME, film_cases
    from ..report.film import PLANAR, STANDING, render_walk, script_of

    state = restore(recipe, folder)
    policy, velocity = trainer_of(folder).policy(state), velocities(recipe.env.commands)
    cases = () if recipe.gate is None else recipe.gate.cases(recipe.env)
    asked = [case.values[name] for case in cases for name in velocity if name in case.values]
    if not velocity or (cases and not asked):
        with writing(folder.path / NAME):
            return film_cases(recipe.env, recipe.gate, policy, folder.path)
    _, command = velocity_of(recipe.env.commands)
    stands = bool(asked) and not any(any(values) for values in asked)
    walking: tuple[tuple[float, ...], ...] = PLANAR if command.planar else script_of(_required(cases, list(velocity)))
    with writing(folder.path / "walk.mp4"):
        return render_walk(recipe.env, policy, folder.path, STANDING if stands else walking)


def _required(cases: Sequence[Case], commands: Sequence[str]) -> list[float]:
    """The speeds ahead (m/s) that a gate requires."""
    return [case.values[name][0] for case in cases if case.required for name in commands if name in case.values]


def report(folder: RunFolder) -> Path:
    """Write report.html from what the folder holds."""
    from ..report.page import write_report

    return write_report(folder.path)


def bundle(recipe: Recipe, folder: RunFolder) -> None:
    """Write the run's bundle, where the libraries that it takes are installed.

    Raises:
        WildRobotError: the recipe holds what a bundle cannot describe, or there is no checkpoint.
    """
    from ..deploy.bundle.extra import INSTALL, missing

    if missing():
        _log.info(
            f"no bundle for the robot, {', '.join(missing())} not installed: {INSTALL}, then export {folder.path}"
        )
        return
    from ..release.bundle import export

    _, archive = export(recipe, folder, None)
    _log.info(f"the bundle for the robot: {archive}; walk it: wildrobot-eqx play {archive}")


def finish(recipe: Recipe, folder: RunFolder, gate_only: bool = False) -> GateResult | None:
    """Everything after training: gate, bundle, video and report. A machine that cannot render still gets the rest.

    The gate takes `QUICK_EPISODES` per command here, not its full number, which `eval` takes. With `gate_only` it is
    all that is done.

    Raises:
        WildRobotError: there is no checkpoint.
    """
    result = None
    if recipe.gate is not None:
        _log.info(f"judging {QUICK_EPISODES} episodes per command; the full gate: wildrobot-eqx eval {folder.path}")
        result = evaluate(recipe, folder, QUICK_EPISODES)
    if gate_only:
        return result
    _attempt("bundle", lambda: bundle(recipe, folder))
    _attempt("video", lambda: render(recipe, folder))
    _attempt("report", lambda: report(folder))
    return result


def _attempt(what: str, work: Callable[[], object]) -> None:
    try:
        work()
    except WildRobotError as error:
        _log.info(f"no {what}: {error}")
