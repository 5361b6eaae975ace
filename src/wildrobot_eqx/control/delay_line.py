"""A delay of any length, not only of whole steps: the last values in a row, read between two of them."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float


def rows(longest: float, dt: float) -> int:
    """How many values a line must hold for delays up to `longest` seconds, one value every `dt` seconds."""
    return math.floor(longest / dt + 1e-6) + 2


def push(line: Float[Array, "rows n"], value: Float[Array, " n"]) -> Float[Array, "rows n"]:
    """The line with `value` as its newest, in row 0; the oldest drops out."""
    return jnp.concatenate([value[None], line[:-1]])


def read(line: Float[Array, "rows n"], lag: Float[Array, ""]) -> Float[Array, " n"]:
    """The value `lag` steps ago (any number from 0): a straight line between the two beside it.

    Of a signal that is sampled, that is its value at that moment, but for its curvature
    (an error of at most dt^2 / 8 times the second derivative). Of a command that is held
    from step to step, it is the mean of what arrives within this step, which is the old
    one for a fraction `lag % 1` of it and the new one after.
    """
    newest = jnp.clip(jnp.floor(lag), 0, line.shape[0] - 2)
    fraction = jnp.clip(lag - newest, 0.0, 1.0)
    row = newest.astype(jnp.int32)
    return (1.0 - fraction) * line[row] + fraction * line[row + 1]
