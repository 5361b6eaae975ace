"""Fields of frozen modules that a call wrote to, by `object.__setattr__` or on an object that it holds."""

import functools
import inspect
from collections.abc import Iterator
from typing import Any, no_type_check

import equinox as eqx

from . import source

Watched = list[tuple[str, Any, dict[str, Any]]]
_DEPTH = 5


def watch(root: Any, name: str = "self") -> Watched:
    """Every object with fields that `root` reaches, with the fields that it has now."""
    found: Watched = []
    seen: set[int] = set()
    for path, thing in _objects(root, name, _DEPTH):
        if id(thing) not in seen:
            seen.add(id(thing))
            found.append((path, thing, dict(vars(thing))))
    return found


def written(watched: Watched) -> list[tuple[str, type, str]]:
    """Path, class and name of each field that is another object now."""
    found = []
    for path, thing, before in watched:
        for field, value in vars(thing).items():
            if field in before and before[field] is value:
                continue
            if not isinstance(inspect.getattr_static(type(thing), field, None), functools.cached_property):
                found.append((f"{path}.{field}", type(thing), field))
    return found


@no_type_check  # called some thousand times in a check
def _objects(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth == 0:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _objects(item, f"{path}[{key!r}]", depth)
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _objects(item, f"{path}[{i}]", depth)
    elif isinstance(value, eqx.Module) or source.is_users(type(value)):
        try:
            fields = vars(value)
        except TypeError:  # no __dict__
            return
        yield path, value
        for field, item in list(fields.items()):
            yield from _objects(item, f"{path}.{field}", depth - 1)
