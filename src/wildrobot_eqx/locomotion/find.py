"""The commands of walking among those of an env."""

from collections.abc import Mapping
from typing import Any, TypeVar

from ..errors import WildRobotError
from ..task import AbstractCommand
from .foot_timed import FootTimedGait
from .gaits import Gait
from .velocity import VelocityCommand, VelocityState

Kind = TypeVar("Kind", bound=AbstractCommand)


def velocities(commands: Mapping[str, AbstractCommand]) -> dict[str, VelocityCommand]:
    """The velocity commands among an env's, by name; most envs have one, or none."""
    return {name: command for name, command in commands.items() if isinstance(command, VelocityCommand)}


def velocity_of(commands: Mapping[str, AbstractCommand]) -> tuple[str, VelocityCommand]:
    """The name of the one velocity command, and the command.

    Raises:
        WildRobotError: there is none, or there are several.
    """
    return _only(commands, VelocityCommand)


def gait_of(commands: Mapping[str, AbstractCommand]) -> tuple[str, Gait] | None:
    """The name of the gait, and the gait, or the clock of one that the feet time; None where there is none.

    Raises:
        WildRobotError: there are several.
    """
    clocks = {name: c.clock if isinstance(c, FootTimedGait) else c for name, c in commands.items()}
    return _only(clocks, Gait) if any(isinstance(clock, Gait) for clock in clocks.values()) else None


def velocity_in(states: Mapping[str, Any]) -> VelocityState:
    """The one velocity command's state among those of an env's commands.

    Raises:
        WildRobotError: there is none, or there are several.
    """
    found = [state for state in states.values() if isinstance(state, VelocityState)]
    if len(found) != 1:
        raise WildRobotError(
            f"{len(found)} commands ask for a velocity; exactly one is needed here.",
            where=f"env.commands: {', '.join(sorted(states)) or 'none'}",
            hint='give the env commands={"velocity": VelocityCommand(...)}',
        )
    return found[0]


def _only(commands: Mapping[str, AbstractCommand], kind: type[Kind]) -> tuple[str, Kind]:
    found = [(name, command) for name, command in sorted(commands.items()) if isinstance(command, kind)]
    if len(found) != 1:
        raise WildRobotError(
            f"The env has {len(found)} commands of the kind {kind.__name__}; exactly one is needed here.",
            where=f"env.commands: {', '.join(sorted(commands)) or 'none'}",
            hint=f'give the env commands={{"...": {kind.__name__}(...)}}',
        )
    return found[0]
