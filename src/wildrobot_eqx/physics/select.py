"""Choose a physics engine by name, as recipes and the command line do."""

from collections.abc import Sequence
from typing import Literal, get_args

import jax

from ..errors import WildRobotError, nearest
from ..robots import Robot
from .base import AbstractPhysics
from .mjx import MjxPhysics
from .native import NativePhysics
from .tree import TreePhysics

Engine = Literal["native", "mjx", "tree"]
"""A physics engine."""

EngineName = Literal["auto", "native", "mjx", "tree"]
"""An engine, or `auto`: the fastest one here that can simulate the robot."""


LONG = 1_500_000
"""Control steps of a training from which on, on a CPU, `tree` has made good its longer compile."""


def fastest_engine(robot: Robot, timestep: float = 0.005, steps: int = 0) -> tuple[Engine, str]:
    """The engine that trains `robot` in the least time on this machine from a cold start, and why.

    docs/benchmarks.md has the figures behind it. On a CPU that depends on how many control `steps` there are to train.
    A second training on `tree`, which finds its compiled functions on disk, is sooner done than one on `native`.
    """
    device = jax.default_backend()
    if device == "cpu" and steps < LONG:
        return "native", "on a CPU MuJoCo's C engine starts at once; --physics tree compiles longer the first time"
    why = engine_refusals(robot, timestep, ("tree",))
    if why:
        other: Engine = "native" if device == "cpu" else "mjx"
        why |= engine_refusals(robot, timestep, ("mjx",)) if other == "mjx" else {}
        if "mjx" in why:
            return "native", f"no engine for the {device} takes the robot. {why['tree']} {why['mjx']}"
        because = f"on the {device} it is the fastest but for the tree engine, which refuses the robot: {why['tree']}"
        return other, because
    if device == "cpu":
        return "tree", "it compiles longer than MuJoCo's C engine starts, and so long a training makes good for that"
    return "tree", f"on a {device} it makes several times MJX's steps per second"


def engine_refusals(
    robot: Robot, timestep: float = 0.005, engines: Sequence[Engine] = ("native", "tree", "mjx")
) -> dict[Engine, str]:
    """Why each of these engines that cannot simulate `robot` cannot; an engine that can is not in it.

    `tree` lists all that stands in its way, MJX the first thing. To ask MJX takes seconds, for it imports and converts.
    """
    found: dict[Engine, str] = {}
    for name in engines:
        try:
            make_physics(name, robot, timestep)
        except WildRobotError as error:
            found[name] = error.what
    return found


def explain_engines(physics: AbstractPhysics) -> str | None:
    """One sentence for each engine in JAX that refuses a robot, and which engines take it; None where `tree` does.

    The robot is that of `physics`, which takes it, perhaps by options of its own; the other engines are asked as
    `--physics` makes them.
    """
    own, robot, timestep = engine_name(physics), physics.robot, physics.timestep
    refused = {} if own == "tree" else engine_refusals(robot, timestep, ("tree",))
    if not refused:
        return None
    refused |= {} if own == "mjx" else engine_refusals(robot, timestep, ("mjx",))
    taken = [name for name in ("native", "mjx") if name not in refused]
    return " ".join([*refused.values(), f"Take --physics {' or '.join(taken)}."])


def engine_name(physics: AbstractPhysics) -> str:
    """The name under which `make_physics` makes such an engine."""
    return type(physics).__name__.removesuffix("Physics").lower()


def make_physics(engine: str, robot: Robot, timestep: float = 0.005, steps: int = 0) -> AbstractPhysics:
    """The engine called `engine` (an `EngineName`) for `robot`, with simulation steps of `timestep` s.

    `steps` are the control steps to train for, by which `auto` chooses.

    Raises:
        WildRobotError: no such engine, or it cannot simulate this robot at this timestep.
    """
    if engine == "auto":
        engine, _ = fastest_engine(robot, timestep, steps)
    if engine == "native":
        return NativePhysics(robot, timestep)
    if engine == "mjx":
        return MjxPhysics(robot, timestep)
    if engine == "tree":
        return TreePhysics(robot, timestep)
    raise WildRobotError(
        f"There is no physics engine {engine!r}.", where="--physics", hint=nearest(engine, get_args(EngineName))
    )
