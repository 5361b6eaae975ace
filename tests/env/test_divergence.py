"""A simulation that diverges ends its own episode, with finite numbers, and leaves the others alone."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import Batched, DivergingPhysics, StillPhysics, random_physics, replace, still_env

from wildrobot_eqx.env.divergence import guard
from wildrobot_eqx.observe import JointVelocities, ProjectedGravity

N, STEPS = 16, 4


def _play(hopper, physics):
    terms = {"joints": JointVelocities(hopper), "gravity": ProjectedGravity(hopper)}
    batched = Batched(still_env(hopper, terms, physics=physics), N)
    state, first = batched.reset()
    rows = [first]
    for _ in range(STEPS):
        state, timestep = batched.step(state, np.full((N, hopper.nu), 0.1))
        rows.append(timestep)
    return state, rows


@pytest.fixture(scope="module")
def played(hopper):
    """The same episodes on an engine where some robots are NaN from the third step on, and on a sound one."""
    return _play(hopper, DivergingPhysics(hopper)), _play(hopper, StillPhysics(hopper))


def test_what_diverged_terminates_pays_nothing_and_is_finite(played):
    (state, rows), _ = played
    bad = ~np.isfinite(np.asarray(state.physics.qvel)).all(axis=1)
    assert 0 < bad.sum() < N
    last = rows[-1]
    np.testing.assert_array_equal(last.terminated, bad)
    np.testing.assert_array_equal(last.metrics["diverged"], bad.astype(np.float32))
    np.testing.assert_array_equal(np.asarray(last.reward)[bad], 0.0)
    assert np.isfinite(np.asarray([*last.metrics.values(), last.reward])).all()
    for value in last.obs.values():
        np.testing.assert_array_equal(np.asarray(value)[bad], 0.0)
        assert np.isfinite(value).all()


def test_every_other_robot_and_step_is_to_the_bit_as_without(played):
    (state, rows), (_, sound) = played
    good = np.isfinite(np.asarray(state.physics.qvel)).all(axis=1)
    for i, (row, other) in enumerate(zip(rows, sound)):
        kept = good if i > 2 else np.ones(N, bool)
        for name, value in other.metrics.items():
            np.testing.assert_array_equal(np.asarray(row.metrics[name])[kept], np.asarray(value)[kept], err_msg=name)
        np.testing.assert_array_equal(np.asarray(row.reward)[kept], np.asarray(other.reward)[kept])
        for role, value in other.obs.items():
            np.testing.assert_array_equal(np.asarray(row.obs[role])[kept], np.asarray(value)[kept])
        np.testing.assert_array_equal(np.asarray(row.metrics["diverged"])[kept], 0.0)


@pytest.mark.parametrize("where", ["qpos", "qvel", "obs", "reward"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_each_of_them_counts(hopper, where, value):
    physics = random_physics(hopper)
    given = {"obs": {"policy": jnp.ones(3), "critic": jnp.ones(2)}, "reward": jnp.float32(1.0)}
    if where == "obs":
        given["obs"]["critic"] = jnp.asarray([1.0, value])
    elif where == "reward":
        given["reward"] = jnp.float32(value)
    else:
        physics = replace(physics, **{where: getattr(physics, where).at[-1].set(value)})
    guarded = guard(physics, **given, terminated=jnp.zeros((), bool), truncated=jnp.ones((), bool), metrics={})
    assert guarded.terminated
    assert not guarded.truncated
    assert float(guarded.reward) == 0.0
    assert all(not np.asarray(value).any() for value in guarded.obs.values())
    assert float(guarded.metrics["diverged"]) == 1.0


def test_a_first_state_that_is_not_finite_is_reported_so(hopper):
    """No learner ever sees it, and the step after it diverges."""
    env = still_env(hopper, {"gravity": ProjectedGravity(hopper)})
    env = replace(env, reset_state=replace(env.reset_state, velocity_noise=jnp.float32(np.nan)))
    state, first = Batched(env, 2).reset()
    assert np.isnan(np.asarray(state.physics.qvel)).any(axis=1).all()
    assert np.isfinite(first.obs["policy"]).all()
    np.testing.assert_array_equal(first.metrics["diverged"], 1.0)
