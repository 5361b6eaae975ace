"""An observation as a stack of named terms, with its layout as data."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import WildRobotError, nearest
from ..robots import Mirror
from .sensing import AbstractSensing
from .signals import Signals
from .terms import AbstractTerm


class Slice(eqx.Module):
    """One named part of an observation vector: `observation[start:stop]`."""

    name: str = eqx.field(static=True)
    start: int = eqx.field(static=True)
    stop: int = eqx.field(static=True)
    unit: str = eqx.field(static=True)
    frame: str = eqx.field(static=True)
    source: str = eqx.field(static=True)
    measurable: bool = eqx.field(static=True)
    constants: tuple[tuple[str, float], ...] = eqx.field(static=True, default=())  # to compute it with, SI units
    age: int = eqx.field(static=True, default=0)  # in control steps: 0 is now


class ObservationStack(eqx.Module):
    """Concatenates terms in order; counts, names and describes every entry.

    `stack(signals)` is the truth of one moment. What a policy gets may differ: readings go
    through `sensing`, and the last `history` of them stand one after the other, newest
    first. Both have a state, which `begin` makes and `observe` carries on.

    Args:
        terms: the terms by name, in the order of the vector.
        policy: this stack feeds the policy, so each term must be measurable on the robot.
        sensing: by a term's name, what becomes of its readings, in order; the others are perfect.
        history: how many control steps the vector tells of; before the first, its reading stands.

    Raises:
        WildRobotError: a policy stack holds a term that only the simulator knows, sensing
            names no term, or the history is empty.
    """

    terms: dict[str, AbstractTerm]
    sensing: dict[str, tuple[AbstractSensing, ...]]
    names: tuple[str, ...] = eqx.field(static=True)  # a pytree sorts a dict's keys; this keeps the order
    history: int = eqx.field(static=True)

    def __init__(
        self,
        terms: Mapping[str, AbstractTerm],
        policy: bool = True,
        sensing: Mapping[str, tuple[AbstractSensing, ...]] | None = None,
        history: int = 1,
    ):
        self.terms = dict(terms)
        self.names = tuple(terms)
        self.sensing = dict(sensing or {})
        self.history = history
        for name, term in self.terms.items():
            if policy and not term.measurable:
                raise WildRobotError(
                    f"The policy's observation holds {name!r}, which the robot cannot measure.",
                    where=f"{type(term).__name__} ({term.source})",
                    hint="move it to the privileged observation, which only the critic reads",
                )
        for name in self.sensing:
            if name not in self.terms:
                raise WildRobotError(
                    f"There is no term {name!r} to sense.",
                    where="ObservationStack, sensing",
                    hint=nearest(name, self.names),
                )
        if history < 1:
            raise WildRobotError(
                f"A history of {history} control steps holds nothing.",
                where="ObservationStack, history",
                hint="1 is the present alone",
            )

    @property
    def perfect(self) -> bool:
        """Readings are the truth of the moment, and there is no state."""
        return not self.sensing and self.history == 1

    @property
    def layout(self) -> tuple[Slice, ...]:
        """Name, place, unit, frame, source and age of every part; those of one moment follow each other."""
        slices: list[Slice] = []
        start = 0
        for age in range(self.history):
            for name in self.names:
                term = self.terms[name]
                stop = start + len(term.mirror.source)
                slices.append(Slice(name, start, stop, term.unit, term.frame, term.source, term.measurable, age=age))
                start = stop
        return tuple(slices)

    @property
    def size(self) -> int:
        """Length of the observation vector, its history included."""
        return self.layout[-1].stop if self.names else 0

    @property
    def mirror(self) -> Mirror:
        """The left-right reflection of the whole vector."""
        return Mirror.concatenate([self.terms[name].mirror for name in self.names] * self.history)

    def __call__(self, signals: Signals) -> Float[Array, " n"]:
        """The truth of one moment, without history.

        Raises:
            ValueError: a term's output disagrees with its layout.
        """
        return jnp.concatenate(list(self._values(signals).values()))

    def begin(self, key: PRNGKeyArray, signals: Signals, dt: float) -> tuple[Float[Array, " n"], Any]:
        """The first observation of an episode, and the state of sensing and history; one reading every `dt` seconds."""
        key_draw, key_read = jax.random.split(key)
        state: dict[str, tuple[Any, ...]] = {}
        for name, value, keys in self._sensed(key_draw, self._values(signals)):
            state[name] = tuple(part.init(k, value, signals, dt) for part, k in zip(self.sensing[name], keys))
        frame, state = self._frame(key_read, state, signals)
        past = jnp.tile(frame, (self.history - 1, 1))
        return jnp.concatenate([frame[None], past]).ravel(), (state, past)

    def observe(self, key: PRNGKeyArray, state: Any, signals: Signals) -> tuple[Float[Array, " n"], Any]:
        """The next observation and the next state."""
        readings, past = state
        frame, readings = self._frame(key, readings, signals)
        frames = jnp.concatenate([frame[None], past])
        return frames.ravel(), (readings, frames[:-1])

    def _values(self, signals: Signals) -> dict[str, Float[Array, " _"]]:
        """The truth, by name."""
        values = {}
        for part in self.layout[: len(self.names)]:
            value = self.terms[part.name](signals)
            if value.shape != (part.stop - part.start,):
                raise ValueError(
                    f"observation {part.name!r} ({type(self.terms[part.name]).__name__}) has shape {value.shape}, "
                    f"its layout says ({part.stop - part.start},)"
                )
            values[part.name] = value
        return values

    def _sensed(
        self, key: PRNGKeyArray, values: dict[str, Float[Array, " _"]]
    ) -> list[tuple[str, Float[Array, " _"], Any]]:
        """Name, true value and a key per sensing module, for each term that has some."""
        names = [name for name in self.names if name in self.sensing]
        keys = jax.random.split(key, max(len(names), 1))
        return [(n, values[n], jax.random.split(k, max(len(self.sensing[n]), 1))) for n, k in zip(names, keys)]

    def _frame(
        self, key: PRNGKeyArray, state: dict[str, tuple[Any, ...]], signals: Signals
    ) -> tuple[Float[Array, " n"], dict[str, tuple[Any, ...]]]:
        """One moment's readings."""
        values, after = self._values(signals), {}
        for name, value, keys in self._sensed(key, values):
            states = []
            for part, part_key, part_state in zip(self.sensing[name], keys, state[name]):
                value, part_state = part(part_key, part_state, value, signals)
                states.append(part_state)
            values[name], after[name] = value, tuple(states)
        return jnp.concatenate([values[name] for name in self.names]), after
