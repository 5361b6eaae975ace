"""A robot that is not what its model says, in plain MuJoCo: what `bench identify` puts its question to."""

import dataclasses
from collections import deque
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..deploy.log.layout import Layout
from ..deploy.log.recorder import Recorder, Tick
from ..robots import Robot

_STEP = 0.001  # s
_UNIT = np.radians(0.24)  # rad, of an encoder


@dataclasses.dataclass(frozen=True)
class Truth:
    """In what a robot differs from its model. Rows have an entry for each joint; ratios are to the model's values."""

    servo_zero: NDArray[np.float64]  # rad
    stiffness: NDArray[np.float64]
    damping: NDArray[np.float64]
    friction: NDArray[np.float64]
    backlash: NDArray[np.float64]  # rad
    delay: float  # s
    imu_tilt: NDArray[np.float64]  # rad, rotation vector
    gyro_bias: NDArray[np.float64]  # rad/s
    mass: NDArray[np.float64]  # of each body of the trunk
    centre_of_mass: NDArray[np.float64]  # (bodies, 3) m, shifts
    sole_friction: float
    sole_softness: float

    @staticmethod
    def draw(seed: int, joints: int, bodies: int) -> "Truth":
        """From wide ranges."""
        rng = np.random.default_rng([seed, 0x1D])
        axis = rng.normal(size=3)
        return Truth(
            servo_zero=rng.uniform(-0.035, 0.035, joints),
            stiffness=rng.uniform(0.75, 1.25) * rng.uniform(0.95, 1.05, joints),
            damping=rng.uniform(0.7, 1.5, joints),
            friction=rng.uniform(0.5, 3.0, joints),
            backlash=rng.uniform(0.0, 0.017, joints),
            delay=float(rng.uniform(0.004, 0.03)),
            imu_tilt=axis / np.linalg.norm(axis) * rng.uniform(0.0, np.radians(4.0)),
            gyro_bias=rng.normal(0.0, 0.002, 3),
            mass=rng.uniform(0.9, 1.15, bodies),
            centre_of_mass=rng.uniform((-0.012, -0.006, -0.012), (0.012, 0.006, 0.012), (bodies, 3)),
            sole_friction=float(rng.uniform(0.5, 1.2)),
            sole_softness=float(rng.uniform(1.0, 3.0)),
        )


def record(
    robot: Robot, truth: Truth, bodies: tuple[str, ...], targets: NDArray[np.float64], path: Path, seed: int = 0
) -> None:
    """The log (.mcap) of a robot that stands on its feet and gets `targets` (n, nu), one in each control step.

    Servos obey `truth.delay` after a target has left, which it does 2 ms after the readings. Encoders divide a turn
    into units of 0.24 degrees and are read one after the other, half a millisecond apart; the IMU is noisy.
    """
    rng = np.random.default_rng([seed, 0x10])
    model = _varied(robot, truth, bodies)
    data = mujoco.MjData(model)
    data.qpos[:] = np.asarray(robot.home_qpos, np.float64)
    mujoco.mj_forward(model, data)
    qpos, dof = np.array(robot.joint_qpos), np.array(robot.joint_dof)
    nominal, imu = robot.model.mj, robot.imus[0]
    stiffness = nominal.actuator_gainprm[:, 0] * truth.stiffness
    damping = -nominal.actuator_biasprm[:, 2] * truth.stiffness
    limit = np.asarray(robot.torque_limit, np.float64)
    held, queue = data.qpos[qpos] + truth.servo_zero, deque[tuple[float, Any]]()
    parts = round(robot.control_dt / _STEP)
    past = np.tile(data.qpos[qpos], (parts + 1, 1))  # of the last control period, the newest last
    ages = np.round(np.arange(robot.nu) * 0.5).astype(int)
    turn = Rotation.from_rotvec(truth.imu_tilt)
    sensors = {imu.gyro.name: 3, imu.quat.name: 4}
    layout = Layout(robot.name, robot.control_dt, robot.joint_names, robot.joint_names, sensors, tilt=imu.quat.name)
    before = None
    with Recorder(layout, path, about={"started": "2026-01-01T00:00:00+00:00", "maker": "bench identify"}) as log:
        for k, target in enumerate(targets):
            now = k * robot.control_dt
            read = past[-1 - ages, np.arange(robot.nu)] + truth.servo_zero
            read = _UNIT * np.round((read + rng.normal(0.0, 0.0005, robot.nu)) / _UNIT)
            speed = (read - before) / robot.control_dt if before is not None else np.zeros(robot.nu)
            before = read
            wxyz = data.sensordata[imu.quat.address : imu.quat.address + 4]
            shake = Rotation.from_rotvec(rng.normal(0.0, 0.001, 3))
            quat = (Rotation.from_quat(wxyz[[1, 2, 3, 0]]) * turn * shake).as_quat()[[3, 0, 1, 2]]
            gyro = turn.inv().apply(data.sensordata[imu.gyro.address : imu.gyro.address + 3]) + truth.gyro_bias
            readings = {
                "time": now,
                "joint_positions": dict(zip(robot.joint_names, read)),
                "joint_velocities": dict(zip(robot.joint_names, speed)),
                "joint_ages": dict(zip(robot.joint_names, ages * _STEP)),
                imu.gyro.name: gyro + rng.normal(0.0, 0.003, 3),
                imu.quat.name: quat,
            }
            log.tick(Tick(now, readings, "hold", target=target, sent=now + 0.002))
            queue.append((now + 0.002 + truth.delay, target))
            for _ in range(parts):
                while queue and queue[0][0] <= data.time + 1e-9:
                    held = queue.popleft()[1]
                error = held - truth.servo_zero - data.qpos[qpos]
                error -= np.clip(error, -0.5 * truth.backlash, 0.5 * truth.backlash)
                data.qfrc_applied[dof] = np.clip(stiffness * error - damping * data.qvel[dof], -limit, limit)
                mujoco.mj_step(model, data)
                past = np.roll(past, -1, axis=0)
                past[-1] = data.qpos[qpos]
            mujoco.mj_forward(model, data)


def _varied(robot: Robot, truth: Truth, bodies: tuple[str, ...]) -> mujoco.MjModel:
    model = mujoco.MjModel.__copy__(robot.model.mj)
    model.opt.timestep = _STEP
    model.actuator_gainprm[:], model.actuator_biasprm[:] = 0.0, 0.0
    dof = np.array(robot.joint_dof)
    model.dof_frictionloss[dof] *= truth.friction
    model.dof_damping[dof] *= truth.damping
    for i, name in enumerate(bodies):
        body = model.body(name).id
        model.body_mass[body] *= truth.mass[i]
        model.body_inertia[body] *= truth.mass[i]
        model.body_ipos[body] += truth.centre_of_mass[i]
    touching = (model.geom_contype > 0) | (model.geom_conaffinity > 0)
    model.geom_friction[touching, 0] *= truth.sole_friction
    model.geom_solref[touching, 0] *= truth.sole_softness
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model
