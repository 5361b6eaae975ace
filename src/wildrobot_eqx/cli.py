"""The command line. Help and version load neither JAX nor MuJoCo: each command imports what it needs."""

import contextlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_origin

import typer

from . import __version__
from .errors import WildRobotError, nearest
from .paths import data_dir

if TYPE_CHECKING:
    from .runs.recipe import RecipeFunction

PROGRAM = "wildrobot-eqx"

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else.")]
Trust = Annotated[bool, typer.Option("--trust", help="Run the folder's recipe copy even if its hash has changed.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", show_default=False)]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a figure of the recipe by its path.")
]
Trainer = Annotated[Literal["ppo", "brax-ppo", "brax-sac"] | None, typer.Option(help="Who trains.", show_default="ppo")]
RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or a shipped recipe's name.")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 (a failed gate or run), 2 (wrong usage), 130 (Ctrl-C)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # a recipe may print while it loads
            recipe = _recipe_of(arguments)
        _command(recipe)(args=arguments, prog_name=PROGRAM)
    except WildRobotError as error:
        typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(str(error), err=True)
        return error.exit_code
    except (SystemExit, KeyboardInterrupt) as stop:
        return _exit_status(stop.code if isinstance(stop, SystemExit) else 130)
    return 0


def _exit_status(code: object) -> int:
    """Python's own rule for what `sys.exit` was given; a Ctrl-C is told in one line."""
    if code == 130 or not isinstance(code, int | None):
        _say("stopped" if code == 130 else str(code))
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
    app.add_typer(_robots, name="robots")
    app.add_typer(_recipes, name="recipes")
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
        from .runs.folder import RunFolder
        from .runs.recipe import load_recipe

        return load_recipe(RunFolder.open(resumed[0]).trusted_recipe("--trust" in arguments))
    if named is None:
        return None
    from .runs.recipe import load_recipe

    return load_recipe(named)


def _with_recipe(command: Callable[..., Any], recipe: "RecipeFunction | None") -> Callable[..., Any]:
    """`command` with the recipe's parameters as further options, handed on as one dict of those given."""

    def wrapped(context: typer.Context, **values: Any) -> None:
        if recipe is None:
            from .runs.recipe import recipe_names

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
        wrapped.__doc__ = f"{command.__doc__}\n\n{recipe.name}: {(recipe.__doc__ or '').strip()}"
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
        parameters.append(parameter.replace(annotation=annotation))
    return parameters


def _given(context: typer.Context, name: str) -> bool:
    """Whether an option stood on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _say(text: str) -> None:
    """A notice for the user; standard output is for results."""
    typer.echo(text, err=True)


@contextlib.contextmanager
def _results(as_json: bool) -> Iterator[Callable[[Any, Sequence[Any]], None]]:
    """A function that prints a result: its JSON document, or its tables and lines.

    Meanwhile, with --json, whatever others print on standard output goes to standard error.
    """
    out = sys.stdout

    def show(document: Any, pages: Sequence[Any]) -> None:
        if as_json:
            print(json.dumps(document, indent=2), file=out)
            return
        from rich.console import Console

        console = Console(file=out)
        for page in pages:
            console.print(page, highlight=False, soft_wrap=isinstance(page, str))

    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield show


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
    trainer: Trainer = None,
    wandb: Annotated[bool, typer.Option("--wandb", help="Log to Weights & Biases, too.")] = False,
    trust: Trust = False,
    no_eval: Annotated[bool, typer.Option("--no-eval", help="Train only: no gate, no video, no report.")] = False,
    json: Json = False,
) -> None:
    """Train a recipe into a run folder, then judge, film and report it."""
    from .runs.commands import run_recipe, verify_recipe

    with _results(json) as show:
        if verify:
            without = {"--wandb": wandb, "--no-eval": no_eval, "--trust": trust}
            passed = verify_recipe(recipe, options, set_ or [], out, resume, _say, show, trainer or "ppo", without)
        else:
            named = Path(recipe_path) if recipe_path else None
            how: dict[str, Any] = {"wandb": wandb, "trust": trust, "judge": not no_eval, "trainer": trainer}
            passed = run_recipe(recipe, options, set_ or [], out, resume, named, _say, show, **how)
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
    from .runs.check import check_recipe

    with _results(json) as show:
        passed = check_recipe(recipe, options, set_ or [], _say, show, simulate=run_)
    raise typer.Exit(0 if passed else 1)


def evaluate(
    run: Run,
    episodes: Annotated[int | None, typer.Option(min=1, help="Episodes per command.")] = None,
    timestep: Annotated[list[float] | None, typer.Option(help="Physics timestep, s; repeat for several.")] = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Put a run's policy through its recipe's gate."""
    from .runs.commands import evaluate_run

    with _results(json) as show:
        passed = evaluate_run(run, episodes, tuple(timestep or ()) or None, trust, _say, show)
    raise typer.Exit(0 if passed else 1)


