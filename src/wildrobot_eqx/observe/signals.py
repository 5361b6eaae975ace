"""What observation, reward and ending terms may read after a control step."""

from typing import Any, TypeVar

import equinox as eqx
from jaxtyping import Array, Float

from ..arrays import check_vectors
from ..control import Calibration
from ..errors import WildRobotError, nearest
from ..physics import PhysicsParams, PhysicsState

Held = TypeVar("Held")


class Channel(eqx.Module):
    """One number that a robot is asked for, or sees of what it is asked for."""

    name: str = eqx.field(static=True)
    unit: str = eqx.field(static=True)
    mirror: float | None = eqx.field(static=True)  # its sign in the left-right mirror; None: its image is not known
    side: bool = eqx.field(static=True, default=False)  # its sign changes with the side, as that of a gait's sine


class Signals(eqx.Module):
    """One robot after one control step: its physics, what it did, and what it was asked for."""

    physics: PhysicsState
    action: Float[Array, " na"]  # the latest action, as sampled
    previous_action: Float[Array, " na"]
    ctrl: Float[Array, " nu"]  # what was sent to the actuators: rad for position servos, N m for motors
    commands: dict[str, Any]  # the commands' states, by name
    observed: dict[str, Float[Array, " _"]]  # what a policy sees of each command
    params: PhysicsParams | None = None  # this episode's draw; simulation only
    calibration: Calibration | None = None  # this episode's errors, where some are drawn; simulation only
    servo: Any = ()  # the servos' own state, by name of the part; simulation only

    def __check_init__(self) -> None:
        check_vectors(self.observed)

    def command(self, name: str, kind: type[Held], asker: object) -> Held:
        """The state of the command called `name`, a `kind`, which `asker` cannot do without.

        Raises:
            WildRobotError: the env has no such command, or it is of another kind.
        """
        if name not in self.commands:
            raise WildRobotError(
                f"{type(asker).__name__} asks for the command {name!r}, which the env does not have.",
                where="env.commands",
                hint=f"a command whose state is a {kind.__name__}; {nearest(name, self.commands)}",
            )
        state = self.commands[name]
        if not isinstance(state, kind):
            raise WildRobotError(
                f"{type(asker).__name__} asks for a {kind.__name__} of the command {name!r}, "
                f"whose state is a {type(state).__name__}.",
                where=f"env.commands[{name!r}]",
                hint="name the command that it should read",
            )
        return state

    def observed_command(self, name: str, asker: object) -> Float[Array, " _"]:
        """What a policy sees of the command called `name`.

        Raises:
            WildRobotError: the env has no such command.
        """
        if name not in self.observed:
            raise WildRobotError(
                f"{type(asker).__name__} asks for the command {name!r}, which the env does not have.",
                where="env.commands",
                hint=nearest(name, self.observed),
            )
        return self.observed[name]

    def errors_for(self, asker: object) -> Calibration:
        """This episode's calibration errors, which `asker`, a term or a sensing module, cannot do without.

        Raises:
            WildRobotError: the env draws none.
        """
        hint = "give the env's Disturbances a RandomCalibrationError, or leave it out of the stack"
        return _held(
            self.calibration,
            asker,
            "calibration errors, and the env draws none",
            "env.disturbances.calibration",
            hint,
        )

    def params_for(self, asker: object) -> PhysicsParams:
        """This episode's domain parameters, in the units of `PhysicsParams`, which `asker` cannot do without.

        Raises:
            WildRobotError: the signals hold none.
        """
        hint = "an Env gives them; signals made by hand must name params"
        return _held(self.params, asker, "the domain parameters, and these signals carry none", "Signals.params", hint)


def _held(value: Held | None, asker: object, what: str, where: str, hint: str) -> Held:
    """What the signals hold, or an error that names the term that needs it."""
    if value is None:
        raise WildRobotError(f"{type(asker).__name__} asks for {what}.", where=where, hint=hint)
    return value
