"""A recipe's options in the manifest: as JSON, and back by the types of the recipe's parameters."""

import enum
import inspect
import json
import types
import typing
from pathlib import PurePath
from typing import Any

from ..errors import WildRobotError
from .recipe import RecipeFunction


def to_manifest(function: RecipeFunction, options: dict[str, Any]) -> dict[str, Any]:
    """The options as JSON values.

    Raises:
        WildRobotError: one of them would not come back as it is.
    """
    stored = {name: _json_value(value) for name, value in options.items()}
    for name, value in options.items():
        try:
            back = from_manifest(function, json.loads(json.dumps({name: stored[name]}, allow_nan=False)))[name]
        except (TypeError, ValueError):
            back = None
        if back != value:
            raise WildRobotError(
                f"The option {name!r} is {value!r}, a {type(value).__name__} that the manifest cannot keep.",
                where=str(function.path),
                hint="use str, int, float, bool, a Literal, an Enum, a Path, or a list or tuple of them",
            )
    return stored


def from_manifest(function: RecipeFunction, stored: dict[str, Any]) -> dict[str, Any]:
    """The options of a manifest, as the recipe's parameters are annotated."""
    parameters = function.signature.parameters
    return {n: _typed(parameters[n].annotation, v) if n in parameters else v for n, v in stored.items()}


def _json_value(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, PurePath):
        return str(value)
    return [_json_value(item) for item in value] if isinstance(value, (list, tuple)) else value


def _typed(hint: Any, value: Any) -> Any:
    """A JSON value as the type that `hint` asks for; as it is where that says nothing."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _typed(arguments[0], value)
    if origin in (typing.Union, types.UnionType):
        others = [argument for argument in arguments if argument is not types.NoneType]
        return _typed(others[0], value) if value is not None and len(others) == 1 else value
    if isinstance(value, list):
        if origin is tuple and not (len(arguments) == 2 and arguments[1] is ...) and len(arguments) == len(value):
            return tuple(map(_typed, arguments, value))
        items = [_typed(arguments[0], item) if arguments else item for item in value]
        return tuple(items) if tuple in (hint, origin) else items
    if inspect.isclass(hint) and issubclass(hint, (PurePath, enum.Enum)) and value is not None:
        return hint(value)
    return value
