"""Robust evaluation on slopes, bumps and steps; and the commands there, sideways and turns included."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import default_commands, make_env
from puppets import Constant

import wildrobot_eqx as we
from wildrobot_eqx.check.rules import robot_match as names
from wildrobot_eqx.evaluate.robust.cases import AxisCommand, commands_of, rows_of
from wildrobot_eqx.evaluate.robust.ladder import rung_of
from wildrobot_eqx.evaluate.robust.scores import errors
from wildrobot_eqx.evaluate.robust.terrain import cross, ground_of, grounds_of, spots, terrain_env
from wildrobot_eqx.evaluate.walking.meter import GaitTally

MOTIONS = (we.gates.Motion("left", -0.1), we.gates.Motion("turn", 0.2), we.gates.Motion("turn", 0.5, required=False))


@pytest.fixture(scope="module")
def field(robot):
    """The ground, and the middle of each of its squares by kind and level."""
    ground, middles = ground_of(robot)
    return ground, dict(zip(spots(robot), middles))


def commands_by(robot, gate, **ranges):
    commands = default_commands(robot, lin_vel_x=(0.0, 0.4), **ranges)
    return commands_of(make_env(robot, commands=commands), gate)


def test_commands_are_those_that_the_gate_requires(robot):
    ranges = {"lin_vel_y": (-0.1, 0.15), "ang_vel_z": (-0.5, 0.5)}
    gate = we.gates.WalkGate(required=(0.0, 0.3), motions=MOTIONS)
    commands = commands_by(robot, gate, **ranges)
    assert list(map(str, commands)) == ["0 m/s", "0.3 m/s", "0.1 m/s right", "0.2 rad/s left"]
    assert commands_by(robot, we.gates.StandGate(), **ranges) == (AxisCommand("ahead", 0.0),)
    free = commands_by(robot, None, **ranges)
    assert [c.command for c in free] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, -0.1, 0.15, -0.5, 0.5])
    assert {c.axis for c in commands_by(robot, None)} == {"ahead"}
    rows, which = rows_of(commands, 5)
    np.testing.assert_allclose(rows, [[0, 0, 0], [0.3, 0, 0], [0, -0.1, 0], [0, 0, 0.2], [0, 0, 0]], rtol=1e-6)
    assert which == [0, 1, 2, 3, 0]


def test_an_error_is_that_of_the_motion_that_was_commanded():
    """After a warm-up at (1, 1), 100 samples of 20 ms each."""
    tally = object.__new__(GaitTally)
    figures = {
        "upright": np.array([True, True, True, True, False]),
        "warm": np.ones((5, 2)),
        "position": np.array([[1.1, 1.5], [1.5, 1.9], [1.7, 0.6], [1.9, 1.9], [1.0, 1.0]]),
        "turned": np.array([0.3, 0.3, 0.3, 0.5, 0.0]),
        "judged": np.full(5, 100),
    }
    for name, value in figures.items():
        object.__setattr__(tally, name, value)
    commands = np.array([[0, 0, 0], [0.3, 0, 0], [0, -0.15, 0], [0, 0, 0.3], [0.1, 0, 0]], np.float32)
    np.testing.assert_allclose(errors(tally, commands, 0.02), [0.05, 0.05, 0.05, 0.05, np.nan], atol=1e-6)


def test_every_square_is_its_own_kind_of_ground(field):
    ground, middles = field
    steps = jnp.asarray(np.stack(np.meshgrid(*[np.arange(-4.0, 4.05, 0.05)] * 2), axis=-1).reshape(-1, 2), jnp.float32)
    for (name, level), middle in middles.items():
        height = np.asarray(ground.height(jnp.asarray(middle) + steps))
        if name == "slope":
            np.testing.assert_allclose(height, np.tan(level) * np.asarray(steps)[:, 0], atol=1e-5)
        elif name == "bumps":
            assert 0.8 * level < np.ptp(height) <= level + 1e-6
        elif name == "steps":
            flat = np.isclose(height, 0.0, atol=1e-6) | np.isclose(height, level, atol=1e-6)
            assert flat.mean() > 0.6
            assert np.ptp(height) == pytest.approx(level, abs=1e-6)
        else:
            assert not height.any()


def test_heights_go_with_the_legs_and_squares_with_the_way(robot, field):
    """As they always were for the biped; of a robot a fifth as tall, a fifth of it."""
    slope, bumps, steps = grounds_of(robot)
    np.testing.assert_allclose(np.degrees(slope.levels), [0, 2, 4, 6, 8, 10])
    np.testing.assert_allclose(bumps.levels, [0, 0.01, 0.02, 0.03, 0.04, 0.05])
    np.testing.assert_allclose(steps.levels, [0, 0.005, 0.01, 0.015, 0.02, 0.03])
    assert field[0].half == 20.0
    small = we.load_robot("microduck")
    factor = small.leg_length / robot.leg_length
    assert [p.name for p in grounds_of(small)] == ["slope", "bumps", "steps"]
    assert grounds_of(small)[0].levels == slope.levels
    np.testing.assert_allclose(grounds_of(small)[2].levels, factor * np.asarray(steps.levels), rtol=5e-3)
    ground, middles = ground_of(small)
    assert ground.half == pytest.approx(np.sqrt(factor) * 20.0, rel=0.01)
    assert ground.heights.shape[0] == ground.heights.shape[1] > field[0].heights.shape[0]
    assert np.abs(middles).max() < ground.half
    assert ground_of(small, 6.0)[0].half == pytest.approx(4 * (6.0 + 0.5 * factor), rel=0.01), "none leaves its square"
    there = terrain_env(make_env(small), ground, 0.005)
    assert float(there.reset_state.spread) == pytest.approx(0.5 * factor, rel=5e-3)
    assert robot.reach == 0.2
    assert 0.2 * factor < small.reach < 0.1, "its soles are longer than its legs say"


def test_pushes_go_with_the_speed(robot):
    assert rung_of(robot) == 0.1
    small = we.load_robot("microduck")
    assert rung_of(small) == pytest.approx(0.1 * np.sqrt(small.leg_length / robot.leg_length), rel=5e-3)


def test_all_that_measures_a_height_has_the_ground(robot, field):
    env = terrain_env(make_env(robot), field[0], 0.005)
    for who in (env.reset_state, env.endings["fallen"]):
        assert who.ground.heights is field[0].heights
    assert env.physics.robot.model.mj.nhfield == 1
    assert not [f for f in names.foreign(env) if "rewards" not in f.leaf], "rewards do not judge"


@pytest.mark.slow
def test_a_robot_that_holds_its_pose_stands_where_it_is_flat_and_falls_on_steep_slopes(robot, heard):
    found = cross(make_env(robot), Constant(robot.nu), (AxisCommand("ahead", 0.0),), 4, 4.0, 0.005)
    slope = found.curves[[p.name for p in grounds_of(robot)].index("slope")]
    assert slope.nominal.survival == 1.0
    assert slope.nominal.speed_error < 0.02
    assert slope.scores[-1].survival < 0.5
    assert found.worst is slope
    assert "the worst ground is slope" in found.summary
    assert any(line.startswith("terrain: ") for line in heard.messages)
