"""The hopper stands without a policy, and can hop."""

import mujoco
import numpy as np
import pytest


def at_home(robot, timestep: float) -> tuple[mujoco.MjModel, mujoco.MjData]:
    mj = robot.model.edit(lambda m: setattr(m.opt, "timestep", timestep)).mj
    data = mujoco.MjData(mj)
    data.qpos[:] = robot.home_qpos
    data.ctrl[:] = robot.home_joints
    return mj, data


def test_moves_in_its_plane_only(hopper):
    mj = hopper.model.mj
    assert (mj.nq, mj.nv, mj.nu) == (6, 6, 3)
    assert [mj.joint(i).name for i in range(3)] == ["root_x", "root_z", "root_pitch"]


@pytest.mark.parametrize("timestep", [0.002, 0.005])
def test_stands_without_a_policy(hopper, timestep):
    mj, data = at_home(hopper, timestep)
    for _ in range(round(5.0 / timestep)):
        mujoco.mj_step(mj, data)
    assert abs(np.degrees(data.joint("root_pitch").qpos[0])) < 5.0
    assert data.body("torso").xpos[2] == pytest.approx(float(hopper.home_height), abs=0.01)
    assert data.sensor("foot_force").data[2] == pytest.approx(mj.body_mass.sum() * 9.81, rel=0.01)
    assert data.body("foot").xmat[0] == pytest.approx(1.0, abs=1e-3), "foot flat"


def test_hops(hopper):
    mj, data = at_home(hopper, 0.002)
    peak = 0.0
    for i in range(500):
        knee = 1.4 if i < 150 else 0.2  # crouch, then push
        data.ctrl[:] = [knee / 2, knee, -knee / 2]
        mujoco.mj_step(mj, data)
        peak = max(peak, data.site("foot").xpos[2])
    assert peak > 0.05
