"""`eval RUN --long`: minutes on its feet under errors that last, and the same world under "hold home"."""

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...arrays import finite_or_none
from ...control import AbstractController
from ...env import Env
from ...errors import WildRobotError
from ...learn import Normal
from ...learn.networks import AbstractPolicy
from ..gate import AbstractGate
from ..meter import Case
from ..robust.cases import by_velocity, speeds_of
from ..robust.widen import Range
from ..rollout import judge_key, run_cases
from ..walking.episodes import velocity_values
from .meter import LEVEL, LongMeter
from .world import lasting_world

_log = logging.getLogger(__name__)

LENGTHS: dict[float, int] = {60.0: 256, 180.0: 64}
"""Episodes of each length, s."""
SURVIVAL = 0.97
TIMESTEP = 0.005
_DOMAIN = 0x1A57  # of keys, besides the gates' own


class HoldHome(AbstractPolicy):
    """Action 0, whatever is observed: the home pose of a controller that moves about it."""

    size: int = eqx.field(static=True)

    def init(self) -> tuple[()]:
        return ()

    def __call__(self, obs: Float[Array, "*batch nobs"], carry: tuple[()]) -> tuple[Normal, tuple[()]]:
        mean = jnp.zeros((*obs.shape[:-1], self.size), jnp.float32)
        return Normal(mean, jnp.zeros((self.size,), jnp.float32)), carry

    def update_norm(self, obs: Float[Array, "batch nobs"]) -> "HoldHome":
        return self


@dataclasses.dataclass(frozen=True)
class Trial:
    """Episodes of one command and one length, under the policy or under "hold home"."""

    command: str
    seconds: float
    who: str  # "policy" or "hold home"
    episodes: int
    figures: dict[str, float]  # as `LongMeter.figures` has them

    @property
    def passed(self) -> bool:
        """Whether so many of the policy's episodes lasted, and ended level."""
        return self.figures["recovered"] >= SURVIVAL

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        figures = {name: finite_or_none(value) for name, value in self.figures.items()}
        return {**dataclasses.asdict(self), "figures": figures, "passed": self.passed}


@dataclasses.dataclass(frozen=True)
class Lasting:
    """What a long evaluation finds."""

    source: str  # of the errors: "recipe" or "standard"
    ranges: tuple[Range, ...]
    trials: tuple[Trial, ...]
    provisional: str  # what was run, where it was less than the whole

    @property
    def passed(self) -> bool:
        """Whether every trial of the policy of 60 s or less did."""
        return all(t.passed for t in self.trials if t.who == "policy" and t.seconds <= min(LENGTHS))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "schema": 1,
            "passed": self.passed,
            "provisional": self.provisional,
            "limits": {"recovered": SURVIVAL, "tilt_deg": LEVEL},
            "world": {"source": self.source, "ranges": [dataclasses.asdict(one) for one in self.ranges]},
            "trials": [trial.to_json() for trial in self.trials],
        }


def evaluate_lasting(
    env: Env,
    gate: AbstractGate | None,
    policy: AbstractPolicy,
    episodes: int | None = None,
    seconds: float | None = None,
    timestep: float | None = None,
    keep: Callable[[Lasting], None] = lambda _: None,
) -> Lasting:
    """Judge a policy on its feet for minutes; `keep` is called with what there is after each trial.

    It is asked to stand, and where it walks to walk at three quarters of its gate's list of speeds. The i-th episode
    of a command has the same errors under the policy and under "hold home".

    Args:
        env: the recipe's.
        gate: its gate, which says the speeds.
        policy: its distribution's mode is the action.
        episodes: of 60 s; 256 if None, and a quarter of 180 s.
        seconds: one length in place of the two, s.
        timestep: of physics, s; 0.005 if None.

    Raises:
        WildRobotError: it is no robot on feet with a velocity command.
    """
    if not by_velocity(env, gate):
        raise WildRobotError(
            "A long evaluation is of a robot on feet that is asked for a velocity, and this recipe has none.",
            where="env.commands",
            hint="leave --long away",
        )
    step = TIMESTEP if timestep is None else timestep
    world = lasting_world(env, step)
    lengths = LENGTHS if seconds is None else {seconds: max(LENGTHS.values())}
    if episodes is not None:
        lengths = {length: max(1, episodes * count // max(lengths.values())) for length, count in lengths.items()}
    less = lengths != LENGTHS
    provisional = ", ".join(f"{count} episodes of {length:g} s" for length, count in lengths.items()) if less else ""
    home = _home(env.controller)
    trials: list[Trial] = []
    for speed in _speeds(env, gate):
        case = Case(f"{speed:g}", velocity_values(env, speed), command=speed)
        label = "stand" if speed == 0.0 else f"walk at {speed:g} m/s"
        for length, count in lengths.items():
            for who, acts in (("policy", policy), ("hold home", home)):
                if acts is None or (who == "hold home" and speed != 0.0):
                    continue
                keys = jax.random.split(jax.random.fold_in(judge_key(step), _DOMAIN), count)
                meter = LongMeter(env.physics.robot, length)
                (tally,) = run_cases(world.env, acts, meter, [case], count, length, f"{label}, {who}", keys=keys)
                trials.append(Trial(label, length, who, count, meter.figures(tally, case)))
                keep(Lasting(world.source, world.ranges, tuple(trials), provisional or "stopped"))
    found = Lasting(world.source, world.ranges, tuple(trials), provisional)
    keep(found)
    return found


def _speeds(env: Env, gate: AbstractGate | None) -> tuple[float, ...]:
    """Standing, where it can be asked for, and one speed of those that are judged."""
    speeds = sorted(speeds_of(env, gate))
    moving = [speed for speed in speeds if speed > 0.0]
    walk = (moving[len(moving) * 3 // 4 if len(moving) > 3 else -1],) if moving else ()
    return (*((0.0,) if 0.0 in speeds or not moving else ()), *walk)


def _home(controller: AbstractController) -> HoldHome | None:
    """The policy that holds the home pose, where the action 0 is that."""
    action = jnp.zeros((controller.action_size,), jnp.float32)
    ctrl, _ = controller(controller.init(), action)
    return HoldHome(controller.action_size) if np.allclose(ctrl, controller.rest(), atol=1e-6) else None
