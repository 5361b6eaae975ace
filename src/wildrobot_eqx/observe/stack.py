"""An observation as a stack of named terms, with its layout as data."""

from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..errors import WildRobotError
from ..robots import Mirror
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


class ObservationStack(eqx.Module):
    """Concatenates terms in order; counts, names and describes every entry.

    Args:
        terms: the terms by name, in the order of the vector.
        policy: this stack feeds the policy, so each term must be measurable on the robot.

    Raises:
        WildRobotError: a policy stack holds a term that only the simulator knows.
    """

    terms: dict[str, AbstractTerm]
    names: tuple[str, ...] = eqx.field(static=True)  # a pytree sorts a dict's keys; this keeps the order

    def __init__(self, terms: Mapping[str, AbstractTerm], policy: bool = True):
        self.terms = dict(terms)
        self.names = tuple(terms)
        for name, term in self.terms.items():
            if policy and not term.measurable:
                raise WildRobotError(
                    f"The policy's observation holds {name!r}, which the robot cannot measure.",
                    where=f"{type(term).__name__} ({term.source})",
                    hint="move it to the privileged observation, which only the critic reads",
                )

    @property
    def layout(self) -> tuple[Slice, ...]:
        """Name, place, unit, frame and source of every part."""
        slices: list[Slice] = []
        start = 0
        for name in self.names:
            term = self.terms[name]
            stop = start + len(term.mirror.source)
            slices.append(Slice(name, start, stop, term.unit, term.frame, term.source, term.measurable))
            start = stop
        return tuple(slices)

    @property
    def size(self) -> int:
        """Length of the observation vector."""
        return self.layout[-1].stop if self.names else 0

    @property
    def mirror(self) -> Mirror:
        """The left-right reflection of the whole vector."""
        return Mirror.concatenate([self.terms[name].mirror for name in self.names])

    def __call__(self, signals: Signals) -> Float[Array, " n"]:
        """The observation vector.

        Raises:
            ValueError: a term's output disagrees with its layout.
        """
        parts = []
        for part in self.layout:
            value = self.terms[part.name](signals)
            if value.shape != (part.stop - part.start,):
                raise ValueError(
                    f"observation {part.name!r} ({type(self.terms[part.name]).__name__}) has shape {value.shape}, "
                    f"its layout says ({part.stop - part.start},)"
                )
            parts.append(value)
        return jnp.concatenate(parts)
