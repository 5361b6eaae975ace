"""Ranges drawn wider than training's: a module's own, found by their annotation."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from ...arrays import f32
from ...control import CommandDelay
from ...observe import Bias, DroppedPackets, Noise, ReadingDelay

FACTOR = 1.2
"""A fifth wider."""

_SIZES = {Noise: "std", Bias: "std", DroppedPackets: "probability"}  # one number that is the range


@dataclasses.dataclass(frozen=True)
class Range:
    """One range, as trained and as judged, in the module's own unit."""

    path: str  # such as `randomisers.ScaleMass.range`
    trained: tuple[float, ...]
    judged: tuple[float, ...]


def widen(tree: Any, factor: float = FACTOR, path: str = "") -> tuple[Any, list[Range]]:
    """The tree with every range of its modules stretched, and what was stretched.

    A range is a float field annotated with two entries (`Float[Array, " 2"]`), as the house
    writes them all, in modules of one's own, too; of `Noise`, `Bias` and `DroppedPackets` it
    is the one number. Delay lines are made longer as their ranges grow. Nothing else changes.

    Args:
        tree: modules, in tuples and dicts of any depth.
        factor: how much wider.
        path: what leads to it, for the names of the ranges.
    """
    found: list[Range] = []

    def inside(value: Any, path: str) -> Any:
        if isinstance(value, Mapping):
            return {name: inside(item, f"{path}.{name}") for name, item in value.items()}
        if isinstance(value, tuple):
            return tuple(inside(item, f"{path}.{type(item).__name__}") for item in value)
        if isinstance(value, CommandDelay | ReadingDelay):
            seconds = record(f"{path}.seconds", value.seconds, stretched(value.seconds, factor))
            return type(value)((float(seconds[0]), float(seconds[1])), max(value.longest, float(seconds[1])))
        if not isinstance(value, eqx.Module):
            return value
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            old = getattr(value, field.name)
            if _SIZES.get(type(value)) == field.name:
                changes[field.name] = record(f"{path}.{field.name}", old, old * factor)
            elif getattr(field.type, "dim_str", "") == "2" and eqx.is_inexact_array(old):
                changes[field.name] = record(f"{path}.{field.name}", old, stretched(old, factor))
        if not changes:
            return value
        names = tuple(changes)
        return eqx.tree_at(lambda m: [getattr(m, name) for name in names], value, list(changes.values()))

    def record(path: str, old: Float[Array, "..."], new: Float[Array, "..."]) -> Float[Array, "..."]:
        before, after = (tuple(np.atleast_1d(np.asarray(a, np.float64)).round(7).tolist()) for a in (old, new))
        if before != after:
            found.append(Range(path, before, after))
        return new

    return inside(tree, path), found


def stretched(bounds: Float[Array, " 2"], factor: float) -> Float[Array, " 2"]:
    """A range stretched about what is nominal in it.

    Where the range holds zero that is zero, both ends times `factor`; else its middle. The
    low end of a positive range falls at most to its `factor`-th part: a mass stays a mass.
    One value stays that value.
    """
    low, high = (float(b) for b in np.asarray(bounds, np.float64))
    if low == high:
        return bounds
    if low <= 0.0 <= high:
        return f32((factor * low, factor * high))
    middle, half = 0.5 * (low + high), 0.5 * factor * (high - low)
    new = [middle - half, middle + half]
    if low > 0.0:
        new[0] = max(new[0], low / factor)
    else:
        new[1] = min(new[1], high / factor)
    return f32(new)
