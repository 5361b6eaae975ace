"""A sweep's beginning: what was asked for is held against the recipe before any trial starts, or read back to go on."""

import dataclasses
import datetime
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from .. import __version__
from ..atomic import writing
from ..errors import WildRobotError, nearest
from ..evaluate.gate_score import PASSED, PREFIX, SCORE, better_is_more
from ..recipes.options import from_manifest, option_value, to_arguments, to_manifest
from ..recipes.overrides import apply_overrides
from ..recipes.recipe import Recipe, RecipeFunction
from ..runs.folder import RunFolder, now, sha256
from ..train.registry import learned_by, trainer
from .budget import Budget, EarlyStop, Goal, Resources
from .driver import Base, Driver
from .folder import SweepFolder
from .plan import Plan, Search
from .spec import parse_grid, parse_sample, parse_seeds

MODULES = {"ray": ("ray", "optuna"), "slurm": ("submitit",)}
_LESS_IS_BETTER = ("_error", "terminations_per_minute", "diverged", "wall_clock_s", "_loss")


@dataclasses.dataclass(frozen=True)
class Asked:
    """What the command line asks of a sweep."""

    seeds: str | None = None
    grid: Sequence[str] = ()
    sample: Sequence[str] = ()
    search: Search = "random"
    trials: int | None = None
    total_steps: int | None = None
    minutes: float | None = None
    metric: str | None = None
    mode: Literal["max", "min"] | None = None
    early_stop: bool = False
    grace: int | None = None
    judge_every: int | None = None
    cores: int | None = None
    gpus: float | None = None


def need_engine(engine: str) -> None:
    """See that what runs trials is installed.

    Raises:
        WildRobotError: it is not.
    """
    missing = [name for name in MODULES[engine] if importlib.util.find_spec(name) is None]
    if missing:
        extra = "sweep" if engine == "ray" else "slurm"
        raise WildRobotError(
            f"A sweep needs {' and '.join(missing)}.", where="sweep", hint=f'pip install "wildrobot-eqx[{extra}]"'
        )


