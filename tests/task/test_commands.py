"""Commands: what is drawn, how the heading hold computes, where headings start."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_physics

from wildrobot_eqx.physics import rotation
from wildrobot_eqx.task import GaitClock, HeadingHold, VelocityCommand

N = 4000


def _draws(command, n=N):
    return np.asarray(jax.jit(jax.vmap(command.draw))(jax.random.split(jax.random.key(0), n)))


def _facing(robot, yaw):
    """A physics state whose IMU faces `yaw`, rad."""
    physics = random_physics(robot)
    address = robot.imu().quat.address
    quat = rotation.quat_yaw(jnp.asarray(yaw, jnp.float32))
    return dataclasses.replace(physics, sensordata=physics.sensordata.at[address : address + 4].set(quat))


def test_speeds_are_uniform_with_a_share_that_stands(hopper):
    speeds = _draws(VelocityCommand(hopper, (0.1, 0.5), stand_probability=0.2))
    moving = speeds[speeds != 0.0]
    # four standard deviations of a binomial, and of the mean and range of a uniform distribution
    assert abs((speeds == 0.0).mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / N)
    assert abs(moving.mean() - 0.3) < 4 * 0.4 / np.sqrt(12 * len(moving))
    assert 0.1 <= moving.min() < 0.105
    assert 0.495 < moving.max() <= 0.5
    quarters = np.histogram(moving, bins=4, range=(0.1, 0.5))[0] / len(moving)
    np.testing.assert_allclose(quarters, 0.25, atol=0.035)


def test_speeds_inside_the_deadband_mean_stand(hopper):
    speeds = _draws(VelocityCommand(hopper, (-0.2, 0.2), stand_probability=0.0, deadband=0.1))
    assert not ((np.abs(speeds) > 0.0) & (np.abs(speeds) < 0.1)).any()
    assert abs((speeds == 0.0).mean() - 0.5) < 4 * np.sqrt(0.25 / N)
    assert speeds.min() < -0.1 < 0.1 < speeds.max()


@pytest.mark.parametrize(
    ("target", "heading", "expected"),
    [
        (0.0, 0.1, -0.15),  # turned left by 0.1: turn right
        (0.2, 0.0, 0.3),
        (0.0, 3.0, -0.6),  # clipped
        (3.0, -3.0, 1.5 * (6.0 - 2 * np.pi)),  # the short way round, through pi
        (-3.1, 3.1, 1.5 * (2 * np.pi - 6.2)),
    ],
)
def test_heading_hold(target, heading, expected):
    rate = HeadingHold(gain=1.5, limit=0.6)(jnp.asarray(target, jnp.float32), jnp.asarray(heading, jnp.float32))
    np.testing.assert_allclose(rate, expected, atol=1e-5)


@pytest.mark.parametrize("yaw", [-3.1, -1.0, 0.0, 2.0, 3.1])
def test_headings_are_zeroed_at_the_start(robot, yaw):
    """Whatever the initial yaw, the first heading is 0 and a later turn is measured from there, wrapped."""
    command = VelocityCommand(robot)
    start = command.init(jax.random.key(0), _facing(robot, yaw))
    np.testing.assert_allclose([start.heading, start.target, start.yaw_rate], 0.0)
    np.testing.assert_allclose(start.origin, yaw, atol=1e-5)
    same = command.step(jax.random.key(1), start, _facing(robot, yaw), 0.02)
    np.testing.assert_allclose([same.heading, same.yaw_rate], 0.0, atol=1e-5)
    turned = command.step(jax.random.key(1), start, _facing(robot, yaw + 0.2), 0.02)
    np.testing.assert_allclose(turned.heading, 0.2, atol=1e-5)
    np.testing.assert_allclose(turned.yaw_rate, -0.3, atol=1e-5)
    np.testing.assert_array_equal([turned.origin, turned.target], [start.origin, start.target])


def test_speeds_are_redrawn_about_every_interval(hopper):
    """Each control period redraws with probability dt / interval."""
    dt, interval = 0.02, 0.1
    command = VelocityCommand(hopper, (0.1, 0.5), stand_probability=0.0, interval=interval)
    physics = _facing(hopper, 0.0)
    start = command.init(jax.random.key(5), physics)
    step = jax.jit(jax.vmap(lambda key: command.step(key, start, physics, dt).speed))
    changed = np.asarray(step(jax.random.split(jax.random.key(6), N))) != np.asarray(start.speed)
    assert abs(changed.mean() - dt / interval) < 4 * np.sqrt(0.2 * 0.8 / N)


def test_the_clock_runs_once_per_period():
    clock = GaitClock(period=0.7)
    phase = jnp.zeros((), jnp.float32)
    seen = []
    for _ in range(35):  # 35 steps of 20 ms are one period of 0.7 s
        phase = clock.step(phase, jnp.ones(()), 0.02)
        seen.append(float(phase))
    expected = (2 * np.pi / 35 * np.arange(1, 36) + 1e-4) % (2 * np.pi) - 1e-4
    distance = np.abs(np.array(seen) - expected)
    np.testing.assert_allclose(np.minimum(distance, 2 * np.pi - distance), 0.0, atol=1e-4)


@pytest.mark.parametrize(("phase", "steps_left"), [(0.5, 15), (3.0, 1), (3.5, 16), (6.2, 1)])
def test_the_clock_told_to_stand_finishes_its_step_and_rests(phase, steps_left):
    """It runs on to the end of its half of the cycle, pi or 2 pi, and is 0 from there on."""
    clock = GaitClock(period=0.7)
    dphase = 2 * np.pi * 0.02 / 0.7
    now, seen = jnp.asarray(phase, jnp.float32), []
    for _ in range(steps_left + 3):
        now = clock.step(now, jnp.zeros(()), 0.02)
        seen.append(float(now))
    end = np.pi if phase < np.pi else 2 * np.pi
    expected = [phase + dphase * (i + 1) for i in range(steps_left + 3)]
    expected = [x if x < end else 0.0 for x in expected]
    assert expected.index(0.0) == steps_left - 1
    np.testing.assert_allclose(seen, expected, atol=1e-4)


def test_a_resting_clock_starts_at_the_left_foots_swing():
    clock = GaitClock(period=0.7)
    assert clock.step(jnp.zeros(()), jnp.zeros(()), 0.02) == 0.0
    np.testing.assert_allclose(clock.step(jnp.zeros(()), jnp.ones(()), 0.02), 2 * np.pi * 0.02 / 0.7, rtol=1e-5)
