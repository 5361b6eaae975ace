"""Arrays with a named dtype: a bare Python float would be weakly typed."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, PRNGKeyArray

Number = float | np.number[Any] | Num[np.ndarray, ""] | Num[Array, ""]
"""What a constructor makes one float32 of."""

Pair = Sequence[float] | Num[np.ndarray, " 2"] | Num[Array, " 2"]
"""What a constructor makes two float32 of, such as the two ends of a range."""

Numbers = Sequence[float] | Num[np.ndarray, " n"] | Num[Array, " n"]
"""What a constructor makes some float32 of."""


def f32(value: float | int | np.number[Any] | Sequence[float] | np.ndarray | Array) -> Float[Array, "*shape"]:
    """The value as a strongly typed float32 array."""
    return jnp.asarray(value, jnp.float32)


def uniform(key: PRNGKeyArray, bounds: Float[Array, " 2"], shape: tuple[int, ...] = ()) -> Float[Array, "*shape"]:
    """Uniform draws between `bounds`; equal bounds give just that value."""
    return jax.random.uniform(key, shape, jnp.float32, bounds[0], bounds[1])


def finite_or_none(value: float | np.number[Any]) -> float | None:
    """A number for JSON: None where it is not finite."""
    return float(value) if np.isfinite(value) else None


def named_key(key: PRNGKeyArray, name: str) -> PRNGKeyArray:
    """The key of one named part: `key` folded with a hash of `name`, whatever other parts there are.

    The hash lies above 2**31, where it meets no key that `split` makes of the same key; `key`
    itself must be used for nothing else.
    """
    return jax.random.fold_in(key, np.uint32(zlib.crc32(name.encode()) | 0x8000_0000))


def check_vectors(values: Mapping[str, Any]) -> None:
    """Refuse a value that is no vector of floats; beartype looks at one entry of a dict, this at all of them.

    Raises:
        TypeCheckError: one is none; it is named. With type checks switched off nothing is refused.
    """
    for name in sorted(values):
        _vector(name, values[name])


def check_scalars(values: Mapping[str, Any]) -> None:
    """As `check_vectors`, for single floats."""
    for name in sorted(values):
        _scalar(name, values[name])


def _vector(name: str, value: Float[Array, " _"]) -> None:
    """The import hook checks the arguments."""


def _scalar(name: str, value: Float[Array, ""]) -> None:
    """The import hook checks the arguments."""
