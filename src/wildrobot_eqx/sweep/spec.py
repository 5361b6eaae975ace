"""What a sweep varies, as the command line says it: seeds, lists of values, and distributions to draw from."""

import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ..errors import WildRobotError, nearest

DIGITS = 6  # significant ones of a drawn number: enough to search by, few enough to type again
_SEED_LIMIT = 2**32
_MOST_SEEDS = 100_000
_OPEN, _CLOSE = "([{", ")]}"


class Distribution(Protocol):
    """What a figure is drawn from; `text` is how the command line says it."""

    @property
    def text(self) -> str:
        """As the command line says it."""

    @property
    def ends(self) -> tuple[str, ...]:
        """The values at its ends, as texts: if these fit a recipe, so do those between."""

    def draw(self, rng: np.random.Generator) -> str:
        """One value, as a text."""


@dataclasses.dataclass(frozen=True)
class Uniform:
    """A number between `low` and `high`, or with `log` one whose logarithm is uniform."""

    low: float
    high: float
    log: bool = False

    @property
    def text(self) -> str:
        """As the command line says it."""
        return f"{'loguniform' if self.log else 'uniform'}({self.low!r},{self.high!r})"

    @property
    def ends(self) -> tuple[str, ...]:
        """Both bounds."""
        return as_text(self.low), as_text(self.high)

    def draw(self, rng: np.random.Generator) -> str:
        """One number, rounded to `DIGITS` significant digits and never beyond a bound."""
        u = rng.uniform()
        x = self.low + u * (self.high - self.low)
        if self.log:
            x = math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
        return as_text(min(max(rounded(x), self.low), self.high))


@dataclasses.dataclass(frozen=True)
class Integer:
    """A whole number from `low` up to `high`, which is left out."""

    low: int
    high: int

    @property
    def text(self) -> str:
        """As the command line says it."""
        return f"randint({self.low},{self.high})"

    @property
    def ends(self) -> tuple[str, ...]:
        """The smallest and the greatest."""
        return str(self.low), str(self.high - 1)

    def draw(self, rng: np.random.Generator) -> str:
        """One of them."""
        return str(int(rng.integers(self.low, self.high)))


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of some values, each as likely."""

    values: tuple[str, ...]

    @property
    def text(self) -> str:
        """As the command line says it."""
        return f"choice({','.join(self.values)})"

    @property
    def ends(self) -> tuple[str, ...]:
        """All of them."""
        return self.values

    def draw(self, rng: np.random.Generator) -> str:
        """One of them."""
        return self.values[int(rng.integers(len(self.values)))]


def rounded(value: float) -> float:
    """A number cut to `DIGITS` significant digits."""
    return float(f"{value:.{DIGITS}g}")


def as_text(value: float) -> str:
    """A number as JSON has it."""
    return repr(float(value))


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds of `0:16` (16 is left out), of `3`, or of a list such as `0:4,10`.

    Raises:
        WildRobotError: it is none of these, there is none, or one of them twice.
    """
    hint = "such as --seeds 0:16 (0 to 15), --seeds 3 or --seeds 0:4,10"
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,10})(?::(\d{1,10}))?\s*", part)
        if match is None:
            raise WildRobotError(f"{part.strip()!r} is no range of seeds.", where=f"--seeds {text}", hint=hint)
        first, end = int(match[1]), int(match[2]) if match[2] else int(match[1]) + 1
        if not first < end <= _SEED_LIMIT:
            what = f"The range {part.strip()} holds no seed below 2**32" if first < end else f"{part.strip()} is empty"
            raise WildRobotError(f"{what}.", where=f"--seeds {text}", hint=hint)
        if end - first + len(seeds) > _MOST_SEEDS:
            raise WildRobotError(f"These are more than {_MOST_SEEDS} seeds.", where=f"--seeds {text}", hint=hint)
        seeds += range(first, end)
    if len(set(seeds)) < len(seeds):
        twice = next(seed for seed in seeds if seeds.count(seed) > 1)
        raise WildRobotError(f"The seed {twice} is there twice.", where=f"--seeds {text}", hint="name each seed once")
    return tuple(seeds)


