"""Controllers against their formulas in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError

import wildrobot_eqx as we
from wildrobot_eqx.control import target_range
from wildrobot_eqx.controllers import Delay, JointPosition, LowPass


def _play(controller, actions):
    state = controller.init()
    targets = []
    for action in actions:
        target, state = controller(state, jnp.asarray(action, jnp.float32))
        targets.append(np.asarray(target))
    return np.stack(targets)


@pytest.fixture
def actions(robot):
    return np.random.default_rng(0).normal(size=(12, robot.nu)).astype(np.float32)


@pytest.mark.parametrize("scale", [0.4, 0.1])
def test_joint_position_is_home_plus_scaled_action(robot, actions, scale):
    home = np.array([robot.home_qpos[i] for i in robot.joint_qpos])
    limits = robot.model.mj.actuator_ctrlrange
    expected = np.clip(home + scale * actions, limits[:, 0], limits[:, 1])
    np.testing.assert_allclose(_play(JointPosition(robot, scale), actions), expected, atol=1e-6)


def test_joint_position_takes_a_scale_per_joint(robot):
    scale = np.linspace(0.01, 0.02, robot.nu).astype(np.float32)
    target, _ = JointPosition(robot, jnp.asarray(scale))((), jnp.ones((robot.nu,), jnp.float32))
    low, high = robot.model.mj.actuator_ctrlrange.T
    expected = np.clip(np.asarray(robot.home_joints) + scale, low, high)
    np.testing.assert_allclose(target, expected, atol=1e-6)
    assert len(np.unique(np.round(np.asarray(target - robot.home_joints), 6))) > 3


def test_joint_position_clips_to_the_range_of_each_joint(robot):
    low, high = robot.model.mj.actuator_ctrlrange.T
    controller = JointPosition(robot)
    big = jnp.full((robot.nu,), 1e3, jnp.float32)
    np.testing.assert_allclose(controller((), big)[0], high, rtol=1e-6)
    np.testing.assert_allclose(controller((), -big)[0], low, rtol=1e-6)


def test_joint_position_may_aim_beyond_what_a_joint_reaches():
    """Soft servos bear a load near the end of a range only so; the bundle's targets go as far as training's."""
    robot = we.load_robot("microduck")
    big = jnp.full((robot.nu,), 1e3, jnp.float32)
    within, beyond = JointPosition(robot), JointPosition(robot, limits="command")
    np.testing.assert_allclose(within((), big)[0], robot.joint_range[:, 1])
    np.testing.assert_allclose(beyond((), big)[0], 3.1416, atol=1e-4)
    np.testing.assert_array_equal(target_range(robot, LowPass(beyond, beyond.rest(), 0.5)), beyond.range)
    np.testing.assert_array_equal(target_range(robot, within), robot.joint_range)


@pytest.mark.parametrize("alpha", [0.25, 1.0])
def test_low_pass_against_a_numpy_loop(robot, actions, alpha):
    inner = JointPosition(robot)
    raw = _play(inner, actions)
    y, expected = np.asarray(robot.home_joints), []
    for x in raw:
        y = y + alpha * (x - y)
        expected.append(y)
    np.testing.assert_allclose(_play(LowPass(inner, robot.home_joints, alpha), actions), expected, atol=1e-6)


def test_low_pass_step_response_reaches_63_percent_after_one_time_constant(robot):
    """At f Hz the time constant is 1 / (2 pi f); alpha = 1 - exp(-2 pi f dt) makes that exact at the samples."""
    dt, steps = 0.02, 5
    f = 1.0 / (2.0 * np.pi * steps * dt)
    alpha = 1.0 - np.exp(-2.0 * np.pi * f * dt)
    inner = JointPosition(robot, 0.05)
    ones = np.ones((steps, robot.nu), np.float32)
    goal = _play(inner, ones)[-1] - np.asarray(robot.home_joints)
    reached = _play(LowPass(inner, robot.home_joints, alpha), ones)[-1] - np.asarray(robot.home_joints)
    free = np.abs(goal) > 0.04
    assert free.sum() >= 5
    np.testing.assert_allclose(reached[free] / goal[free], 1.0 - np.exp(-1.0), rtol=1e-4)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_delay_is_exact(robot, actions, steps):
    inner = JointPosition(robot)
    raw = _play(inner, actions)
    delayed = _play(Delay(inner, robot.home_joints, steps), actions)
    np.testing.assert_array_equal(delayed[steps:], raw[: len(raw) - steps])
    np.testing.assert_array_equal(delayed[:steps], np.tile(robot.home_joints, (steps, 1)))


def test_delay_refuses_a_negative_number_of_steps(robot):
    with pytest.raises(ValueError, match="steps must be 0 or more, got -1"):
        Delay(JointPosition(robot), robot.home_joints, -1)


def test_filters_stack(robot, actions):
    """Delay(LowPass(x)) is the low-passed signal, one step late."""
    inner = LowPass(JointPosition(robot), robot.home_joints, 0.5)
    np.testing.assert_array_equal(_play(Delay(inner, robot.home_joints, 1), actions)[1:], _play(inner, actions)[:-1])


@pytest.mark.parametrize("wrap", [lambda c, h: c, lambda c, h: LowPass(c, h, 0.5), lambda c, h: Delay(c, h, 1)])
@pytest.mark.parametrize(
    "bad", [lambda n: jnp.zeros(n + 1), lambda n: jnp.zeros((1, n)), lambda n: jnp.zeros(n, jnp.int32)]
)
def test_a_wrong_action_is_named(robot, wrap, bad):
    controller = wrap(JointPosition(robot), robot.home_joints)
    with pytest.raises(TypeCheckError, match="action"):
        controller(controller.init(), bad(robot.nu))
