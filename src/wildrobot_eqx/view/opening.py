"""From what the user names to a simulation: a bundle, a robot, a run or a recipe."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from ..errors import WildRobotError
from ..paths import data_dir
from ..plugins import plugin_path
from .simulation import AbstractSimulation

_CURVES = 3  # channels whose errors are drawn
KINDS = ("bundle", "robot", "run", "recipe")


def kind_of(name: str) -> tuple[str, str]:
    """What a name stands for, one of `KINDS`, and the name without its prefix, such as `recipe:`.

    A robot comes before a recipe of the same name. Nothing is loaded.

    Raises:
        WildRobotError: it is nothing that can be viewed.
    """
    prefix, colon, rest = name.partition(":")
    if colon and prefix in KINDS:
        return prefix, rest
    path = Path(name)
    tests: dict[str, Callable[[], bool]] = {
        "run": lambda: (path / "manifest.json").is_file(),
        "bundle": lambda: (path / "contract.json").is_file() or (path.is_file() and path.suffix == ".zip"),
        "robot": lambda: _offered("robots", name, path / "robot.toml", data_dir("robots") / name / "robot.toml"),
        "recipe": lambda: path.suffix == ".py" or _offered("recipes", name, data_dir("recipes") / f"{name}.py"),
    }
    for kind, test in tests.items():
        if test():
            return kind, name
    raise WildRobotError(
        f"There is no run, bundle, robot or recipe {name!r}.",
        where="view",
        hint="a run's folder, a bundle's folder or zip, a recipe's file, or a name of `robots list` or `recipes list`",
    )


def _offered(group: Literal["robots", "recipes"], name: str, *files: Path) -> bool:
    """Whether there is such a file, or a single word is offered by another package."""
    return any(file.is_file() for file in files) or (os.path.basename(name) == name and bool(plugin_path(group, name)))


def open_simulation(name: str, trust: bool = False, signer: str | None = None) -> AbstractSimulation:
    """The simulation of what `name` stands for.

    A run's recipe, and a recipe, are executed, as by `eval`; of bundles and robots nothing is.

    Args:
        name: as `kind_of` takes it.
        trust: execute a run's recipe although it has changed.
        signer: who must have signed a bundle.

    Raises:
        WildRobotError: it cannot be read, or not be simulated.
    """
    kind, name = kind_of(name)
    opener: dict[str, Callable[[], AbstractSimulation]] = {
        "bundle": lambda: _bundle(name, signer),
        "robot": lambda: _robot(name),
        "run": lambda: _run(name, trust),
        "recipe": lambda: _recipe(name),
    }
    return opener[kind]()


def _bundle(name: str, signer: str | None) -> AbstractSimulation:
    from ..deploy.bundle.bundle import Bundle
    from ..deploy.bundle.extra import require

    require("onnxruntime")
    from .bundled import BundleSimulation

    return BundleSimulation(Bundle.open(name, signer))


def _robot(name: str) -> AbstractSimulation:
    from ..robots import load_robot
    from .held import HeldSimulation

    return HeldSimulation(load_robot(name))


def _run(name: str, trust: bool) -> AbstractSimulation:
    from ..runs.folder import RunFolder
    from ..train.session import reopen
    from .curves import Curves
    from .newest import NewestPolicy
    from .task import TaskSimulation

    folder = RunFolder.open(name)
    recipe, _ = reopen(folder, trust)
    asked = [channel.name for command in recipe.env.commands.values() for channel in command.channels]
    curves = Curves(folder.metrics, ("episode_return", *(f"{name}_error" for name in asked[:_CURVES])))
    title = f"{recipe.name} ({folder.path.name})"
    return TaskSimulation(recipe.env, title, NewestPolicy(recipe, folder), curves)


def _recipe(name: str) -> AbstractSimulation:
    from ..recipes.recipe import load_recipe
    from .task import TaskSimulation

    recipe: Any = load_recipe(name)()
    return TaskSimulation(recipe.env, recipe.name)
