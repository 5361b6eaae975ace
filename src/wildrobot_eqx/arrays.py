"""Arrays with a named dtype: a bare Python float would be weakly typed."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def f32(value: float | int | Sequence[float] | np.ndarray | Array) -> Float[Array, "*shape"]:
    """The value as a strongly typed float32 array."""
    return jnp.asarray(value, jnp.float32)
