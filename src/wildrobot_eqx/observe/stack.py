"""An observation as a stack of named terms, with its layout as data."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import named_key
from ..errors import WildRobotError, nearest
from ..module import AbstractModule
from ..robots import Mirror
from .sensing import AbstractSensing
from .signals import Signals
from .terms import AbstractStatelessTerm, AbstractTerm, CommandTerm


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


class ObservationStack(AbstractModule):
    """Concatenates terms in order; counts, names and describes every entry.

    What a policy gets may differ from the truth of the moment: readings go through `sensing`,
    and the last `history` of them stand one after the other, newest first. These, and terms
    that remember, have a state, which `init` makes and `step` carries on.

    Args:
        terms: the terms by name, in the order of the vector.
        policy: this stack feeds the policy, so each term must be measurable on the robot.
        sensing: by a term's name, what becomes of its readings, in order; the others are ideal.
        history: how many control steps the vector holds; before the first step it holds the first reading.

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

    def __check_init__(self) -> None:
        if sorted(self.names) != sorted(self.terms):
            raise WildRobotError(
                f"The order of the stack is {', '.join(self.names)}, and its terms are {', '.join(self.terms)}.",
                where="ObservationStack, names and terms",
                hint="make a new ObservationStack of the terms, or replace both",
            )
        for name in self.sensing:
            if name not in self.terms:
                raise WildRobotError(
                    f"There is no term {name!r} to sense.",
                    where="ObservationStack, sensing",
                    hint=nearest(name, self.names),
                )
        if self.history < 1:
            raise WildRobotError(
                f"A history of {self.history} control steps holds nothing.",
                where="ObservationStack, history",
                hint="1 is the present alone",
            )

    @property
    def ideal(self) -> bool:
        """Readings are the truth of the moment, and there is no state."""
        stateless = all(isinstance(term, AbstractStatelessTerm) for term in self.terms.values())
        return not self.sensing and self.history == 1 and stateless

    @property
    def layout(self) -> tuple[Slice, ...]:
        """Name, place, unit, frame, source and age of every part; those of one moment follow each other."""
        slices: list[Slice] = []
        start = 0
        for age in range(self.history):
            for name in self.names:
                term = self.terms[name]
                stop = start + term.size
                slices.append(Slice(name, start, stop, term.unit, term.frame, term.source, term.measurable, age=age))
                start = stop
        return tuple(slices)

    @property
    def size(self) -> int:
        """Length of the observation vector, its history included."""
        return self.history * sum(term.size for term in self.terms.values())

    @property
    def mirror(self) -> Mirror | None:
        """The left-right reflection of the whole vector; None where that of a term is not known."""
        mirrors = [self.terms[name].mirror for name in self.names]
        known = [mirror for mirror in mirrors if mirror is not None]
        return Mirror.concatenate(known * self.history) if len(known) == len(mirrors) else None

    @property
    def side(self) -> int | None:
        """The entry of the newest reading whose sign changes with the side: a gait's before a lean's."""
        sides = [part.start + side for part in self._newest if (side := self.terms[part.name].side) is not None]
        gaits = [i for i in sides if isinstance(self._at(i), CommandTerm)]
        return next(iter(gaits + sides), None)

    def __call__(self, signals: Signals) -> Float[Array, " n"]:
        """The truth of one moment, the first of an episode, without history."""
        values, _ = self._values(self._begin(signals), signals)
        return jnp.concatenate(list(values.values()))

    def init(self, key: PRNGKeyArray, signals: Signals, dt: float) -> tuple[Float[Array, " {self.size}"], Any]:
        """The first observation of an episode, and the first state; one reading every `dt` seconds."""
        if self.ideal:
            return self(signals), ()
        key_draw, key_read = jax.random.split(key)
        terms = self._begin(signals)
        values, _ = self._values(terms, signals)
        sensed: dict[str, tuple[Any, ...]] = {}
        for name, keys in self._keys(key_draw):
            sensed[name] = tuple(part.init(k, values[name], signals, dt) for part, k in zip(self.sensing[name], keys))
        frame, terms, sensed = self._frame(key_read, terms, sensed, signals)
        past = jnp.tile(frame, (self.history - 1, 1))
        return jnp.concatenate([frame[None], past]).ravel(), (terms, sensed, past)

    def step(self, key: PRNGKeyArray, state: Any, signals: Signals) -> tuple[Float[Array, " {self.size}"], Any]:
        """The next observation and the next state."""
        if self.ideal:
            return self(signals), state
        terms, sensed, past = state
        frame, terms, sensed = self._frame(key, terms, sensed, signals)
        frames = jnp.concatenate([frame[None], past])
        return frames.ravel(), (terms, sensed, frames[:-1])

    @property
    def _newest(self) -> tuple[Slice, ...]:
        return self.layout[: len(self.names)]

    def _at(self, entry: int) -> AbstractTerm:
        return next(self.terms[part.name] for part in self._newest if part.start <= entry < part.stop)

    def _begin(self, signals: Signals) -> dict[str, Any]:
        return {name: self.terms[name].init(signals) for name in self.names}

    def _values(self, states: dict[str, Any], signals: Signals) -> tuple[dict[str, Float[Array, " _"]], dict[str, Any]]:
        """The truth by name, and the terms' next states.

        Raises:
            ValueError: a term's output disagrees with its size.
        """
        values, after = {}, {}
        for name in self.names:
            term = self.terms[name]
            values[name], after[name] = term.step(states[name], signals)
            if values[name].shape != (term.size,):
                raise ValueError(
                    f"observation {name!r} ({type(term).__name__}) has shape {values[name].shape}, "
                    f"its layout says ({term.size},)"
                )
        return values, after

    def _keys(self, key: PRNGKeyArray) -> list[tuple[str, Any]]:
        """Name of each term that is sensed, and a key for each of its sensing modules."""
        return [
            (name, jax.random.split(named_key(key, name), max(len(self.sensing[name]), 1)))
            for name in self.names
            if name in self.sensing
        ]

    def _frame(
        self, key: PRNGKeyArray, terms: dict[str, Any], sensed: dict[str, tuple[Any, ...]], signals: Signals
    ) -> tuple[Float[Array, " n"], dict[str, Any], dict[str, tuple[Any, ...]]]:
        """One moment's readings, and the next states of terms and of sensing."""
        values, terms = self._values(terms, signals)
        after: dict[str, tuple[Any, ...]] = {}
        for name, keys in self._keys(key):
            states = []
            for part, part_key, part_state in zip(self.sensing[name], keys, sensed[name]):
                values[name], part_state = part(part_key, part_state, values[name], signals)
                states.append(part_state)
            after[name] = tuple(states)
        return jnp.concatenate([values[name] for name in self.names]), terms, after
