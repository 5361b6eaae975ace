"""A recipe's options in the manifest: as JSON, and back by the types of the recipe's parameters."""

import contextlib
import enum
import inspect
import json
import types
import typing
from pathlib import PurePath
from typing import Any

from beartype.door import is_bearable

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


def to_arguments(function: RecipeFunction, options: dict[str, Any]) -> list[str]:
    """The command line's arguments that give a recipe these options; an option that is None is left out."""
    found: list[str] = []
    for name, value in options.items():
        yes, no = _flags(function, name)
        if isinstance(value, bool):
            found.append(yes if value else no)
        elif isinstance(value, tuple):
            found += [yes, *(str(_json_value(item)) for item in value)]
        elif value is not None:
            found += [f"{yes}={_json_value(item)}" for item in (value if isinstance(value, list) else [value])]
    return found


def option_value(function: RecipeFunction, name: str, text: str, where: str) -> Any:
    """The value that a text gives a recipe's option: as JSON, or as it is for an option that takes texts.

    Raises:
        WildRobotError: the option takes no such value.
    """
    hint = function.signature.parameters[name].annotation
    hint = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint
    values: list[Any] = [text]
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        values += [value, float(value)] if isinstance(value, int) and not isinstance(value, bool) else [value]
    for value in values:
        with contextlib.suppress(ValueError, TypeError):
            typed = _typed(hint, value)
            if typed is not None and is_bearable(typed, hint):
                return typed
    shown = hint.__name__ if isinstance(hint, type) else str(hint)
    raise WildRobotError(
        f"The recipe's option {name!r} takes {shown}, got {text}.", where=where, hint="see the recipe's options"
    )


def _flags(function: RecipeFunction, name: str) -> tuple[str, str]:
    """How the command line calls an option, and how it says no to one that is a bool."""
    hint = function.signature.parameters[name].annotation
    given = [one for one in getattr(hint, "__metadata__", ()) if getattr(one, "param_decls", None) is not None]
    declarations = [text for one in given for text in (one.default, *one.param_decls)]  # Typer's `default` comes first
    for declared in (text for text in declarations if isinstance(text, str) and text.startswith("--")):
        yes, _, no = declared.partition("/")
        return yes.strip(), no.strip() or f"--no-{yes.strip().removeprefix('--')}"
    plain = name.replace("_", "-")
    return f"--{plain}", f"--no-{plain}"


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
