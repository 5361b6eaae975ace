"""The arm against the two-link formula; its servos hold the home pose."""

import mujoco
import numpy as np

import wildrobot_eqx as we


def test_the_fingertip_is_where_two_links_put_it():
    robot = we.load_robot("reacher")
    mj, data = robot.model.mj, mujoco.MjData(robot.model.mj)
    assert (mj.nq, mj.nv, mj.nu) == (2, 2, 2)
    for shoulder, elbow in ((0.3, -1.2), (-2.0, 2.0), *[tuple(robot.home_joints.tolist())]):
        data.qpos[:] = shoulder, elbow
        mujoco.mj_forward(mj, data)
        expected = [0.12 * (f(shoulder) + f(shoulder + elbow)) for f in (np.cos, np.sin)]
        np.testing.assert_allclose(data.site("fingertip").xpos[:2], expected, atol=1e-12)
    np.testing.assert_allclose(np.hypot(*data.site("fingertip").xpos[:2]), 0.12 * np.sqrt(2.0), rtol=1e-6)


def test_the_servos_reach_home_within_half_a_second():
    robot = we.load_robot("reacher")
    mj, data = robot.model.mj, mujoco.MjData(robot.model.mj)
    data.qpos[:] = [-2.0, 0.5]
    data.ctrl[:] = robot.home_joints
    for _ in range(250):
        mujoco.mj_step(mj, data)
    np.testing.assert_allclose(data.qpos, robot.home_joints, atol=0.005)
