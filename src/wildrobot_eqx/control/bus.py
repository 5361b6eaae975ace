"""The bus between computer and servos: commands come late, and in whole units."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import Number, Pair, f32, uniform
from . import delay_line
from .law import Joints, ServoLaw
from .servo import AbstractServo


class CommandDelay(AbstractServo):
    """Targets reach the servos late, by a time drawn per episode.

    Where that is no whole number of updates, the target is the mean of what arrives within
    the update (`delay_line.read`); with one update per substep the change comes at the
    right substep. The bus of this robot reads one servo in 3.6 ms, and reads and writes
    three in 8 ms, as measured at 115,200 baud; computing comes on top.

    Args:
        seconds: range of the delay, s.
        longest: the longest that the line is made for, s; by default the range's end. Only
            this needs a new compile to change.
    """

    seconds: Float[Array, " 2"]  # s
    longest: float = eqx.field(static=True)  # s

    def __init__(self, seconds: Pair = (0.005, 0.02), longest: float | None = None):
        self.seconds = f32(seconds)
        self.longest = max(seconds) if longest is None else longest

    def init(
        self, key: PRNGKeyArray, joints: Joints, target: Float[Array, " nu"], dt: float
    ) -> tuple[Float[Array, ""], Float[Array, "rows nu"]]:
        return uniform(key, self.seconds), jnp.tile(target, (delay_line.rows(self.longest, dt), 1))

    def __call__(
        self, state: tuple[Float[Array, ""], Float[Array, "rows nu"]], law: ServoLaw, joints: Joints, dt: float
    ) -> tuple[ServoLaw, tuple[Float[Array, ""], Float[Array, "rows nu"]]]:
        delay, line = state
        line = delay_line.push(line, law.target)
        target = delay_line.read(line, delay / dt)
        return eqx.tree_at(lambda d: d.target, law, target), (delay, line)


class CommandResolution(AbstractServo):
    """Targets are whole multiples of the bus's unit: this robot's servos divide 240 degrees into 1,000."""

    step: Float[Array, ""]  # rad, 0.24 degrees

    def __init__(self, step: Number = 0.0041888):
        self.step = f32(step)

    def init(self, key: PRNGKeyArray, joints: Joints, target: Float[Array, " nu"], dt: float) -> tuple[()]:
        return ()

    def __call__(self, state: tuple[()], law: ServoLaw, joints: Joints, dt: float) -> tuple[ServoLaw, tuple[()]]:
        target = self.step * jnp.round(law.target / self.step)
        return eqx.tree_at(lambda d: d.target, law, target), state
