"""Sensing: what becomes of a true reading on its way to the policy. Each step is a small module with its own state."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .. import rotation
from ..arrays import Number, Numbers, Pair, f32, uniform
from ..control import delay_line
from ..errors import WildRobotError
from ..module import AbstractModule
from ..protocol import Call, Protocol
from .signals import Signals


class AbstractSensing(AbstractModule):
    """One way in which a reading differs from the truth; works on one term of an observation.

    What differs from episode to episode is drawn in `init` and kept in the state.
    """

    protocol: ClassVar[Protocol] = (
        Call("init", ("key", "reading", "signals", "dt"), ("state",)),
        Call("__call__", ("key", "state", "reading", "signals"), ("reading", "state")),
    )

    @abc.abstractmethod
    def init(self, key: PRNGKeyArray, value: Float[Array, " n"], signals: Signals, dt: float) -> Any:
        """The state at the start of an episode, whose first reading is `value`; one reading every `dt` seconds."""

    @abc.abstractmethod
    def __call__(
        self, key: PRNGKeyArray, state: Any, value: Float[Array, " n"], signals: Signals
    ) -> tuple[Float[Array, " n"], Any]:
        """What becomes of `value`, and the next state."""


class Noise(AbstractSensing):
    """White Gaussian noise, independent in every entry and control step.

    A datasheet gives it as a density; over a bandwidth of B Hz the standard deviation is
    the density times sqrt(B). MuJoCo's `noise` of a sensor is such a standard deviation.
    """

    std: Float[Array, "*n"]  # in the term's unit

    def __init__(self, std: Number | Numbers):
        self.std = f32(std)

    def init(self, key: PRNGKeyArray, value: Float[Array, " n"], signals: Signals, dt: float) -> tuple[()]:
        return ()

    def __call__(
        self, key: PRNGKeyArray, state: tuple[()], value: Float[Array, " n"], signals: Signals
    ) -> tuple[Float[Array, " n"], tuple[()]]:
        return value + self.std * jax.random.normal(key, value.shape, jnp.float32), state


class Bias(AbstractSensing):
    """A constant error, drawn per episode and entry from a Gaussian."""

    std: Float[Array, "*n"]  # in the term's unit

    def __init__(self, std: Number | Numbers):
        self.std = f32(std)

    def init(self, key: PRNGKeyArray, value: Float[Array, " n"], signals: Signals, dt: float) -> Float[Array, " n"]:
        return self.std * jax.random.normal(key, value.shape, jnp.float32)

    def __call__(
        self, key: PRNGKeyArray, state: Float[Array, " n"], value: Float[Array, " n"], signals: Signals
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        return value + state, state


class ReadingResolution(AbstractSensing):
    """Readings are whole multiples of a step, such as a servo's 0.24 degrees."""

    step: Float[Array, ""]  # in the term's unit

    def __init__(self, step: Number = 0.0041888):
        self.step = f32(step)

    def init(self, key: PRNGKeyArray, value: Float[Array, " n"], signals: Signals, dt: float) -> tuple[()]:
        return ()

    def __call__(
        self, key: PRNGKeyArray, state: tuple[()], value: Float[Array, " n"], signals: Signals
    ) -> tuple[Float[Array, " n"], tuple[()]]:
        return self.step * jnp.round(value / self.step), state


class EncoderOffset(AbstractSensing):
    """Joint angles off by the episode's encoder offsets, by which the servos go, too (`RandomCalibrationError`)."""

    def init(self, key: PRNGKeyArray, value: Float[Array, " n"], signals: Signals, dt: float) -> tuple[()]:
        return ()

    def __call__(
        self, key: PRNGKeyArray, state: tuple[()], value: Float[Array, " n"], signals: Signals
    ) -> tuple[Float[Array, " n"], tuple[()]]:
        return value + signals.errors_for(self).joint_offset, state


class MountingError(AbstractSensing):
    """A vector of the IMU, as an IMU measures it that is mounted askew (`RandomCalibrationError`): `R^T v`.

    The robot takes the reading for one in the frame of the drawing. The same rotation
    holds for all vectors of the episode. Heading is held relative to the first reading
    and by the true IMU: an error of mounting changes it in second order only.
    """

    def init(self, key: PRNGKeyArray, value: Float[Array, " 3"], signals: Signals, dt: float) -> tuple[()]:
        return ()

    def __call__(
        self, key: PRNGKeyArray, state: tuple[()], value: Float[Array, " 3"], signals: Signals
    ) -> tuple[Float[Array, " 3"], tuple[()]]:
        turn = rotation.from_vector(signals.errors_for(self).imu_rotation)
        return rotation.rotate_inverse(turn, value), state


class ReadingDelay(AbstractSensing):
    """Readings are old by a time drawn per episode; between two control steps, on the straight line between them.

    Args:
        seconds: range of the delay, s.
        longest: the longest that the line is made for, s; by default the range's end.
    """

    seconds: Float[Array, " 2"]  # s
    longest: float = eqx.field(static=True)  # s

    def __init__(self, seconds: Pair = (0.0, 0.02), longest: float | None = None):
        self.seconds = f32(seconds)
        self.longest = max(seconds) if longest is None else longest

    def init(
        self, key: PRNGKeyArray, value: Float[Array, " n"], signals: Signals, dt: float
    ) -> tuple[Float[Array, ""], Float[Array, "rows n"]]:
        return uniform(key, self.seconds) / dt, jnp.tile(value, (delay_line.rows(self.longest, dt), 1))

    def __call__(
        self,
        key: PRNGKeyArray,
        state: tuple[Float[Array, ""], Float[Array, "rows n"]],
        value: Float[Array, " n"],
        signals: Signals,
    ) -> tuple[Float[Array, " n"], tuple[Float[Array, ""], Float[Array, "rows n"]]]:
        lag, line = state
        line = delay_line.push(line, value)
        return delay_line.read(line, lag), (lag, line)


