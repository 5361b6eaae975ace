"""Whose logs they are: a robot's model, its driven joints, its IMU and its feet, as arrays of indices."""

import dataclasses

import mujoco
import numpy as np
from numpy.typing import NDArray

from ..deploy.bringup.stance import Stance
from ..deploy.log.recording import Recording
from ..errors import WildRobotError
from ..robots import Robot


@dataclasses.dataclass(frozen=True)
class Subject:
    """A robot, and where in its model stands what a log has of it."""

    robot: Robot
    model: mujoco.MjModel  # a copy, at the timestep of the simulation
    joints: tuple[str, ...]  # driven, in the order of actuators
    qpos: NDArray[np.int64]  # of joints
    dof: NDArray[np.int64]
    gyro: slice | None  # in sensordata
    quat: slice | None
    gyro_name: str | None
    quat_name: str | None
    base: int | None  # dof of the free joint
    base_qpos: int | None
    bodies: tuple[str, ...]  # whose masses may differ: those that bear no foot
    feet: tuple[str, ...]
    loads: tuple[list[int], ...]  # of each foot: its upward forces in sensordata
    soles: NDArray[np.int64]  # geoms that may touch the floor
    home: NDArray[np.float64]  # qpos

    @staticmethod
    def of(robot: Robot, timestep: float | None = None) -> "Subject":
        """A robot, simulated at some timestep (s); the model's own by default.

        Raises:
            WildRobotError: it has other actuators than position servos, or the timestep does not divide its control
                period.
        """
        robot.need_actuators("position", "identify", "only position servos can be identified")
        model = mujoco.MjModel.__copy__(robot.model.mj)
        step = float(model.opt.timestep) if timestep is None else timestep
        parts = round(robot.control_dt / step) if step > 0.0 else 0
        if parts < 1 or abs(parts * step - robot.control_dt) > 1e-9:
            raise WildRobotError(
                f"A timestep of {step:g} s does not divide the control period of {robot.control_dt:g} s.",
                where="--timestep",
                hint="such as 0.002",
            )
        model.opt.timestep = step
        model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        model.opt.iterations = max(model.opt.iterations, 50)
        model.opt.ls_iterations = max(model.opt.ls_iterations, 50)
        imu = robot.imus[0] if robot.imus else None
        free = None if robot.base is None else _free(model, robot.base.body)
        return Subject(
            robot=robot,
            model=model,
            joints=robot.joint_names,
            qpos=np.array(robot.joint_qpos, np.int64),
            dof=np.array(robot.joint_dof, np.int64),
            gyro=None if imu is None else _place(imu.gyro.address, imu.gyro.size),
            quat=None if imu is None else _place(imu.quat.address, imu.quat.size),
            gyro_name=None if imu is None else imu.gyro.name,
            quat_name=None if imu is None else imu.quat.name,
            base=None if free is None else int(model.jnt_dofadr[free]),
            base_qpos=None if free is None else int(model.jnt_qposadr[free]),
            bodies=_trunk(robot),
            feet=tuple(foot.name for foot in robot.feet),
            loads=tuple([part.address + 2 for part in foot.force.parts] for foot in robot.feet),
            soles=_soles(model),
            home=np.asarray(robot.home_qpos, np.float64),
        )

    @property
    def has_imu(self) -> bool:
        """Whether it measures how it is turned."""
        return self.quat is not None and self.base is not None

    @property
    def substeps(self) -> int:
        """Steps of the simulation in a control period."""
        return round(self.robot.control_dt / self.model.opt.timestep)

    @property
    def up_at_home(self) -> NDArray[np.float64]:
        """The world's up in the frame of the model's IMU in the home pose, (3,)."""
        data = mujoco.MjData(self.model)
        data.qpos[:] = self.home
        mujoco.mj_forward(self.model, data)
        w, x, y, z = data.sensordata[self.quat] if self.quat is not None else (1.0, 0.0, 0.0, 0.0)
        return np.array([2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)])

    @property
    def stance(self) -> Stance:
        """How it stands, for an excitation."""
        low, high = np.asarray(self.robot.ctrl_range, np.float64).T
        rest, servos = np.asarray(self.robot.home_joints, np.float64), np.ones(len(self.joints), bool)
        return Stance(self.model, self.home, self.qpos, rest, low, high, servos, self.robot.control_dt)

    def need(self, log: Recording, where: str) -> None:
        """See that a log is this robot's.

        Raises:
            WildRobotError: it has other joints, or another control period.
        """
        if log.joints != self.joints:
            lacks = [name for name in self.joints if name not in log.joints]
            other = [name for name in log.joints if name not in self.joints]
            raise WildRobotError(
                f"The log is of robot {log.header.get('robot')!r}, whose joints are not those of {self.robot.name!r}"
                + (f": it lacks {', '.join(lacks)}" if lacks else "")
                + (f"; {', '.join(other)} are others" if other else "")
                + ".",
                where=where,
                hint="name the log's robot by --robot",
            )
        if abs(log.dt - self.robot.control_dt) > 1e-9:
            raise WildRobotError(
                f"The log has a control period of {log.dt:g} s, robot {self.robot.name!r} one of "
                f"{self.robot.control_dt:g} s.",
                where=where,
                hint="name the log's robot by --robot",
            )


def _place(start: int, size: int) -> slice:
    return slice(start, start + size)


def _free(model: mujoco.MjModel, body: int) -> int | None:
    joint = int(model.body_jntadr[body])
    return joint if joint >= 0 and model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE else None


def _trunk(robot: Robot) -> tuple[str, ...]:
    """The base, and bodies on it that bear no foot and weigh at least a twentieth of the robot."""
    if robot.base is None:
        return ()
    model, base = robot.model.mj, robot.base.body
    carries = set[int]()
    for foot in robot.feet:
        body = int(model.site_bodyid[foot.site])
        while body and body != base:
            carries.add(body)
            body = int(model.body_parentid[body])
    least = 0.05 * float(model.body_subtreemass[base])
    found = []
    for body in range(base, model.nbody):
        up = body
        while up not in (0, base):
            up = int(model.body_parentid[up])
        if up == base and body not in carries and (body == base or model.body_mass[body] > least):
            found.append(model.body(body).name)
    return tuple(found)


def _soles(model: mujoco.MjModel) -> NDArray[np.int64]:
    touching = (model.geom_contype > 0) | (model.geom_conaffinity > 0)
    return np.flatnonzero(touching & (model.geom_bodyid > 0))
