"""Leaf by leaf: what came in against what came out, and the line to write instead."""

import dataclasses
from collections.abc import Callable
from typing import Any

from . import cures
from .findings import Finding
from .tracing import Leaf


@dataclasses.dataclass(frozen=True)
class Labels:
    """How the leaves of one comparison are named: `name(path)` in full, `owner(path)` who makes it, with its line."""

    name: Callable[[str], str]
    owner: Callable[[str, Leaf | None], str]
    by: Callable[[str], str]  # the module, for the end of a fix
    before: str = "reset"  # who gave the first
    after: str = "step"  # who gave the second


def differences(before: dict[str, Leaf], after: dict[str, Leaf], labels: Labels) -> list[Finding]:
    """Every leaf that differs in presence, shape, dtype or weak type."""
    findings = []
    for path in [*before, *(path for path in after if path not in before)]:
        was, now = before.get(path), after.get(path)
        if was is None or now is None:
            if _inside_reported(path, before, after):
                continue
            findings.append(_lonely(path, before, after, labels))
        elif now.kind != was.kind or now.other:
            if was.other and now.other and was.other == "None" == now.other:
                continue
            fix = advice(was, now, labels.before, labels.after)
            blamed = was if was.weak or (was.other and was.other != "None") else now
            findings.append(_finding(path, str(was), str(now), fix, labels, blamed))
    return findings


def _inside_reported(path: str, before: dict[str, Leaf], after: dict[str, Leaf]) -> bool:
    """Whether a leaf lies below one that is None on the other side, and so is reported there."""
    return any(
        path.startswith(other) and path != other and leaf.other == "None"
        for leaves in (before, after)
        for other, leaf in leaves.items()
    )


def _lonely(path: str, before: dict[str, Leaf], after: dict[str, Leaf], labels: Labels) -> Finding:
    """A leaf that only one side has; where the other has one in its place, that was a new name."""
    here, there = (before, after) if path in before else (after, before)
    has, lacks = (labels.before, labels.after) if path in before else (labels.after, labels.before)
    leaf = here[path]
    twins = [p for p in there if p not in here and _parent(p) == _parent(path) and there[p].kind == leaf.kind]
    alone = len([p for p in here if p not in there and _parent(p) == _parent(path)]) == 1
    fix = f"return it from {lacks} as well as from {has}"
    if len(twins) == 1 and alone:
        fix += f"; {lacks} has {twins[0][len(_parent(path)) :]} in its place: one name in both"
    was, now = (str(leaves[path]) if path in leaves else "missing" for leaves in (before, after))
    return _finding(path, was, now, fix, labels, leaf)


def _parent(path: str) -> str:
    return path[: max(path.rfind("["), path.rfind("."), 0)]


def _finding(path: str, was: str, now: str, fix: str, labels: Labels, leaf: Leaf) -> Finding:
    return Finding(labels.name(path), was, now, f"{fix} ({labels.by(path)})", labels.owner(path, leaf))


def advice(expected: Leaf, actual: Leaf, before: str = "reset", after: str = "step") -> str:
    """What to write so that `actual` becomes `expected`."""
    if actual.other or expected.other:
        return _no_array(expected, actual, before, after)
    if actual.dtype != expected.dtype:
        return cures.of_dtype(expected, actual, before, after)
    if actual.shape != expected.shape:
        return shape_advice(expected.shape, actual.shape)
    where = before if expected.weak else after
    return f"name the dtype of the Python number in {where}: jnp.asarray(value, jnp.{expected.dtype})"


def shape_advice(expected: tuple[int, ...], actual: tuple[int, ...]) -> str:
    """What to write where a shape is wrong."""
    if len(actual) == len(expected) + 1 and actual[1:] == expected:
        if actual[0] == 1:
            return "drop its first axis: value[0] (modules work on one env; vmap adds the batch)"
        how = "one axis too many: reduce it, such as jnp.sum(value)" if not expected else "one axis too many"
        return f"{how} (modules work on one env; vmap adds the batch)"
    if len(actual) == len(expected) + 1 and actual[:-1] == expected:
        return "drop its last axis: value[..., 0]"
    return "give both the same shape"


def _no_array(expected: Leaf, actual: Leaf, before: str, after: str) -> str:
    odd, where, like = (actual, after, expected) if actual.other else (expected, before, actual)
    if odd.other == "None" and cures.is_key(like.dtype):
        return f"carry a key from {where} on, too: one that it is given, or jax.random.key(0), split at each step"
    if odd.other == "None":
        array = f"jnp.zeros({like.shape}, jnp.{like.dtype})" if like.dtype else "an array"
        return f"return an array from {where}, too: {array} where there is nothing yet"
    if odd.other.startswith("the Python"):
        number = odd.other.split()[-1]
        dtype = like.dtype or {"bool": "bool_", "int": "int32"}.get(odd.other.split()[2], "float32")
        return f"make it an array with a dtype in {where}: jnp.asarray({number}, jnp.{dtype})"
    return "a state holds arrays only: keep this in a field of the module, eqx.field(static=True)"


def wrong(expected: Any, actual: Leaf) -> bool:
    """Is a leaf not the strongly typed array of this shape and dtype?"""
    return bool(actual.other) or actual.weak or actual.shape != tuple(expected.shape) or actual.dtype != expected.dtype
