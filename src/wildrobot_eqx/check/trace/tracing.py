"""One function traced abstractly: its jaxpr, and for each leaf that it returns what it is and which line made it."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ... import jax_compat
from . import source
from .written import watch, written


@dataclasses.dataclass(frozen=True)
class Leaf:
    """One leaf: an array's shape, dtype and weak type; None; or something that is no array, described by `other`."""

    shape: tuple[int, ...] = ()
    dtype: Any = None
    weak: bool = False
    other: str = ""
    find: Callable[[], str] = str  # looks for the line that made it, which takes time

    @property
    def kind(self) -> tuple[Any, ...]:
        """What must be equal between reset and step."""
        return self.shape, self.dtype, self.weak, self.other

    @property
    def line(self) -> str:
        """`file:line` that made it; empty where that is unknown."""
        return self.find()

    def __str__(self) -> str:
        return self.other or f"{self.dtype}{list(self.shape)}" + (", weakly typed" if self.weak else "")


@dataclasses.dataclass(frozen=True)
class Traced:
    """What tracing gave.

    `out` can go into the next trace, `leaves` is the same by path; the first `own` inputs of
    the jaxpr are the module's, the others the arguments', whose paths `inputs` holds;
    `written` has path, class and name of each field that the call wrote to.
    """

    out: PyTree
    leaves: dict[str, Leaf]
    jaxpr: Any
    own: int
    inputs: dict[int, str]
    written: tuple[tuple[str, type, str], ...] = ()


def trace(call: Callable[..., Any], module: Any, *args: Any) -> Traced:
    """Trace `call(module, *args)`; arrays and `jax.ShapeDtypeStruct`s in both become tracers, as in training."""
    arrays, rest = eqx.partition((module, args), _traceable)
    flat = jax.tree.leaves(arrays)
    treedef = jax.tree.structure(arrays)
    found: dict[str, Any] = {}
    closed = jax.make_jaxpr(functools.partial(_run, found, call, treedef, rest))(*flat)
    made = iter(_made(jax_compat.opened(closed)[0], module))
    leaves, out = {}, []
    for path, value in found["paths"]:
        leaf = next(made) if isinstance(value, jax.Array) else Leaf(other=_described(value))
        leaves[jax.tree_util.keystr(path)] = leaf
        out.append(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=leaf.weak) if leaf.dtype else value)
    own = len(jax.tree.leaves(arrays[0]))
    named = jax.tree_util.tree_leaves_with_path(arrays[1])
    inputs = {own + i: jax.tree_util.keystr(path) for i, (path, _) in enumerate(named)}
    out = jax.tree.unflatten(found["tree"], out)
    return Traced(out, leaves, closed, own, inputs, tuple(found["written"]))


def _run(found: dict[str, Any], call: Callable[..., Any], treedef: Any, rest: PyTree, *tracers: Any) -> list[Any]:
    """What `trace` traces; what is no array goes into `found`."""
    module, args = eqx.combine(jax.tree.unflatten(treedef, tracers), rest)
    watched = watch(module) + watch(args, "the argument")
    out = call(module, *args)
    found["written"] = written(watched)
    paths, found["tree"] = jax.tree_util.tree_flatten_with_path(out, is_leaf=_none)
    paths = [(path, jnp.asarray(x) if isinstance(x, np.ndarray | np.generic) else x) for path, x in paths]
    found["paths"] = paths
    return [leaf for _, leaf in paths if isinstance(leaf, jax.Array)]


def leaves_of(tree: PyTree) -> dict[str, Leaf]:
    """A tree of arrays or `jax.ShapeDtypeStruct`s by path."""
    found = {}
    for path, value in jax.tree_util.tree_leaves_with_path(tree, is_leaf=_none):
        leaf = Leaf(value.shape, value.dtype, value.weak_type) if _traceable(value) else Leaf(other=_described(value))
        found[jax.tree_util.keystr(path)] = leaf
    return found


def _traceable(value: Any) -> bool:
    return isinstance(value, jax.Array | jax.ShapeDtypeStruct)


def _none(value: Any) -> bool:
    return value is None


def _made(jaxpr: Any, module: Any) -> list[Leaf]:
    """The outputs of a jaxpr, each with a search for the line of the operation that made it."""
    leaves = []
    for i, var in enumerate(jaxpr.outvars):
        find = functools.partial(_line, jaxpr, i, module)
        leaves.append(Leaf(var.aval.shape, var.aval.dtype, var.aval.weak_type, find=find))
    return leaves


def _line(jaxpr: Any, i: int, module: Any) -> str:
    """The line that made an output, empty where that is a constant or an input."""
    for equation in jaxpr.eqns:
        if jaxpr.outvars[i] not in equation.outvars:
            continue
        line = source.of_operation(equation, module)
        called = None if line else jax_compat.called(equation)
        if called is not None:  # the stand-in's own jit
            return _line(jax_compat.opened(called)[0], equation.outvars.index(jaxpr.outvars[i]), module)
        return line
    return ""


def _described(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, bool | int | float | complex):
        return f"the Python {type(value).__name__} {value!r}"
    if callable(value):
        return f"the function {getattr(value, '__qualname__', type(value).__name__)}"
    text = repr(value)
    return f"the {type(value).__name__} {text if len(text) < 40 else text[:37] + '...'}"
