"""The command line. Help and version load neither JAX nor MuJoCo: each command imports what it needs."""

import contextlib
import copy
import inspect
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_origin

import typer

from .. import __version__
from ..errors import WildRobotError
from .bundles import BUNDLE, export, play
from .identify import identify, replay
from .lists import RECIPES, ROBOTS
from .logs import LOG
from .shared import PROGRAM, Json, Run, Trust, notices, refuse, results, verbatim

if TYPE_CHECKING:
    from ..recipes.recipe import RecipeFunction

_log = logging.getLogger(__name__)

Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a figure of the recipe by its path.")
]
Trainer = Annotated[
    Literal["ppo", "brax-ppo", "brax-sac"] | None, typer.Option(help="Who trains.", show_default="the recipe's learner")
]
RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or a shipped recipe's name.")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 (a failed gate or run), 2 (wrong usage), 130 (Ctrl-C)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    with notices():
        return _run(arguments)


def _run(arguments: list[str]) -> int:
    try:
        with contextlib.redirect_stdout(sys.stderr):  # a recipe may print while it loads
            recipe = _recipe_of(arguments)
        _command(recipe)(args=arguments, prog_name=PROGRAM)
    except WildRobotError as error:
        return _show_error(error)
    except (SystemExit, KeyboardInterrupt) as stop:
        return _exit_status(stop.code if isinstance(stop, SystemExit) else 130)
    except Exception as error:
        if os.environ.get("MUJOCO_GL") and "mujoco" not in sys.modules:  # it fails while it is imported
            return _show_error(_no_mujoco(error))
        raise
    return 0


def _show_error(error: WildRobotError) -> int:
    """Print an error; returns the exit status."""
    typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
    typer.echo(str(error), err=True)
    return error.exit_code


def _no_mujoco(error: Exception) -> WildRobotError:
    """MuJoCo takes up the renderer that MUJOCO_GL names as soon as it is imported."""
    return WildRobotError(
        f"MuJoCo cannot start: {' '.join(str(error).split())}",
        where=f"MUJOCO_GL={os.environ['MUJOCO_GL']}",
        hint="unset it, or install what it names (egl on Debian and Ubuntu: apt install libegl1 libgl1)",
    )


def _exit_status(code: object) -> int:
    """Python's own rule for what `sys.exit` was given; a Ctrl-C is one line."""
    if code == 130 or not isinstance(code, int | None):
        _log.info("stopped" if code == 130 else str(code))
    return code if isinstance(code, int) else 0 if code is None else 1


