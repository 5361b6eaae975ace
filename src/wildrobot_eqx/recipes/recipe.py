"""Recipes: one decorated function per file, whose typed parameters are its command-line options."""

import dataclasses
import importlib.util
import inspect
import itertools
import os
import sys
import traceback
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from ..env import Env
from ..errors import WildRobotError, nearest
from ..evaluate.gate import AbstractGate
from ..learn import AbstractRewardModel, MakePolicy
from ..learn.config import Learner
from ..locomotion import Choice
from ..paths import data_dir
from ..plugins import plugin_names, plugin_path
from ..task import Curriculum


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What to train: an env, the learner with its figures, for how long, and what counts as done."""

    env: Env
    learner: Learner
    steps: int  # control steps, over all envs
    seed: int = 0
    gate: AbstractGate | None = None
    name: str = ""
    curriculum: Curriculum | None = None  # of our own PPO; Brax's trainers have the env's own ranges from the start
    policy: MakePolicy | None = None  # of our own PPO: makes another kind of policy, such as one with a memory
    reward_model: AbstractRewardModel | None = None  # of our own PPO: learns the rewards, in place of the env's own
    choices: tuple[Choice, ...] = ()  # what the recipe made of its robot, which `run` and `check` show

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise WildRobotError(
                f"Training needs at least one step, got steps={self.steps}.", where="Recipe", hint="raise steps"
            )
        if not 0 <= self.seed < 2**32:
            raise WildRobotError(
                f"A seed lies between 0 and 2**32 - 1, got {self.seed}.", where="Recipe, seed", hint="such as seed=0"
            )
        if "policy" not in self.env.observations:
            raise WildRobotError(
                "The env has no observation called 'policy'.",
                where=f"Recipe, env.observations: {', '.join(self.env.observations) or 'none'}",
                hint='name one of the stacks "policy"',
            )
        if self.curriculum is not None:
            self.curriculum.at(self.env, jnp.zeros((), jnp.float32))  # raises where it does not fit the env

    @property
    def iterations(self) -> int:
        """Iterations of the learner that make at least `steps` control steps."""
        return -(-self.steps // self.learner.steps_per_iteration)


class RecipeFunction:
    """A function that returns a Recipe; its parameters are the recipe's options."""

    name: str
    function: Callable[..., Recipe]
    signature: inspect.Signature

    def __init__(self, function: Callable[..., Recipe]):
        self.function, self.name = function, function.__name__
        self.__doc__ = function.__doc__
        hints = typing.get_type_hints(function, include_extras=True)
        plain = inspect.signature(function)
        self.signature = plain.replace(
            parameters=[p.replace(annotation=hints.get(p.name, p.annotation)) for p in plain.parameters.values()]
        )
        for parameter in self.signature.parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise self._error(f"takes *{parameter.name}, which is no option", "name each parameter")
            if parameter.annotation is parameter.empty or parameter.default is parameter.empty:
                raise self._error(
                    f"has the parameter {parameter.name!r} without a type or without a default",
                    f"write it like `{parameter.name}: int = 1`",
                )

    def _error(self, what: str, hint: str) -> WildRobotError:
        code = self.function.__code__
        return WildRobotError(
            f"The recipe {self.name!r} {what}.", where=f"{code.co_filename}:{code.co_firstlineno}", hint=hint
        )

    @property
    def path(self) -> Path:
        """The file that defines it."""
        return Path(self.function.__code__.co_filename)

    @property
    def options(self) -> dict[str, Any]:
        """Its options with their defaults."""
        return {name: parameter.default for name, parameter in self.signature.parameters.items()}

    def __call__(self, **options: Any) -> Recipe:
        """Build the recipe.

        Raises:
            WildRobotError: an unknown option, or whatever the function raises, told in short.
        """
        for name in options:
            if name not in self.signature.parameters:
                raise WildRobotError(
                    f"The recipe {self.name!r} has no option {name!r}.",
                    where=str(self.path),
                    hint=nearest(name, self.signature.parameters),
                )
        try:
            made = self.function(**options)
        except WildRobotError:
            raise
        except (Exception, SystemExit) as error:
            raise _recipe_error(self.path, error) from error
        if not isinstance(made, Recipe):
            raise self._error(f"returned {type(made).__name__}, not a Recipe", "end it with `return Recipe(...)`")
        return made if made.name else dataclasses.replace(made, name=self.name)


def recipe(function: Callable[..., Recipe]) -> RecipeFunction:
    """Marks the one function of a recipe file that builds its Recipe."""
    return RecipeFunction(function)


def recipe_names() -> list[str]:
    """The names of the recipes that ship with the package, and of those that other packages offer."""
    shipped = {path.stem for path in data_dir("recipes").glob("*.py")}
    return sorted(shipped | set(plugin_names("recipes")))


def find_recipe(path: str | os.PathLike[str]) -> Path:
    """The recipe file at `path`, or the one of that name that ships with this package or another.

    Raises:
        WildRobotError: there is neither.
    """
    file = Path(path)
    if file.is_file():
        return file
    if file.suffix == "" and len(file.parts) == 1:
        shipped = data_dir("recipes") / f"{file.name}.py"
        if shipped.is_file():
            return shipped
        if (offered := plugin_path("recipes", file.name)) is not None:
            return offered
    known = [*recipe_names(), *(str(p) for p in Path("recipes").glob("*.py"))]
    raise WildRobotError(
        f"There is no recipe {str(path)!r}.",
        where=f"a file of that name in {Path.cwd()}, or a recipe that ships with this or another package",
        hint=nearest(str(path), known),
    )


_counter = itertools.count()


def load_recipe(path: str | os.PathLike[str]) -> RecipeFunction:
    """Execute a recipe file and return its one `@recipe` function.

    Args:
        path: a Python file, or the name of a recipe that ships with the package.

    Raises:
        WildRobotError: no such file, not exactly one recipe in it, or the file itself raises.
    """
    file = find_recipe(path).resolve()
    name = f"wildrobot_recipe_{next(_counter)}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise WildRobotError(f"{file.name} is not a Python file.", where=str(file), hint="recipes end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and typing look their module up
    try:
        spec.loader.exec_module(module)
    except WildRobotError:
        raise
    except (Exception, SystemExit) as error:
        raise _recipe_error(file, error) from error
    found = [value for value in vars(module).values() if isinstance(value, RecipeFunction) and value.path == file]
    if len(found) != 1:
        names = ", ".join(function.name for function in found)
        raise WildRobotError(
            f"{file.name} holds {len(found)} functions decorated with @recipe" + (f": {names}." if found else "."),
            where=str(file),
            hint="a recipe file has exactly one, decorated with `@recipe` from wildrobot_eqx",
        )
    return found[0]


def _recipe_error(path: Path, error: BaseException) -> WildRobotError:
    """What a recipe raised, with the deepest line of the recipe's own file."""
    line: int | None = None
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line = error.lineno
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == str(path):
            line = frame.lineno
    text = str(error).strip()
    short = text if len(text) < 1000 else text[:1000] + " ..."
    where = f"{path}:{line}" if line is not None else str(path)
    return WildRobotError(
        f"The recipe {path.stem!r} raised {type(error).__name__}" + (f": {short}" if short else "."),
        where=where,
        hint="mend that line of the recipe",
    )
