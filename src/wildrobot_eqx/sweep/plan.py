"""What each trial of a sweep is: a pure function of its number, so that a resumed sweep goes on with the same ones."""

import dataclasses
import shlex
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ..errors import WildRobotError
from ..recipes.options import option_value, to_arguments
from ..recipes.recipe import RecipeFunction
from .spec import Distribution, parse_sample

Search = Literal["random", "optuna"]
MOST = 10_000  # trials of a sweep whose budget is time or steps
PROGRAM = "wildrobot-eqx"


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which trainings a sweep makes of one recipe.

    A drawn trial takes its values from a generator seeded by `draw_seed` and the number of the draw. Trials are in
    this order: every point of the grid, with one seed after another, for one draw after another.
    """

    recipe: str  # as the command line names it
    fixed: tuple[str, ...] = ()  # arguments that all trials share
    options: tuple[str, ...] = ()  # of the varied keys, those that are options of the recipe
    seeds: tuple[int, ...] = ()  # none: the recipe's own
    grid: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    samples: Mapping[str, Distribution] = dataclasses.field(default_factory=dict)
    search: Search = "random"
    trials: int | None = None  # at most
    draw_seed: int = 0

    def __post_init__(self) -> None:
        twice = sorted(set(self.grid) & set(self.samples))
        if twice:
            raise WildRobotError(
                f"{twice[0]!r} stands in --grid and in --sample.", where="sweep", hint="leave one of the two away"
            )
        if self.search == "optuna" and not self.samples:
            raise WildRobotError(
                "Optuna has nothing to search.",
                where="--search optuna",
                hint="say what it may draw, such as --sample learner.learning_rate=loguniform(1e-4,1e-2)",
            )

    @property
    def grid_size(self) -> int:
        """Points of the grid."""
        return int(np.prod([len(values) for values in self.grid.values()], dtype=int))

    @property
    def size(self) -> int:
        """How many trials there are at most."""
        if self.samples:
            return MOST if self.trials is None else self.trials
        every = self.grid_size * max(len(self.seeds), 1)
        return every if self.trials is None else min(every, self.trials)

    def seed_of(self, number: int) -> int | None:
        """The seed of a trial; None: the recipe's own."""
        if not self.seeds:
            return None
        each = self.grid_size if self.search == "random" else 1
        return self.seeds[number // each % len(self.seeds)]

    def values_of(self, number: int) -> dict[str, str]:
        """The values of a trial that no searcher suggests, by key."""
        point, values = number % self.grid_size, {}
        for key, choices in self.grid.items():
            point, index = divmod(point, len(choices))
            values[key] = choices[index]
        draw = number // (self.grid_size * max(len(self.seeds), 1))
        rng = np.random.default_rng([self.draw_seed, draw])
        return values | {key: distribution.draw(rng) for key, distribution in self.samples.items()}

    def arguments(self, function: RecipeFunction, values: Mapping[str, str], seed: int | None) -> list[str]:
        """What `wildrobot-eqx` takes to make one trial: `run`, the recipe, its options and overrides."""
        own = {key: option_value(function, key, values[key], key) for key in values if key in self.options}
        sets = [f"--set={key}={value}" for key, value in values.items() if key not in self.options]
        seeded = [] if seed is None else [f"--seed={seed}"]
        return ["run", self.recipe, *self.fixed, *to_arguments(function, own), *sets, *seeded]

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON values."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**plain, "samples": {key: distribution.text for key, distribution in self.samples.items()}}

    @staticmethod
    def from_json(stored: Mapping[str, Any], where: str) -> "Plan":
        """The plan of a sweep.json.

        Raises:
            WildRobotError: it is none.
        """
        try:
            fields = {field.name: stored[field.name] for field in dataclasses.fields(Plan)}
            texts = (*fields["fixed"], *fields["options"], *fields["grid"], fields["recipe"])
            whole = [*fields["seeds"], *(fields[name] for name in ("draw_seed", "trials") if fields[name] is not None)]
            if not all(isinstance(text, str) for text in texts) or not all(type(number) is int for number in whole):
                raise TypeError("a text or a number is of another kind")
            samples = dict(parse_sample(f"{key}={text}") for key, text in fields["samples"].items())
            grid = {key: tuple(map(str, values)) for key, values in fields["grid"].items()}
            lists = {name: tuple(fields[name]) for name in ("fixed", "options", "seeds")}
            if fields["search"] not in ("random", "optuna"):
                raise ValueError(f"there is no search {fields['search']!r}")
            return Plan(**{**fields, **lists, "grid": grid, "samples": samples})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WildRobotError(
                f"The sweep's plan cannot be read: {' '.join(str(error).split())[:200]}",
                where=where,
                hint="restore it, or start a new sweep",
            ) from error


def command_line(arguments: list[str]) -> str:
    """Arguments as a line for a shell."""
    return shlex.join([PROGRAM, *arguments])
