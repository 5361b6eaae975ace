"""One module of an env traced alone: what it was given, what it must return, and everything found about it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax

from ..robots import Robot
from .rules import hidden_state as captured
from .rules import prng as keys
from .trace import errors, source, statics, trees
from .trace.findings import Finding
from .trace.leaves import Labels, advice, wrong
from .trace.tracing import Leaf, Traced, leaves_of, trace

_CARRY = "carry it: return it in the state (a controller's init and __call__ may hold any arrays), never on the module"

UNKNOWN = object()
"""Stands in `Part.expected` where any tree will do."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One call of one module.

    `names` maps the paths of its results to their names in findings, the first that fits;
    `expected` holds a `jax.ShapeDtypeStruct` tree of what it must return, or `UNKNOWN`; `axes`
    the names of axes by path.
    """

    where: str
    module: Any
    call: Callable[..., Any]
    method: str
    args: tuple[Any, ...]
    takes: str
    names: tuple[tuple[str, str], ...]
    expected: Any = UNKNOWN
    axes: dict[str, str] = dataclasses.field(default_factory=dict)

    def name(self, path: str) -> str:
        """A result's path in the env, its state or its timestep."""
        for start, name in self.names:
            if path.startswith(start):
                return name + path[len(start) :]
        return self.where + path

    def owner(self, leaf: Leaf | None = None) -> str:
        """The module's class, with the line that made a leaf."""
        line = leaf.line if leaf is not None else ""
        return source.describe(self.module, line or source.method(self.module, self.method))

    @property
    def by(self) -> str:
        """The module's place and class."""
        return f"{self.where}, {type(self.module).__name__}"

    @property
    def labels(self) -> Labels:
        """How its result is compared with what is expected of it."""
        return Labels(
            self.name, lambda _, leaf: self.owner(leaf), lambda _: self.by, before="its input", after="its result"
        )

    @property
    def ours(self) -> bool:
        """A module of this package alone."""
        return source.ours(self.module)


def examine(part: Part, robot: Robot | None, wide: bool = True) -> tuple[Traced | None, list[Finding], list[Finding]]:
    """Trace a part; returns what it gave (None where it raised), what is wrong with that, and the subtler faults.

    Subtler: state that is stored instead of carried, random keys used twice, and with `wide` float64 under x64.
    """
    before = captured.kept(part.module)
    try:
        traced = trace(part.call, part.module, *part.args)
    except Exception as error:  # whatever a module raises while it is traced
        return None, [_raised(part, error, robot)], []
    found = statics.of_state(traced.out, part.name, part.takes, part.owner()) or _results(part, traced, robot)
    hidden = written(part.where, part.takes, part.module, traced) or _captured(part, traced, before)
    subtle = hidden + _keys(part, traced)
    if wide and not found and not subtle and not part.ours:
        subtle = _wide(part, traced)
    return traced, found, subtle


def _raised(part: Part, error: Exception, robot: Robot | None) -> Finding:
    what, fix = errors.explain(error, robot)
    line = source.of_error(error, part.module)
    return Finding(part.where, part.takes, what, fix, source.describe(part.module, line))


def _results(part: Part, traced: Traced, robot: Robot | None) -> list[Finding]:
    """The results against what is expected of them."""
    if part.expected is UNKNOWN:
        return [
            Finding(part.name(path), part.takes, str(leaf), _storable(leaf), part.owner(leaf))
            for path, leaf in traced.leaves.items()
            if leaf.other and leaf.other != "None"
        ]
    if isinstance(part.expected, tuple) and UNKNOWN in part.expected:
        return _some_results(part, traced, robot)
    expected = leaves_of(part.expected)
    if expected.keys() != traced.leaves.keys():
        if expected.keys() == {""}:  # one array is expected, a tree came
            fix = f"{type(part.module).__name__} must return {expected['']}"
            return [Finding(part.name(""), part.takes, trees.describe(traced.out), fix, part.owner())]
        return trees.differing(part.expected, traced.out, expected, traced.leaves, part.labels)
    found = []
    for path, leaf in traced.leaves.items():
        nothing = expected[path].other == leaf.other == "None"  # as in a command that never asks for a turn
        if not nothing and wrong(expected[path], leaf):
            fix = f"{type(part.module).__name__} must return {expected[path]}"
            if not leaf.other and leaf.shape != expected[path].shape:
                fix += _axis(part.axes.get(path), leaf, robot)
            fix += f": {advice(expected[path], leaf, part.method, part.method)}"
            found.append(Finding(part.name(path), part.takes, str(leaf), fix, part.owner(leaf)))
    return found or trees.structure(part.expected, traced.out, part.labels)