def _command(recipe: "RecipeFunction | None") -> Callable[..., Any]:
    """The program; `run` and `check` take the recipe's own options, where it is known."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Teach small legged robots to walk: from an MJCF file to a policy, in minutes.",
    )
    app.callback()(_options)
    if recipe is None:
        # Options of a recipe that is not known yet must not be called wrong: the body says what is.
        settings = {"ignore_unknown_options": True, "allow_extra_args": True}
        epilog = f"A recipe's own options: {PROGRAM} run RECIPE --help"
        app.command("run", context_settings=settings, epilog=epilog)(_with_recipe(run, None))
        app.command("check", context_settings=settings, epilog=epilog)(_with_recipe(check, None))
    else:
        app.command("run")(_with_recipe(run, recipe))
        app.command("check")(_with_recipe(check, recipe))
    app.command("eval")(evaluate)
    app.command("render")(render)
    app.command("export")(export)
    app.command("play")(play)
    app.add_typer(BUNDLE, name="bundle")
    app.add_typer(ROBOTS, name="robots")
    app.add_typer(RECIPES, name="recipes")
    app.add_typer(LOG, name="log")
    app.command("replay")(replay)
    app.command("identify")(identify)
    app.command("bench")(bench)
    try:
        return typer.main.get_command(app)
    except (RuntimeError, AssertionError, TypeError) as error:
        if recipe is None:
            raise
        raise WildRobotError(
            f"An option of the recipe {recipe.name!r} has a type that the command line cannot read: {error}",
            where=str(recipe.path),
            hint="use str, int, float, bool, a Literal, a Path or a list of them",
        ) from error


def _recipe_of(arguments: list[str]) -> "RecipeFunction | None":
    """The recipe that `run RECIPE`, `check RECIPE` or `run --resume RUN` names; None where none is named."""
    if not arguments or arguments[0] not in ("run", "check"):
        return None
    resumed = [b for a, b in zip(arguments, [*arguments[1:], ""]) if a == "--resume"]
    resumed += [a.removeprefix("--resume=") for a in arguments if a.startswith("--resume=")]
    named = arguments[1] if len(arguments) > 1 and not arguments[1].startswith("-") else None
    if resumed and arguments[0] == "run":
        from ..recipes.recipe import load_recipe
        from ..runs.folder import RunFolder

        return load_recipe(RunFolder.open(resumed[0]).trusted_recipe("--trust" in arguments))
    if named is None:
        return None
    from ..recipes.recipe import load_recipe

    return load_recipe(named)


def _with_recipe(command: Callable[..., Any], recipe: "RecipeFunction | None") -> Callable[..., Any]:
    """`command` with the recipe's parameters as further options, handed on as one dict of those given."""

    def wrapped(context: typer.Context, **values: Any) -> None:
        if recipe is None:
            from ..recipes.recipe import recipe_names

            raise WildRobotError(
                f"{context.info_name} needs a recipe, and it comes before all options.",
                where=PROGRAM,
                hint=f"{PROGRAM} {context.info_name} walk; shipped recipes: {', '.join(recipe_names())}",
            )
        own = {name: values.pop(name) for name in recipe.signature.parameters}
        command(recipe, {n: v for n, v in own.items() if _given(context, n)}, **values)

    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    common = list(inspect.signature(command).parameters.values())[2:]
    own = [] if recipe is None else _own_parameters(recipe, {parameter.name for parameter in common})
    keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (context, *common, *own)]
    wrapped.__doc__ = command.__doc__
    if recipe is not None:
        about = verbatim(inspect.cleandoc(recipe.__doc__ or ""))
        wrapped.__doc__ = f"{command.__doc__}\n\n{recipe.name}: {about}"
    wrapped.__annotations__ = {p.name: p.annotation for p in keyword}
    setattr(wrapped, "__signature__", inspect.Signature(keyword))  # noqa: B010 - functions do not declare it
    return wrapped


def _own_parameters(recipe: "RecipeFunction", taken: set[str]) -> list[inspect.Parameter]:
    """A recipe's parameters as options in a panel of their own."""
    parameters = []
    for parameter in recipe.signature.parameters.values():
        if parameter.name in taken | {"context"}:
            raise WildRobotError(
                f"The recipe {recipe.name!r} has an option {parameter.name!r}, which the command itself has.",
                where=str(recipe.path),
                hint="give that parameter another name",
            )
        annotation = parameter.annotation
        if get_origin(annotation) is not Annotated:
            option = typer.Option(rich_help_panel=f"Options of the recipe {recipe.name!r}")
            annotation = Annotated[annotation, option]
        else:
            annotation = Annotated[annotation.__origin__, *map(_verbatim_option, annotation.__metadata__)]
        parameters.append(parameter.replace(annotation=annotation))
    return parameters


def _verbatim_option(given: Any) -> Any:
    """A recipe's own `typer.Option`, whose help and panel are printed as they are."""
    texts = {name: getattr(given, name, None) for name in ("help", "rich_help_panel")}
    if not any(isinstance(text, str) for text in texts.values()):
        return given
    given = copy.copy(given)
    for name, text in texts.items():
        if isinstance(text, str):
            setattr(given, name, verbatim(text))
    return given


