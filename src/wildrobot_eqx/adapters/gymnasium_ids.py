"""An env under a Gymnasium id, for `gymnasium.make` and `gymnasium.make_vec`."""

import os
from collections.abc import Callable
from typing import Any

from ..env import Env
from ..errors import WildRobotError
from .gymnasium import AutoresetMode, GymnasiumEnv, GymnasiumVectorEnv
from .gymnasium_bridge import gymnasium


def register_gymnasium(name: str, make: Callable[[], Env]) -> None:
    """Register an env, so that `gymnasium.make(name)` and `gymnasium.make_vec(name, num_envs)` make its adapters.

    `make_vec` makes a `GymnasiumVectorEnv` unless given `vectorization_mode="sync"`, with Gymnasium's own default
    of NEXT_STEP; further arguments go to the adapters. "async" forks processes, which JAX does not survive.

    Args:
        name: an id as Gymnasium has them, such as `lab/hop-v0`; an earlier env of that id is replaced.
        make: returns the env of one robot; called once, when the first adapter is made.

    Raises:
        WildRobotError: the id is none; an adapter is made in a forked process.
    """
    made: list[Env] = []
    process = os.getpid()

    def env() -> Env:
        if os.getpid() != process:
            raise WildRobotError(
                f"{name!r} was registered in another process: JAX does not survive a fork.",
                where="gymnasium.make_vec, vectorization_mode='async'",
                hint="leave vectorization_mode away: all robots step in one compiled call",
            )
        if not made:
            made.append(make())
        return made[0]

    def single(**options: Any) -> GymnasiumEnv:
        return GymnasiumEnv(env(), **options)

    def many(num_envs: int, autoreset_mode: AutoresetMode | str = "NextStep", **options: Any) -> GymnasiumVectorEnv:
        return GymnasiumVectorEnv(env(), num_envs, autoreset_mode, **options)

    vector: Any = many  # Gymnasium's protocol for it names no arguments
    try:
        gymnasium.registry.pop(name, None)
        gymnasium.register(name, entry_point=single, vector_entry_point=vector, disable_env_checker=True)
    except gymnasium.error.Error as error:
        raise WildRobotError(f"{error}", where="register_gymnasium", hint="such as 'lab/hop-v0'") from error
