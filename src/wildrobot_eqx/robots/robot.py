"""A robot as named data: joints, limits, home pose, feet, IMU and mirror pairs."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import WildRobotError, nearest
from .model import Model


class Sensor(eqx.Module):
    """Where one named sensor lies in `sensordata`."""

    name: str = eqx.field(static=True)
    address: int = eqx.field(static=True)
    size: int = eqx.field(static=True)

    def read(self, sensordata: Float[Array, " nsensordata"]) -> Float[Array, " n"]:
        """The sensor's own slice of `sensordata`."""
        return sensordata[self.address : self.address + self.size]


class Imu(eqx.Module):
    """One inertial unit: gyro (rad/s) and accelerometer (m/s^2) in the IMU's frame, quaternion wxyz."""

    name: str = eqx.field(static=True)
    gyro: Sensor
    accel: Sensor
    quat: Sensor


class Foot(eqx.Module):
    """One foot: its sole site and its sensors of force on the foot (N) and velocity (m/s), world frame."""

    name: str = eqx.field(static=True)
    site: int = eqx.field(static=True)
    force: Sensor
    linvel: Sensor
    switch: bool = eqx.field(static=True, default=False)  # it carries a switch, which closes on the floor


class Base(eqx.Module):
    """The root body and its velocity sensors (m/s and rad/s, world frame; simulation only)."""

    body: int = eqx.field(static=True)
    floating: bool = eqx.field(static=True)  # a free joint, not a planar base
    linvel: Sensor
    angvel: Sensor


class Servo(eqx.Module):
    """The servo's datasheet figures that gates and actuator models use."""

    stall_torque: float = eqx.field(static=True)  # N m
    no_load_speed: float = eqx.field(static=True)  # rad/s
    continuous_torque: float | None = eqx.field(static=True, default=None)  # N m, RMS, that it bears for ever


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


class Robot(eqx.Module):
    """Everything the other rooms need to know of one robot, by name.

    Joints are listed in actuator order: entry `i` of every `nu`-long vector belongs to
    `joint_names[i]`. `joint_qpos` and `joint_dof` map them into qpos and qvel, whose order
    may differ.
    """

    name: str = eqx.field(static=True)
    description: str = eqx.field(static=True)
    model: Model = eqx.field(static=True)
    control_dt: float = eqx.field(static=True)  # s
    joint_names: tuple[str, ...] = eqx.field(static=True)
    joint_qpos: tuple[int, ...] = eqx.field(static=True)
    joint_dof: tuple[int, ...] = eqx.field(static=True)
    base: Base
    feet: tuple[Foot, ...]
    imus: tuple[Imu, ...]
    servo: Servo
    joint_mirror: Mirror
    min_root_height: Float[Array, ""]  # m, below it the robot has fallen
    home_qpos: Float[Array, " nq"]
    home_height: Float[Array, ""]  # m, of the root body in the home pose
    joint_range: Float[Array, "nu 2"]  # rad
    torque_limit: Float[Array, " nu"]  # N m

    def __check_init__(self):
        low, high = np.asarray(self.joint_range).T
        home = np.asarray(self.home_joints)
        for i, name in enumerate(self.joint_names):
            if not low[i] <= home[i] <= high[i]:
                raise WildRobotError(
                    f"The home pose of robot {self.name!r} puts joint {name!r} at {home[i]:.3f} rad, "
                    f"outside its range [{low[i]:.3f}, {high[i]:.3f}].",
                    where="robot.toml, [home]",
                    hint="move the home angle into the joint's range",
                )

    @property
    def nq(self) -> int:
        """Number of position coordinates."""
        return self.model.mj.nq

    @property
    def nv(self) -> int:
        """Number of degrees of freedom."""
        return self.model.mj.nv

    @property
    def nu(self) -> int:
        """Number of actuators."""
        return self.model.mj.nu

    @property
    def home_joints(self) -> Float[Array, " nu"]:
        """Home angles in actuator order, rad."""
        return self.home_qpos[np.array(self.joint_qpos, int)]

    def joints(self, qpos: Float[Array, " {self.nq}"]) -> Float[Array, " nu"]:
        """The actuated joints' angles (rad), in actuator order."""
        return qpos[np.array(self.joint_qpos, int)]

    def joint_velocities(self, qvel: Float[Array, " {self.nv}"]) -> Float[Array, " nu"]:
        """The actuated joints' velocities (rad/s), in actuator order."""
        return qvel[np.array(self.joint_dof, int)]

    def sensor(self, name: str) -> Sensor:
        """Where the sensor called `name` lies.

        Raises:
            WildRobotError: the model has no such sensor.
        """
        mj = self.model.mj
        names = {mj.sensor(i).name: i for i in range(mj.nsensor)}
        if name not in names:
            raise WildRobotError(
                f"Robot {self.name!r} has no sensor {name!r}.",
                where="<sensor> of its MJCF",
                hint=nearest(name, names),
            )
        i = names[name]
        return Sensor(name, int(mj.sensor_adr[i]), int(mj.sensor_dim[i]))

    def imu(self, name: str | None = None) -> Imu:
        """The IMU called `name`, or the first one.

        Raises:
            WildRobotError: the robot has no such IMU.
        """
        for imu in self.imus:
            if name is None or imu.name == name:
                return imu
        raise WildRobotError(
            f"Robot {self.name!r} has no IMU {name!r}.",
            where="robot.toml, [imu]",
            hint=nearest(str(name), [imu.name for imu in self.imus]),
        )
