"""Arrays with a named dtype: a bare Python float would be weakly typed."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray


def f32(value: float | int | Sequence[float] | np.ndarray | Array) -> Float[Array, "*shape"]:
    """The value as a strongly typed float32 array."""
    return jnp.asarray(value, jnp.float32)


def uniform(key: PRNGKeyArray, bounds: Float[Array, " 2"], shape: tuple[int, ...] = ()) -> Float[Array, "*shape"]:
    """Uniform draws between `bounds`; equal bounds give just that value."""
    return jax.random.uniform(key, shape, jnp.float32, bounds[0], bounds[1])
