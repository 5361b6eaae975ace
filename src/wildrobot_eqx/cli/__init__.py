"""The command line. Help and version load neither JAX nor MuJoCo: each command imports what it needs."""

import contextlib
import copy
import inspect
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_origin

import typer

from .. import __version__
from ..errors import WildRobotError
from .bundles import BUNDLE, export, play
from .evaluating import evaluate, render
from .failures import refusal
from .identify import identify, replay
from .lists import RECIPES, ROBOTS
from .logs import LOG
from .placement import Coordinator, Count, Devices, Distributed, Process, begin
from .publishing import load, publish
from .robot import ROBOT
from .runs import RUNS, compare
from .shared import PROGRAM, Json, Trust, notices, refuse, results, verbatim
from .sweeping import sweep
from .sweeps import sweep_recipe
from .view import demo
from .view import view as view_sources

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
        begin(arguments)
        with contextlib.redirect_stdout(sys.stderr):  # a recipe may print while it loads
            recipe = _recipe_of(arguments)
        _command(recipe, *arguments[:1])(args=arguments, prog_name=PROGRAM)
    except WildRobotError as error:
        return _show_error(error)
    except (SystemExit, KeyboardInterrupt) as stop:
        return _exit_status(stop.code if isinstance(stop, SystemExit) else 130)
    except Exception as error:
        if (refused := refusal(error)) is None:
            raise
        return _show_error(refused)
    return 0


def _show_error(error: WildRobotError) -> int:
    """Print an error; returns the exit status."""
    typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
    typer.echo(str(error), err=True)
    return error.exit_code


def _exit_status(code: object) -> int:
    """Python's own rule for what `sys.exit` was given; a Ctrl-C is one line."""
    if code == 130 or not isinstance(code, int | None):
        _log.info("stopped" if code == 130 else str(code))
    return code if isinstance(code, int) else 0 if code is None else 1


def _command(recipe: "RecipeFunction | None", asked: str = "") -> Callable[..., Any]:
    """The program; the command that is asked for takes the recipe's own options, where it is known."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Teach small legged robots to walk: from an MJCF file to a policy, in minutes.",
    )
    app.callback()(_options)
    # Options of a recipe that is not known yet must not be called wrong: the body says what is.
    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    epilog = f"A recipe's own options: {PROGRAM} run RECIPE --help"
    for name, command in _OF_RECIPES.items():
        if recipe is not None and name == asked:
            app.command(name)(_with_recipe(command, recipe))
        else:
            app.command(name, context_settings=settings, epilog=epilog)(_with_recipe(command, None))
    app.command("eval")(evaluate)
    app.command("render")(render)
    app.command("export")(export)
    app.command("play")(play)
    app.command("publish")(publish)
    app.command("load")(load)
    app.command("view")(view_sources)
    app.command("demo")(demo)
    app.add_typer(BUNDLE, name="bundle")
    app.add_typer(RUNS, name="runs")
    app.command("compare")(compare)
    app.add_typer(ROBOTS, name="robots")
    app.add_typer(RECIPES, name="recipes")
    app.add_typer(LOG, name="log")
    app.add_typer(ROBOT, name="robot")
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
    """The recipe that `run`, `check` or `sweep` names, or that of what --resume names; None where none is named."""
    if not arguments or arguments[0] not in _OF_RECIPES:
        return None
    resumed = [b for a, b in zip(arguments, [*arguments[1:], ""]) if a == "--resume"]
    resumed += [a.removeprefix("--resume=") for a in arguments if a.startswith("--resume=")]
    named = arguments[1] if len(arguments) > 1 and not arguments[1].startswith("-") else None
    if resumed and arguments[0] == "run":
        from ..recipes.recipe import load_recipe
        from ..runs.folder import RunFolder

        return load_recipe(RunFolder.open(resumed[0]).trusted_recipe("--trust" in arguments))
    if resumed and arguments[0] == "sweep":
        return sweep_recipe(resumed[0])
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
    view: Annotated[bool, typer.Option("--view", help="Open it in the browser with its first checkpoint.")] = False,
    no_eval: Annotated[bool, typer.Option("--no-eval", help="Train only: no gate, bundle, video or report.")] = False,
    devices: Devices = None,
    distributed: Distributed = False,
    coordinator: Coordinator = None,
    processes: Count = None,
    process: Process = None,
    gate_only: Annotated[
        bool, typer.Option("--gate-only", help="After training only the gate: no bundle, video or report.")
    ] = False,
    judge_every: Annotated[
        int | None, typer.Option(min=1, metavar="STEPS", help="Judge while training, too: figures gate/...")
    ] = None,
    json: Json = False,
) -> None:
    """Train a recipe into a run folder, then judge, film and report it."""
    from ..train.placement import Placement
    from .commands import verify_recipe
    from .training import run_recipe

    placement = Placement(devices, distributed, coordinator, processes, process)
    with results(json) as show:
        if verify:
            without = {"--wandb": wandb, "--no-eval": no_eval, "--trust": trust, "--view": view}
            without |= {"--devices": devices is not None, "--distributed": distributed}
            without |= {"--gate-only": gate_only, "--judge-every": judge_every is not None}
            passed = verify_recipe(recipe, options, set_ or [], out, resume, show, trainer, without, identified)
        else:
            named = Path(recipe_path) if recipe_path else None
            how: dict[str, Any] = {
                "wandb": wandb,
                "trust": trust,
                "judge": not no_eval,
                "trainer": trainer,
                "placement": placement,
                "view": view,
                "identified": identified,
                "gate_only": gate_only,
                "judge_every": judge_every,
            }
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


def bench(
    what: Annotated[
        Literal["all", "physics", "train", "trainers", "gpu", "scaling"], typer.Argument(help="What to measure.")
    ] = "all",
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Trainings of each kind when trainers are compared.", show_default="3")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A folder to keep the run of gpu's second training in.")] = None,
    json: Json = False,
) -> None:
    """Measure this machine: physics, training end to end (train), and Brax's PPO beside ours (trainers, train).

    all leaves two out. gpu measures a GPU in about eight minutes: engines by number of envs, the walk recipe; scaling
    measures two processes of one core each beside one process of two, with a model of where the time goes.
    """
    from .commands import run_benchmarks, run_gpu_benchmark, run_scaling_benchmark

    if what != "gpu":
        refuse(f"bench {what}", {"--out": out is not None}, "only bench gpu keeps a run; leave it away")
    if what in ("gpu", "physics", "scaling"):
        refuse(f"bench {what}", {"--seeds": seeds is not None}, "bench trainers and bench train take it; leave it away")
    with results(json) as show:
        if what == "scaling":
            show(*run_scaling_benchmark())
        else:
            show(*(run_gpu_benchmark(out) if what == "gpu" else run_benchmarks(what, seeds or 3)))


_OF_RECIPES: dict[str, Callable[..., None]] = {"run": run, "check": check, "sweep": sweep}
"""The commands that take a recipe's own options."""
