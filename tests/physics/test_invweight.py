"""What keeping MuJoCo's invweight0 nominal costs when masses change (docs/physics.md quotes these figures)."""

import jax
import mujoco
import numpy as np
import pytest
from engines import restless

N = 200


@pytest.fixture(scope="module")
def models(robot):
    """The robot with mass and inertia x 1.2: derived constants nominal, and recomputed by mj_setConst."""

    def heavy(mj):
        mj.body_mass *= 1.2
        mj.body_inertia *= 1.2
        mj.body_subtreemass *= 1.2
        mj.opt.timestep = 0.005

    nominal = robot.model.edit(heavy).mj
    recomputed = mujoco.MjModel.__copy__(nominal)
    mujoco.mj_setConst(recomputed, mujoco.MjData(recomputed))
    return nominal, recomputed


def test_standing_depth(robot, models):
    depths, loads = [], []
    for mj in models:
        data = mujoco.MjData(mj)
        data.qpos[:] = robot.home_qpos
        data.ctrl[:] = robot.home_joints
        for _ in range(1000):
            mujoco.mj_step(mj, data)
        depths.append(-data.contact.dist.mean())
        loads.append(data.sensor("left_foot_force").data[2] + data.sensor("right_foot_force").data[2])
    print(f"mean depth of the soles: {1e3 * depths[0]:.3f} mm nominal, {1e3 * depths[1]:.3f} mm recomputed")
    assert abs(depths[0] - depths[1]) < 1e-4
    np.testing.assert_allclose(loads, 1.2 * 3.558511 * 9.81, rtol=1e-3)


def test_one_control_step(robot, models, native_wildrobot):
    states, up = restless(native_wildrobot, N, 25)
    acceleration, position = [], []
    for i in np.flatnonzero(up):
        start = jax.tree.map(lambda a, i=i: np.asarray(a[i]), states)
        ends = []
        for mj in models:
            data = mujoco.MjData(mj)
            data.qpos[:], data.qvel[:], data.qacc_warmstart[:] = start.qpos, start.qvel, start.carry
            data.ctrl[:] = robot.home_joints
            mujoco.mj_forward(mj, data)
            qacc = data.qacc.copy()
            for _ in range(4):
                mujoco.mj_step(mj, data)
            ends.append((qacc, data.qpos.copy()))
        acceleration.append(np.linalg.norm(ends[0][0] - ends[1][0]) / np.linalg.norm(ends[1][0]))
        position.append(np.abs(ends[0][1] - ends[1][1]).max())
    print(f"acceleration: median {np.median(acceleration):.2%}, p99 {np.percentile(acceleration, 99):.2%}")
    print(f"qpos after one control step: median {np.median(position):.1e}, p99 {np.percentile(position, 99):.1e}")
    assert np.median(acceleration) < 0.03
    assert np.percentile(position, 99) < 2e-3
