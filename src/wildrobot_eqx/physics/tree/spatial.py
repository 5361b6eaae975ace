"""Vectors, rotations and spatial algebra on tuples of scalars.

Spatial vectors are pairs (angular, linear) of 3-vectors, world-aligned and taken about one
common point (Featherstone, Rigid Body Dynamics Algorithms, 2008, chapter 2): of a motion,
the angular velocity and the velocity at that point; of a force, the moment about that point
and the force. A rigid body's inertia is ten numbers (RBDA section 2.13).
"""

from typing import NamedTuple

from .scalar import Mask, Num, Scalar, cos, known, sin, sqrt, where

Vec = tuple[Scalar, Scalar, Scalar]
Mat = tuple[Vec, Vec, Vec]  # rows
Quat = tuple[Scalar, Scalar, Scalar, Scalar]
Spatial = tuple[Vec, Vec]

ZERO: Vec = (0.0, 0.0, 0.0)
IDENTITY: Mat = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
REST: Spatial = (ZERO, ZERO)


def add(a: Vec, b: Vec) -> Vec:
    """a + b."""
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def sub(a: Vec, b: Vec) -> Vec:
    """a - b."""
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def scale(s: Scalar, a: Vec) -> Vec:
    """s a."""
    return (s * a[0], s * a[1], s * a[2])


def neg(a: Vec) -> Vec:
    """-a."""
    return (-a[0], -a[1], -a[2])


def dot(a: Vec, b: Vec) -> Scalar:
    """a . b."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vec, b: Vec) -> Vec:
    """a x b."""
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def norm(a: Vec) -> Scalar:
    """|a|."""
    return sqrt(dot(a, a))


def choose(mask: Mask, a: Vec, b: Vec) -> Vec:
    """`a` where the mask holds, else `b`."""
    like = next((x for x in (*a, *b) if isinstance(x, Num)), 0.0)  # gives two constants their dtype
    x, y, z = (where(mask, known(u, like) if both_known(u, v) else u, v) for u, v in zip(a, b))
    return (x, y, z)


def both_known(u: Scalar, v: Scalar) -> bool:
    """Whether two scalars are different constants."""
    return not isinstance(u, Num) and not isinstance(v, Num) and u != v


def column(m: Mat, j: int) -> Vec:
    """Column j."""
    return (m[0][j], m[1][j], m[2][j])


def transpose(m: Mat) -> Mat:
    """The transposed matrix."""
    return (column(m, 0), column(m, 1), column(m, 2))


def apply(m: Mat, v: Vec) -> Vec:
    """m v."""
    return (dot(m[0], v), dot(m[1], v), dot(m[2], v))


def apply_transposed(m: Mat, v: Vec) -> Vec:
    """m^T v."""
    return apply(transpose(m), v)


def product(a: Mat, b: Mat) -> Mat:
    """a b."""
    t = transpose(b)
    return (apply(t, a[0]), apply(t, a[1]), apply(t, a[2]))


def quat_multiply(a: Quat, b: Quat) -> Quat:
    """Hamilton product: the rotation b, then a."""
    (aw, ax, ay, az), (bw, bx, by, bz) = a, b
    return (
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )


def quat_unit(q: Quat) -> Quat:
    """The quaternion scaled to length 1."""
    inverse = 1.0 / sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    return (q[0] * inverse, q[1] * inverse, q[2] * inverse, q[3] * inverse)


def quat_matrix(q: Quat) -> Mat:
    """The rotation matrix of a unit quaternion."""
    w, x, y, z = q
    x2, y2, z2 = x + x, y + y, z + z
    xx, yy, zz = x * x2, y * y2, z * z2
    xy, xz, yz, wx, wy, wz = x * y2, x * z2, y * z2, w * x2, w * y2, w * z2
    return (
        (1.0 - yy - zz, xy - wz, xz + wy),
        (xy + wz, 1.0 - xx - zz, yz - wx),
        (xz - wy, yz + wx, 1.0 - xx - yy),
    )


def quat_turn(axis: Vec, angle: Scalar) -> Quat:
    """The unit quaternion of a turn about a unit axis."""
    half = 0.5 * angle
    s = sin(half)
    return (cos(half), s * axis[0], s * axis[1], s * axis[2])


def quat_exp(v: Vec) -> Quat:
    """The unit quaternion of the rotation vector v, smooth at 0.

    Source: MuJoCo's documentation, Computation, "Integrators": quaternions move along the exponential map.
    """
    square = dot(v, v)
    small = square < 1e-12
    angle = sqrt(where(small, 1.0, square))
    # sin(x/2)/x = 1/2 - x^2/48 and cos(x/2) = 1 - x^2/8 where a division would lose all digits
    s = where(small, 0.5 - square * (1.0 / 48.0), sin(0.5 * angle) / angle)
    c = where(small, 1.0 - 0.125 * square, cos(0.5 * angle))
    return (c, s * v[0], s * v[1], s * v[2])


def rotate_about(r: Mat, axis: tuple[float, float, float], angle: Scalar) -> Mat:
    """r Rot(axis, angle) with a constant unit axis (Rodrigues): an axis along a frame's axis mixes two columns only."""
    s, c = sin(angle), cos(angle)
    x, y, z = (_whole(a) for a in axis)
    one = 1.0 - c

    def square(a: float) -> Scalar:
        return c if a == 0.0 else 1.0 if abs(a) == 1.0 else c + (a * a) * one

    turn = (
        (square(x), x * y * one - z * s, x * z * one + y * s),
        (x * y * one + z * s, square(y), y * z * one - x * s),
        (x * z * one - y * s, y * z * one + x * s, square(z)),
    )
    return product(r, turn)


