"""Scalars that forget what is known: arithmetic in which a model's zeros and ones cost nothing.

The tree engine is written on scalar components. A component that the model fixes is a
Python float; one that depends on the state is a `Num`, a thin hold of a JAX array. Products
with 0 and 1, sums with 0 and all arithmetic between floats happen while tracing, so the
compiled program holds only what depends on the state. The arrays inside may have any one
batch shape, or none: every operation is elementwise, so a batch stays the last axis.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, Union, no_type_check

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

Scalar = Union[float, "Num"]
Mask = bool | Bool[Array, "..."]


@no_type_check  # ten thousand of its operations make one step: checks of each would take a third of the tracing
class Num:
    """A number that depends on the state."""

    __slots__ = ("a",)

    def __init__(self, a: Float[Array, "..."]):
        self.a = a

    def __add__(self, other: Scalar) -> Scalar:
        if not isinstance(other, Num):
            return self if other == 0.0 else Num(_with(lax.add, self.a, other))
        return Num(_both(lax.add, self.a, other.a))

    __radd__ = __add__

    def __sub__(self, other: Scalar) -> Scalar:
        if not isinstance(other, Num):
            return self if other == 0.0 else Num(_with(lax.sub, self.a, other))
        return Num(_both(lax.sub, self.a, other.a))

    def __rsub__(self, other: Scalar) -> Scalar:
        return -self + other

    def __neg__(self) -> "Num":
        return Num(lax.neg(self.a))

    def __mul__(self, other: Scalar) -> Scalar:
        if isinstance(other, Num):
            return Num(_both(lax.mul, self.a, other.a))
        if other == 0.0:
            return 0.0
        if other == 1.0:
            return self
        if other == -1.0:
            return -self
        return Num(_with(lax.mul, self.a, other))

    __rmul__ = __mul__

    def __truediv__(self, other: Scalar) -> Scalar:
        if isinstance(other, Num):
            return Num(_both(lax.div, self.a, other.a))
        return self * (1.0 / other)

    def __rtruediv__(self, other: float) -> Scalar:
        if other == 0.0:
            return 0.0
        return Num(lax.div(jnp.full_like(self.a, other), self.a))

    def __lt__(self, other: Scalar) -> Mask:
        return _compare(lax.lt, self, other)

    def __le__(self, other: Scalar) -> Mask:
        return _compare(lax.le, self, other)

    def __gt__(self, other: Scalar) -> Mask:
        return _compare(lax.gt, self, other)

    def __ge__(self, other: Scalar) -> Mask:
        return _compare(lax.ge, self, other)


def _with(op: Callable[..., jax.Array], a: jax.Array, constant: float) -> jax.Array:
    return op(a, lax.full_like(a, constant))


def _both(op: Callable[..., jax.Array], a: jax.Array, b: jax.Array) -> jax.Array:
    if a.shape != b.shape:
        a, b = jnp.broadcast_arrays(a, b)
    return op(a, b)


def _compare(op: Callable[..., jax.Array], x: Num, y: Scalar) -> Mask:
    return _both(op, x.a, y.a) if isinstance(y, Num) else _with(op, x.a, y)


def where(mask: Mask, x: Scalar, y: Scalar) -> Scalar:
    """`x` where the mask holds, else `y`."""
    if isinstance(mask, bool):
        return x if mask else y
    if not isinstance(x, Num) and not isinstance(y, Num):
        if x == y:
            return x
        raise TypeError("a choice between two constants needs a dtype: make one a Num with `known`")
    like = x.a if isinstance(x, Num) else y.a if isinstance(y, Num) else mask
    a = x.a if isinstance(x, Num) else lax.full_like(like, x)
    b = y.a if isinstance(y, Num) else lax.full_like(like, y)
    shape = jnp.broadcast_shapes(mask.shape, a.shape, b.shape)
    mask, a, b = (v if v.shape == shape else jnp.broadcast_to(v, shape) for v in (mask, a, b))
    return Num(lax.select(mask, a, b))


def known(x: Scalar, like: Scalar) -> Scalar:
    """`x` with the shape and dtype of `like`, where a choice needs them."""
    return Num(lax.full_like(like.a, x)) if isinstance(like, Num) and not isinstance(x, Num) else x


def both(a: Mask, b: Mask) -> Mask:
    """Where both masks hold."""
    if isinstance(a, bool):
        return b if a else False
    if isinstance(b, bool):
        return a if b else False
    return jnp.logical_and(a, b)


def neither(a: Mask) -> Mask:
    """Where the mask does not hold."""
    return not a if isinstance(a, bool) else jnp.logical_not(a)


def _unary(op: Callable[[Any], Any], constant: Callable[[float], float]) -> Callable[[Any], Any]:
    def apply(x: Scalar) -> Scalar:
        return Num(op(x.a)) if isinstance(x, Num) else constant(x)

    return apply


sin, cos, exp, log = (
    _unary(op, constant)
    for op, constant in [(lax.sin, math.sin), (lax.cos, math.cos), (lax.exp, math.exp), (lax.log, math.log)]
)
absolute = _unary(lax.abs, abs)


def sqrt(x: Scalar) -> Scalar:
    """The square root, with slope 0 instead of infinity at 0, so that gradients stay finite."""
    if not isinstance(x, Num):
        return math.sqrt(x)
    positive = x > 0.0
    safe = where(positive, x, 1.0)
    return where(positive, Num(lax.sqrt(array(safe, x.a))), 0.0)


def maximum(x: Scalar, y: Scalar) -> Scalar:
    """The larger one."""
    if not isinstance(x, Num):
        x, y = y, x
    if not isinstance(x, Num):
        return max(float(x), float(y)) if not isinstance(y, Num) else y
    return Num(_both(lax.max, x.a, y.a)) if isinstance(y, Num) else Num(_with(lax.max, x.a, y))


def minimum(x: Scalar, y: Scalar) -> Scalar:
    """The smaller one."""
    return -maximum(-x, -y) if not (isinstance(x, Num) and isinstance(y, Num)) else Num(_both(lax.min, x.a, y.a))


def clip(x: Scalar, low: Scalar, high: Scalar) -> Scalar:
    """`x` moved into [low, high]."""
    return minimum(maximum(x, low), high)


def array(x: Scalar, like: Float[Array, "..."]) -> Float[Array, "..."]:
    """The scalar as an array of `like`'s shape and dtype."""
    if isinstance(x, Num):
        return x.a if x.a.shape == like.shape else jnp.broadcast_to(x.a, like.shape)
    return jnp.full(like.shape, x, like.dtype)


def total(terms: Iterable[Scalar]) -> Scalar:
    """The sum; 0 of nothing."""
    result: Scalar = 0.0
    for term in terms:
        result = result + term
    return result
