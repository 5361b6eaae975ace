"""What to write instead: cures for dtypes that differ, and for what a line raised while it was traced."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from ...errors import nearest

_SCAN = ("carry input and carry output must have equal types", "carry components", "body_fun output and input must")
_SHAPES = ("ncompatible shapes", "shapes must", "have equal shapes", "dimensions to match", "contracting dimensions")


def is_key(dtype: Any) -> bool:
    """Is a dtype that of typed random keys?"""
    return dtype is not None and bool(jnp.issubdtype(dtype, jax.dtypes.prng_key))


def of_dtype(expected: Any, actual: Any, before: str, after: str) -> str:
    """What to write so that a leaf of `actual` becomes one of `expected`; both know their `shape` and `dtype`."""
    if is_key(expected.dtype) and is_key(actual.dtype):
        return f"make both keys of one kind: jax.random.key(seed, impl='threefry2x32') in {before} and in {after}"
    if is_key(expected.dtype):
        if actual.dtype == jnp.uint32 and actual.shape == (*expected.shape, 2):
            return f"these are a key's words; make them a key in {after}: jax.random.wrap_key_data(value)"
        return f"return the next key from {after}: key, sub = jax.random.split(key)"
    if is_key(actual.dtype):
        if expected.dtype == jnp.uint32 and expected.shape == (*actual.shape, 2):
            return f"{before} gave a key's words; give them in {after}, too: jax.random.key_data(key)"
        return f"{before} gave a number; carry a key under a name of its own, from {before} on"
    for where, leaf in ((before, expected), (after, actual)):
        if leaf.dtype == jnp.float64:
            return f"it is float64 in {where}, where jax_enable_x64 is on: value.astype(jnp.float32) there"
    return f"give both the same dtype, such as jnp.asarray(value, jnp.{jnp.dtype(expected.dtype).name})"


def of_error(error: Exception) -> str:
    """What to try where a line raised something that has no explanation of its own."""
    text = str(error)
    if any(words in text for words in _SCAN):
        return (
            "return from the body what it is given: begin the carry with the dtype and shape that the body returns, "
            "such as jnp.zeros((), jnp.float32), not 0.0 or 0"
        )
    if any(words in text for words in _SHAPES):
        return "give both sides shapes that go together: index or reshape one, such as value[0] or jnp.sum(value)"
    if isinstance(error, AttributeError) and error.name and error.obj is not None:
        return f"read a field that it has: {nearest(error.name, _fields(error.obj))}"
    if isinstance(error, KeyError):
        return "ask for a name that is there: list(mapping) has them, mapping.get(name) asks without an error"
    if isinstance(error, IndexError):
        return "index within the length, which is known while the line is traced: value.shape"
    return "make that line work on the arrays of one env (no batch axis), which `in:` lists; or leave the module out"


def _fields(thing: Any) -> Iterable[str]:
    """Public fields of an object, or its public names where it has no fields; of an array, a few useful ones."""
    if isinstance(thing, jax.Array):
        return ("shape", "dtype", "size", "ndim", "at", "astype")
    fields = getattr(thing, "__dataclass_fields__", None) or getattr(thing, "__dict__", None) or dir(thing)
    return [name for name in fields if not name.startswith("_")]
