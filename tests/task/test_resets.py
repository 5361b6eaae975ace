"""Resets and endings."""

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from helpers import random_signals, replace, shifted

from wildrobot_eqx import load_robot
from wildrobot_eqx.robots import Ground
from wildrobot_eqx.task import Fallen, HomeReset

N = 500


@pytest.fixture(scope="module")
def drawn(robot):
    reset = HomeReset(robot, joint_noise=0.05, velocity_noise=0.1, drop=0.005)
    qpos, qvel = jax.jit(jax.vmap(lambda key: reset(key, {})))(jax.random.split(jax.random.key(shifted(0)), N))
    return np.asarray(qpos), np.asarray(qvel)


def test_joints_start_around_home_within_their_range(robot, drawn):
    qpos, _ = drawn
    joints = qpos[:, list(robot.joint_qpos)]
    low, high = robot.model.mj.actuator_ctrlrange.T
    assert (joints >= low - 1e-6).all()
    assert (joints <= high + 1e-6).all()
    noise = joints - np.asarray(robot.home_joints)
    assert np.abs(noise).max() <= 0.05 + 1e-6
    knee = robot.joint_names.index("left_knee_pitch")
    assert noise[:, knee].min() < -0.045
    assert noise[:, knee].max() > 0.045


def test_the_base_starts_level_at_any_heading_just_above_the_floor(robot, drawn):
    qpos, qvel = drawn
    np.testing.assert_allclose(qpos[:, 2], float(robot.home_height) + 0.005, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(qpos[:, 3:7], axis=1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(qpos[:, 4:6], 0.0)
    yaw = 2 * np.arctan2(qpos[:, 6], qpos[:, 3])
    assert (np.histogram(yaw, 4, (-np.pi, np.pi))[0] > N / 8).all()
    assert 0.09 < np.abs(qvel).max() <= 0.1


def test_a_base_that_leans_at_home_leans_as_much_at_any_heading(robot):
    lean = np.empty(4)
    mujoco.mju_axisAngle2Quat(lean, np.array([0.0, 1.0, 0.0]), 0.3)
    at = robot.base.qpos_address
    leaning = replace(robot, home_qpos=robot.home_qpos.at[at + 3 : at + 7].set(jnp.asarray(lean, jnp.float32)))
    qpos, _ = jax.vmap(lambda key: HomeReset(leaning)(key, {}))(jax.random.split(jax.random.key(shifted(0)), 400))
    ups = np.array([up_of(quat) for quat in np.asarray(qpos, float)[:, at + 3 : at + 7]])
    np.testing.assert_allclose(ups[:, 2], np.cos(0.3), atol=1e-6)
    assert (np.histogram(np.arctan2(ups[:, 1], ups[:, 0]), 4, (-np.pi, np.pi))[0] > 50).all()


@pytest.mark.parametrize("name", ["wildrobot", "microduck", "solo12"])
def test_no_foot_begins_inside_a_slope(name):
    """However far out the feet are, and none higher above it than the slope rises under the robot."""
    chosen, ground = load_robot(name), Ground.make(slope=0.17)
    reset = HomeReset(chosen, joint_noise=0.0, ground=ground)
    qpos, _ = jax.vmap(lambda key: reset(key, {}))(jax.random.split(jax.random.key(shifted(0)), 40))
    mj = chosen.model.mj
    data, clear = mujoco.MjData(mj), []
    for pose in np.asarray(qpos, float):
        data.qpos[:] = pose
        mujoco.mj_kinematics(mj, data)
        soles = data.site_xpos[[foot.site for foot in chosen.feet]]
        clear.append(soles[:, 2] - np.asarray(jax.vmap(ground.height)(jnp.asarray(soles[:, :2], jnp.float32))))
    assert np.min(clear) > 0.0
    assert np.max(np.min(clear, axis=1)) < 0.005 + 0.17 * 2.0 * chosen.reach


def up_of(quat):
    """The base's z axis in the world."""
    up = np.empty(3)
    mujoco.mju_rotVecQuat(up, np.array([0.0, 0.0, 1.0]), quat)
    return up


def test_a_planar_base_is_left_alone(hopper):
    qpos, _ = HomeReset(hopper)(jax.random.key(0), {})
    free = [i for i in range(hopper.nq) if i not in hopper.joint_qpos]
    np.testing.assert_array_equal(np.asarray(qpos)[free], np.asarray(hopper.home_qpos)[free])


def _standing(robot, axis=(1.0, 0.0, 0.0), tilt=0.0, height=None):
    signals = random_signals(robot)
    quat = np.empty(4)
    mujoco.mju_axisAngle2Quat(quat, np.array(axis), tilt)
    body = robot.base.body
    height = float(robot.home_height) if height is None else height
    physics = dataclasses.replace(
        signals.physics,
        xquat=signals.physics.xquat.at[body].set(jnp.asarray(quat, jnp.float32)),
        xpos=signals.physics.xpos.at[body, 2].set(height),
    )
    return dataclasses.replace(signals, physics=physics)


@pytest.mark.parametrize("axis", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.6, -0.8, 0.0)])
def test_a_robot_has_fallen_when_it_tilts_too_far(robot, axis):
    fallen = Fallen(robot, max_tilt=0.8)
    for tilt, expected in [(0.0, False), (0.75, False), (-0.75, False), (0.85, True), (-0.85, True), (3.0, True)]:
        assert bool(fallen(_standing(robot, axis, tilt))) is expected, tilt


def test_a_turn_is_no_tilt(robot):
    assert not Fallen(robot)(_standing(robot, (0.0, 0.0, 1.0), 2.5))


def test_a_robot_has_fallen_when_it_is_too_low_or_not_finite(robot):
    limit = float(robot.min_root_height)
    fallen = Fallen(robot)
    assert not fallen(_standing(robot, height=limit + 0.01))
    assert fallen(_standing(robot, height=limit - 0.01))
    assert fallen(_standing(robot, height=float("nan")))
