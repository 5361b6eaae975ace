"""A curriculum: where ranges stand at each level, what raises and lowers it, what it refuses."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import make_env, wrong_world

import wildrobot_eqx as we
from wildrobot_eqx.task import Curriculum, CurriculumState

START = {
    "disturbances.events.push.force": (0.0, 2.0),
    "disturbances.randomisers.0.range": (1.0, 1.0),
    "rewards.torque.weight": 0.0,
}


@pytest.fixture(scope="module")
def wrong(hopper):
    return make_env(hopper, **wrong_world(hopper))


def level(value):
    return jnp.asarray(value, jnp.float32)


@pytest.mark.parametrize("at", [0.0, 0.25, 1.0])
def test_ranges_lie_on_the_line_from_their_start_to_the_envs_own(wrong, at):
    env = Curriculum(START, {}).at(wrong, level(at))
    np.testing.assert_allclose(env.disturbances.events["push"].force, [0.0, 2.0 + at * 8.0], rtol=1e-6)
    np.testing.assert_allclose(env.disturbances.randomisers[0].range, [1.0 - 0.1 * at, 1.0 + 0.1 * at], rtol=1e-6)
    np.testing.assert_allclose(env.rewards["torque"].weight, at * wrong.rewards["torque"].weight, rtol=1e-6)


def _moved(env):
    disturbances = env.disturbances
    return disturbances.events["push"].force, disturbances.randomisers[0].range, env.rewards["torque"].weight


def test_nothing_else_changes_and_the_end_is_the_env_itself(wrong):
    curriculum = Curriculum(START, {})
    assert eqx.tree_equal(curriculum.at(wrong, level(1.0)), wrong)
    moved = curriculum.at(wrong, level(0.3))
    back = eqx.tree_at(
        _moved,
        moved,
        _moved(wrong),
    )
    assert eqx.tree_equal(back, wrong)


def go(curriculum, state, iterations, **figures):
    for _ in range(iterations):
        state = curriculum.next(state, {name: level(value) for name, value in figures.items()})
    return state


def test_success_raises_the_level_step_by_step_and_failure_lowers_it():
    curriculum = Curriculum({}, {"falls": 2.0}, rise=0.1, window=1.0, lower=2.0)
    state = go(curriculum, curriculum.init(), 3, falls=1.9)
    np.testing.assert_allclose(state.level, 0.3, rtol=1e-6)
    assert go(curriculum, state, 5, falls=3.0).level == state.level, "in between it stays"
    np.testing.assert_allclose(go(curriculum, state, 2, falls=4.1).level, 0.1, atol=1e-6)
    assert go(curriculum, state, 50, falls=9.0).level == 0.0
    assert go(curriculum, state, 50, falls=0.0).level == 1.0


def test_every_figure_must_succeed_and_one_is_enough_to_fail():
    curriculum = Curriculum({}, {"falls": 2.0, "error": 0.1}, rise=0.1, window=1.0)
    half = CurriculumState(level(0.5), curriculum.init().mean)
    assert go(curriculum, half, 1, falls=1.0, error=0.15).level == 0.5
    np.testing.assert_allclose(go(curriculum, half, 1, falls=1.0, error=0.25).level, 0.4, rtol=1e-6)
    np.testing.assert_allclose(go(curriculum, half, 1, falls=1.0, error=0.05).level, 0.6, rtol=1e-6)


def test_the_mean_of_the_last_iterations_decides():
    """An exponential mean over 10 iterations: from twice the limit on, zeros halve it in 6.6 of them."""
    curriculum = Curriculum({}, {"falls": 2.0}, rise=0.01, window=10.0, lower=2.0)
    risen = [float(go(curriculum, curriculum.init(), n, falls=0.0).level) for n in (6, 7, 8)]
    np.testing.assert_allclose(risen, [0.0, 0.01, 0.02], atol=1e-6)
    one_bad = go(curriculum, go(curriculum, curriculum.init(), 60, falls=0.0), 1, falls=10.0)
    assert one_bad.mean["falls"] < 2.0


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"disturbances.events.pusch.force": (0.0, 1.0)}, "did you mean 'push'"),
        ({"disturbances.events.push.force.high": 1.0}, "there is no 'high'"),
        ({"disturbances.events.push.force": 1.0}, "has float32\\[2\\] there"),
        ({"disturbances.events.push": (0.0, 1.0)}, "has a Push there"),
        ({"physics.n_substeps": 1.0}, "has a int there"),
    ],
)
def test_a_start_that_does_not_fit_the_env_is_refused(wrong, start, message):
    with pytest.raises(we.WildRobotError, match=message):
        Curriculum(start, {}).at(wrong, level(0.0))
    with pytest.raises(we.WildRobotError, match=message):
        we.Recipe(wrong, we.PPO(), steps=1, curriculum=Curriculum(start, {}))


def test_a_figure_that_training_does_not_report_is_named():
    curriculum = Curriculum({}, {"fall_per_minute": 1.0})
    with pytest.raises(we.WildRobotError, match="did you mean 'terminations_per_minute'"):
        curriculum.next(curriculum.init(), {"terminations_per_minute": level(0.0)})
