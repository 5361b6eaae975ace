"""Joints held where they are told: draws, the way there, and what is paid for it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_physics

import wildrobot_eqx as we
from wildrobot_eqx.observe import Signals

HEAD = {"neck_pitch": (-0.4, 0.3), "head_yaw": (-0.8, 0.8)}


@pytest.fixture(scope="module")
def duck():
    return we.load_robot("microduck")


@pytest.fixture(scope="module")
def head(duck):
    return we.commands.JointPoseCommand(duck, HEAD, home_probability=0.25, interval=0.5, speed=2.0)


def test_draws_fill_the_ranges_and_a_share_is_home(head):
    goals = np.asarray(jax.vmap(head.sample)(jax.random.split(jax.random.key(0), 4000)).goal)
    home = (goals == 0.0).all(axis=1)
    assert home.mean() == pytest.approx(0.25, abs=0.03)
    for place, (low, high) in zip(goals[~home].T, HEAD.values()):
        assert low <= place.min() < low + 0.01
        assert high - 0.01 < place.max() <= high
        assert place.mean() == pytest.approx((low + high) / 2, abs=0.03)
    assert abs(np.corrcoef(goals[~home].T)[0, 1]) < 0.06, "joints are drawn on their own"
    np.testing.assert_allclose(head.bounds(), [[-0.4, 0.3], [-0.8, 0.8]])


def test_it_moves_to_its_goal_at_its_speed_from_home(duck, head):
    held = head.hold(jnp.asarray([0.3, -0.8]))
    state, physics = held.sample(jax.random.key(1)), random_physics(duck)
    np.testing.assert_allclose(state.goal, [0.3, -0.8])
    seen = [held.observe(state)]
    for i in range(30):
        state = held.step(jax.random.key(i), state, physics, 0.02, {})
        seen.append(held.observe(state))
    moved = np.diff(np.array(seen), axis=0)
    np.testing.assert_allclose(seen[0], [0.0, 0.0])
    np.testing.assert_allclose(seen[-1], [0.3, -0.8], atol=1e-6)
    assert np.abs(moved).max() == pytest.approx(2.0 * 0.02, rel=1e-4)
    np.testing.assert_allclose(held.asked(held.set(state, jnp.asarray([0.1, 0.2]))), [0.1, 0.2])


def test_goals_are_redrawn_about_every_interval(duck, head):
    physics = random_physics(duck)
    state = jax.vmap(head.sample)(jax.random.split(jax.random.key(2), 2000))
    keys = jax.random.split(jax.random.key(3), 2000)
    new = jax.vmap(lambda key, state: head.step(key, state, physics, 0.02, {}))(keys, state)
    redrawn = (np.asarray(new.goal) != np.asarray(state.goal)).any(axis=1).mean()
    assert redrawn == pytest.approx((1.0 - 0.25**2) * 0.02 / 0.5, abs=0.015)


def test_its_mirror_is_that_of_the_joints(duck, head):
    assert [channel.mirror for channel in head.channels] == [1.0, -1.0]
    hips = we.commands.JointPoseCommand(duck, {"left_hip_yaw": (-0.1, 0.1)})
    assert hips.channels[0].mirror is None, "its image is another joint"


def test_what_is_paid_and_told(duck, head):
    names = list(duck.joint_names)
    at = [names.index(name) for name in HEAD]
    physics = random_physics(duck)
    state = dataclasses.replace(head.sample(jax.random.key(0)), value=jnp.asarray([0.1, -0.5]))
    qpos = np.array(physics.qpos)
    wanted = np.asarray(duck.home_joints)[at] + [0.1, -0.5]
    error = np.array([0.07, -0.2])
    qpos[np.array(duck.joint_qpos)[at]] = wanted + error
    physics = dataclasses.replace(physics, qpos=jnp.asarray(qpos))
    nothing = jnp.zeros(duck.nu, jnp.float32)
    signals = Signals(physics, nothing, nothing, nothing, {"head": state}, {})
    term = we.rewards.TrackJointPose(head, "head", width=0.1, slope=0.5)
    expected = np.mean(np.exp(-((error / 0.1) ** 2)) - 0.5 * np.abs(error))
    assert float(term(signals)) == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(head.error(state, physics), error, atol=1e-6)
    told = head.metrics(state, physics)
    assert float(told["head_yaw"] - told["commanded_head_yaw"]) == pytest.approx(-0.2, abs=1e-5)


@pytest.mark.parametrize("ranges", [{"neck_pitch": (-0.1, 0.9)}, {"neck_pitch": (0.2, 0.1)}])
def test_a_place_out_of_reach_is_refused(duck, ranges):
    with pytest.raises(we.WildRobotError, match=r"'neck_pitch' is to go from .* reaches from -1.920 to 0.698"):
        we.commands.JointPoseCommand(duck, ranges)


def test_an_unknown_joint_is_refused_with_the_nearest(duck):
    with pytest.raises(we.WildRobotError) as caught:
        we.commands.JointPoseCommand(duck, {"neck_pich": (-0.1, 0.1)})
    assert "neck_pitch" in caught.value.hint
