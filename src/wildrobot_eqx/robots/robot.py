"""A robot as named data: joints, limits and home pose, and parts that it may have or lack."""

import math
from collections.abc import Sequence
from typing import Any, Literal, overload

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from ..errors import WildRobotError, nearest, together
from .ground import Ground
from .legs import Leg, find_legs
from .model import Model
from .parts import Base, DrivenJoints, Foot, FreeBody, Imu, Mirror, Sensor, Servo
from .soles import support_extent

ActuatorKind = Literal["position", "motor", "velocity"]
"""What an actuator's command is: an angle (rad), a torque (N m over gear and gain) or a speed (rad/s)."""

Part = Literal["feet", "imus", "base", "base.linvel", "base.angvel", "mirror", "bodies", "min_root_height"]
"""What a robot may lack."""

_PARTS: dict[str, tuple[str, str]] = {
    "feet": ("feet", "a table [feet.NAME] for each foot, with the keys site, force and linvel"),
    "imus": ("an IMU", "a table [imu.NAME] with the keys gyro, accel and quat"),
    "base": ("a base that moves", 'a table [base] with body = "..."'),
    "base.linvel": (
        "a sensor of the base's velocity",
        'linvel = "..." in the table [base], the name of a <framelinvel>',
    ),
    "base.angvel": (
        "a sensor of the base's angular velocity",
        'angvel = "..." in the table [base], the name of a <frameangvel>',
    ),
    "mirror": ("a left-right mirror image", "'mirror_pairs', and a home pose that is its own mirror image"),
    "bodies": ("a free body beside it", "a body with a <freejoint/> in the MJCF, named by a table [bodies.NAME]"),
    "min_root_height": ("a least height of its base", "min_root_height = ... (m), below which it has fallen"),
}


