"""Observation terms of joints by name, with or without an actuator."""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..robots import Mirror, Robot, encoded, joint_addresses, joint_unit, need_hinges, site_of
from .sensing import AbstractSensing
from .signals import Signals
from .terms import AbstractStatelessTerm


def _entries(
    robot: Robot, joints: tuple[str, ...], asker: str, part: Literal["qpos", "qvel"]
) -> tuple[tuple[int, ...], bool]:
    """Where the joints lie in `part`, and whether the robot can measure all of them."""
    qpos, qvel = joint_addresses(robot, joints, asker)
    addresses = qpos if part == "qpos" else qvel
    return addresses, set(addresses) <= encoded(robot, part)


class HingeAngles(AbstractStatelessTerm):
    """Sines, then cosines, of hinges: an angle without limits and without a jump where it wraps.

    The robot can measure a hinge that has an actuator, or a <jointpos> sensor in the MJCF.

    Args:
        robot: whose hinges they are.
        joints: their names in the MJCF.

    Raises:
        WildRobotError: the robot has no such hinge.
    """

    joints: tuple[str, ...] = eqx.field(static=True)
    addresses: tuple[int, ...] = eqx.field(static=True)
    measurable: bool = eqx.field(static=True)
    unit = "1"
    frame = "joint"

    def __init__(self, robot: Robot, joints: tuple[str, ...]):
        need_hinges(robot, joints, "HingeAngles")
        self.joints = joints
        self.addresses, self.measurable = _entries(robot, joints, "HingeAngles", "qpos")

    @property
    def size(self) -> int:
        """Two entries for each hinge."""
        return 2 * len(self.joints)

    @property
    def source(self) -> str:
        return f"position of {', '.join(self.joints)}"

    def __call__(self, signals: Signals) -> Float[Array, " {self.size}"]:
        angle = signals.physics.qpos[np.array(self.addresses, int)]
        return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)])


class HingeOffset(AbstractSensing):
    """`HingeAngles` of encoders that are off by the episode's offsets, as `EncoderOffset` has it of joint angles.

    A hinge without an actuator has no offset: `RandomCalibrationError` draws those of servos.

    Args:
        robot: whose hinges they are.
        joints: their names, in the order of the `HingeAngles`.

    Raises:
        WildRobotError: the robot has no such hinge.
    """

    drives: tuple[int, ...] = eqx.field(static=True)  # by hinge, its actuator; `nu` where it has none

    def __init__(self, robot: Robot, joints: tuple[str, ...]):
        need_hinges(robot, joints, "HingeOffset")
        addresses, _ = joint_addresses(robot, joints, "HingeOffset")
        of = {address: i for i, address in enumerate(robot.joint_qpos)}
        self.drives = tuple(of.get(address, robot.nu) for address in addresses)

    def init(self, key: PRNGKeyArray, value: Float[Array, " n"], signals: Signals, dt: float) -> tuple[()]:
        return ()

    def __call__(
        self, key: PRNGKeyArray, state: tuple[()], value: Float[Array, " n"], signals: Signals
    ) -> tuple[Float[Array, " n"], tuple[()]]:
        offset = jnp.append(signals.errors_for(self).joint_offset, 0.0)[np.array(self.drives, int)]
        sine, cosine = jnp.split(value, 2)
        along, across = jnp.cos(offset), jnp.sin(offset)
        return jnp.concatenate([sine * along + cosine * across, cosine * along - sine * across]), state


class NamedJointVelocities(AbstractStatelessTerm):
    """Velocities of joints by name: rad/s of a hinge, m/s of a slide.

    The robot can measure a joint that has an actuator, or a <jointvel> sensor in the MJCF.

    Args:
        robot: whose joints they are.
        joints: their names in the MJCF.

    Raises:
        WildRobotError: the robot has no such joint.
    """

    joints: tuple[str, ...] = eqx.field(static=True)
    addresses: tuple[int, ...] = eqx.field(static=True)
    measurable: bool = eqx.field(static=True)
    unit: str = eqx.field(static=True)
    frame = "joint"

    def __init__(self, robot: Robot, joints: tuple[str, ...]):
        self.joints = joints
        self.addresses, self.measurable = _entries(robot, joints, "NamedJointVelocities", "qvel")
        self.unit = joint_unit(robot, joints, "/s")

    @property
    def size(self) -> int:
        """One entry for each joint."""
        return len(self.joints)

    @property
    def source(self) -> str:
        return f"velocity of {', '.join(self.joints)}"

    def __call__(self, signals: Signals) -> Float[Array, " {self.size}"]:
        return signals.physics.qvel[np.array(self.addresses, int)]


class SitePosition(AbstractStatelessTerm):
    """Place of a site of the model, such as a fingertip, in the world (simulation only).

    Args:
        robot: whose site it is.
        site: its name in the MJCF.

    Raises:
        WildRobotError: the robot has no such site.
    """

    name: str = eqx.field(static=True)
    site: int = eqx.field(static=True)
    unit = "m"
    frame = "world"
    size = 3
    measurable = False

    def __init__(self, robot: Robot, site: str):
        self.name, self.site = site, site_of(robot, site, "SitePosition")

    @property
    def mirror(self) -> Mirror | None:
        return None

    @property
    def source(self) -> str:
        return f"site {self.name!r}"

    def __call__(self, signals: Signals) -> Float[Array, " 3"]:
        return signals.physics.site_xpos[self.site]
