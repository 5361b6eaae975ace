"""Wrappers that slow a controller down as a real servo bus does: low-pass and delay."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..arrays import Number
from ..robots import Mirror
from .base import AbstractController


class AbstractFilter(AbstractController):
    """A controller around another one: it takes the same actions and gives `start` at rest."""

    inner: eqx.AbstractVar[AbstractController]
    start: eqx.AbstractVar[Float[Array, " nu"]]

    @property
    def action_size(self) -> int:
        """The inner controller's."""
        return self.inner.action_size

    @property
    def mirror(self) -> Mirror | None:
        return self.inner.mirror

    def rest(self) -> Float[Array, " nu"]:
        return self.start


class LowPass(AbstractFilter):
    """First-order filter of the targets: `y += alpha * (x - y)`, starting from `start`.

    `alpha` = 1 passes everything; a cut-off of f Hz at a period of dt s is
    `alpha = 1 - exp(-2 pi f dt)`.
    """

    inner: AbstractController
    start: Float[Array, " nu"]  # in the unit of the command
    alpha: Float[Array, ""]

    def __init__(self, inner: AbstractController, start: Float[Array, " nu"], alpha: Number):
        self.inner, self.start = inner, start
        self.alpha = jnp.asarray(alpha, jnp.float32)

    def init(self) -> tuple[Any, Float[Array, " nu"]]:
        return self.inner.init(), self.start

    def __call__(self, state: Any, action: Float[Array, " {self.action_size}"]) -> tuple[Float[Array, " nu"], Any]:
        inner, filtered = state
        target, inner = self.inner(inner, action)
        filtered = filtered + self.alpha * (target - filtered)
        return filtered, (inner, filtered)


class Delay(AbstractFilter):
    """Hands each target on `steps` control periods late; `start` until the first arrives."""

    inner: AbstractController
    start: Float[Array, " nu"]  # in the unit of the command
    steps: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"Delay: steps must be 0 or more, got {self.steps}")

    def init(self) -> tuple[Any, Float[Array, "steps nu"]]:
        return self.inner.init(), jnp.tile(self.start, (self.steps, 1))

    def __call__(self, state: Any, action: Float[Array, " {self.action_size}"]) -> tuple[Float[Array, " nu"], Any]:
        inner, queue = state
        target, inner = self.inner(inner, action)
        queue = jnp.concatenate([queue, target[None]])
        return queue[0], (inner, queue[1:])
