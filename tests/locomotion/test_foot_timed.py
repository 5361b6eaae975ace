"""A gait that the feet time: it waits for a foot to lift and to land, and a touch-down hands the beat over."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_physics

import wildrobot_eqx as we
from wildrobot_eqx.locomotion import gait_of

DT, PERIOD = 0.02, 0.8  # s: 20 control steps for each foot's beat
UP, DOWN = 0.0, 30.0  # N


@pytest.fixture(scope="module")
def gait(robot):
    return we.gaits.FootTimedGait(robot, period=PERIOD, load=5.0)


@pytest.fixture(scope="module")
def velocity(robot):
    return we.commands.VelocityCommand(robot)


@pytest.fixture(scope="module")
def step(robot, gait, velocity):
    physics = random_physics(robot)
    asked = velocity.sample(jax.random.key(0))

    @jax.jit
    def step(state, left, right, moving=1.0):
        force = jnp.zeros((2, 3), jnp.float32).at[:, 2].set(jnp.stack([left, right]))
        command = velocity.set(asked, jnp.asarray([0.3]) * moving)
        return gait.step(
            jax.random.key(0), state, dataclasses.replace(physics, foot_force=force), DT, {"velocity": command}
        )

    return lambda state, left, right, moving=1.0: step(state, *(jnp.float32(v) for v in (left, right, moving)))


def share(state) -> float:
    """Of the cycle."""
    return float(state.phase) / (2.0 * np.pi)


def many(step, state, n, *args):
    for _ in range(n):
        state = step(state, *args)
    return state


def test_asked_to_move_the_foot_with_less_load_begins(gait, step):
    rest = gait.sample(jax.random.key(0))
    assert 0.0 < share(step(rest, 10.0, 20.0)) < 0.1, "the left one's beat"
    assert 0.5 < share(step(rest, 20.0, 10.0)) < 0.6, "the right one's beat"
    assert share(many(step, rest, 50, 10.0, 20.0, 0.0)) == 0.0, "asked to stand it rests"


@pytest.mark.parametrize(("first", "swinging", "standing"), [(0.0, (UP, DOWN), 0), (0.5, (DOWN, UP), 1)])
def test_a_beat_waits_for_its_foot_and_ends_with_its_landing(gait, step, first, swinging, standing):
    start = gait.sample(jax.random.key(0))
    state = many(step, start, 100, *((10.0, 20.0) if standing == 0 else (20.0, 10.0)))
    assert share(state) == pytest.approx(first + 0.25, abs=0.01), "in the middle it waits: both are down"
    assert float(state.aloft[standing]) == 1.0, "and asks for the foot meanwhile"
    assert float(state.height(jnp.float32(0.05))[standing]) == pytest.approx(0.05, rel=0.02)
    state = many(step, state, 100, *swinging)
    assert share(state) == pytest.approx(first + 0.475, abs=0.01), "near the end it waits: the foot is up"
    np.testing.assert_array_equal(state.aloft, [0.0, 0.0])
    state = step(state, DOWN, DOWN)
    assert first + 0.5 <= share(state) % 1.0 + (1.0 if first else 0.0) < first + 0.52, "landed: the other one's beat"


def test_a_robot_in_time_runs_through_as_the_clock_does(gait, step):
    """Feet that follow `aloft`: a cycle takes the period, and each foot has its half."""
    state, phases = step(gait.sample(jax.random.key(0)), 10.0, 20.0), []
    for _ in range(400):
        left, right = (UP if aloft else DOWN for aloft in np.asarray(state.aloft))
        state = step(state, left, right)
        phases.append(share(state))
    turns = int((np.diff(phases) < -0.5).sum())
    # a beat ends when its foot lands, a tenth of it before the clock's own end
    assert 400 * DT / PERIOD - 0.5 <= turns <= 400 * DT / (0.85 * PERIOD)


def test_early_landing_counts_only_after_the_middle(gait, step):
    state = many(step, gait.sample(jax.random.key(0)), 4, UP, DOWN)
    state = step(state, DOWN, DOWN)
    assert share(state) < 0.25, "a foot that dips down early still has its beat"


def test_told_to_stand_it_finishes_the_step(gait, step):
    state = many(step, gait.sample(jax.random.key(0)), 14, UP, DOWN)
    assert 0.25 < share(state) < 0.5
    state = step(state, UP, DOWN, 0.0)
    assert float(state.stepping) == 1.0, "the foot is in the air"
    state = step(state, DOWN, DOWN, 0.0)
    assert share(state) == 0.0
    assert float(state.stepping) == 0.0
    for force in ((UP, DOWN), (DOWN, UP), (UP, UP)):
        state = many(step, state, 3, *force, 0.0)
        assert float(state.stepping) == 0.0, "a foot that lifts as it stands is not asked for"


def test_a_robot_of_one_foot_is_refused(hopper):
    with pytest.raises(we.WildRobotError, match="two feet in turn; robot 'hopper' has 1"):
        we.gaits.FootTimedGait(hopper)


def test_a_robot_that_stands_on_it_is_seen_to_stand(robot, gait, step):
    """Its clock waits for a foot that stays down: one is to be lifted, and none is."""
    state = gait.sample(jax.random.key(0))
    for _ in range(15):
        state = step(state, DOWN, DOWN)
    physics = random_physics(robot)
    for force, lifted in ((DOWN, 0.0), (UP, 0.5)):
        on = dataclasses.replace(physics, foot_force=jnp.zeros((2, 3), jnp.float32).at[:, 2].set(force))
        found = gait.metrics(state, on)
        assert (float(found["feet_to_lift"]), float(found["feet_lifted"])) == (0.5, lifted)


def test_its_clock_is_the_gait_of_an_env(gait, velocity):
    """By which films and pushes count a cycle."""
    assert gait_of({"velocity": velocity, "steps": gait}) == ("steps", gait.clock)
    assert gait_of({"velocity": velocity}) is None
