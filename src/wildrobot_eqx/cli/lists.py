"""What ships with the package: `robots list`, `robots show`, `robots doctor`, `recipes list`, `recipes copy`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ..atomic import write_new
from ..errors import WildRobotError, nearest
from ..paths import data_dir
from ..plugins import plugin_names, plugin_path
from .importing import robots_import
from .shared import Json, results

ROBOTS = typer.Typer(no_args_is_help=True, help="The robots that ship with the package, and other packages' robots.")
RECIPES = typer.Typer(no_args_is_help=True, help="The recipes that ship with the package, and other packages' recipes.")

ROBOTS.command("import")(robots_import)


@ROBOTS.command("list")
def robots_list(json: Json = False) -> None:
    """Name every robot."""
    from ..robots import load_robot, robot_names

    with results(json) as show:
        documents = []
        for name in robot_names():
            try:
                about = load_robot(name).description
            except WildRobotError as error:  # another package's fault hides no robot
                about = error.what
            documents.append({"name": name, "description": about})
        show(documents, [f"{robot['name']:12} {robot['description']}" for robot in documents])


@ROBOTS.command("show")
def robots_show(
    name: Annotated[str, typer.Argument(help="A robot's name, or a folder with a robot.toml.")], json: Json = False
) -> None:
    """Show a robot's joints, limits, feet and sensors."""
    from ..report.tables import robot_json, robot_table
    from ..robots import load_robot

    with results(json) as show:
        document = robot_json(load_robot(name))
        show(document, [robot_table(document)])


@ROBOTS.command("doctor")
def robots_doctor(
    robot: Annotated[str, typer.Argument(help="A robot's name, a folder with a robot.toml, or an MJCF or URDF file.")],
    json: Json = False,
) -> None:
    """Find what MuJoCo accepts in silence; exit status 1 where something would break training."""
    from dataclasses import asdict

    from ..robots.doctor import examine

    with results(json) as show:
        subject, findings = examine(robot)
        faults = sum(one.severity == "fault" for one in findings)
        document = {
            "robot": subject.name,
            "file": str(subject.path),
            "passed": not faults,
            "findings": [asdict(one) for one in findings],
        }
        verdict = f"{subject.name}: {faults} faults, {len(findings) - faults} notes."
        show(document, [*(f"{one}\n" for one in findings), verdict])
    raise typer.Exit(1 if faults else 0)


@RECIPES.command("list")
def recipes_list(json: Json = False) -> None:
    """Name every recipe."""
    with results(json) as show:
        about = {}
        for name, file in _recipe_files().items():
            try:
                about[name] = _first_line(file or _offered(name))
            except WildRobotError as error:  # another package's fault hides no recipe
                about[name] = error.what
        documents = [{"name": name, "about": text} for name, text in about.items()]
        show(documents, [f"{name:12} {text}" for name, text in about.items()])


@RECIPES.command("copy")
def recipes_copy(
    name: Annotated[str, typer.Argument(help="A recipe's name.")],
    dest: Annotated[Path, typer.Argument(help="A file or folder to copy it to.")] = Path("."),
) -> None:
    """Copy a recipe here, to edit."""
    files = _recipe_files()
    if name not in files:
        raise WildRobotError(f"There is no recipe {name!r}.", where="recipes copy", hint=nearest(name, files))
    target = dest / f"{name}.py" if dest.is_dir() or dest.suffix == "" else dest
    if os.path.lexists(target):
        raise WildRobotError(f"{target} exists already.", where="recipes copy", hint="name another file, or remove it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_new(target, (files[name] or _offered(name)).read_bytes())
    except OSError as error:
        what = f"The recipe cannot be written: {error.strerror}."
        raise WildRobotError(what, where=str(target), hint="name another file", exit_code=1) from error
    typer.echo(target)


def _recipe_files() -> dict[str, Path | None]:
    """The recipes by name: the files of those that ship with the package; None for other packages'."""
    shipped: dict[str, Path | None] = {file.stem: file for file in data_dir("recipes").glob("*.py")}
    found = dict.fromkeys(plugin_names("recipes")) | shipped
    return {name: found[name] for name in sorted(found)}


def _offered(name: str) -> Path:
    """The file of another package's recipe."""
    found = plugin_path("recipes", name)
    if found is None:
        raise WildRobotError(f"There is no recipe {name!r}.", where="recipes")
    return found


def _first_line(file: Path) -> str:
    """The first line of a module's docstring, without running it."""
    import ast

    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n")[0]
