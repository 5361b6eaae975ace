"""The named parts of a robot: sensors, IMUs, feet, base, free bodies, servo figures and the mirror."""

from collections.abc import Iterable, Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import WildRobotError, nearest


class Sensor(eqx.Module):
    """Where one named sensor lies in `sensordata`."""

    name: str = eqx.field(static=True)
    address: int = eqx.field(static=True)
    size: int = eqx.field(static=True)

    def read(self, sensordata: Float[Array, " nsensordata"]) -> Float[Array, " n"]:
        """The sensor's own slice of `sensordata`."""
        return sensordata[self.address : self.address + self.size]

    @property
    def parts(self) -> "tuple[Sensor, ...]":
        """The sensors of the MJCF that it reads: itself."""
        return (self,)


class SensorSum(eqx.Module):
    """Several sensors of one size, read as their sum: a foot of several geoms has one for each."""

    parts: tuple[Sensor, ...]

    @property
    def name(self) -> str:
        """The names of its sensors."""
        return " + ".join(part.name for part in self.parts)

    @property
    def size(self) -> int:
        """How many numbers it reads."""
        return self.parts[0].size

    def read(self, sensordata: Float[Array, " nsensordata"]) -> Float[Array, " n"]:
        """The sum of the sensors' slices of `sensordata`."""
        return sum((part.read(sensordata) for part in self.parts[1:]), self.parts[0].read(sensordata))


class Imu(eqx.Module):
    """One inertial unit: gyro (rad/s) and accelerometer (m/s^2) in the IMU's frame, quaternion wxyz."""

    name: str = eqx.field(static=True)
    gyro: Sensor
    accel: Sensor
    quat: Sensor


class Foot(eqx.Module):
    """One foot: its sole site and its sensors of force on the foot (N) and velocity (m/s), world frame.

    A foot of several geoms may have a force sensor for each; their sum is the force on the foot.
    """

    name: str = eqx.field(static=True)
    site: int = eqx.field(static=True)
    force: Sensor | SensorSum
    linvel: Sensor
    switch: bool = eqx.field(static=True, default=False)  # it carries a switch, which closes on the floor


class Base(eqx.Module):
    """The body that moves without a motor, where its joint lies, and its velocity sensors.

    The sensors (m/s and rad/s, world frame; simulation only) are None where robot.toml names
    none. The addresses are those of the body's first joint in qpos and qvel; a floating
    base has x, y, z (m), a quaternion (w, x, y, z) from `qpos_address` on, and its linear
    (world frame) and angular velocity (body frame) from `dof_address` on.
    """

    body: int = eqx.field(static=True)
    floating: bool = eqx.field(static=True)  # a free joint, not slides and hinges
    qpos_address: int = eqx.field(static=True)  # -1 where no joint moves the body
    dof_address: int = eqx.field(static=True)  # -1 where no joint moves the body
    linvel: Sensor | None
    angvel: Sensor | None


class FreeBody(eqx.Module):
    """A body with a free joint beside the robot: a ball, a puck, a box.

    With a `tracker`, such as a camera above the table, the robot knows the body's place, and a policy may see it.
    """

    name: str = eqx.field(static=True)
    body: int = eqx.field(static=True)
    qpos_address: int = eqx.field(static=True)  # of x, y, z (m) and the quaternion (w, x, y, z)
    dof_address: int = eqx.field(static=True)  # of the linear (world) and the angular velocity (body frame)
    home: Float[Array, " 7"]  # where the MJCF puts it: x, y, z (m), w, x, y, z
    tracker: Sensor | None = None  # reads its place in the world, x, y, z (m)


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


class Servo(eqx.Module):
    """The servos' datasheet figures that gates and actuator models use, in actuator order."""

    stall_torques: tuple[float, ...] = eqx.field(static=True, converter=_floats)  # N m
    no_load_speeds: tuple[float, ...] = eqx.field(static=True, converter=_floats)  # rad/s
    continuous_torques: tuple[float, ...] | None = eqx.field(static=True, default=None)  # N m, RMS, borne for ever

    @property
    def stall_torque(self) -> Float[np.ndarray, " nu"]:
        """Torque at standstill, N m; N of a slide."""
        return np.array(self.stall_torques)

    @property
    def no_load_speed(self) -> Float[np.ndarray, " nu"]:
        """Speed without load, rad/s; m/s of a slide."""
        return np.array(self.no_load_speeds)

    @property
    def continuous_torque(self) -> Float[np.ndarray, " nu"] | None:
        """RMS torque that a servo bears for ever, N m; None where robot.toml does not say it for every joint."""
        return None if self.continuous_torques is None else np.array(self.continuous_torques)


class Mirror(eqx.Module):
    """The left-right reflection of a vector: `mirrored[i] = sign[i] * vector[source[i]]`.

    Applied twice it gives the vector back.
    """

    source: tuple[int, ...] = eqx.field(static=True)
    sign: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, vector: Float[Array, "*batch {len(self.source)}"]) -> Float[Array, "*batch n"]:
        """Reflect the last axis."""
        return vector[..., np.array(self.source, int)] * jnp.array(self.sign, vector.dtype)

    @staticmethod
    def concatenate(parts: "list[Mirror]") -> "Mirror":
        """The reflection of a vector made of consecutive parts."""
        source: list[int] = []
        sign: list[float] = []
        for part in parts:
            offset = len(source)
            source += [offset + i for i in part.source]
            sign += part.sign
        return Mirror(tuple(source), tuple(sign))


class DrivenJoints(eqx.Module):
    """The joints with an actuator, in actuator order: what a term reads of a robot, without the robot."""

    names: tuple[str, ...] = eqx.field(static=True)
    qpos: tuple[int, ...] = eqx.field(static=True)  # where they lie in qpos
    dof: tuple[int, ...] = eqx.field(static=True)  # where they lie in qvel
    home: Float[Array, " nu"]  # rad, m of slides
    mirror: Mirror | None

    @property
    def size(self) -> int:
        """How many they are."""
        return len(self.names)

    def only(self, names: Sequence[str], where: str) -> "DrivenJoints":
        """Those of given names, in actuator order, without the mirror, which is of all.

        Raises:
            WildRobotError: there is no driven joint of a given name; `where` says who asks.
        """
        for name in names:
            if name not in self.names:
                raise WildRobotError(f"There is no driven joint {name!r}.", where=where, hint=nearest(name, self.names))
        kept = [i for i, name in enumerate(self.names) if name in names]
        at = np.array(kept, int)
        return DrivenJoints(
            tuple(self.names[i] for i in kept),
            tuple(self.qpos[i] for i in kept),
            tuple(self.dof[i] for i in kept),
            self.home[at],
            None,
        )

    def positions(self, qpos: Float[Array, " nq"]) -> Float[Array, " nu"]:
        """Their positions, rad; m of slides."""
        return qpos[np.array(self.qpos, int)]

    def velocities(self, qvel: Float[Array, " nv"]) -> Float[Array, " nu"]:
        """Their velocities, rad/s; m/s of slides."""
        return qvel[np.array(self.dof, int)]
