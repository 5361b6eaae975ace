"""Errors that last for an episode: what `PersistentBias` draws, against the robot's own kinematics."""

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

import wildrobot_eqx as we
from wildrobot_eqx.evaluate.robust.widen import widen
from wildrobot_eqx.physics.params import nominal_params

KEYS = jax.random.split(jax.random.key(0), 40)


@pytest.fixture(scope="module")
def bias(robot):
    return we.PersistentBias(robot)


def soles(robot, joints):
    """The soles' places (m) and their upward axes, in the base's frame."""
    mj = robot.model.mj
    data = mujoco.MjData(mj)
    data.qpos[:] = np.asarray(robot.home_qpos, np.float64)
    data.qpos[list(robot.joint_qpos)] += joints
    mujoco.mj_kinematics(mj, data)
    return [(data.site_xpos[foot.site].copy(), data.site_xmat[foot.site, 6:].copy()) for foot in robot.feet]


def test_a_leg_that_is_short_lifts_its_sole_and_keeps_it_level(robot, bias):
    for row, (foot, before) in zip(np.asarray(bias.lifts), enumerate(soles(robot, np.zeros(robot.nu)))):
        place, up = soles(robot, 0.001 * row)[foot]
        np.testing.assert_allclose(place - before[0], [0.0, 0.0, 0.001], atol=2e-5)
        np.testing.assert_allclose(up, before[1], atol=2e-3)
        others = [i for i, name in enumerate(robot.joint_names) if name not in _joints(robot, foot)]
        assert not row[others].any()


def _joints(robot, foot):
    return [joint.name for joint in robot.legs[foot].joints]


def test_what_is_drawn_lies_within_its_ranges_and_differs(robot, bias):
    length = robot.leg_length
    drawn = jax.vmap(lambda key: bias.calibration(key, robot.nu))(KEYS)
    offsets, tilts = np.asarray(drawn.joint_offset), np.asarray(drawn.imu_rotation)
    most = 0.026 + 0.005 * length * np.abs(np.asarray(bias.lifts)).sum(axis=0)
    assert (np.abs(offsets) <= most + 1e-6).all()
    assert np.abs(offsets).max() > 0.8 * most.min()
    legs = dataclasses.replace(bias.calibration, joint_offset=jnp.zeros(2))
    rows = np.asarray(bias.lifts, np.float64)
    sizes = np.asarray(jax.vmap(lambda key: legs(key, robot.nu))(KEYS).joint_offset) @ np.linalg.pinv(rows)
    assert np.abs(sizes).max() <= 0.005 * length + 1e-6
    assert sizes.min() < -0.004 * length
    assert sizes.max() > 0.004 * length
    assert np.linalg.norm(tilts, axis=1).max() <= 0.026 + 1e-6
    nominal = nominal_params(robot.model)
    params = jax.vmap(lambda key: bias(key, nominal))(KEYS)
    gain = np.asarray(params.actuator_gainprm[:, :, 0] / nominal.actuator_gainprm[:, 0])
    left = np.array([name.startswith("left") for name in robot.joint_names])
    hips = np.array(["hip" in name for name in robot.joint_names])
    waist = np.array([name == "waist_yaw" for name in robot.joint_names])
    np.testing.assert_allclose(gain[:, waist], 1.0)
    weak = gain[:, hips & left].mean(axis=1) < 1.0 - 1e-6
    np.testing.assert_allclose(gain[weak][:, hips & ~left], 1.0, rtol=1e-6)
    np.testing.assert_allclose(gain[~weak][:, hips & left], 1.0, rtol=1e-6)
    assert 8 < weak.sum() < 32
    assert gain[:, hips].min() >= 0.85 - 1e-6
    assert gain.min() < 0.8, "soft soles"
    shift = np.asarray(params.body_ipos - nominal.body_ipos)
    moved = {robot.model.mj.body(int(i)).name for i in np.flatnonzero(np.abs(shift).max(axis=(0, 2)))}
    assert moved == {"waist", "chassis"}
    assert np.abs(shift).max() <= 0.02 * length + 1e-6
    down = np.asarray(params.gravity) / np.linalg.norm(params.gravity, axis=1, keepdims=True)
    assert np.degrees(np.arccos(-down[:, 2])).max() <= 1.5
    assert len({round(float(one), 6) for one in down[:, 0]}) > 35


def test_it_is_added_to_what_there_is_and_can_be_widened(robot, bias):
    both = bias.added_to(we.Disturbances(randomisers=(we.randomise.ScaleMass(),)))
    assert [type(one).__name__ for one in both.randomisers] == ["ScaleMass", "PersistentBias"]
    np.testing.assert_allclose(both.calibration.imu_angle, [0.0, 0.026], rtol=1e-6)
    wide, found = widen(both.calibration, 1.2, "calibration")
    np.testing.assert_allclose(wide.together_size, 1.2 * np.asarray(bias.uneven), rtol=1e-5)
    np.testing.assert_allclose(we.PersistentBias(robot, 1.2).uneven, wide.together_size, rtol=1e-5)
    assert {one.path.rpartition(".")[2] for one in found} >= {"joint_offset", "imu_angle", "together_size"}


def test_a_robot_without_feet_has_what_it_can():
    bias = we.PersistentBias(we.load_robot("cartpole"))
    assert bias.lifts is None
    assert not np.asarray(bias.bodies).any()
    assert not np.asarray(bias.sides).any()
