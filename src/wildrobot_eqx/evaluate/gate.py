"""Gates: what counts as done."""

import abc
import dataclasses
from collections.abc import Callable

import equinox as eqx
import numpy as np

from ..env import Env
from ..learn.networks import AbstractPolicy
from .gate_result import CommandFigures as CommandFigures
from .gate_result import GateLine as GateLine
from .gate_result import GateResult as GateResult
from .gate_result import Limit as Limit


@dataclasses.dataclass(frozen=True)
class Unasked:
    """One command of a gate that the env never gives a policy: where it stands, what is asked for instead, a cure."""

    leaf: str
    asked: str
    judged: str
    fix: str


class AbstractGate(eqx.Module):
    """Judges a policy in the env that it was trained for."""

    @abc.abstractmethod
    def __call__(
        self,
        env: Env,
        policy: AbstractPolicy,
        *,
        episodes: int | None = None,
        timesteps: tuple[float, ...] | None = None,
        engine: str = "native",
        progress: Callable[[str], None] | None = None,
    ) -> GateResult:
        """Judge `policy`.

        Args:
            env: the recipe's env.
            policy: its distribution's mean is the action.
            episodes: per command and timestep; the gate's own number if None. Where it is
                fewer, the result says so: it is `provisional`.
            timesteps: of physics, s; the gate's own if None. The same goes for these.
            engine: the physics backend that simulates; a verdict of another than `native` is that engine's only.
            progress: told how far it is, now and then.

        Raises:
            WildRobotError: a timestep does not divide the control period, or there is nothing to judge.
        """

    def unasked(self, env: Env) -> tuple[Unasked, ...]:
        """Commands that it holds a policy to, but that `env` never gives; told before a training."""
        return ()


def shortfall(own: int, own_timesteps: tuple[float, ...], episodes: int, timesteps: tuple[float, ...]) -> str:
    """What of a gate's own episodes and timesteps (s) was run, where it was not all; else nothing."""
    run = [known for known in own_timesteps if any(np.isclose(known, timestep) for timestep in timesteps)]
    parts = [f"{episodes} of {own} episodes"] if episodes < own else []
    if len(run) < len(own_timesteps):
        parts.append(f"{len(run)} of {len(own_timesteps)} physics timesteps")
    return ", ".join(parts)