def _given(context: typer.Context, name: str) -> bool:
    """Whether an option stood on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def run(
    recipe: Any,
    options: dict[str, Any],
    recipe_path: RecipeArgument = "",
    out: Annotated[Path | None, typer.Option(help="The run folder to make; must be empty or absent.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run.", metavar="RUN")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Ten iterations that prove the wiring.")] = False,
    set_: Set = None,
    identified: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Train the robot as `identify` found it.", show_default=False),
    ] = None,
    trainer: Trainer = None,
    wandb: Annotated[bool, typer.Option("--wandb", help="Log to Weights & Biases, too.")] = False,
    trust: Trust = False,
    no_eval: Annotated[bool, typer.Option("--no-eval", help="Train only: no gate, bundle, video or report.")] = False,
    json: Json = False,
) -> None:
    """Train a recipe into a run folder, then judge, film and report it."""
    from .commands import run_recipe, verify_recipe

    with results(json) as show:
        if verify:
            without = {"--wandb": wandb, "--no-eval": no_eval, "--trust": trust}
            passed = verify_recipe(recipe, options, set_ or [], out, resume, show, trainer, without, identified)
        else:
            named = Path(recipe_path) if recipe_path else None
            how: dict[str, Any] = {"wandb": wandb, "trust": trust, "judge": not no_eval, "trainer": trainer}
            how["identified"] = identified
            passed = run_recipe(recipe, options, set_ or [], out, resume, named, show, **how)
    raise typer.Exit(0 if passed else 1)


def check(
    recipe: Any,
    options: dict[str, Any],
    recipe_path: RecipeArgument = "",
    set_: Set = None,
    run_: Annotated[bool, typer.Option("--run", help="Then simulate it for some seconds.")] = False,
    json: Json = False,
) -> None:
    """Prove in seconds, without a compile, that a recipe's env keeps its contract; print its layouts."""
    from .checks import check_recipe

    with results(json) as show:
        passed = check_recipe(recipe, options, set_ or [], show, simulate=run_)
    raise typer.Exit(0 if passed else 1)


def evaluate(
    run: Run,
    episodes: Annotated[int | None, typer.Option(min=1, help="Episodes per command.")] = None,
    timestep: Annotated[list[float] | None, typer.Option(help="Physics timestep, s; repeat for several.")] = None,
    physics: Annotated[
        str | None,
        typer.Option(metavar="ENGINE,...", help="Compare it on these: native,mjx,tree.", show_default="native"),
    ] = None,
    robust: Annotated[
        bool, typer.Option("--robust", help="In wrong worlds, parameter by parameter, and pushed.")
    ] = False,
    seconds: Annotated[float | None, typer.Option(help="With --robust: length of an episode, s.")] = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Put a run's policy through its recipe's gate; with --robust, through what makes real robots fall."""
    from .commands import evaluate_robustly, evaluate_run

    if seconds is not None and not robust:
        raise WildRobotError("The gate's episodes have their own length.", where="--seconds", hint="add --robust")
    if physics is not None and robust:
        raise WildRobotError("A robust evaluation runs on native.", where="--physics", hint="leave one of the two away")
    timesteps = tuple(timestep or ())
    with results(json) as show:
        if robust:
            passed = evaluate_robustly(run, episodes, seconds, timesteps, trust, show)
        else:
            passed = evaluate_run(run, episodes, timesteps or None, physics, trust, show)
    raise typer.Exit(0 if passed else 1)


def render(run: Run, trust: Trust = False, json: Json = False) -> None:
    """Film a run's policy: walk.mp4 and stride.png, or film.mp4 of a robot that does not walk."""
    from .commands import render_run

    with results(json) as show:
        render_run(run, trust, show)


def bench(
    what: Annotated[
        Literal["all", "physics", "train", "trainers", "gpu"], typer.Argument(help="What to measure.")
    ] = "all",
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Trainings of each kind when trainers are compared.", show_default="3")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A folder to keep the run of gpu's second training in.")] = None,
    json: Json = False,
) -> None:
    """Measure this machine: physics, training end to end (train), and Brax's PPO beside ours (trainers, train).

    gpu, which all leaves out, measures a GPU in about eight minutes: engines by number of envs, and the walk recipe.
    """
    from .commands import run_benchmarks, run_gpu_benchmark

    if what != "gpu":
        refuse(f"bench {what}", {"--out": out is not None}, "only bench gpu keeps a run; leave it away")
    if what in ("gpu", "physics"):
        refuse(f"bench {what}", {"--seeds": seeds is not None}, "bench trainers and bench train take it; leave it away")
    with results(json) as show:
        show(*(run_gpu_benchmark(out) if what == "gpu" else run_benchmarks(what, seeds or 3)))
