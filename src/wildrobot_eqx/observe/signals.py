"""What observation, reward and termination terms may read after a control step."""

from typing import Any, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..control import Calibration
from ..errors import WildRobotError
from ..physics import PhysicsParams, PhysicsState

Held = TypeVar("Held")


class Command(eqx.Module):
    """What the robot is told to do, and the heading that it measures by its own IMU.

    Headings are relative to the IMU's heading at the start of the episode (`origin`).
    """

    speed: Float[Array, ""]  # m/s, along the commanded heading; exactly 0, with all else, means: stand
    yaw_rate: Float[Array, ""]  # rad/s, from the heading hold, and what it is told to turn
    heading: Float[Array, ""]  # rad, as measured
    target: Float[Array, ""]  # rad, commanded heading
    origin: Float[Array, ""]  # rad, world heading at the start
    lateral: Float[Array, ""] | None = None  # m/s, to the left of the commanded heading; None: never asked for
    turn: Float[Array, ""] | None = None  # rad/s, at which the commanded heading turns to the left; None: never

    @property
    def moving(self) -> Float[Array, ""]:
        """1 while a step is asked for, 0 while the robot should stand."""
        asked = jnp.abs(self.speed) > 0.0
        for other in (self.lateral, self.turn):
            asked = asked if other is None else asked | (jnp.abs(other) > 0.0)
        return asked.astype(jnp.float32)


class Signals(eqx.Module):
    """One robot after one control step: its physics, what it did, and what it was told."""

    physics: PhysicsState
    action: Float[Array, " nu"]  # the latest action, as sampled
    previous_action: Float[Array, " nu"]
    target: Float[Array, " nu"]  # joint targets sent, rad
    command: Command
    phase: Float[Array, ""]  # rad in [0, 2 pi), the gait clock
    params: PhysicsParams | None = None  # this episode's draw; simulation only
    calibration: Calibration | None = None  # this episode's errors, where some are drawn; simulation only
    servo: Any = ()  # the servos' own state, by name of the part; simulation only

    @property
    def stepping(self) -> Float[Array, ""]:
        """1 while a step is asked for or still being finished, 0 while the robot should stand still."""
        return jnp.maximum(self.command.moving, (self.phase > 0.0).astype(jnp.float32))

    def errors_for(self, asker: object) -> Calibration:
        """This episode's calibration errors, which `asker`, a term or a sensing module, cannot do without.

        Raises:
            WildRobotError: the env draws none.
        """
        hint = "give the env miscalibration=Miscalibration(...), or leave it out of the stack"
        return _held(self.calibration, asker, "calibration errors, and the env draws none", "env.miscalibration", hint)

    def params_for(self, asker: object) -> PhysicsParams:
        """This episode's domain parameters, in the units of `PhysicsParams`, which `asker` cannot do without.

        Raises:
            WildRobotError: the signals hold none.
        """
        hint = "an Env gives them; signals made by hand must name params"
        return _held(self.params, asker, "the domain parameters, and these signals carry none", "Signals.params", hint)

    def heading_frame(self, vector: Float[Array, " 3"]) -> Float[Array, " 3"]:
        """A world vector along the commanded heading: forward, left, up."""
        angle = self.command.origin + self.command.target
        c, s = jnp.cos(angle), jnp.sin(angle)
        x, y, z = vector
        return jnp.stack([c * x + s * y, c * y - s * x, z])


def _held(value: Held | None, asker: object, what: str, where: str, hint: str) -> Held:
    """What the signals hold, or an error that names who asks for it in vain."""
    if value is None:
        raise WildRobotError(f"{type(asker).__name__} asks for {what}.", where=where, hint=hint)
    return value
