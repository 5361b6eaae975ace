"""Arrays in static fields: no leaves of the tree, but part of its structure, which JAX compares and hashes.

Compiled code takes such an array for a constant or fails to compare it; in a state it changes the
structure at every step, and JAX's C++ dies of the comparison.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np

from . import source
from .findings import Finding

_STATE_FIX = "leave out eqx.field(static=True): an array that a state carries is a leaf, which reset and step return"
_OWN_FIX = (
    "leave out eqx.field(static=True): an array is a leaf (jax.lax.stop_gradient keeps a constant from being trained);"
    " numbers that must be static go into a tuple"
)


@dataclasses.dataclass(frozen=True)
class Static:
    """One array that no leaf holds: its path, whose field it is in, the field's name, and what it is."""

    path: str
    owner: Any
    field: str
    text: str


def of_env(env: Any) -> list[Finding]:
    """Arrays in static fields of an env's modules."""
    return [_finding(found, f"env{found.path}", "a static field", _OWN_FIX) for found in statics(env)]


def of_state(tree: Any, name: Any, takes: str, made: str) -> list[Finding]:
    """Arrays in static fields of what a call gave; `name(path)` is a path in full, `made` who gave it."""
    return [
        dataclasses.replace(_finding(found, name(found.path), takes, _STATE_FIX), source=made)
        for found in statics(tree)
    ]


def statics(tree: Any, path: str = "") -> Iterator[Static]:
    """Every array in a static field, at any depth of a tree."""
    for step, owner, field, value in _static_fields(tree, path):
        for place, array in _arrays(value, ""):
            yield Static(
                f"{step}{place}", owner, field, f"{_described(array)} in a static field of {type(owner).__name__}"
            )


def _static_fields(tree: Any, path: str) -> Iterator[tuple[str, Any, str, Any]]:
    """Path, owner, name and value of every static field below a tree, those inside of static ones left out."""
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        for field in dataclasses.fields(tree):
            value = getattr(tree, field.name, None)
            if is_static(field):
                yield f"{path}.{field.name}", tree, field.name, value
            else:
                yield from _static_fields(value, f"{path}.{field.name}")
    else:
        for step, item in _items(tree):
            yield from _static_fields(item, f"{path}{step}")


def is_static(field: Any) -> bool:
    """Is a field of a dataclass (Equinox's or Flax's) part of the structure, not a child?"""
    return bool(field.metadata.get("static", False)) or not field.metadata.get("pytree_node", True)


def _items(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(f"[{key!r}]", item) for key, item in value.items()]
    if isinstance(value, tuple) and (names := getattr(value, "_fields", ())):
        return [(f".{name}", item) for name, item in zip(names, value)]
    if isinstance(value, list | tuple):
        return [(f"[{i}]", item) for i, item in enumerate(value)]
    return [("", item) for item in value] if isinstance(value, set | frozenset) else []


def _arrays(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The first array in each place of a static field's value."""
    if isinstance(value, jax.Array | np.ndarray):
        yield path, value
    elif isinstance(value, eqx.Module):
        for place, leaf in jax.tree_util.tree_leaves_with_path(value):
            if isinstance(leaf, jax.Array | np.ndarray):
                yield path + jax.tree_util.keystr(place), leaf
                return
    else:
        for step, item in _items(value):
            yield from _arrays(item, path + step)


def _described(array: Any) -> str:
    kind = "a traced array" if isinstance(array, jax.core.Tracer) else f"a {type(array).__module__.split('.')[0]} array"
    kind = kind.replace("a jaxlib ", "a jax ")
    return f"{kind}, {array.dtype}{list(array.shape)},"


def _finding(found: Static, leaf: str, before: str, fix: str) -> Finding:
    made = source.describe(found.owner, source.of_field(found.owner, found.field))
    return Finding(leaf, before, found.text, fix, made)
