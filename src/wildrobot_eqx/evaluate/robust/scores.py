"""Episodes of a robust evaluation: run as one batch, and scored by survival and speed error."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from ...arrays import finite_or_none
from ...env import Env
from ...learn.networks import AbstractPolicy
from ..rollout import init_episodes, judge_key, play_out
from ..walking.episodes import WalkMeter
from ..walking.meter import GaitMeter, GaitTally

_DOMAIN = 0x0B0B  # of keys, besides the gates' own


@dataclasses.dataclass(frozen=True)
class Score:
    """How some episodes went."""

    survival: float  # fraction of episodes
    speed_error: float  # m/s, of a turn rad/s: |mean speed - command|, mean over those that survived; NaN if none did

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"survival": self.survival, "speed_error": finite_or_none(self.speed_error)}


def keys_of(timestep: float, n: int) -> Key[Array, " n"]:
    """Keys of `n` episodes that training never draws; the i-th is the same for any `n`."""
    key = jax.random.fold_in(judge_key(timestep), _DOMAIN)
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(np.arange(n, dtype=np.uint32))


def meter_of(env: Env, seconds: float) -> WalkMeter:
    """A meter of episodes of `seconds`, whose first quarter, at most 3 s, is a warm-up."""
    robot = env.physics.robot
    return WalkMeter(GaitMeter(robot, seconds, min(3.0, 0.25 * seconds)), robot)


def run(
    env: Env,
    policy: AbstractPolicy,
    vary: Callable[[Env, Any], Env],
    cases: Any,
    keys: Key[Array, " n"],
    seconds: float,
    label: str,
) -> GaitTally:
    """Run one episode per case, `seconds` long; NumPy leaves with the episodes as their first axis.

    The log says how far it is, after `label`.
    """
    meter = meter_of(env, seconds)
    return play_out(env, policy, meter, init_episodes(env, policy, meter, vary, cases, keys), seconds, label)


def errors(tally: GaitTally, commands: Float[np.ndarray, "n 3"], dt: float) -> Float[np.ndarray, " n"]:
    """Each episode's |mean - command| after the warm-up, along the axis of its command; NaN where it fell.

    `commands` are speeds ahead and to the left (m/s) and turns to the left (rad/s), of which at most one is
    not zero; where all are zero the error is that of the speed ahead.
    """
    moved = np.concatenate([tally.position - tally.warm, tally.turned[:, None]], axis=1)
    error = np.abs(moved / (dt * np.maximum(tally.judged, 1))[:, None] - commands)
    along = np.take_along_axis(error, np.argmax(commands != 0.0, axis=1)[:, None], axis=1)[:, 0]
    return np.where(tally.upright, along, np.nan)


def score(upright: Bool[np.ndarray, " n"], error: Float[np.ndarray, " n"]) -> Score:
    """The score of some episodes; an error that is NaN is none."""
    error = error[upright & np.isfinite(error)]
    return Score(float(upright.mean()), float(error.mean()) if error.size else float("nan"))
