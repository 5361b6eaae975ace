"""Quaternion algebra, MuJoCo's order (w, x, y, z); unit quaternions map body to world."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def rotate_inverse(quat: Float[Array, " 4"], vector: Float[Array, " 3"]) -> Float[Array, " 3"]:
    """A world vector in the body's frame: R(quat)^T v.

    Source: v' = v - 2 w (u x v) + 2 u x (u x v), u the quaternion's vector part (Rodrigues).
    """
    w, u = quat[0], quat[1:]
    t = 2.0 * jnp.cross(u, vector)
    return vector - w * t + jnp.cross(u, t)


def rotate(quat: Float[Array, " 4"], vector: Float[Array, " 3"]) -> Float[Array, " 3"]:
    """A body vector in the world frame: R(quat) v."""
    w, u = quat[0], quat[1:]
    t = 2.0 * jnp.cross(u, vector)
    return vector + w * t + jnp.cross(u, t)


def yaw(quat: Float[Array, " 4"]) -> Float[Array, ""]:
    """Heading in rad: the angle of the body's x axis about the world's z axis, in (-pi, pi]."""
    w, x, y, z = quat
    return jnp.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def pitch(quat: Float[Array, " 4"]) -> Float[Array, ""]:
    """Pitch in rad, positive nose down: minus the elevation of the body's x axis."""
    w, x, y, z = quat
    return jnp.arcsin(jnp.clip(2.0 * (w * y - z * x), -1.0, 1.0))


def wrap_angle(angle: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The same angle in [-pi, pi), rad."""
    return (angle + jnp.pi) % (2.0 * jnp.pi) - jnp.pi


def quat_yaw(angle: Float[Array, ""]) -> Float[Array, " 4"]:
    """The unit quaternion of a turn by `angle` (rad) about z."""
    half = 0.5 * angle
    zero = jnp.zeros_like(half)
    return jnp.stack([jnp.cos(half), zero, zero, jnp.sin(half)])


def quat_multiply(a: Float[Array, " 4"], b: Float[Array, " 4"]) -> Float[Array, " 4"]:
    """Hamilton product: the rotation `b` followed by `a`."""
    aw, av, bw, bv = a[0], a[1:], b[0], b[1:]
    return jnp.concatenate([(aw * bw - av @ bv)[None], aw * bv + bw * av + jnp.cross(av, bv)])


def from_vector(vector: Float[Array, " 3"]) -> Float[Array, " 4"]:
    """The unit quaternion of a rotation vector: axis times angle, rad."""
    half = 0.5 * jnp.linalg.norm(vector)
    return jnp.concatenate([jnp.cos(half)[None], 0.5 * jnp.sinc(half / jnp.pi) * vector])


def rotate_z_inverse(angle: Float[Array, ""], vector: Float[Array, " 3"]) -> Float[Array, " 3"]:
    """A vector in a frame that is turned by `angle` (rad) about z: R_z(angle)^T v."""
    c, s = jnp.cos(angle), jnp.sin(angle)
    x, y, z = vector
    return jnp.stack([c * x + s * y, c * y - s * x, z])
