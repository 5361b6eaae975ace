"""Logs of simulated robots, small ones."""

import mujoco
import numpy as np

from wildrobot_eqx.bench.stand_in import Truth, record
from wildrobot_eqx.deploy.bringup.excite import excitation
from wildrobot_eqx.deploy.log import recorder
from wildrobot_eqx.deploy.log.layout import Layout
from wildrobot_eqx.deploy.log.recording import read_log


def as_drawn(joints, bodies):
    """A stand-in that is its model, but for noise."""
    one, none = np.ones(joints), np.zeros(joints)
    return Truth(
        none, one, one, one, none, 0.0, np.zeros(3), np.zeros(3), np.ones(bodies), np.zeros((bodies, 3)), 1.0, 1.0
    )


def stand_in(robot, subject, truth, path, seconds=6.0):
    """Its log under an excitation."""
    record(robot, truth, subject.bodies, excitation(subject.stance, seconds), path)
    return read_log(path)


def simulated(robot, path, targets, timestep=0.005):
    """A log of plain MuJoCo with its states, as `drive` writes one of a `MujocoRobot`."""
    model = mujoco.MjModel.__copy__(robot.model.mj)
    model.opt.timestep = timestep
    data = mujoco.MjData(model)
    data.qpos[:] = np.asarray(robot.home_qpos, np.float64)
    imu, names = robot.imus[0], robot.joint_names
    sensors = {imu.gyro.name: 3, imu.quat.name: 4}
    layout = Layout(robot.name, robot.control_dt, names, names, sensors, qpos=model.nq, qvel=model.nv)
    parts = round(robot.control_dt / timestep)
    qpos, dof = np.array(robot.joint_qpos), np.array(robot.joint_dof)
    with recorder.Recorder(layout, path, simulated=True, about={"timestep": timestep}) as log:
        for k, target in enumerate(targets):
            mujoco.mj_fwdPosition(model, data)
            mujoco.mj_sensorPos(model, data)
            mujoco.mj_fwdVelocity(model, data)
            mujoco.mj_sensorVel(model, data)
            now = k * robot.control_dt
            readings = {
                "time": now,
                "joint_positions": dict(zip(names, data.qpos[qpos])),
                "joint_velocities": dict(zip(names, data.qvel[dof])),
                imu.gyro.name: data.sensordata[imu.gyro.address : imu.gyro.address + 3].copy(),
                imu.quat.name: data.sensordata[imu.quat.address : imu.quat.address + 4].copy(),
            }
            truth = recorder.Truth(data.qpos.copy(), data.qvel.copy())
            log.tick(recorder.Tick(now, readings, "hold", target=target, sent=now, truth=truth))
            data.ctrl[:] = target
            mujoco.mj_step(model, data, parts)
    return read_log(path)
