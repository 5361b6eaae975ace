"""Commands: what is drawn, how the heading hold computes, where headings start."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_physics, shifted

import wildrobot_eqx as we
from wildrobot_eqx import rotation
from wildrobot_eqx.locomotion import Gait, GaitState, HeadingController, VelocityCommand, VelocityState

N = 4000
PHYSICS = random_physics(we.load_robot("hopper"))  # a gait does not look at it


def _draws(command, n=N):
    return np.asarray(jax.jit(jax.vmap(command.sample))(jax.random.split(jax.random.key(shifted(0)), n)).lin_vel_x)


def _begun(command, key, physics):
    return command.start(command.sample(key), physics, {})


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
    rate = HeadingController(gain=1.5, limit=0.6)(jnp.asarray(target, jnp.float32), jnp.asarray(heading, jnp.float32))
    np.testing.assert_allclose(rate, expected, atol=1e-5)


@pytest.mark.parametrize("yaw", [-3.1, -1.0, 0.0, 2.0, 3.1])
def test_headings_are_zeroed_at_the_start(robot, yaw):
    """Whatever the initial yaw, the first heading is 0 and a later turn is measured from there, wrapped."""
    command = VelocityCommand(robot)
    start = _begun(command, jax.random.key(0), _facing(robot, yaw))
    np.testing.assert_allclose([start.heading, start.target, start.yaw_rate], 0.0)
    np.testing.assert_allclose(start.origin, yaw, atol=1e-5)
    same = command.step(jax.random.key(1), start, _facing(robot, yaw), 0.02, {})
    np.testing.assert_allclose([same.heading, same.yaw_rate], 0.0, atol=1e-5)
    turned = command.step(jax.random.key(1), start, _facing(robot, yaw + 0.2), 0.02, {})
    np.testing.assert_allclose(turned.heading, 0.2, atol=1e-5)
    np.testing.assert_allclose(turned.yaw_rate, -0.3, atol=1e-5)
    np.testing.assert_array_equal([turned.origin, turned.target], [start.origin, start.target])


def test_speeds_are_redrawn_about_every_interval(hopper):
    """Each control period redraws with probability dt / interval."""
    dt, interval = 0.02, 0.1
    command = VelocityCommand(hopper, (0.1, 0.5), stand_probability=0.0, interval=interval)
    physics = _facing(hopper, 0.0)
    start = _begun(command, jax.random.key(5), physics)
    step = jax.jit(jax.vmap(lambda key: command.step(key, start, physics, dt, {}).lin_vel_x))
    changed = np.asarray(step(jax.random.split(jax.random.key(6), N))) != np.asarray(start.lin_vel_x)
    assert abs(changed.mean() - dt / interval) < 4 * np.sqrt(0.2 * 0.8 / N)


def _clock(**figures):
    return Gait(("left", "right"), (0.25, 0.75), **{"period": 0.7, **figures})


def _ticked(gait, phase, moving, dt=0.02):
    """The phase one step later, of a robot that is asked to move or to stand."""
    zero = jnp.zeros((), jnp.float32)
    velocity = VelocityState(jnp.asarray(moving, jnp.float32), zero, zero, zero, zero)
    state = GaitState(jnp.asarray(phase, jnp.float32), zero, gait.mid_swing, gait.swing)
    return float(gait.step(jax.random.key(0), state, PHYSICS, dt, {"velocity": velocity}).phase)


def test_the_clock_runs_once_per_period(hopper):
    gait, phase, seen = _clock(), 0.0, []
    for _ in range(35):  # 35 steps of 20 ms are one period of 0.7 s
        phase = _ticked(gait, phase, 1.0)
        seen.append(phase)
    expected = (2 * np.pi / 35 * np.arange(1, 36) + 1e-4) % (2 * np.pi) - 1e-4
    distance = np.abs(np.array(seen) - expected)
    np.testing.assert_allclose(np.minimum(distance, 2 * np.pi - distance), 0.0, atol=1e-4)


@pytest.mark.parametrize(("phase", "steps_left"), [(0.5, 15), (3.0, 1), (3.5, 16), (6.2, 1)])
def test_the_clock_told_to_stand_finishes_its_step_and_rests(phase, steps_left):
    """It runs on to the end of its half of the cycle, pi or 2 pi, and is 0 from there on."""
    gait, now, seen = _clock(), phase, []
    dphase = 2 * np.pi * 0.02 / 0.7
    for _ in range(steps_left + 3):
        now = _ticked(gait, now, 0.0)
        seen.append(now)
    end = np.pi if phase < np.pi else 2 * np.pi
    expected = [phase + dphase * (i + 1) for i in range(steps_left + 3)]
    expected = [x if x < end else 0.0 for x in expected]
    assert expected.index(0.0) == steps_left - 1
    np.testing.assert_allclose(seen, expected, atol=1e-4)


def test_a_resting_clock_starts_at_the_left_foots_swing():
    assert _ticked(_clock(), 0.0, 0.0) == 0.0
    np.testing.assert_allclose(_ticked(_clock(), 0.0, 1.0), 2 * np.pi * 0.02 / 0.7, rtol=1e-5)


def test_a_gait_of_four_beats_rests_after_each():
    gait = _clock(beats=4)
    assert _ticked(gait, np.pi / 2 - 0.05, 0.0) == 0.0
    assert _ticked(gait, np.pi / 4, 0.0) > 0.0


PLANAR = {"lin_vel_x": (-0.3, 0.6), "lin_vel_y": (-0.2, 0.2), "ang_vel_z": (-0.5, 0.5)}


class TestPlanar:
    """Told to walk sideways and to turn, too."""

    def test_sideways_and_turns_are_drawn_now_and_then_and_standing_is_all_zero(self, hopper):
        command = VelocityCommand(hopper, **PLANAR, stand_probability=0.2, deadband=0.05, axis_probability=0.5)
        keys = jax.random.split(jax.random.key(0), N)
        drawn = jax.jit(jax.vmap(command.sample))(keys)
        speed, lateral, turn = map(np.asarray, (drawn.lin_vel_x, drawn.lin_vel_y, drawn.ang_vel_z))
        stand = (speed == 0.0) & (lateral == 0.0) & (turn == 0.0)
        # ahead: within the deadband 1 in 9 times; sideways and turns: unused, or within it
        expected = 0.2 + 0.8 * (1.0 / 9.0) * 0.625 * 0.55
        assert abs(stand.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / N)
        for values, bounds, share in ((lateral, 0.2, 0.375), (turn, 0.5, 0.45)):
            used = values[values != 0.0]
            assert abs((values != 0.0).mean() - 0.8 * share) < 4 * 0.5 / np.sqrt(N)
            assert np.abs(used).min() >= 0.05
            assert 0.98 * bounds < np.abs(used).max() <= bounds
            assert abs(used.mean()) < 4 * bounds / np.sqrt(len(used))
        assert abs(np.corrcoef(speed, lateral)[0, 1]) < 4 / np.sqrt(N)
        assert abs(np.corrcoef(lateral, turn)[0, 1]) < 4 / np.sqrt(N)

    @pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
    def test_a_share_of_motions_comes_without_a_speed_ahead(self, hopper, share):
        command = VelocityCommand(
            hopper, **{**PLANAR, "lin_vel_x": (0.2, 0.6)}, stand_probability=0.0, in_place_probability=share
        )
        keys = jax.random.split(jax.random.key(0), N)
        drawn = jax.jit(jax.vmap(command.sample))(keys)
        speed, lateral, turn = map(np.asarray, (drawn.lin_vel_x, drawn.lin_vel_y, drawn.ang_vel_z))
        beside = (lateral != 0.0) | (turn != 0.0)
        assert (speed[~beside] > 0.0).all()
        assert abs((speed[beside] == 0.0).mean() - share) <= 4 * np.sqrt(share * (1 - share) / beside.sum())

    def test_one_that_only_turns_asks_for_nothing_sideways(self, hopper):
        command = VelocityCommand(hopper, ang_vel_z=(0.3, 0.3), axis_probability=1.0)
        told = _begun(command, jax.random.key(0), _facing(hopper, 0.4))
        assert told.lin_vel_y is None
        assert told.yaw_rate == told.ang_vel_z
        assert told.ang_vel_z in (0.0, np.float32(0.3))

    def test_without_ranges_nothing_changes(self, hopper):
        """The same random numbers and the same leaves as ever: older runs go on."""
        command = VelocityCommand(hopper)
        told = _begun(command, jax.random.key(3), _facing(hopper, 0.4))
        assert (told.lin_vel_y, told.ang_vel_z) == (None, None)
        assert told.lin_vel_x == command.sample(jax.random.key(3)).lin_vel_x
        assert len(jax.tree.leaves(told)) == 5

    def _go(self, hopper, turn, robots_rate, seconds=6.0):
        """Commands of a robot that turns at its own rate, whatever it is told."""
        command = VelocityCommand(
            hopper, (0.0, 0.0), 0.0, interval=1e9, ang_vel_z=(turn, turn), axis_probability=1.0, deadband=0.0
        )
        told = _begun(command, jax.random.key(0), _facing(hopper, 0.3))
        step = jax.jit(lambda told, physics: command.step(jax.random.key(1), told, physics, 0.02, {}))
        seen = []
        for i in range(round(seconds / 0.02)):
            yaw = (0.3 + robots_rate * 0.02 * (i + 1) + np.pi) % (2 * np.pi) - np.pi
            told = step(told, _facing(hopper, yaw))
            seen.append((float(told.target), float(told.heading), float(told.yaw_rate)))
        return np.array(seen)

    def test_the_commanded_heading_turns_with_a_robot_that_keeps_up(self, hopper):
        seen = self._go(hopper, 0.5, 0.5)
        expected = (0.5 * 0.02 * np.arange(1, 301) + np.pi) % (2 * np.pi) - np.pi
        np.testing.assert_allclose(np.cos(seen[:, 0] - expected), 1.0, atol=1e-5)
        np.testing.assert_allclose(seen[:, 2], 0.5, atol=1e-3)

    @pytest.mark.parametrize("turn", [0.5, -0.5])
    def test_it_waits_for_a_robot_that_does_not(self, hopper, turn):
        """At most its lead of 0.1 rad ahead, which the heading hold answers with 0.15 rad/s more."""
        seen = self._go(hopper, turn, 0.0)
        np.testing.assert_allclose(seen[-1], [np.sign(turn) * 0.1, 0.0, np.sign(turn) * 0.65], atol=1e-4)
        assert np.abs(seen[:, 0]).max() <= 0.1 + 1e-5

    def test_a_turn_that_is_over_leaves_the_heading_where_it_is(self, hopper):
        seen = self._go(hopper, 0.0, 0.2, seconds=1.0)
        np.testing.assert_array_equal(seen[:, 0], 0.0)

    def test_moving_means_any_of_the_three(self, hopper):
        zero, some = jnp.zeros((), jnp.float32), jnp.asarray(0.1, jnp.float32)
        for i in range(3):
            values = [zero, zero, zero]
            assert VelocityState(zero, zero, zero, zero, zero, *values[1:]).is_moving == 0.0
            values[i] = some
            assert VelocityState(values[0], zero, zero, zero, zero, values[1], values[2]).is_moving == 1.0
