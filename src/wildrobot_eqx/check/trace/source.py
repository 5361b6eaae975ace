"""Where code stands: the file and line of a class, of a method, of a traced operation, of an error."""

import dataclasses
import functools
import inspect
import re
import sys
import tokenize
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, no_type_check

import equinox as eqx

from ... import jax_compat

_PACKAGE = str(Path(__file__).resolve().parents[2])
_CHECKER = str(Path(__file__).resolve().parents[1])
_LIBRARIES = re.compile(r"site-packages|dist-packages|/lib/python3\.\d+/|^<")


def describe(module: Any, line: str = "") -> str:
    """`Class (file:line)`; `line` is a place already found, else the class's own definition.

    The class is the module's, or that of a module inside it whose code holds the line.
    """
    cls = next((type(part) for part in nested(module) if _holds(type(part), line)), type(module))
    return f"{cls.__name__} ({line or definition(cls)})"


def nested(module: Any) -> list[Any]:
    """A module and those inside it, as a wrapper holds what it wraps."""
    return [part for part in _walk(module) if isinstance(part, eqx.Module)] or [module]


@no_type_check  # called some thousand times in a check
def _walk(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, eqx.Module):
        for field in dataclasses.fields(value):
            yield from _walk(getattr(value, field.name, None))
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _walk(item)


def _holds(cls: type, line: str) -> bool:
    file, _, number = line.rpartition(":")
    try:
        if not number.isdigit() or inspect.getsourcefile(cls) != file:
            return False
        _, first, lines = _text(cls)
    except (OSError, TypeError):
        return False
    return first <= int(number) < first + len(lines)


@functools.lru_cache(maxsize=4096)  # to find a class, `inspect` parses the whole file each time
def _text(thing: Any) -> tuple[str | None, int, tuple[str, ...]]:
    """The file of a class or function, its first line's number, and its lines.

    Raises:
        OSError: no source can be found.
        TypeError: it is built in.
    """
    try:
        lines, first = inspect.getsourcelines(thing)
    except (SyntaxError, tokenize.TokenError) as error:  # its file is no Python, as of code in a page
        raise OSError("no source") from error
    return inspect.getsourcefile(thing), first, tuple(lines)


def ours(module: Any) -> bool:
    """Are a module and all inside it of this package, whose own tests hold them to account?"""
    return all(type(part).__module__.split(".")[0] == __name__.split(".")[0] for part in nested(module))


def definition(thing: Any) -> str:
    """`file:line` where a class or function is defined."""
    try:
        file, first, _ = _text(inspect.unwrap(thing))
        return f"{file}:{first}"
    except (OSError, TypeError):  # built in, or typed at a prompt
        return f"module {getattr(thing, '__module__', 'unknown')}"


def method(module: Any, name: str) -> str:
    """`file:line` of a module's method, or of its class where the method cannot be found."""
    function = function_of(type(module), name)
    return definition(type(module) if function is None else function)


def of_field(module: Any, name: str) -> str:
    """`file:line` where a field is declared in a class, or where the class is defined."""
    return _in_class(type(module), rf"^\s+{re.escape(name)}\s*:") or definition(type(module))


def of_write(cls: type, name: str) -> str:
    """`file:line` of the last line of a class that writes to a field, or nothing."""
    field = re.escape(name)
    return _in_class(cls, rf"__setattr__\(.*['\"]{field}['\"]|\.{field}\s*([-+*/|&^@%]|//|\*\*|<<|>>)?=[^=]", last=True)


def of_name(module: Any, method: str, path: str) -> str:
    """`file:line` of the last line of a method that gives a value to a path's last name, else to the one before."""
    function = function_of(type(module), method)
    try:
        file, first, lines = _text(function)
    except (OSError, TypeError):
        return ""
    for word in reversed(re.findall(r"\w+", path)):
        named = [first + i for i, line in enumerate(lines) if re.search(rf"\b{word}\b['\"]?\]?\s*[=:]", line)]
        if named:
            return f"{file}:{named[-1]}"
    return ""


def _in_class(cls: type, pattern: str, last: bool = False) -> str:
    """`file:line` of the first or last line of a class that a pattern fits, in its own bases, too."""
    for base in cls.__mro__:
        try:
            file, first, lines = _text(base)
        except (OSError, TypeError):  # built in, or typed at a prompt
            continue
        fits = [first + i for i, line in enumerate(lines) if re.search(pattern, line)]
        if fits:
            return f"{file}:{fits[-1 if last else 0]}"
    return ""


@functools.lru_cache(maxsize=4096)
def is_users(cls: type) -> bool:
    """Is a class written by a user: of no library, nor of the package?"""
    root = cls.__module__.split(".")[0]
    if root in sys.stdlib_module_names - {"__main__"} or root == __name__.split(".")[0]:
        return False
    return not _LIBRARIES.search(getattr(sys.modules.get(cls.__module__), "__file__", None) or "")


def function_of(cls: type, name: str) -> Any:
    """The plain function behind a method, beneath all wrappers; None where there is none."""
    found = inspect.getattr_static(cls, name, None)
    for wrapper in ("fget", "__func__", "method"):
        found = getattr(found, wrapper, None) or found
    found = inspect.unwrap(found) if callable(found) else found
    return found if inspect.isfunction(found) else None


def own_file(module: Any) -> str:
    """The file of a module's class, or an empty string."""
    try:
        return inspect.getsourcefile(type(module)) or ""
    except (OSError, TypeError):
        return ""


def of_operation(equation: Any, module: Any) -> str:
    """`file:line` of the line that traced an operation: in the module's own file where it has one there."""
    return _pick(jax_compat.lines(equation), own_file(module))


def of_error(error: BaseException, module: Any) -> str:
    """`file:line` of the deepest line of the module's own file, else of the deepest line that is no library's."""
    found = ""
    for link in _chain(error):
        frames = [(frame.filename, frame.lineno or 0) for frame in reversed(traceback.extract_tb(link.__traceback__))]
        found = found or _pick(frames, own_file(module))
    return found


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__


def _pick(frames: list[tuple[str, int]], own: str) -> str:
    ends = [i for i, (file, _) in enumerate(frames) if file.startswith(_CHECKER)]
    frames = frames[: ends[0] if ends else None]  # the checker's caller made nothing
    foreign = [lambda file: _ours(file) and not file.startswith(_PACKAGE)] if own.startswith(_PACKAGE) else []
    for wanted in (*foreign, lambda file: file == own, _ours):  # what a wrapper wraps is to blame before the wrapper
        for file, line in frames:
            if wanted(file):
                return f"{file}:{line}"
    return ""


def _ours(file: str) -> bool:
    """A user's file, or one of this package."""
    return file.startswith(_PACKAGE) or not _LIBRARIES.search(file)
