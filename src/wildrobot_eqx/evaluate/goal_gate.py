"""The goal gate: is a goal reached, and held to the end of the episode?"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from ..env import Env, EnvState, Timestep
from ..errors import WildRobotError
from ..task import AbstractGoal, AbstractReset
from .gate import AbstractGate, AbstractMeter, Case, Figure, Limit

_SHOWN = {
    "success": Figure("success", "%", 100.0, 1),
    "survival": Figure("survival", "%", 100.0, 1),
    "time_there": Figure("fraction of time there", "%", 100.0, 1),
    "time_to_goal": Figure("median time to goal", "s"),
}


class GoalTally(eqx.Module):
    """The running statistics of one episode."""

    running: Bool[Array, "*batch"]  # neither failed nor broken
    steps: Int[Array, "*batch"]
    there: Int[Array, "*batch"]  # control steps at the goal
    streak: Int[Array, "*batch"]  # those without a break up to now


class GoalMeter(AbstractMeter):
    """Counts the control steps at a goal; an ending that fails ends the episode, one that truncates does not.

    Args:
        env: what signals are made with.
        goal: what is counted.
        hold: for how many control steps the goal must last, to the end.
    """

    env: Env
    goal: AbstractGoal
    hold: int = eqx.field(static=True)

    def init(self, state: EnvState, timestep: Timestep) -> GoalTally:
        none = jnp.zeros((), jnp.int32)
        return GoalTally(_finite(state) & ~timestep.terminated, none, none, none)

    def step(self, tally: GoalTally, state: EnvState, timestep: Timestep) -> GoalTally:
        running = tally.running & _finite(state) & ~timestep.terminated
        there = running & self.goal(self.env.signals(state))
        new = GoalTally(running, tally.steps + 1, tally.there + there, jnp.where(there, tally.streak + 1, 0))
        return jax.tree.map(lambda after, before: jnp.where(tally.running, after, before), new, tally)

    def running(self, tally: GoalTally) -> Bool[Array, ""]:
        return tally.running

    def figures(self, tally: GoalTally, case: Case) -> dict[str, float]:
        dt = self.env.physics.control_dt
        success = tally.running & (tally.streak >= self.hold)
        since = ((tally.steps - tally.streak) * dt)[success]
        return {
            "success": float(np.mean(success)),
            "survival": float(np.mean(tally.running)),
            "time_there": float(tally.there.sum() / max(int(tally.steps.sum()), 1)),
            "time_to_goal": float(np.median(since)) if since.size else np.nan,
        }

    def shown(self) -> dict[str, Figure]:
        return _SHOWN


def _finite(state: EnvState) -> Bool[Array, ""]:
    physics = state.physics
    return jnp.all(jnp.isfinite(physics.qpos)) & jnp.all(jnp.isfinite(physics.qvel))


class GoalGate(AbstractGate):
    """In most episodes the goal is reached, and holds without a break to the end.

    Args:
        goal: what is to be reached.
        hold: for how long it must have lasted at the end of an episode, s.
        seconds: length of an episode, s.
        success: fraction of the episodes that must succeed.
        survival: fraction that must end without a failure.
        reset: first poses that are judged; None: the env's own.
        episodes: how many per timestep.
        timesteps: of physics, s.

    Raises:
        WildRobotError: an episode is too short for the goal to last.
    """

    goal: AbstractGoal
    reset: AbstractReset | None
    hold: float = eqx.field(static=True)  # s
    seconds: float = eqx.field(static=True)  # s
    success: float = eqx.field(static=True)
    survival: float = eqx.field(static=True)
    episodes: int = eqx.field(static=True)
    timesteps: tuple[float, ...] = eqx.field(static=True)  # s

    def __init__(
        self,
        goal: AbstractGoal,
        hold: float,
        seconds: float,
        success: float = 0.95,
        survival: float = 0.95,
        reset: AbstractReset | None = None,
        episodes: int = 256,
        timesteps: tuple[float, ...] = (0.005, 0.002),
    ):
        if not 0.0 < hold <= seconds:
            raise WildRobotError(
                f"A goal cannot last {hold:g} s in episodes of {seconds:g} s.",
                where="GoalGate, hold and seconds",
                hint="make `seconds` longer than `hold`",
            )
        self.goal, self.reset, self.hold, self.seconds = goal, reset, hold, seconds
        self.success, self.survival = success, survival
        self.episodes, self.timesteps = episodes, timesteps

    def cases(self, env: Env) -> tuple[Case, ...]:
        """One: whatever the env draws."""
        return (Case("all episodes", when="in"),)

    def meter(self, env: Env) -> GoalMeter:
        """What counts the control steps at the goal."""
        return GoalMeter(env, self.goal, max(1, round(self.hold / env.physics.control_dt)))

    def limits(self, env: Env) -> tuple[Limit, ...]:
        """Success and survival."""
        success = Limit("success", low=self.success, shown=_SHOWN["success"])
        return success, Limit("survival", low=self.survival, shown=_SHOWN["survival"])

    def prepare(self, env: Env) -> Env:
        return env if self.reset is None else dataclasses.replace(env, reset_state=self.reset)
