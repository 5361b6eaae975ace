"""Rotation vectors of quaternions, for springs and limits of ball joints."""

import math

from jax import lax

from .scalar import Num, Scalar, sqrt, where
from .spatial import Quat, Vec, quat_multiply, quat_unit


def _arctan2(y: Scalar, x: Scalar) -> Scalar:
    if isinstance(y, Num) and isinstance(x, Num):
        return Num(lax.atan2(y.a, x.a))
    raise TypeError("a joint's angle depends on the state")


def quat_vector(q: Quat) -> tuple[Vec, Scalar]:
    """The rotation vector (rad) of a unit quaternion, at most half a turn long, and its signed length."""
    w, x, y, z = q
    square = x * x + y * y + z * z
    tiny = square < 1e-24
    s = sqrt(where(tiny, 1.0, square))
    angle = 2.0 * _arctan2(where(tiny, 0.0, s), w)
    angle = where(angle > math.pi, angle - 2.0 * math.pi, angle)
    k = where(tiny, 2.0, angle / s)
    return (k * x, k * y, k * z), angle


def quat_difference(a: Quat, b: Quat) -> Vec:
    """The rotation vector that turns b into a, in b's frame (MuJoCo's mju_subQuat)."""
    w, x, y, z = b
    return quat_vector(quat_multiply((w, -x, -y, -z), quat_unit(a)))[0]
