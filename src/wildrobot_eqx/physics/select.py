"""Choose a physics backend by name, as recipes and the command line do."""

from typing import Literal, get_args

from ..errors import WildRobotError, nearest
from ..robots import Robot
from .base import AbstractPhysics
from .mjx import MjxPhysics
from .native import NativePhysics
from .tree import TreePhysics

Backend = Literal["native", "mjx", "tree"]


def make_physics(backend: str, robot: Robot, timestep: float = 0.005) -> AbstractPhysics:
    """The backend called `backend` (a `Backend`) for `robot`, with simulation steps of `timestep` s.

    Raises:
        WildRobotError: no such backend, or it cannot simulate this robot at this timestep.
    """
    if backend == "native":
        return NativePhysics(robot, timestep)
    if backend == "mjx":
        return MjxPhysics(robot, timestep)
    if backend == "tree":
        return TreePhysics(robot, timestep)
    raise WildRobotError(
        f"There is no physics backend {backend!r}.", where="--physics", hint=nearest(backend, get_args(Backend))
    )
