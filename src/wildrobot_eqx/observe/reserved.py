"""Entries of an observation that somebody else's contract has."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..robots import Mirror
from .signals import Signals
from .terms import AbstractStatelessTerm


class Reserved(AbstractStatelessTerm):
    """Entries that a contract has and a task leaves at 0."""

    length: int = eqx.field(static=True)
    unit: str = eqx.field(static=True)
    frame = "none"
    measurable = True

    def __init__(self, size: int, unit: str = "1"):
        self.length, self.unit = size, unit

    @property
    def size(self) -> int:
        """Length of its vector."""
        return self.length

    @property
    def mirror(self) -> Mirror:
        return Mirror(tuple(range(self.length)), (1.0,) * self.length)

    @property
    def source(self) -> str:
        return "0"

    def __call__(self, signals: Signals) -> Float[Array, " {self.length}"]:
        return jnp.zeros((self.length,), jnp.float32)