def new_sweep(
    function: RecipeFunction,
    named: str,
    options: dict[str, Any],
    assignments: list[str],
    trained_by: str | None,
    asked: Asked,
    out: Path | None,
) -> Driver:
    """Make a sweep's folder.

    Args:
        function: the recipe.
        named: how the command line named it.
        options: of the recipe, for all trials.
        assignments: `key=value` for all trials.
        trained_by: the trainer of all trials; None: the recipe's learner.
        asked: what is varied, and all else.
        out: the folder; None: one under `runs`.

    Raises:
        WildRobotError: something that was asked for does not fit the recipe, or the folder is in use.
    """
    if out is not None:
        RunFolder.check_new(out)
    grid, samples = _once(map(parse_grid, asked.grid), "--grid"), _once(map(parse_sample, asked.sample), "--sample")
    seeds = () if asked.seeds is None else parse_seeds(asked.seeds)
    keys = [*grid, *samples]
    own = [key for key in keys if key in function.signature.parameters]
    _check_keys(function, keys, options, assignments, asked)
    recipe = _built(function, options, assignments, trained_by)
    for key in keys:
        option, texts = ("--grid", grid[key]) if key in grid else ("--sample", samples[key].ends)
        _check_values(function, recipe, options, key, texts, f"{option} {key}")
    plan = Plan(
        recipe=named,
        fixed=(
            *to_arguments(function, options),
            *(f"--set={assignment}" for assignment in assignments),
            *(() if trained_by is None else (f"--trainer={trained_by}",)),
        ),
        options=tuple(own),
        seeds=seeds,
        grid=grid,
        samples=samples,
        search=asked.search,
        trials=asked.trials,
    )
    if samples and all(limit is None for limit in (asked.trials, asked.total_steps, asked.minutes)):
        raise WildRobotError(
            "A sweep that draws values needs a budget.",
            where="--sample",
            hint="say --trials N, --total-steps N or --minutes N",
        )
    goal, early = _goal(recipe, asked), _early_stop(recipe, asked, keys)
    extra = ["--gate-only"]
    if goal.metric.startswith(PREFIX):
        midway = max(recipe.steps // 8, 1) if early is not None else recipe.steps
        extra.append(f"--judge-every={asked.judge_every or midway}")
    folder = _make(out, recipe.name)
    with writing(folder.recipe):
        folder.recipe.write_bytes(function.path.read_bytes())
    resources = Resources(asked.cores or 1, -1.0 if asked.gpus is None else asked.gpus)
    folder.update_document(
        recipe={"file": str(function.path.resolve()), "sha256": sha256(function.path)},
        cwd=os.getcwd(),
        plan=plan.to_json(),
        goal=dataclasses.asdict(goal),
        budget=Budget(asked.total_steps, asked.minutes).to_json(),
        early_stop=None if early is None else dataclasses.asdict(early),
        resources=dataclasses.asdict(resources),
        extra=extra,
        base={
            "options": to_manifest(function, dict(options)),
            "assignments": assignments,
            "trainer": trained_by,
        },
        command=["wildrobot-eqx", *sys.argv[1:]],
        version=__version__,
        started=now(),
        status="created",
    )
    base = Base(dict(options), tuple(assignments), trained_by)
    budget = Budget(asked.total_steps, asked.minutes)
    return Driver(folder, plan, function, goal, budget, early, resources, extra, os.getcwd(), base)


def reopen_sweep(folder: SweepFolder, function: RecipeFunction, asked: Asked) -> Driver:
    """Go on with a sweep; a budget and resources that are asked for replace those that it had.

    Raises:
        WildRobotError: its file is spoilt, or something is asked for that a sweep cannot change.
    """
    for name, value in dataclasses.asdict(asked).items():
        if value != getattr(Asked(), name) and name not in ("trials", "total_steps", "minutes", "cores", "gpus"):
            option = f"--{name.replace('_', '-')}"
            raise WildRobotError(
                "A sweep goes on with what it varies and is judged by.", where=option, hint=f"leave {option} away"
            )
    document, where = folder.document(), str(folder.document_path)
    plan = Plan.from_json(document.get("plan", {}), where)
    if asked.trials is not None:
        plan = dataclasses.replace(plan, trials=asked.trials)
    try:
        goal = Goal(**document["goal"])
        early = None if document["early_stop"] is None else EarlyStop(**document["early_stop"])
        limits = {name: getattr(asked, name) or document["budget"][name] for name in ("total_steps", "minutes")}
        budget = Budget(**limits, spent_minutes=float(document.get("spent_minutes", 0.0)))
        had = Resources(**document["resources"])
        resources = Resources(asked.cores or had.cores, had.gpus if asked.gpus is None else asked.gpus)
        extra, cwd = [str(one) for one in document["extra"]], str(document["cwd"])
        shared = document["base"]
        options = from_manifest(function, dict(shared["options"]))
        base = Base(options, tuple(map(str, shared["assignments"])), shared["trainer"])
    except (KeyError, TypeError, ValueError) as error:
        raise WildRobotError(
            f"The sweep cannot be read: {error}", where=where, hint="restore it, or start a new sweep"
        ) from error
    if not Path(cwd).is_dir():
        raise WildRobotError("The folder that the sweep was started in is gone.", where=cwd, hint="restore it")
    folder.update_document(plan=plan.to_json(), budget=budget.to_json(), resources=dataclasses.asdict(resources))
    return Driver(folder, plan, function, goal, budget, early, resources, extra, cwd, base)


def recipe_file(folder: SweepFolder) -> Path:
    """The recipe of a sweep, if it is the file that the sweep began with.

    Raises:
        WildRobotError: it is gone, or was changed.
    """
    stored = folder.document().get("recipe")
    stored = stored if isinstance(stored, dict) else {}
    file, digest = Path(str(stored.get("file"))), stored.get("sha256")
    if not file.is_file() or sha256(file) != digest:
        raise WildRobotError(
            f"The sweep's recipe {'was changed' if file.is_file() else 'is gone'}: its trials would not be comparable.",
            where=str(file),
            hint=f"restore it from {folder.recipe}, or start a new sweep",
        )
    return file


def _once(pairs: Any, option: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise WildRobotError(f"{key!r} stands in {option} twice.", where=f"{option} {key}", hint="say it once")
        found[key] = value
    return found


def _check_keys(
    function: RecipeFunction, keys: list[str], options: dict[str, Any], assignments: list[str], asked: Asked
) -> None:
    """Refuse what is given twice, and seeds of a recipe that has none."""
    if "seed" in keys:
        raise WildRobotError("Seeds are varied by --seeds.", where="seed", hint="such as --seeds 0:8")
    if asked.seeds is not None and "seed" not in function.signature.parameters:
        raise WildRobotError(
            f"The recipe {function.name!r} has no option 'seed'.",
            where=str(function.path),
            hint="give it one, `seed: int = 0`, and hand it on to Recipe(seed=seed)",
        )
    fixed = {*options, *(assignment.partition("=")[0] for assignment in assignments)}
    both = [key for key in (*keys, *(["seed"] if asked.seeds is not None else [])) if key in fixed]
    if both:
        raise WildRobotError(f"{both[0]!r} is given and varied.", where=both[0], hint="leave one of the two away")
    if not (keys or asked.seeds is not None or asked.trials):
        raise WildRobotError(
            "Nothing is varied.", where="sweep", hint="such as --seeds 0:4, --grid KEY=A,B or --sample KEY=uniform(A,B)"
        )


def _built(function: RecipeFunction, options: dict[str, Any], assignments: list[str], trained_by: str | None) -> Recipe:
    made = function(**{**function.options, **options})
    name = trained_by or made.learner.trainer
    return trainer(name).schedule(apply_overrides(learned_by(made, name), assignments))


def _check_values(
    function: RecipeFunction, recipe: Recipe, options: dict[str, Any], key: str, texts: Sequence[str], where: str
) -> None:
    """Refuse values that a recipe cannot take."""
    try:
        if key in function.signature.parameters:
            values = [option_value(function, key, text, where) for text in texts]
            for value in dict.fromkeys((values[0], values[-1])):
                function(**{**function.options, **options, key: value})
        else:
            for text in texts:
                apply_overrides(recipe, [f"{key}={text}"])
    except WildRobotError as error:
        hint = error.hint
        if error.what == f"the recipe has no key {key.partition('.')[0]!r}.":
            hint = nearest(key, [*function.signature.parameters, "env", "learner"]) + "; see --set and the options"
        raise WildRobotError(error.what, where=where, hint=hint) from error


def _goal(recipe: Recipe, asked: Asked) -> Goal:
    metric = asked.metric or (SCORE if recipe.gate is not None else "episode_return")
    more: bool | None = not metric.endswith(_LESS_IS_BETTER)
    if metric.startswith(PREFIX):
        if recipe.gate is None:
            raise WildRobotError(
                f"The recipe {recipe.name!r} has no gate.", where=f"--metric {metric}", hint="such as episode_return"
            )
        known = [SCORE, PASSED, *dict.fromkeys(f"{PREFIX}{limit.figure}" for limit in recipe.gate.limits(recipe.env))]
        if metric not in known:
            raise WildRobotError(
                f"The gate has no figure {metric.removeprefix(PREFIX)!r}.",
                where=f"--metric {metric}",
                hint=nearest(metric, known),
            )
        more = better_is_more(recipe.gate.limits(recipe.env), metric)
    if asked.mode is None and more is None:
        raise WildRobotError(
            f"The gate holds {metric.removeprefix(PREFIX)!r} to limits on two sides.",
            where=f"--metric {metric}",
            hint="say --mode max or --mode min, or rank by gate/score",
        )
    return Goal(metric, asked.mode == "max" if asked.mode is not None else bool(more))


def _early_stop(recipe: Recipe, asked: Asked, keys: list[str]) -> EarlyStop | None:
    if not asked.early_stop:
        if asked.grace is not None:
            raise WildRobotError("--grace is for --early-stop.", where="--grace", hint="add --early-stop")
        return None
    if "steps" in keys:
        raise WildRobotError(
            "Trials of different lengths cannot be stopped early against each other.",
            where="--early-stop",
            hint="leave it away, or do not vary steps",
        )
    longest = recipe.iterations * recipe.learner.steps_per_iteration
    return EarlyStop(asked.grace or max(longest // 4, 1), longest)


def _make(out: Path | None, name: str) -> SweepFolder:
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    path = out or Path("runs") / f"{name}-sweep-{stamp}"
    with writing(path, hint="choose --out"):
        path.mkdir(parents=True, exist_ok=out is not None)
    return SweepFolder(path)
