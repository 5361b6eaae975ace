"""What runs a sweep's trials, on whatever engine: which comes next, what each has reached, when all is over."""

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..recipes.recipe import RecipeFunction
from .budget import Budget, EarlyStop, Goal, Resources
from .folder import ENDED, SweepFolder, Trial, last_figure
from .plan import Plan

_log = logging.getLogger(__name__)

SAY_EVERY = 20.0  # s between two lines of progress

Suggest = Callable[[], dict[str, str]]


@dataclasses.dataclass(frozen=True)
class Base:
    """What all trials share, as `train.session.start` takes it."""

    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # of the recipe, those that were given
    assignments: tuple[str, ...] = ()  # of --set
    trainer: str | None = None


class Driver:
    """The state of a running sweep.

    Args:
        folder: the sweep's.
        plan: which trials there are.
        function: the recipe.
        goal: what they are compared by.
        budget: what they may spend.
        early_stop: when they are stopped; None: never.
        resources: what each is given; a negative number of GPUs: one where there are some.
        extra: further arguments of each `run`.
        cwd: the folder that relative paths of the recipe and of its options begin at.
        base: what all trials share.
    """

    def __init__(
        self,
        folder: SweepFolder,
        plan: Plan,
        function: RecipeFunction,
        goal: Goal,
        budget: Budget,
        early_stop: EarlyStop | None,
        resources: Resources,
        extra: list[str],
        cwd: str,
        base: Base,
    ):
        self.folder, self.plan, self.function, self.goal = folder, plan, function, goal
        self.budget, self.early_stop, self.resources, self.extra, self.cwd, self.base = (
            budget,
            early_stop,
            resources,
            extra,
            cwd,
            base,
        )
        self.program: list[str] | None = None  # that runs a trial's arguments; None: the command line
        self.stopped = False  # by the user
        self.over = ""  # why no more trials begin
        trials = folder.trials()
        self._earlier = [trial for trial in trials if trial.status in ENDED]
        self._again = [trial.number for trial in trials if trial.status not in ENDED]
        self._next = 1 + max((trial.number for trial in trials), default=-1)
        self._told: set[int] = set()
        self._running: dict[int, str] = {}
        self._said = time.monotonic()
        for trial in self._earlier:
            self.budget.note(trial.number, steps_of(folder, trial.number))

    @property
    def number_of_trials(self) -> int:
        """How many were planned so far."""
        return self._next

    def is_over(self) -> bool:
        """Whether the user or the budget ends the sweep now."""
        if not self.over:
            self.over = "stopped" if self.stopped else self.budget.spent()
        return bool(self.over)

    def next_number(self, suggest: Suggest | None = None) -> int | None:
        """The next trial to run, written into the folder: first those that were interrupted; None: there is no more."""
        if self.is_over():
            return None
        if self._again:
            return self._again.pop(0)
        if self._next >= self.plan.size:
            return None
        number = self._next
        values = self.plan.values_of(number) if suggest is None else suggest()
        self._next += 1
        seed = self.plan.seed_of(number)
        arguments = self.plan.arguments(self.function, values, seed)
        self.folder.write(Trial(number, seed, values, tuple(arguments)))
        _log.info(f"trial {number}: {describe(values, seed)}")
        return number

    def note_progress(self, number: int, steps: int, value: float | None) -> None:
        """How far a trial has come; now and then a line says so of all that run."""
        self.budget.note(number, steps)
        figure = "" if value is None else f", {self.goal.metric} {value:.4g}"
        self._running[number] = f"trial {number} at {steps:,} steps{figure}"
        if time.monotonic() - self._said > SAY_EVERY:
            self._said = time.monotonic()
            _log.info("; ".join([f"{len(self._told) + len(self._earlier)} trials ended", *self._running.values()]))

    def note_end(self, number: int, died: str = "") -> None:
        """Say how a trial ended; `died` is why, where it could not record that itself."""
        trial = self.folder.trial(number)
        if died and trial.status in ("planned", "running"):
            trial = self.folder.change(number, status="failed", message=died)
        if number in self._told or (self.is_over() and trial.status not in ENDED):
            return
        self._told.add(number)
        self._running.pop(number, None)
        found = last_figure(self.folder.figures(number), self.goal.metric)
        figure = "" if found is None else f", {self.goal.metric} {found[1]:.4g} at {found[0]:,} steps"
        message = f": {first_line_of(trial.message)}" if trial.message else ""
        _log.info(f"trial {number} {trial.status}{figure}{message}")

    def earlier_reports(self) -> dict[int, list[tuple[int, float]]]:
        """The figure of each trial of an earlier attempt, by steps."""
        name, found = self.goal.metric, {}
        for trial in self._earlier:
            lines = self.folder.figures(trial.number)
            reports = [last_figure([line], name) for line in lines]
            found[trial.number] = [report for report in reports if report is not None]
        return {number: reports for number, reports in found.items() if reports}

    def earlier_values(self) -> list[tuple[Mapping[str, str], float]]:
        """The values of each trial of an earlier attempt, and its last figure."""
        reports = self.earlier_reports()
        known = [trial for trial in self._earlier if trial.number in reports and trial.status != "failed"]
        return [(trial.values, reports[trial.number][-1][1]) for trial in known]


def describe(values: Mapping[str, str], seed: int | None) -> str:
    """A trial's values and seed in a line."""
    parts = [f"{key}={value}" for key, value in values.items()]
    return ", ".join([*parts, *([] if seed is None else [f"seed {seed}"])]) or "the recipe as it is"


def first_line_of(text: str) -> str:
    """The first line of a message, at most 200 characters of it."""
    lines = text.strip().splitlines()
    return lines[0][:200] if lines else ""


def steps_of(folder: SweepFolder, number: int) -> int:
    """The control steps that a trial has made."""
    found = last_figure(folder.figures(number), "steps")
    return 0 if found is None else found[0]


def settle(folder: SweepFolder) -> None:
    """After an attempt: no trial is running, whatever its file says."""
    for trial in folder.trials():
        if trial.status == "running":
            folder.change(trial.number, status="interrupted", message="stopped before its end")
        elif trial.status == "stopped" and trial.message:
            folder.write(dataclasses.replace(trial))
