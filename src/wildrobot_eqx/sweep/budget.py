"""What a sweep judges its trials by, what it may spend, and how far it has come."""

import dataclasses
import math
import time
from typing import Any

from ..errors import WildRobotError

STEPS = "steps"


@dataclasses.dataclass(frozen=True)
class Goal:
    """The figure of metrics.jsonl that trials are compared by."""

    metric: str
    more_is_better: bool = True

    @property
    def mode(self) -> str:
        """`max` or `min`."""
        return "max" if self.more_is_better else "min"

    @property
    def worst(self) -> float:
        """What a trial without the figure counts as."""
        return -math.inf if self.more_is_better else math.inf

    def better(self, a: float, b: float) -> bool:
        """Whether `a` is better than `b`."""
        return a > b if self.more_is_better else a < b


@dataclasses.dataclass(frozen=True)
class EarlyStop:
    """Asynchronous successive halving (Li et al. 2020, arXiv 1810.05934).

    At `grace` control steps, and at `factor` times as many again and again, a trial goes on only if it is
    among the best 1 / `factor` of those that came so far.
    """

    grace: int
    longest: int  # control steps of a whole trial
    factor: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.grace < self.longest:
            raise WildRobotError(
                f"No trial is stopped before {self.grace:,} steps, and a trial has {self.longest:,}.",
                where="--grace",
                hint=f"such as --grace {max(self.longest // 4, 1)}",
            )


@dataclasses.dataclass
class Budget:
    """What a sweep may spend, all attempts together; None is no limit. The number of trials stands in the plan."""

    total_steps: int | None = None  # control steps, over all trials
    minutes: float | None = None  # of wall clock
    spent_steps: int = 0  # by the trials that ended before this attempt
    spent_minutes: float = 0.0
    _began: float = dataclasses.field(default_factory=time.monotonic)
    _steps: dict[int, int] = dataclasses.field(default_factory=dict)

    def note(self, number: int, steps: int) -> None:
        """How far a trial has come."""
        self._steps[number] = max(steps, self._steps.get(number, 0))

    @property
    def minutes_so_far(self) -> float:
        """Of wall clock, earlier attempts included."""
        return self.spent_minutes + (time.monotonic() - self._began) / 60.0

    def spent(self) -> str:
        """Why the budget is spent; empty while it is not."""
        if self.minutes is not None and self.minutes_so_far >= self.minutes:
            return f"{self.minutes:g} minutes are over"
        if self.total_steps is not None and self.spent_steps + sum(self._steps.values()) >= self.total_steps:
            return f"{self.total_steps:,} steps are made"
        return ""

    def to_json(self) -> dict[str, Any]:
        """What it may spend."""
        return {"total_steps": self.total_steps, "minutes": self.minutes}


@dataclasses.dataclass(frozen=True)
class Resources:
    """What one trial is given."""

    cores: int = 1
    gpus: float = 0.0