def _some_results(part: Part, traced: Traced, robot: Robot | None) -> list[Finding]:
    """As `_results`, where several are returned and any tree will do for some of them."""
    if not isinstance(traced.out, tuple) or len(traced.out) != len(part.expected):
        fix = f"{type(part.module).__name__} must return {len(part.expected)} results"
        return [Finding(part.where, part.takes, trees.describe(traced.out), fix, part.owner())]
    found: list[Finding] = []
    for i, expected in enumerate(part.expected):
        prefix = f"[{i}]"
        leaves = {path[len(prefix) :]: leaf for path, leaf in traced.leaves.items() if path.startswith(prefix)}
        named = tuple((path[len(prefix) :], name) for path, name in part.names if path.startswith(prefix))
        axes = {path[len(prefix) :]: axis for path, axis in part.axes.items() if path.startswith(prefix)}
        one = dataclasses.replace(part, expected=expected, names=named, axes=axes)
        found += _results(one, dataclasses.replace(traced, out=traced.out[i], leaves=leaves), robot)
    return found


def _storable(leaf: Leaf) -> str:
    return advice(Leaf(), leaf, "init", "init")


def _axis(axis: str | None, leaf: Leaf, robot: Robot | None) -> str:
    """Such as " (nu = 11 from Robot 'wildrobot', got 12)"."""
    if axis is None or robot is None or not leaf.shape:
        return ""
    return f" ({axis} = {errors.sizes(robot)[axis]} from Robot {robot.name!r}, got {leaf.shape[0]})"


def written(where: str, takes: str, module: Any, traced: Traced) -> list[Finding]:
    """What the module wrote to on itself or on what it was given, past the freeze of its class."""
    for place, cls, field in traced.written[:1]:
        classes = (cls, *(type(part) for part in source.nested(module)))
        line = next(filter(None, (source.of_write(c, field) for c in classes)), "")
        after = f"a call wrote to {place}: compiled code runs that line once, while it is traced"
        return [Finding(where, takes, after, _CARRY, source.describe(module, line))]
    return []


def _captured(part: Part, traced: Traced, before: dict[str, Any]) -> list[Finding]:
    """What the module wrote to outside of its state; then whether tracing it twice gives the same."""
    fix = _CARRY
    owner = part.owner()
    places = captured.changed(before, captured.kept(part.module))
    if places:
        after = f"a call changed {places[0]}, which is no part of the state: compiled code runs that line once"
        return [Finding(part.where, part.takes, after, fix, owner)]
    if part.ours:
        return []
    try:
        again = trace(part.call, part.module, *part.args)
    except jax.errors.UnexpectedTracerError as error:
        line = source.of_error(error, part.module)
        after = "it reads a value that an earlier call left outside the state"
        return [Finding(part.where, part.takes, after, fix, source.describe(part.module, line))]
    except Exception as error:  # raised by the second call only
        after = f"the second call raised {type(error).__name__}, the first did not"
        line = source.of_error(error, part.module)
        return [Finding(part.where, part.takes, after, fix, source.describe(part.module, line))]
    if str(again.jaxpr) != str(traced.jaxpr):
        after = "two calls with the same arguments compute different things: it remembers something outside its state"
        return [Finding(part.where, part.takes, after, fix, owner)]
    return []


def _keys(part: Part, traced: Traced) -> list[Finding]:
    return [key_finding(part.where, part.takes, part.module, reuse) for reuse in keys.reuses(traced)[:1]]


def key_finding(where: str, takes: str, module: Any, reuse: keys.Reuse) -> Finding:
    """One reuse of a random key, as a finding."""
    lines = [source.of_operation(operation, module) for operation in reuse.operations]
    first = f", first at {lines[0]}" if len(lines) > 1 and lines[0] else ""
    return Finding(where, takes, f"a random key {reuse.what}{first}", reuse.fix, source.describe(module, lines[-1]))


def _wide(part: Part, traced: Traced) -> list[Finding]:
    """Leaves that are float32 as JAX starts, but float64 once `jax_enable_x64` is on."""
    with jax.enable_x64(True):
        try:
            wide = trace(part.call, part.module, *part.args)
        except Exception as error:  # raised under x64 only
            line = source.of_error(error, part.module)
            after = f"with jax_enable_x64 on it raises {type(error).__name__}"
            fix = "cast where numbers come in: value.astype(jnp.float32), jnp.zeros(n, jnp.float32)"
            return [Finding(part.where, part.takes, after, fix, source.describe(part.module, line))]
    return [
        Finding(
            part.name(path),
            part.takes,
            f"{leaf} with jax_enable_x64 on ({traced.leaves[path]} without)",
            f"cast the result: value.astype(jnp.float32); or name the dtype where float64 comes in{_entry(wide, part)}",
            part.owner(leaf),
        )
        for path, leaf in wide.leaves.items()
        if leaf.dtype == "float64"
        and not leaf.weak
        and path in traced.leaves
        and traced.leaves[path].dtype == "float32"
    ]


def _entry(wide: Traced, part: Part) -> str:
    """Such as ", file:line": where the first float64 of the module is made, under x64."""
    for operation in wide.jaxpr.jaxpr.eqns:
        if any(getattr(var.aval, "dtype", None) == "float64" and not var.aval.weak_type for var in operation.outvars):
            line = source.of_operation(operation, part.module)
            return f", {line}" if line else ""
    return ""
