"""`--set key=value`: one figure of a recipe changed by its dotted path, checked before anything runs."""

import copy
import dataclasses
import json
import typing
from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from beartype.door import is_bearable

from ..errors import WildRobotError, nearest
from .recipe import Recipe


def apply_overrides(recipe: Recipe, assignments: Iterable[str]) -> Recipe:
    """The recipe with each `key=value` applied in order, and then checked as a whole.

    Keys are dotted paths through dataclass fields, modules, dict keys and tuple indices, such as
    `env.rewards.track.weight`; values are JSON. An array leaf keeps its dtype and shape.

    Raises:
        WildRobotError: no such key, or a value that does not fit it.
    """
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key:
            raise _error(assignment, f"{assignment!r} is not of the form key=value.", "say learner.learning_rate=3e-4")
        recipe = _replaced(recipe, key.split("."), text, assignment)
    return _checked(recipe)


def _error(assignment: str, what: str, hint: str) -> WildRobotError:
    return WildRobotError(what, where=f"--set {assignment}", hint=hint)


def _replaced(node: Any, path: list[str], text: str, assignment: str, done: tuple[str, ...] = ()) -> Any:
    """A copy of `node` with the value at `path` replaced; `done` is how it was reached."""
    name = path[0]
    known = _keys(node)
    if name not in known:
        at = ".".join(done) or "the recipe"
        hint = nearest(name, known) if known else f"{at} is a value; set it itself"
        raise _error(assignment, f"{at} has no key {name!r}.", hint)
    child = _get(node, name)
    if len(path) > 1:
        new = _replaced(child, path[1:], text, assignment, (*done, name))
    else:
        new = _value(node, name, child, text, assignment)
    if isinstance(node, eqx.Module):
        return eqx.tree_at(lambda tree: _get(tree, name), node, new, is_leaf=lambda leaf: leaf is None)
    if isinstance(node, dict):
        return {**node, name: new}
    if isinstance(node, (tuple, list)):
        return type(node)(new if str(i) == name else item for i, item in enumerate(node))
    changed = copy.copy(node)  # figures that fit only together are set one by one: checks come last
    object.__setattr__(changed, name, new)
    return changed


def _checked(node: Any) -> Any:
    """A plain dataclass and those inside it, made anew by their constructors, which check them."""
    if not dataclasses.is_dataclass(node) or isinstance(node, (eqx.Module, type)):
        return node
    fields = {field.name: _checked(getattr(node, field.name)) for field in dataclasses.fields(node) if field.init}
    return dataclasses.replace(node, **fields)


def _keys(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [str(key) for key in node]
    if isinstance(node, (tuple, list)):
        return [str(i) for i in range(len(node))]
    return [field.name for field in dataclasses.fields(node)] if dataclasses.is_dataclass(node) else []


def _get(node: Any, name: str) -> Any:
    if isinstance(node, dict):
        return node[name]
    return node[int(name)] if isinstance(node, (tuple, list)) else getattr(node, name)


def _value(node: Any, name: str, old: Any, text: str, assignment: str) -> Any:
    """`text` as the new value of `node.name`, which is `old` now."""
    if _is_static(node, name):
        raise _error(
            assignment,
            f"{name!r} is part of the structure of {type(node).__name__}, not a figure.",
            "change it in the recipe",
        )
    hint: Any = typing.get_type_hints(type(node)).get(name, Any) if dataclasses.is_dataclass(node) else type(old)
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        if hint is str:
            return text
        raise _error(assignment, f"{text!r} is not a JSON value: {error}", "such as 3e-4, true or [0, 0.3]") from error
    if isinstance(old, (jax.Array, np.ndarray)):
        return _array(old, value, assignment)
    if not isinstance(old, (bool, int, float, str, tuple, list, type(None))):
        keys = _keys(old)
        hint_text = f"set one of its keys: {', '.join(keys)}" if keys else "change it in the recipe"
        raise _error(assignment, f"{name!r} is a {type(old).__name__}, not a figure.", hint_text)
    if isinstance(value, list):
        value = tuple(value)
    for candidate in (value, float(value)) if _is_number(value) else (value,):
        if is_bearable(candidate, hint):
            return candidate
    shown = hint.__name__ if isinstance(hint, type) else str(hint)
    raise _error(assignment, f"{name!r} takes {shown}, got {text}.", f"it is {json.dumps(old)} now")


def _array(old: jax.Array | np.ndarray, value: Any, assignment: str) -> jax.Array:
    """`value` as an array of the shape and dtype of `old`."""
    now = f"it is {np.asarray(old).tolist()} now, {old.dtype} of shape {list(old.shape)}"
    try:
        array = np.array(value)
    except ValueError as error:
        raise _error(assignment, f"The value is ragged: {error}", now) from error
    if array.shape != old.shape:
        raise _error(assignment, f"The value has shape {list(array.shape)}, the key takes {list(old.shape)}.", now)
    new = array.astype(old.dtype) if array.dtype.kind in "bif" else None
    if (
        new is None
        or (old.dtype.kind != "f" and not np.array_equal(new, array))
        or (array.dtype.kind == "b") != (old.dtype.kind == "b")
    ):
        raise _error(assignment, f"The value does not fit {old.dtype}.", now)
    return jnp.asarray(new)


def _is_static(node: Any, name: str) -> bool:
    if not isinstance(node, eqx.Module):
        return False
    return any(field.name == name and field.metadata.get("static", False) for field in dataclasses.fields(node))


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