def parse_grid(text: str) -> tuple[str, tuple[str, ...]]:
    """The key and the values of `KEY=A,B,...`; commas inside brackets or quotes separate nothing.

    Raises:
        WildRobotError: it is not of that form, or a value is there twice.
    """
    key, value = _split(text, "--grid", "such as --grid learner.learning_rate=1e-4,3e-4")
    return key, _values(value, f"--grid {text}")


def parse_sample(text: str) -> tuple[str, Distribution]:
    """The key and the distribution of `KEY=uniform(A,B)`, `loguniform(A,B)`, `randint(A,B)` or `choice(A,B,...)`.

    Raises:
        WildRobotError: it is not of that form, or bounds are wrong.
    """
    hint = "such as --sample env.rewards.torque.weight=uniform(-0.05,0)"
    key, value = _split(text, "--sample", hint)
    match = re.fullmatch(r"(\w+)\((.*)\)", value.strip())
    if match is None:
        raise WildRobotError(f"{value!r} is no distribution.", where=f"--sample {text}", hint=hint)
    name, inside = match[1], match[2]
    if name not in _KINDS:
        raise WildRobotError(
            f"There is no distribution {name!r}.", where=f"--sample {text}", hint=nearest(name, _KINDS)
        )
    return key, _KINDS[name](inside, f"--sample {text}")


def _split(text: str, option: str, hint: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise WildRobotError(f"{text!r} is not of the form KEY=....", where=option, hint=hint)
    return key.strip(), value


def _values(text: str, where: str) -> tuple[str, ...]:
    """The parts between the commas that stand in no bracket and in no quotes."""
    parts, current, depth, quoted = [], "", 0, False
    for i, letter in enumerate(text):
        if letter == '"' and (i == 0 or text[i - 1] != "\\"):
            quoted = not quoted
        if not quoted:
            depth += (letter in _OPEN) - (letter in _CLOSE)
        if letter == "," and depth == 0 and not quoted:
            parts.append(current)
            current = ""
        else:
            current += letter
    parts = [part.strip() for part in (*parts, current)]
    if depth or quoted:
        raise WildRobotError("A bracket or a quote is not closed.", where=where, hint="close it")
    if "" in parts:
        raise WildRobotError("A value between two commas is missing.", where=where, hint="such as 1e-4,3e-4")
    for part in parts:
        if parts.count(part) > 1:
            raise WildRobotError(f"The value {part} is there twice.", where=where, hint="name each value once")
    return tuple(parts)


def _numbers(inside: str, where: str, kind: Callable[[str], Any], name: str) -> list[Any]:
    parts = inside.split(",")
    hint = f"such as {name}(2,8)" if kind is int else f"such as {name}(1e-4,1e-2)"
    try:
        numbers = [kind(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != 2 or not all(map(math.isfinite, numbers)):
        raise WildRobotError(
            f"{name} takes two {'whole ' * (kind is int)}numbers, got ({inside}).", where=where, hint=hint
        )
    if not numbers[0] < numbers[1]:
        raise WildRobotError(f"{name} takes its lower bound first, got ({inside}).", where=where, hint=hint)
    return numbers


def _uniform(inside: str, where: str) -> Distribution:
    return Uniform(*_numbers(inside, where, float, "uniform"))


def _loguniform(inside: str, where: str) -> Distribution:
    low, high = _numbers(inside, where, float, "loguniform")
    if low <= 0.0:
        raise WildRobotError(
            f"loguniform takes bounds above 0, got ({inside}).", where=where, hint="uniform takes any bounds"
        )
    return Uniform(low, high, log=True)


def _randint(inside: str, where: str) -> Distribution:
    return Integer(*_numbers(inside, where, int, "randint"))


def _choice(inside: str, where: str) -> Distribution:
    return Choice(_values(inside, where))


_KINDS: dict[str, Callable[[str, str], Distribution]] = {
    "uniform": _uniform,
    "loguniform": _loguniform,
    "randint": _randint,
    "choice": _choice,
}