def _whole(a: float) -> float:
    return float(round(a)) if abs(a - round(a)) < 1e-15 else a


def move(a: Spatial, b: Spatial) -> Spatial:
    """a + b."""
    return (add(a[0], b[0]), add(a[1], b[1]))


def stretch(s: Scalar, a: Spatial) -> Spatial:
    """s a."""
    return (scale(s, a[0]), scale(s, a[1]))


def power(motion: Spatial, force: Spatial) -> Scalar:
    """The scalar product of a motion and a force."""
    return dot(motion[0], force[0]) + dot(motion[1], force[1])


def cross_motion(v: Spatial, m: Spatial) -> Spatial:
    """v x m: the rate of a motion that moves with v (RBDA equation 2.31)."""
    return (cross(v[0], m[0]), add(cross(v[0], m[1]), cross(v[1], m[0])))


def cross_force(v: Spatial, f: Spatial) -> Spatial:
    """v x* f: the rate of a force that moves with v (RBDA equation 2.32)."""
    return (add(cross(v[0], f[0]), cross(v[1], f[1])), cross(v[0], f[1]))


def at(v: Spatial, r: Vec) -> Vec:
    """The velocity (or any motion's linear part) at the point r from the common point: v + w x r."""
    return add(v[1], cross(v[0], r))


def wrench(force: Vec, r: Vec) -> Spatial:
    """The spatial force of a force that acts at r from the common point."""
    return (cross(r, force), force)


class Symmetric(NamedTuple):
    """A symmetric 3x3 matrix."""

    xx: Scalar
    yy: Scalar
    zz: Scalar
    xy: Scalar
    xz: Scalar
    yz: Scalar

    def __matmul__(self, v: Vec) -> Vec:
        return (
            self.xx * v[0] + self.xy * v[1] + self.xz * v[2],
            self.xy * v[0] + self.yy * v[1] + self.yz * v[2],
            self.xz * v[0] + self.yz * v[1] + self.zz * v[2],
        )

    def plus(self, other: "Symmetric") -> "Symmetric":
        """The sum."""
        return Symmetric(*(a + b for a, b in zip(self, other)))


class Inertia(NamedTuple):
    """A rigid body's inertia about the common point: mass m, m r, and the rotational inertia."""

    mass: Scalar
    first: Vec
    second: Symmetric

    def plus(self, other: "Inertia") -> "Inertia":
        """Both bodies as one."""
        return Inertia(self.mass + other.mass, add(self.first, other.first), self.second.plus(other.second))

    def __matmul__(self, v: Spatial) -> Spatial:
        """Momentum of the motion v (RBDA equation 2.63)."""
        w, u = v
        return (add(self.second @ w, cross(self.first, u)), add(scale(self.mass, u), cross(w, self.first)))


def rotated_symmetric(r: Mat, s: Symmetric) -> Symmetric:
    """r s r^T."""
    half = tuple(s @ row for row in r)  # (r s) by rows, s being symmetric

    def entry(i: int, j: int) -> Scalar:
        return dot(half[i], r[j])

    return Symmetric(entry(0, 0), entry(1, 1), entry(2, 2), entry(0, 1), entry(0, 2), entry(1, 2))


def inertia_about(mass: Scalar, centre: Vec, central: Symmetric) -> Inertia:
    """The inertia about the common point of a body whose centre of mass is at `centre` (parallel axes, RBDA 2.63)."""
    first = scale(mass, centre)
    x, y, z = centre
    fx, fy, fz = first
    xx, yy, zz = fx * x, fy * y, fz * z
    second = Symmetric(
        central.xx + yy + zz,
        central.yy + xx + zz,
        central.zz + xx + yy,
        central.xy - fx * y,
        central.xz - fx * z,
        central.yz - fy * z,
    )
    return Inertia(mass, first, second)
