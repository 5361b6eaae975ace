"""What a module raised while it was traced, in a line: what happened, and what to write instead."""

import re
from typing import Any

from jax import errors as jax_errors
from jaxtyping import TypeCheckError

from ...errors import WildRobotError
from ...robots import Robot
from . import cures

# The most special first: each is also the ones below it.
_TRACER_ERRORS: list[tuple[type[Exception], str, str]] = [
    (
        jax_errors.TracerBoolConversionError,
        "a Python `if` (`while`, `and`, `or`, `not`) on a traced value, whose truth is not known before the env runs",
        "choose with jnp.where or jax.lax.cond, join with & | ~",
    ),
    (
        jax_errors.TracerArrayConversionError,
        "a NumPy function on a traced value, which has no numbers before the env runs",
        "call the same function of jax.numpy",
    ),
    (
        jax_errors.TracerIntegerConversionError,
        "a traced value where Python wants an integer, such as an index into a list or a shape",
        "index an array with it, or make it a static field",
    ),
    (
        jax_errors.NonConcreteBooleanIndexError,
        "a traced boolean mask as an index, which gives an array of unknown length",
        "keep the shape: jnp.where(mask, value, 0.0)",
    ),
    (
        jax_errors.UnexpectedTracerError,
        "a value of an earlier call was kept outside the state (on self, in a closure, in a global)",
        "carry it: return it in the state, and read it from there",
    ),
    (
        jax_errors.ConcretizationTypeError,
        "float(), int() or the like on a traced value, which has no number before the env runs",
        "leave it an array; jnp.asarray(value, jnp.float32) changes its dtype",
    ),
]
_SIZE_OF = {"action_size": "nu", "size": "nu"}  # what `{self.action_size}` and `{self.home.size}` stand for


def sizes(robot: Robot | None) -> dict[str, int]:
    """The lengths that annotations name, as the robot has them; none where there is no robot of ours."""
    if robot is None:
        return {}
    mj = robot.model.mj
    names = ("nq", "nv", "nu", "nbody", "nsite", "ngeom", "npair", "nsensordata")
    return {**{name: int(getattr(mj, name)) for name in names}, "nfoot": len(robot.feet)}


def explain(error: Exception, robot: Robot | None = None) -> tuple[str, str]:
    """What happened, and what to change."""
    if isinstance(error, TypeCheckError):
        return _type_check(str(error), robot)
    if isinstance(error, WildRobotError):
        return error.what, error.hint or cures.of_error(error)
    for kind, what, fix in _TRACER_ERRORS:
        if isinstance(error, kind):
            return f"{what} ({kind.__name__})", fix
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    text = " ".join(lines[:4])
    return f"{type(error).__name__}: {text if len(text) < 400 else text[:397] + '...'}", cures.of_error(error)


def _type_check(text: str, robot: Robot | None) -> tuple[str, str]:
    """A violation that beartype or jaxtyping found: the function, the argument, the axes with their sizes."""
    function = _first(r"whilst checking the (?:parameters|return value) of (\S+)\.$", text)
    function = ".".join(function.split(".")[-2:])
    name = _first(r"typechecking parameter '(\w+)'", text)
    what = f"{function}, " + (f"argument {name!r}" if name else "its result")
    actual = _short(_first(r"^Actual value: (.*)$", text))
    expected = _first(r"^Expected type: (.*?)\.?$", text)
    array = re.fullmatch(r"<class '(\w+)\[[\w.]+, '(.*)'\]'>", expected)
    if array is None:
        expected = _short(re.sub(r"<class '(?:[\w.]*\.)?(\w+)'>", r"\1", expected))
        return f"{what}: got {actual}, wants {expected}", f"pass {expected}"
    dtype, axes = array.groups()
    known = dict(re.findall(r"^(\w+): (\d+)$", text, re.MULTILINE))
    detail = _axes(axes.split(), actual, known, robot)
    shape = re.search(r"\{(?:[\w.]*\.)?(\w+)\}", axes)
    plain = re.sub(r"\{(?:[\w.]*\.)?(\w+)\}", lambda m: _SIZE_OF.get(m[1], m[1]), axes)
    wants = f"{dtype}[{plain}]"
    said = detail or [f"got {actual}"]
    advice = f"pass {wants}"
    if robot is not None and (shape or any(axis in sizes(robot) for axis in plain.split())):
        advice += f", in the order and length of Robot {robot.name!r}"
    return f"{what}: {'; '.join(said)} (got {actual}, wants {wants})", advice


def _axes(axes: list[str], actual: str, known: dict[str, str], robot: Robot | None) -> list[str]:
    """Each axis whose length is not the one that its name stands for."""
    got = re.fullmatch(r"\w+\[(.*)\]", actual)
    if got is None:
        return []
    lengths = [int(n) for n in got[1].split(",") if n.strip().isdigit()]
    if len(lengths) != len(axes):
        return ["one axis too many" if len(lengths) == len(axes) + 1 else f"{len(lengths)} axes for {len(axes)}"]
    robots, said = sizes(robot), []
    for axis, length in zip(axes, lengths):
        inner = re.fullmatch(r"\{(?:[\w.]*\.)?(\w+)\}", axis)
        name = _SIZE_OF.get(inner[1], inner[1]) if inner else axis
        if name.isdigit():
            wanted, whose = int(name), ""
        elif name in known and int(known[name]) != robots.get(name):
            wanted, whose = int(known[name]), " from another argument of the same call"
        elif robot is not None and name in robots:
            wanted, whose = robots[name], f" from Robot {robot.name!r}"
        else:
            continue
        if wanted != length:
            said.append(
                f"length {wanted}, got {length}" if name.isdigit() else f"{name} = {wanted}{whose}, got {length}"
            )
    return said


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) < 120 else text[:117] + "..."


def _first(pattern: str, text: str) -> str:
    found: Any = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else ""
