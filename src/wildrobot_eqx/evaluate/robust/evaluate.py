"""`eval RUN --robust`: a wrong world, each parameter by itself, terrain, pushes."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Array, Float

from ...arrays import f32
from ...env import Env
from ...errors import WildRobotError
from ...learn.networks import AbstractPolicy
from ..gate import AbstractGate
from ..walking.episodes import with_command
from .cases import commands_of, rows_of, speeds_of, why_not
from .ladder import PHASES, Ladder, climb
from .result import RobustResult, World
from .scores import errors, keys_of, run, score
from .sweep import sweep
from .sweep_env import dial_env
from .terrain import cross
from .wrong_world import wrong_world

Say = Callable[[str], None]
EPISODES, SECONDS, TIMESTEP = 1024, 10.0, 0.005
SWEEP_EPISODES, SWEEP_SECONDS = 32, 6.0  # per level
_FEWEST_PHASES = 2


@dataclasses.dataclass(frozen=True)
class _Job:
    """What every part of an evaluation is given."""

    env: Env
    gate: AbstractGate | None
    policy: AbstractPolicy
    count: int  # of episodes
    length: float  # s
    say: Say

    @property
    def level(self) -> tuple[int, float]:
        """Episodes per level of a sweep, and their seconds."""
        episodes = min(SWEEP_EPISODES, max(1, SWEEP_EPISODES * self.count // EPISODES))
        return episodes, min(SWEEP_SECONDS, self.length)

    def tell(self, part: str) -> Say:
        """What says how far a part is."""
        return lambda text: self.say(f"{part}: {text}")


def evaluate_robust(
    env: Env,
    gate: AbstractGate | None,
    policy: AbstractPolicy,
    say: Say,
    episodes: int | None = None,
    seconds: float | None = None,
    timestep: float = TIMESTEP,
    keep: Callable[[RobustResult], None] = lambda _: None,
) -> RobustResult:
    """Judge a policy; `keep` is called with what there is after each part that is done.

    Fewer episodes than `EPISODES`, or shorter ones than `SECONDS`, make all parts smaller in
    proportion, and the verdict provisional.

    Raises:
        WildRobotError: there is nothing to run, or the policy is asked for no velocity.
        KeyboardInterrupt: it was stopped; what was done is kept, provisional.
    """
    why = why_not(env, gate)
    if why is not None:
        raise WildRobotError(why, where="env.commands", hint="judge it by its gate: wildrobot-eqx eval")
    count, length = EPISODES if episodes is None else episodes, SECONDS if seconds is None else seconds
    if count < 1 or not length > 0.0:
        raise WildRobotError(
            f"A robust evaluation needs episodes of some length, got {count} of {length:g} s.",
            where="--episodes, --seconds",
            hint=f"leave them away: {EPISODES} of {SECONDS:g} s",
        )
    result = RobustResult(timestep, shortfall(count, length))
    try:
        job = _Job(env, gate, policy, count, length, say)
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
    job.say(f"1 of 4, a wrong world: {job.count} episodes of {job.length:g} s")
    judged: Env = world.env
    keys = keys_of(result.timestep, job.count)
    cases = (f32(rows[:, 0]), f32(rows[:, 1:]))
    tally = run(judged, job.policy, _told, cases, keys, job.length, job.tell("wrong world"))
    error, upright = errors(tally, rows, judged.physics.control_dt), np.asarray(tally.upright)
    each = {commands[i]: score(upright[i :: len(commands)], error[i :: len(commands)]) for i in sorted(set(which))}
    # A turn's error has a unit of its own; its survival is as good as any.
    whole = score(upright, np.where(rows[:, 2] == 0.0, error, np.nan))
    result.world = World(whole, each, job.count, job.length, world.sources, world.ranges)


def _told(env: Env, case: tuple[Float[Array, ""], Float[Array, " 2"]]) -> Env:
    return with_command(env, *case)


def _sweep(result: RobustResult, job: _Job) -> None:
    episodes, seconds = job.level
    job.say(f"2 of 4, one parameter at a time: {episodes} episodes of {seconds:g} s per level")
    dials = dial_env(job.env, result.timestep)
    result.sweep = sweep(dials, job.policy, speeds_of(job.env, job.gate), episodes, seconds, job.tell("sweep"))


def _terrain(result: RobustResult, job: _Job) -> None:
    episodes, seconds = job.level
    base = job.env.physics.robot.base
    if base is None or not base.floating:
        job.say("3 of 4, terrain: left out, for the robot's base is not free to go there")
        return
    job.say(f"3 of 4, slopes, bumps and steps: {episodes} episodes of {seconds:g} s per level")
    commands, timestep = commands_of(job.env, job.gate), result.timestep
    try:
        result.terrain = cross(job.env, job.policy, commands, episodes, seconds, timestep, job.tell("terrain"))
    except WildRobotError as error:  # a robot whose floor cannot be replaced; the rest can be judged
        job.say(f"3 of 4, terrain: left out. {error.what}")


def _ladder(result: RobustResult, job: _Job) -> None:
    phases = min(PHASES, max(_FEWEST_PHASES, PHASES * job.count // EPISODES))
    speeds = speeds_of(job.env, job.gate)
    command = speeds[len(speeds) * 3 // 4] if len(speeds) > 1 else speeds[0]
    job.say(f"4 of 4, pushes from 8 sides in {phases} phases of the step, at {command:g} m/s")

    def keep(ladder: Ladder) -> None:
        result.ladder = ladder

    dials = dial_env(job.env, result.timestep)
    result.ladder = climb(dials, job.policy, command, phases, job.tell("pushes"), keep)
