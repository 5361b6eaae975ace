"""State that a module keeps for itself, on self, in a closure or in a global, instead of carrying it."""

import inspect
import sys
import types
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ..trace import source

_MUTABLE = (list, dict, set, bytearray, np.ndarray)
_DEPTH = 6
_PACKAGE = __name__.split(".")[0]


def kept(module: Any) -> dict[str, Any]:
    """Everything mutable that a module can reach, by where it stands: its content now, to compare with later."""
    found: dict[str, Any] = {}
    for name, value in _fields(module):
        _look(f"self.{name}", value, found, _DEPTH)
    for cls in type(module).__mro__:
        if cls.__module__.split(".")[0] in {"equinox", "jax", _PACKAGE} | sys.stdlib_module_names:
            continue
        for name in vars(cls):
            function = source.function_of(cls, name)
            if function is not None:
                _look_around(function, found)
            elif not name.startswith("_"):
                _look(f"{cls.__name__}.{name}", inspect.getattr_static(cls, name), found, _DEPTH)
    return found


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs between two looks."""
    return [name for name in after if name not in before or before[name] != after[name]]


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    try:
        yield from vars(value).items()
    except TypeError:  # no __dict__
        return


def _look_around(function: Any, found: dict[str, Any]) -> None:
    """A function's closure, its defaults and the globals that it names."""
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or ()):
        try:
            if name != "__class__":
                _look(f"the closure's {name}", cell.cell_contents, found, _DEPTH, closure=True)
        except ValueError:  # not filled yet
            continue
    for name in code.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, (*_MUTABLE, int, float)):
            _look(f"the global {name}", value, found, _DEPTH, closure=True)
    for name, value in zip(reversed(code.co_varnames[: code.co_argcount]), reversed(function.__defaults__ or ())):
        _look(f"the default of {name}", value, found, _DEPTH)


def _look(where: str, value: Any, found: dict[str, Any], depth: int, closure: bool = False) -> None:
    if depth == 0 or isinstance(value, type | types.ModuleType | jax.core.Tracer):
        return
    if closure and isinstance(value, int | float | str | None | tuple):
        found[where] = repr(value)  # `nonlocal` and `global` replace it
    if isinstance(value, np.ndarray):
        found[where] = value.tobytes()
    elif isinstance(value, dict):
        found[where] = [(repr(key), _mark(item)) for key, item in value.items()]
        for key, item in value.items():
            _look(f"{where}[{key!r}]", item, found, depth - 1)
    elif isinstance(value, list | set | tuple):
        if not isinstance(value, tuple):
            found[where] = [_mark(item) for item in value]
        for i, item in enumerate(value):
            _look(f"{where}[{i}]", item, found, depth - 1)
    elif isinstance(value, eqx.Module):
        for name, item in _fields(value):
            _look(f"{where}.{name}", item, found, depth - 1)
    elif inspect.isfunction(value):
        _look_around(value, found)
    elif not isinstance(value, jax.Array) and type(value).__module__.split(".")[0] not in {"builtins", _PACKAGE}:
        for name, item in _fields(value):
            found[f"{where}.{name}"] = _mark(item)
            _look(f"{where}.{name}", item, found, depth - 1)


def _mark(item: Any) -> Any:
    """What an entry is known by: its value where that is plain, else its identity."""
    return (type(item).__name__, item) if isinstance(item, int | float | str | bytes | None) else id(item)
