"""Gates: what counts as done, as cases, a meter and limits that are data, and the one judge of them all."""

import abc
import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Array, Key

from ..env import Env
from ..errors import WildRobotError
from ..learn.networks import AbstractPolicy
from ..module import AbstractModule
from .gate_result import CommandFigures as CommandFigures
from .gate_result import Figure as Figure
from .gate_result import GateLine as GateLine
from .gate_result import GateResult as GateResult
from .gate_result import Limit as Limit
from .meter import AbstractMeter as AbstractMeter
from .meter import Case as Case
from .rollout import judged_env, run_cases


@dataclasses.dataclass(frozen=True)
class Unasked:
    """One command of a gate that the env never gives a policy: where it stands, what is asked for instead, a cure."""

    leaf: str
    asked: str
    judged: str
    fix: str


class AbstractGate(AbstractModule):
    """Judges a policy in the env that it was trained for: `cases` are simulated, `meter` measures, `limits` decide.

    Evaluation, films, reports and robust evaluations speak to a gate through these alone.
    """

    columns: ClassVar[str] = "case"  # what the cases are: of a number what it is, else they have names

    episodes: eqx.AbstractVar[int]  # per case and timestep
    seconds: eqx.AbstractVar[float]  # s, of an episode
    timesteps: eqx.AbstractVar[tuple[float, ...]]  # s, of physics

    @abc.abstractmethod
    def cases(self, env: Env) -> tuple[Case, ...]:
        """What is simulated: each case's commands, whether it must hold the limits, and its name.

        Raises:
            WildRobotError: the env has no such commands.
        """

    @abc.abstractmethod
    def meter(self, env: Env) -> AbstractMeter:
        """What measures an episode of the env."""

    @abc.abstractmethod
    def limits(self, env: Env) -> tuple[Limit, ...]:
        """What the figures of required cases are held to."""

    def prepare(self, env: Env) -> Env:
        """The judged env with what the gate itself brings, such as kicks; by default as it is."""
        return env

    def rows(self, cases: tuple[Case, ...], episodes: int) -> Any:
        """What sets the episodes of a batch apart beside their commands; by default nothing does.

        A tree of arrays with a row per episode, `episodes` for each of `cases`, each of which `vary` gets.
        """
        return None

    def vary(self, env: Env, row: Any) -> Env:
        """The prepared env of the episode of a row of `rows`, from its reset on; only array leaves may differ."""
        return env

    def unasked(self, env: Env) -> tuple[Unasked, ...]:
        """Commands that it holds a policy to, but that `env` never gives; `run` refuses them before it trains."""
        return ()

    def describe(self) -> dict[str, Any] | None:
        """What a bundle says of the gate beside its verdict; None for one that only its own code could judge by."""
        return None

    def __call__(
        self,
        env: Env,
        policy: AbstractPolicy,
        *,
        episodes: int | None = None,
        timesteps: tuple[float, ...] | None = None,
        engine: str = "native",
    ) -> GateResult:
        """Judge `policy`.

        Args:
            env: the recipe's env.
            policy: its distribution's mean is the action.
            episodes: per command and timestep; the gate's own number if None. Where it is
                fewer, the result says so: it is `provisional`.
            timesteps: of physics, s; the gate's own if None. The same goes for these.
            engine: the physics engine that simulates; a verdict of another than `native` is that engine's only.

        Raises:
            WildRobotError: a timestep does not divide the control period, or there is nothing to judge.
        """
        count = self.episodes if episodes is None else episodes
        timesteps = self.timesteps if timesteps is None else timesteps
        cases, limits, meter = self.cases(env), self.limits(env), self.meter(env)
        if count < 1 or not timesteps or not cases:
            raise WildRobotError(
                f"A gate needs at least one episode and one timestep, got {count} and {timesteps}"
                + ("." if cases else ", and at least one case."),
                where=type(self).__name__,
                hint="ask for more",
            )
        lines: list[GateLine] = []
        found: list[CommandFigures] = []
        for timestep in timesteps:
            label = f"{timestep * 1e3:g} ms steps" if engine == "native" else f"{engine}: {timestep * 1e3:g} ms steps"
            figures, judged_lines = judge_as_is(
                self, judged_env(env, timestep, engine), policy, cases, limits, count, label
            )
            found += figures
            lines += judged_lines
        shown = shown_of(meter, limits)
        provisional = shortfall(self.episodes, self.timesteps, count, timesteps)
        return GateResult(tuple(lines), tuple(found), count, self.seconds, provisional, self.columns, shown)


