"""`eval RUN --robust`: a wrong world, each parameter by itself, terrain, pushes."""

import dataclasses
import logging
from collections.abc import Callable

import numpy as np
from jaxtyping import Array, Float

from ...arrays import f32
from ...env import Env
from ...errors import WildRobotError
from ...learn.networks import AbstractPolicy
from ..gate import AbstractGate
from ..walking.episodes import with_command
from .by_gate import RobustByGate, judge_by_gate
from .cases import by_velocity, commands_of, rows_of, speeds_of, why_not
from .ladder import PHASES, Ladder, climb
from .result import RobustResult, World
from .scores import errors, keys_of, run, score
from .sweep import speed_limit, sweep
from .sweep_env import make_sweep_env, parameters_of
from .terrain import cross
from .wrong_world import wrong_world

_log = logging.getLogger(__name__)

EPISODES, SECONDS, TIMESTEP = 1024, 10.0, 0.005
SWEEP_EPISODES, SWEEP_SECONDS = 32, 6.0  # per level
_FEWEST_PHASES = 2

Found = RobustResult | RobustByGate
"""What a robust evaluation finds: of a walk, or by a gate."""


@dataclasses.dataclass(frozen=True)
class _Job:
    """What every part of an evaluation is given."""

    env: Env
    gate: AbstractGate | None
    policy: AbstractPolicy
    count: int  # of episodes
    length: float  # s

    @property
    def level(self) -> tuple[int, float]:
        """Episodes per level of a sweep, and their seconds."""
        episodes = min(SWEEP_EPISODES, max(1, SWEEP_EPISODES * self.count // EPISODES))
        return episodes, min(SWEEP_SECONDS, self.length)


def evaluate_robust(
    env: Env,
    gate: AbstractGate | None,
    policy: AbstractPolicy,
    episodes: int | None = None,
    seconds: float | None = None,
    timestep: float | None = None,
    keep: Callable[[Found], None] = lambda _: None,
) -> Found:
    """Judge a policy; `keep` is called with what there is after each part that is done.

    A policy that walks at a velocity is judged by that, any other one by its gate. Fewer episodes
    than `EPISODES`, or shorter ones than `SECONDS`, make all parts smaller in proportion, and the
    verdict provisional. `timestep` (s) of physics is `TIMESTEP` if None, or the gate's first.

    Raises:
        WildRobotError: there is nothing to run, there is neither a gate nor a velocity, or
            `seconds` are given for a gate, whose episodes have their own length.
        KeyboardInterrupt: it was stopped; what was done is kept, provisional.
    """
    why = why_not(env, gate)
    if why is not None:
        raise WildRobotError(why, where="env.commands", hint="give the recipe a gate")
    count, length = EPISODES if episodes is None else episodes, SECONDS if seconds is None else seconds
    if count < 1 or not length > 0.0:
        raise WildRobotError(
            f"A robust evaluation needs episodes of some length, got {count} of {length:g} s.",
            where="--episodes, --seconds",
            hint=f"leave them away: {EPISODES} of {SECONDS:g} s",
        )
    if gate is not None and not by_velocity(env, gate):
        if seconds is not None:
            raise WildRobotError(
                f"Episodes of the {type(gate).__name__} have their own length, {gate.seconds:g} s.",
                where="--seconds",
                hint="leave it away; --episodes makes all parts smaller",
            )
        return judge_by_gate(env, gate, policy, count, EPISODES, SWEEP_EPISODES, timestep, keep)
    result = RobustResult(TIMESTEP if timestep is None else timestep, shortfall(count, length))
    try:
        job = _Job(env, gate, policy, count, length)
        for part in (_world, _sweep, _terrain, _ladder):
            part(result, job)
            keep(result)
    except KeyboardInterrupt:
        result.provisional = ", ".join(filter(None, (result.provisional, "stopped")))
        keep(result)
        raise
    return result


def shortfall(episodes: int, seconds: float) -> str:
    """What was run, where it was less than the whole; else nothing."""
    parts = [f"{episodes} of {EPISODES} episodes"] if episodes < EPISODES else []
    if seconds < SECONDS:
        parts.append(f"{seconds:g} of {SECONDS:g} s")
    return ", ".join(parts)


def _world(result: RobustResult, job: _Job) -> None:
    world, commands = wrong_world(job.env, result.timestep), commands_of(job.env, job.gate)
    rows, which = rows_of(commands, job.count)
    _log.info(f"1 of 4, a wrong world: {job.count} episodes of {job.length:g} s")
    judged: Env = world.env
    keys = keys_of(result.timestep, job.count)
    cases = (f32(rows[:, 0]), f32(rows[:, 1:]))
    tally = run(judged, job.policy, _commanded, cases, keys, job.length, "wrong world")
    error, upright = errors(tally, rows, judged.physics.control_dt), np.asarray(tally.upright)
    each = {commands[i]: score(upright[i :: len(commands)], error[i :: len(commands)]) for i in sorted(set(which))}
    # A turn's error has a unit of its own, its survival counts.
    whole = score(upright, np.where(rows[:, 2] == 0.0, error, np.nan))
    most = speed_limit(job.env.physics.robot)
    result.world = World(whole, each, job.count, job.length, world.sources, world.ranges, most, world.left_out)


def _commanded(env: Env, case: tuple[Float[Array, ""], Float[Array, " 2"]]) -> Env:
    return with_command(env, *case)


def _sweep(result: RobustResult, job: _Job) -> None:
    episodes, seconds = job.level
    _log.info(f"2 of 4, one parameter at a time: {episodes} episodes of {seconds:g} s per level")
    sweep_env = make_sweep_env(job.env, result.timestep)
    parameters, left_out = parameters_of(job.env.physics.robot)
    speeds = speeds_of(job.env, job.gate)
    result.sweep = sweep(sweep_env, job.policy, speeds, episodes, seconds, parameters, left_out)


def _terrain(result: RobustResult, job: _Job) -> None:
    episodes, seconds = job.level
    base = job.env.physics.robot.base
    if base is None or not base.floating:
        _log.info("3 of 4, terrain: left out, for the robot's base is not free to go there")
        return
    _log.info(f"3 of 4, slopes, bumps and steps: {episodes} episodes of {seconds:g} s per level")
    commands, timestep = commands_of(job.env, job.gate), result.timestep
    try:
        result.terrain = cross(job.env, job.policy, commands, episodes, seconds, timestep)
    except WildRobotError as error:  # a robot whose floor cannot be replaced; the rest can be judged
        _log.info(f"3 of 4, terrain: left out. {error.what}")


def _ladder(result: RobustResult, job: _Job) -> None:
    phases = min(PHASES, max(_FEWEST_PHASES, PHASES * job.count // EPISODES))
    speeds = speeds_of(job.env, job.gate)
    command = speeds[len(speeds) * 3 // 4] if len(speeds) > 1 else speeds[0]
    _log.info(f"4 of 4, pushes from 8 sides in {phases} phases of the step, at {command:g} m/s")

    def keep(ladder: Ladder) -> None:
        result.ladder = ladder

    sweep_env = make_sweep_env(job.env, result.timestep)
    result.ladder = climb(sweep_env, job.policy, command, phases, keep)
