"""What a robot has wrong for a whole episode and does not know: encoder zeros and the IMU's mounting."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import Numbers, Pair, f32, named_key, uniform
from ..module import AbstractModule
from ..protocol import Call, Protocol


class Calibration(eqx.Module):
    """One episode's errors, which servos and sensors share."""

    joint_offset: Float[Array, " nu"]  # rad (m of a slide), what each encoder reads at the joint's true zero
    imu_rotation: Float[Array, " 3"]  # rad, rotation vector from the frame that the robot believes in to the IMU's own

    @staticmethod
    def ideal(nu: int) -> "Calibration":
        """No errors."""
        return Calibration(jnp.zeros((nu,), jnp.float32), jnp.zeros((3,), jnp.float32))


class RandomCalibrationError(AbstractModule):
    """Draws an episode's calibration errors.

    An encoder offset moves what is observed and where a position servo holds the joint alike:
    commanded to q, the joint goes to q - offset, and reports q. A commanded torque or speed
    has no zero, and reaches the joint as it is. The mounting error is a rotation
    about a uniformly drawn axis. Defaults: half a spline tooth of a 25-tooth horn is 7
    degrees, which no builder leaves in; 2 degrees is what a careful one trims to by eye.

    Args:
        joint_offset: range of each encoder's offset, rad, m of a slide.
        imu_angle: range of the mounting error's angle, rad.
        joint_mean: what is known of each encoder's offset and comes on top, such as `identify` tells; None: 0.
        imu_mean: what is known of the mounting error, a rotation vector (rad) that comes on top; None: 0.
        together: patterns of encoder offsets (n, nu) that come together, such as those that make one leg short; each
            comes on top by a draw of its own. None: there are none.
        together_size: range of the draw by which a pattern comes.
    """

    protocol: ClassVar[Protocol] = (Call("__call__", ("key", "nu"), ("calibration",)),)

    joint_offset: Float[Array, " 2"]  # rad, m of a slide
    imu_angle: Float[Array, " 2"]  # rad
    joint_mean: Float[Array, " nu"] | None  # rad, m of a slide
    imu_mean: Float[Array, " 3"] | None  # rad
    together: Float[Array, "n nu"] | None  # rad, m of a slide
    together_size: Float[Array, " 2"]

    def __init__(
        self,
        joint_offset: Pair = (-0.035, 0.035),
        imu_angle: Pair = (0.0, 0.035),
        joint_mean: Numbers | None = None,
        imu_mean: Numbers | None = None,
        together: Float[Array, "n nu"] | None = None,
        together_size: Pair = (-1.0, 1.0),
    ):
        self.joint_offset = f32(joint_offset)
        self.imu_angle = f32(imu_angle)
        self.joint_mean = None if joint_mean is None else f32(joint_mean)
        self.imu_mean = None if imu_mean is None else f32(imu_mean)
        self.together, self.together_size = together, f32(together_size)

    def __call__(self, key: PRNGKeyArray, nu: int) -> Calibration:
        """The errors of one episode of a robot with `nu` joints."""
        key_joint, key_axis, key_angle = jax.random.split(key, 3)
        axis = jax.random.normal(key_axis, (3,), jnp.float32)
        axis = axis / jnp.maximum(jnp.linalg.norm(axis), 1e-6)
        offset, rotation = uniform(key_joint, self.joint_offset, (nu,)), axis * uniform(key_angle, self.imu_angle)
        if self.together is not None:
            size = uniform(named_key(key, "together"), self.together_size, self.together.shape[:1])
            offset = offset + size @ self.together
        return Calibration(
            joint_offset=offset if self.joint_mean is None else self.joint_mean + offset,
            imu_rotation=rotation if self.imu_mean is None else self.imu_mean + rotation,  # the sum, as of small angles
        )