def render(run: Run, trust: Trust = False, json: Json = False) -> None:
    """Film a run's policy: walk.mp4 and stride.png."""
    from .runs.commands import render_run

    with _results(json) as show:
        render_run(run, trust, _say, show)


_robots = typer.Typer(no_args_is_help=True, help="The robots that ship with the package.")
_recipes = typer.Typer(no_args_is_help=True, help="The recipes that ship with the package.")


@_robots.command("list")
def robots_list(json: Json = False) -> None:
    """Name every robot."""
    from .robots import load_robot, robot_names

    with _results(json) as show:
        robots = [load_robot(name) for name in robot_names()]
        documents = [{"name": robot.name, "description": robot.description} for robot in robots]
        show(documents, [f"{robot.name:12} {robot.description}" for robot in robots])


@_robots.command("show")
def robots_show(
    name: Annotated[str, typer.Argument(help="A robot's name, or a folder with a robot.toml.")], json: Json = False
) -> None:
    """Show a robot's joints, limits, feet and sensors."""
    from .robots import load_robot
    from .runs.tables import robot_json, robot_table

    with _results(json) as show:
        document = robot_json(load_robot(name))
        show(document, [robot_table(document)])


@_recipes.command("list")
def recipes_list(json: Json = False) -> None:
    """Name every recipe."""
    with _results(json) as show:
        about = {name: _first_line(file) for name, file in _recipe_files().items()}
        documents = [{"name": name, "about": text} for name, text in about.items()]
        show(documents, [f"{name:12} {text}" for name, text in about.items()])


@_recipes.command("copy")
def recipes_copy(
    name: Annotated[str, typer.Argument(help="A recipe's name.")],
    dest: Annotated[Path, typer.Argument(help="A file or folder to copy it to.")] = Path("."),
) -> None:
    """Copy a recipe here, to edit."""
    files = _recipe_files()
    if name not in files:
        raise WildRobotError(f"There is no recipe {name!r}.", where="recipes copy", hint=nearest(name, files))
    target = dest / f"{name}.py" if dest.is_dir() or dest.suffix == "" else dest
    if target.exists():
        raise WildRobotError(f"{target} exists already.", where="recipes copy", hint="name another file, or remove it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(files[name].read_bytes())
    except OSError as error:
        what = f"The recipe cannot be written: {error.strerror}."
        raise WildRobotError(what, where=str(target), hint="name another file", exit_code=1) from error
    typer.echo(target)


def _recipe_files() -> dict[str, Path]:
    return {file.stem: file for file in sorted(data_dir("recipes").glob("*.py"))}


def _first_line(file: Path) -> str:
    """The first line of a module's docstring, without running it."""
    import ast

    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n")[0]


def bench(
    what: Annotated[Literal["all", "physics", "train", "trainers"], typer.Argument(help="What to measure.")] = "all",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each kind when trainers are compared.")] = 3,
    json: Json = False,
) -> None:
    """Measure this machine: physics, training end to end (train), and Brax's PPO beside ours (trainers, train)."""
    from .runs.commands import run_benchmarks

    with _results(json) as show:
        show(*run_benchmarks(what, seeds, _say))


if __name__ == "__main__":
    sys.exit(main())
