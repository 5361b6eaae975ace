"""One policy, several physics engines: the same gate on each, side by side."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ..env import Env
from ..errors import WildRobotError, nearest
from ..learn.networks import AbstractPolicy
from ..physics import Engine
from .gate import AbstractGate, Figure, GateLine, GateResult


@dataclasses.dataclass(frozen=True)
class EngineMatrix:
    """The gate's verdict on each engine, by the engine's name, and the seconds that each took."""

    results: dict[str, GateResult]
    seconds: dict[str, float]

    @property
    def passed(self) -> bool:
        """The gate is passed on every engine."""
        return all(result.passed for result in self.results.values())

    def failed_lines(self) -> list[str]:
        """The lines that failed, each in full and with its engine."""
        return [f"{engine}: {line}" for engine, result in self.results.items() for line in result.failed_lines()]

    def to_json(self) -> dict[str, Any]:
        """The matrix as plain JSON values."""
        return {
            "passed": self.passed,
            "engines": {
                engine: {"seconds": round(self.seconds[engine], 2), **result.to_json()}
                for engine, result in self.results.items()
            },
        }

    def table(self) -> Table:
        """Figures down, engines across: the worst of the required columns at any timestep; what failed in red."""
        engines = list(self.results)
        table = Table(title="One policy on each engine", title_justify="left", box=SIMPLE_HEAD, show_edge=False)
        table.add_column("worst figure")
        table.add_column("limit")
        for engine in engines:
            table.add_column(engine, justify="right")
        verdicts = [_verdict(self.results[engine]) for engine in engines]
        table.add_row("gate", "", *verdicts)
        table.add_section()
        first = self.results[engines[0]].lines
        for name in dict.fromkeys(line.name for line in first):
            shown = self.results[engines[0]].describe(name)
            limit = next(line.limit for line in first if line.name == name)
            cells = [_worst([line for line in self.results[e].lines if line.name == name], shown) for e in engines]
            table.add_row(shown.heading, limit.removesuffix(f" {shown.unit}"), *cells)
        table.add_section()
        table.add_row("judged in (s)", "", *(f"{self.seconds[engine]:.0f}" for engine in engines))
        some = next((result.provisional for result in self.results.values() if result.provisional), "")
        if some:
            table.caption = f"provisional: {some}"
        return table


def _verdict(result: GateResult) -> Text:
    failed = len(result.failed_lines())
    return Text("passed", style="green") if result.passed else Text(f"{failed} failed", style="bold red")


def _worst(lines: Sequence[GateLine], shown: Figure) -> Text:
    """The value nearest to its limit or furthest beyond it; of limits on two sides, both ends."""
    if not lines:
        return Text("–")
    values = [line.value for line in lines]
    style = "green" if all(line.passed for line in lines) else "bold red"
    if not np.isfinite(values).all():
        return Text("–", style=style)
    low, high = shown.text(min(values)), shown.text(max(values))
    if lines[0].limit.startswith(">="):
        return Text(low, style=style)
    if lines[0].limit.startswith("<="):
        return Text(high, style=style)
    return Text(f"{low} to {high}", style=style)


def engine_names(text: str) -> tuple[str, ...]:
    """The engines of a list such as `native,mjx`.

    Raises:
        WildRobotError: one is unknown, or there is none.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    known = get_args(Engine)
    for name in names:
        if name not in known:
            raise WildRobotError(f"There is no physics engine {name!r}.", where="--physics", hint=nearest(name, known))
    if not names:
        raise WildRobotError("No physics engine is named.", where="--physics", hint=f"such as {','.join(known)}")
    return names


def judge_on_engines(
    env: Env,
    gate: AbstractGate,
    policy: AbstractPolicy,
    engines: Sequence[str],
    episodes: int | None = None,
    timesteps: tuple[float, ...] | None = None,
    keep: Callable[[EngineMatrix], None] = lambda _: None,
) -> EngineMatrix:
    """Put a policy through a gate on each engine, the same episodes on all.

    `keep` is called after each engine with the results so far, so that an interruption loses one engine at most.

    Raises:
        WildRobotError: an engine cannot simulate the robot.
    """
    results: dict[str, GateResult] = {}
    seconds: dict[str, float] = {}
    for engine in engines:
        began = time.monotonic()
        results[engine] = gate(env, policy, episodes=episodes, timesteps=timesteps, engine=engine)
        seconds[engine] = time.monotonic() - began
        keep(EngineMatrix(dict(results), dict(seconds)))
    return EngineMatrix(results, seconds)