class Robot(eqx.Module):
    """Everything the other rooms need to know of one robot, by name.

    Joints are listed in actuator order: entry `i` of every `nu`-long vector belongs to
    `joint_names[i]`. `joint_qpos` and `joint_dof` map them into qpos and qvel, whose order
    may differ. Lengths and angles of slides are in m, their torques are forces in N.

    Feet, IMUs, base, mirror, free bodies and the least height are optional: `need` hands
    them out, or says who asks for them in vain.
    """

    name: str = eqx.field(static=True)
    description: str = eqx.field(static=True)
    model: Model = eqx.field(static=True)
    control_dt: float = eqx.field(static=True)  # s
    joint_names: tuple[str, ...] = eqx.field(static=True)
    joint_qpos: tuple[int, ...] = eqx.field(static=True)
    joint_dof: tuple[int, ...] = eqx.field(static=True)
    actuator_kind: tuple[ActuatorKind, ...] = eqx.field(static=True)
    base: Base | None
    feet: tuple[Foot, ...]  # from left to right
    imus: tuple[Imu, ...]
    bodies: dict[str, FreeBody]  # beside the robot
    servo: Servo
    mirror: Mirror | None  # of vectors in actuator order
    min_root_height: Float[Array, ""] | None  # m, below it the robot has fallen
    home_qpos: Float[Array, " nq"]
    home_height: Float[Array, ""]  # m, of the base in the home pose, or of the root body where there is none
    joint_range: Float[Array, "nu 2"]  # rad, infinite where nothing limits the joint
    ctrl_range: Float[Array, "nu 2"]  # of the command, in the unit of its kind
    torque_limit: Float[Array, " nu"]  # N m, at the joint
    ground: Ground | None = None  # what it stands on, where that is no plane
    action_scale: Float[Array, " nu"] | None = None  # rad per unit of action, where robot.toml says it

    def __check_init__(self) -> None:
        low, high = np.asarray(self.joint_range).T
        home = np.asarray(self.home_joints)
        outside = [
            WildRobotError(
                f"The home pose of robot {self.name!r} puts joint {name!r} at {home[i]:.3f} rad, "
                f"outside its range [{low[i]:.3f}, {high[i]:.3f}].",
                where="robot.toml, [home]",
                hint="move the home angle into the joint's range",
            )
            for i, name in enumerate(self.joint_names)
            if not low[i] <= home[i] <= high[i]
        ]
        if outside:
            raise together("The home pose", outside, where="robot.toml, [home]", hint="move them into the ranges")

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
    def measured_sensors(self) -> tuple[tuple[str, Sensor], ...]:
        """What it measures beside its joints and its feet's switches: the kind of each sensor, and where it lies.

        The kinds are "orientation", "gyro" and "accelerometer" of an IMU, and "tracker" of a free body.
        """
        imus = [(("orientation", i.quat), ("gyro", i.gyro), ("accelerometer", i.accel)) for i in self.imus]
        trackers = [("tracker", body.tracker) for body in self.bodies.values() if body.tracker is not None]
        return (*(sensor for imu in imus for sensor in imu), *trackers)

    @property
    def weight(self) -> float:
        """Weight of the robot, N: mass of the base, or of everything, and of all that hangs on it, times gravity."""
        mj = self.model.mj
        root = 0 if self.base is None else self.base.body
        return float(mj.body_subtreemass[root] * self.gravity)

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The joints between the base and each foot, in the order of the feet, with what they do in the home pose."""
        mj = self.model.mj
        driven = [mj.joint(name).id for name in self.joint_names]
        return find_legs(mj, np.asarray(self.home_qpos), driven, {foot.name: foot.site for foot in self.feet})

    @property
    def leg_length(self) -> float:
        """Height of the hips above the soles in the home pose, m: the length by which sizes and speeds scale.

        The mean over the legs; of a robot without any, the height of its base.
        """
        lengths = [leg.length for leg in self.legs]
        return float(np.mean(lengths)) if lengths and min(lengths) > 0.0 else float(self.home_height)

    @property
    def time_scale(self) -> float:
        """sqrt(L / g) for the leg length L, s: the time by which gaits scale (Alexander 1984, Froude number)."""
        return math.sqrt(self.leg_length / self.gravity)

    @property
    def gravity(self) -> float:
        """Acceleration of gravity in the model, m/s^2."""
        return float(np.linalg.norm(self.model.mj.opt.gravity))

    @property
    def can_stand(self) -> bool:
        """Whether its feet bear it at rest: the ground that they touch in the home pose has length and breadth.

        Two feet that are points do not; such a robot steps on the spot where others stand.
        """
        feet = [foot.site for foot in self.feet]
        return bool((self._support(feet) > 0.05 * self.leg_length).all())

    @property
    def reach(self) -> float:
        """How far about the base the feet may come down, m: 0.45 leg lengths, or half the diagonal of their support.

        0.2 without feet.
        """
        if not self.feet:
            return 0.2
        widest = 0.5 * float(np.hypot(*self._support([foot.site for foot in self.feet])))  # at any heading
        return float(f"{max(0.451413 * self.leg_length, widest):.3g}")

    def _support(self, feet: Sequence[int]) -> Float[np.ndarray, " 2"]:
        return support_extent(self.model.mj, np.asarray(self.home_qpos), feet, 0.02 * self.leg_length)

    @property
    def home_joints(self) -> Float[Array, " nu"]:
        """Home angles in actuator order, rad."""
        return self.home_qpos[np.array(self.joint_qpos, int)]

    @property
    def driven(self) -> DrivenJoints:
        """The joints with an actuator, for a term to hold."""
        return DrivenJoints(self.joint_names, self.joint_qpos, self.joint_dof, self.home_joints, self.mirror)

    def joints(self, qpos: Float[Array, " {self.nq}"]) -> Float[Array, " nu"]:
        """The actuated joints' angles (rad), in actuator order."""
        return qpos[np.array(self.joint_qpos, int)]

    def joint_velocities(self, qvel: Float[Array, " {self.nv}"]) -> Float[Array, " nu"]:
        """The actuated joints' velocities (rad/s), in actuator order."""
        return qvel[np.array(self.joint_dof, int)]

    @overload
    def need(self, part: Literal["feet"], asker: str) -> tuple[Foot, ...]: ...
    @overload
    def need(self, part: Literal["imus"], asker: str) -> tuple[Imu, ...]: ...
    @overload
    def need(self, part: Literal["base"], asker: str) -> Base: ...
    @overload
    def need(self, part: Literal["base.linvel", "base.angvel"], asker: str) -> Sensor: ...
    @overload
    def need(self, part: Literal["mirror"], asker: str) -> Mirror: ...
    @overload
    def need(self, part: Literal["bodies"], asker: str) -> dict[str, FreeBody]: ...
    @overload
    def need(self, part: Literal["min_root_height"], asker: str) -> Float[Array, ""]: ...

    def need(self, part: Part, asker: str) -> Any:
        """A part that not every robot has, for `asker`, such as "FootSlip".

        Raises:
            WildRobotError: the robot lacks it; the error names who asks, and what to add to robot.toml.
        """
        owner, _, field = part.partition(".")
        value = getattr(self, owner)
        if field and value is not None:
            value = getattr(value, field)
        if value is not None and (not isinstance(value, (tuple, dict)) or value):
            return value
        what, add = _PARTS[part]
        raise WildRobotError(
            f"{asker} needs {what}, which robot {self.name!r} does not have.",
            where=f"{asker}, robot {self.name!r}",
            hint=f"add {add}, to its robot.toml, or leave {asker} out",
        )

    def need_actuators(self, kind: ActuatorKind, asker: str, instead: str) -> None:
        """Refuse a robot with actuators of another kind.

        Args:
            kind: the only kind that `asker` can command.
            asker: who asks, such as "JointPosition".
            instead: what to take for actuators of another kind.

        Raises:
            WildRobotError: an actuator is of another kind; the error names its joint and `instead`.
        """
        for name, found in zip(self.joint_names, self.actuator_kind):
            if found != kind:
                raise WildRobotError(
                    f"{asker} commands {kind} actuators, but the one of joint {name!r} of robot {self.name!r} is "
                    f"of the kind {found!r}.",
                    where=f"{asker}, <actuator> of robot {self.name!r}",
                    hint=instead,
                )

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
            f"Robot {self.name!r} has no IMU{'' if name is None else f' {name!r}'}.",
            where="robot.toml, [imu]",
            hint=nearest(str(name), [imu.name for imu in self.imus]) if self.imus else f"add {_PARTS['imus'][1]}",
        )

    def free_body(self, name: str) -> FreeBody:
        """The free body called `name`.

        Raises:
            WildRobotError: there is no such body beside the robot.
        """
        if name not in self.bodies:
            raise WildRobotError(
                f"Robot {self.name!r} has no free body {name!r} beside it.",
                where="robot.toml, [bodies]",
                hint=nearest(name, self.bodies),
            )
        return self.bodies[name]