class SampleHold(AbstractSensing):
    """A sensor that is read every `period` seconds and keeps its reading in between.

    The period is drawn per episode, and so is the moment of the first reading within it. A
    period below the control period changes nothing.
    """

    period: Float[Array, " 2"]  # s

    def __init__(self, period: Pair = (0.02, 0.04)):
        self.period = f32(period)

    def init(
        self, key: PRNGKeyArray, value: Float[Array, " n"], signals: Signals, dt: float
    ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, " n"]]:
        key_period, key_age = jax.random.split(key)
        advance = jnp.minimum(dt / uniform(key_period, self.period), 1.0)
        return advance, jax.random.uniform(key_age, (), jnp.float32), value

    def __call__(
        self,
        key: PRNGKeyArray,
        state: tuple[Float[Array, ""], Float[Array, ""], Float[Array, " n"]],
        value: Float[Array, " n"],
        signals: Signals,
    ) -> tuple[Float[Array, " n"], tuple[Float[Array, ""], Float[Array, ""], Float[Array, " n"]]]:
        advance, age, held = state
        age = age + advance
        held = jnp.where(age >= 1.0, value, held)
        return held, (advance, age - jnp.floor(age), held)


class DroppedPackets(AbstractSensing):
    """Now and then a reading does not arrive, and the one before stands."""

    probability: Float[Array, ""]

    def __init__(self, probability: Number = 0.02):
        self.probability = f32(probability)

    def init(self, key: PRNGKeyArray, value: Float[Array, " n"], signals: Signals, dt: float) -> Float[Array, " n"]:
        return value

    def __call__(
        self, key: PRNGKeyArray, state: Float[Array, " n"], value: Float[Array, " n"], signals: Signals
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        held = jnp.where(jax.random.bernoulli(key, self.probability), state, value)
        return held, held


class RoundRobin(AbstractSensing):
    """Readings of a line that is too slow to ask every servo in every control step: some of them in turn.

    Each control step asks `reads` of the entries, one after the other in their order, and the others keep what they
    last said. Whose turn is first, and which servo of the line that is, is drawn per episode. An answer is lost with
    the probability `lost`; its servo keeps its value until its next turn. Entries are in rows of lines: `lines` says
    how many lines there are, entry i being on line i % lines.

    Where a robot has been logged, `ages` are its own: the share of readings that were 0, 1, 2, ... control steps old
    (`read_log(path).ages()`), and each entry's age is drawn anew from them, no older than one step more than it was.

    Args:
        reads: entries that are asked for in each control step, on each line.
        lines: of servos.
        lost: probability that one answer is lost.
        ages: shares of ages as measured, in control steps; None: those of the turns.
    """

    reads: int = eqx.field(static=True)
    lines: int = eqx.field(static=True)
    lost: Float[Array, ""]
    ages: Float[Array, " k"] | None

    def __init__(self, reads: int = 4, lines: int = 1, lost: Number = 0.003, ages: Numbers | None = None):
        self.reads, self.lines = reads, lines
        self.lost = f32(lost)
        self.ages = None if ages is None else f32(ages)

    def __check_init__(self) -> None:
        shares = None if self.ages is None else self.ages.shape
        if self.reads < 1 or self.lines < 1 or shares == (0,):
            raise WildRobotError(
                f"A line is read {self.reads} servos at a time, on {self.lines} lines, with ages of shape {shares}.",
                where="RoundRobin",
                hint="at least one of each",
            )

    def init(
        self, key: PRNGKeyArray, value: Float[Array, " n"], signals: Signals, dt: float
    ) -> tuple[Int[Array, ""], Float[Array, "rows n"], Int[Array, " n"]]:
        rows = 1 if self.ages is None else self.ages.shape[0]
        turn = jax.random.randint(key, (), 0, value.shape[0])
        return turn, jnp.tile(value, (rows, 1)), jnp.zeros(value.shape, jnp.int32)

    def __call__(
        self,
        key: PRNGKeyArray,
        state: tuple[Int[Array, ""], Float[Array, "rows n"], Int[Array, " n"]],
        value: Float[Array, " n"],
        signals: Signals,
    ) -> tuple[Float[Array, " n"], tuple[Int[Array, ""], Float[Array, "rows n"], Int[Array, " n"]]]:
        turn, line, age = state
        n = value.shape[0]
        if self.ages is None:
            along = jnp.arange(n) // self.lines  # the entry's place on its line
            count = -(-n // self.lines)
            asked = jnp.mod(along - turn, count) < self.reads
            heard = asked & ~jax.random.bernoulli(key, self.lost, (n,))
            held = jnp.where(heard, value, line[0])
            return held, (jnp.mod(turn + self.reads, count), held[None], jnp.where(heard, 0, age + 1))
        line = delay_line.push(line, value)
        drawn = jax.random.choice(key, self.ages.shape[0], (n,), p=self.ages / jnp.sum(self.ages))
        age = jnp.minimum(drawn, age + 1)
        return line[age, jnp.arange(n)], (turn, line, age)