def judge_as_is(
    gate: AbstractGate,
    env: Env,
    policy: AbstractPolicy,
    cases: Sequence[Case],
    limits: Sequence[Limit],
    episodes: int,
    label: str = "",
    keys: Callable[[int], Key[Array, " n"]] | None = None,
) -> tuple[list[CommandFigures], list[GateLine]]:
    """Judge in an env as it is, with its engine, its timestep and all that is wrong with it.

    Args:
        gate: prepares the env, measures, and sets episodes apart.
        env: where episodes are simulated; `judged_env` makes the one of a gate's own verdict.
        policy: its distribution's mean is the action.
        cases: of the gate's, those to simulate.
        limits: what the required ones are held to.
        episodes: per case.
        label: what the log says before how far it is.
        keys: of so many episodes, those of one batch; None: those of `rollout.judge_key`.

    Returns:
        Each case's figures, and the lines that they are held to.
    """
    judged = gate.prepare(env)
    meter, timestep = gate.meter(judged), env.physics.timestep
    shown = shown_of(meter, limits)
    lines: list[GateLine] = []
    found: list[CommandFigures] = []
    for batch in batches(cases):
        rows = gate.rows(batch, episodes)
        own_keys = None if keys is None else keys(len(batch) * episodes)
        tallies = run_cases(judged, policy, meter, batch, episodes, gate.seconds, label, gate.vary, rows, own_keys)
        for case, tally in zip(batch, tallies):
            figures, judged_lines = judge_case(
                case, meter.figures(tally, case), limits, timestep, meter.joints(tally), shown
            )
            found.append(figures)
            lines += judged_lines
    return found, lines


def shown_of(meter: AbstractMeter, limits: Sequence[Limit]) -> dict[str, Figure]:
    """How figures are shown, by name: as the meter says, or a limit of theirs."""
    return meter.shown() | {limit.figure: limit.shown for limit in limits if limit.shown is not None}


def batches(cases: Sequence[Case]) -> Iterator[tuple[Case, ...]]:
    """Cases in order, those together that are simulated in one batch: of one number, and holding the same commands."""
    for _, group in itertools.groupby(cases, key=lambda case: (case.batch, sorted(case.values))):
        yield tuple(group)


def judge_case(
    case: Case,
    values: dict[str, float],
    limits: Sequence[Limit],
    timestep: float,
    joints: dict[str, dict[str, float]],
    shown: dict[str, Figure] | None = None,
) -> tuple[CommandFigures, list[GateLine]]:
    """One case's figures at a timestep (s), and the lines that it is held to; a figure that is missing is NaN."""
    name = "" if case.command is not None else case.name
    command = 0.0 if case.command is None else case.command
    lines = []
    for limit in limits:
        if case.required and limit.applies(case.name):
            limit = dataclasses.replace(limit, shown=limit.shown or (shown or {}).get(limit.figure))
            value = values.get(limit.figure, np.nan)
            lines.append(
                GateLine(
                    limit.figure,
                    command,
                    timestep,
                    value,
                    limit.text,
                    limit.accepts(value),
                    case.when,
                    case.axis,
                    name,
                    limit.shown,
                )
            )
    return CommandFigures(command, timestep, case.required, values, case.axis, name, joints), lines


def shortfall(own: int, own_timesteps: tuple[float, ...], episodes: int, timesteps: tuple[float, ...]) -> str:
    """What of a gate's own episodes and timesteps (s) was run, where it was not all; else nothing."""
    run = [known for known in own_timesteps if any(np.isclose(known, timestep) for timestep in timesteps)]
    parts = [f"{episodes} of {own} episodes"] if episodes < own else []
    if len(run) < len(own_timesteps):
        parts.append(f"{len(run)} of {len(own_timesteps)} physics timesteps")
    return ", ".join(parts)
