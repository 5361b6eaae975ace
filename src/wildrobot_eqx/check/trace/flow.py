"""What of a traced function's inputs reaches its results, entry by entry, where an operation keeps entries apart."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from ... import jax_compat

# Entry i of the result reads entry i of the inputs.
_EACH = (
    "abs acos add and asin atan atan2 ceil clamp convert_element_type copy copy_p cos cosh div eq erf "
    "exp exp2 expm1 floor ge gt integer_pow is_finite le log log1p logistic lt max min mul ne neg "
    "nextafter not or pow rem round rsqrt select_n sign sin sinh sqrt square stop_gradient sub tan tanh "
    "xor "
)
_MOVES = ["slice", "squeeze", "reshape", "broadcast_in_dim", "transpose", "rev", "concatenate", "stack", "expand_dims"]
_COMPARISONS = ("gt", "ge", "lt", "le")
COMPARED = 1 << 60  # the mark of a force that a foot's switch compares with its threshold


def follow(jaxpr: Any, marks: list[Int[np.ndarray, "..."]], known: dict[Any, Any]) -> list[Int[np.ndarray, "..."]]:
    """The marks of a jaxpr's results, entry by entry where an operation keeps entries apart, else of all it reads.

    `known` holds the values of constants, which say what an index picks.
    """
    mark = dict(zip(jaxpr.invars, marks))
    known = dict(known)

    for eqn in jaxpr.eqns:
        values = [_value(atom, known) for atom in eqn.invars]
        ins = [_mark(atom, mark) for atom in eqn.invars]
        if all(v is not None for v in values) and eqn.primitive.name not in ("random_bits", "pure_callback"):
            known.update(zip(eqn.outvars, map(_host, jax_compat.apply(eqn, *values))))
            continue
        for var, result in zip(eqn.outvars, _through(eqn, ins, values)):
            mark[var] = np.asarray(result)
    return [_mark(atom, mark) for atom in jaxpr.outvars]


def _value(atom: Any, known: dict[Any, Any]) -> Any:
    return _host(atom.val) if jax_compat.is_constant(atom) else known.get(atom)


def _mark(atom: Any, marks: dict[Any, Any]) -> np.ndarray:
    unmarked = jax_compat.is_constant(atom) or atom not in marks
    return np.zeros(atom.aval.shape, np.int64) if unmarked else marks[atom]


def _through(eqn: Any, ins: list[np.ndarray], values: list[Any]) -> Iterator[np.ndarray]:
    name, shapes = eqn.primitive.name, [var.aval.shape for var in eqn.outvars]
    called = jax_compat.called(eqn)
    if name in _EACH.split() and all(mark.shape in ((), shapes[0]) for mark in ins):
        total = np.zeros(shapes[0], np.int64)
        for mark in ins:
            total = total | mark
        yield np.asarray(total & ~COMPARED if name in _COMPARISONS else total)
    elif name in _MOVES:
        yield _moved(eqn, ins)
    elif name in ("gather", "dynamic_slice") and all(v is not None for v in values[1:]):
        yield _moved(eqn, [ins[0], *values[1:]])
    elif called is not None:
        jaxpr, consts = jax_compat.opened(called)
        known = dict(zip(jaxpr.constvars, map(_host, consts)))
        known |= {var: v for var, v in zip(jaxpr.invars, values) if v is not None}
        yield from follow(jaxpr, ins, known)
    else:
        every = 0
        for mark in ins:
            every |= int(np.bitwise_or.reduce(mark.ravel(), initial=0))
        for shape in shapes:
            yield np.full(shape, every, np.int64)


def _host(value: Any) -> Any:
    """In NumPy, but for a typed key, which it cannot hold."""
    typed = jax.numpy.issubdtype(jax.numpy.result_type(value), jax.dtypes.prng_key)
    return value if typed else np.asarray(value)


def _moved(eqn: Any, ins: list[Any]) -> np.ndarray:
    """The same rearrangement, of the marks: bit by bit, since each fits an exact float32."""
    total = np.zeros(eqn.outvars[0].aval.shape, np.int64)
    first = len(ins) if eqn.primitive.name in ("concatenate", "stack") else 1
    bits = int(np.bitwise_or.reduce([np.bitwise_or.reduce(mark.ravel(), initial=0) for mark in ins[:first]], initial=0))
    bit = 1
    while bit <= bits:
        if bits & bit:
            marks = [((mark & bit) > 0).astype(np.float32) for mark in ins[:first]]
            (moved,) = jax_compat.apply(eqn, *marks, *ins[first:])
            total = total | np.where(np.asarray(moved) > 0, bit, 0)
        bit <<= 1
    return np.asarray(total)
