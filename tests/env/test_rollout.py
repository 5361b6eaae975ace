"""Cheap resets: the pool replaces the envs that are done, and no others."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import shifted

from wildrobot_eqx.env import ResetPool
from wildrobot_eqx.env.rollout import batch_step, keys_of, spread_start, tracking_errors, where

N, POOL = 6, 3


@pytest.fixture(scope="module")
def pool(hopper_env):
    return jax.jit(lambda env, key: ResetPool.make(env, key, POOL))(hopper_env, jax.random.key(shifted(0)))


@pytest.fixture(scope="module")
def running(hopper_env):
    """Six envs, three steps into their episodes, and their observations."""
    state, _ = jax.jit(jax.vmap(hopper_env.reset))(jax.random.split(jax.random.key(shifted(1)), N))
    action = jnp.full((N, hopper_env.action_size), 0.1, jnp.float32)
    step = jax.jit(lambda state: batch_step(hopper_env, state, action))
    for _ in range(3):
        state, timestep = step(state)
    return state, timestep.obs


DONE = np.array([True, False, False, True, False, True])


@pytest.fixture(scope="module")
def replaced(pool, running):
    return eqx.filter_jit(pool.replace)(jax.random.split(jax.random.key(shifted(7)), N), jnp.asarray(DONE), *running)


def test_a_pool_counts_its_states(pool):
    assert pool.size == POOL
    assert len(np.unique(np.asarray(pool.state.physics.qpos), axis=0)) == POOL


def test_envs_that_go_on_are_left_alone(running, replaced):
    for (path, old), new in zip(jax.tree.leaves_with_path(running), jax.tree.leaves(replaced)):
        if jnp.issubdtype(old.dtype, jax.dtypes.prng_key):
            old, new = jax.random.key_data(old), jax.random.key_data(new)
        np.testing.assert_array_equal(old[~DONE], new[~DONE], err_msg=jax.tree_util.keystr(path))


def test_envs_that_are_done_take_a_first_state(pool, running, replaced):
    state, obs = replaced
    np.testing.assert_array_equal(state.steps, np.where(DONE, 0, 3))
    first = {row.tobytes(): i for i, row in enumerate(np.asarray(pool.state.physics.qpos))}
    for env in np.flatnonzero(DONE):
        i = first[np.asarray(state.physics.qpos[env]).tobytes()]
        for role in obs:
            np.testing.assert_array_equal(obs[role][env], pool.obs[role][i])


def test_each_takes_a_key_of_its_own(pool, running, replaced):
    """Two envs may take the same first state, but never live the same episode."""
    keys = np.asarray(jax.random.key_data(replaced[0].key))
    assert len(np.unique(keys, axis=0)) == N
    of_pool = np.asarray(jax.random.key_data(pool.state.key))
    assert not (keys[:, None] == of_pool[None]).all(axis=-1).any()


def test_what_an_env_gets_hangs_on_no_other(pool, running, replaced):
    """Two halves of the batch, each with its own keys, get what the whole batch got."""
    keys, replace = jax.random.split(jax.random.key(shifted(7)), N), eqx.filter_jit(pool.replace)
    halves = [
        replace(
            keys[i : i + 3], jnp.asarray(DONE)[i : i + 3], *jax.tree.map(lambda leaf, i=i: leaf[i : i + 3], running)
        )
        for i in (0, 3)
    ]
    joined = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *halves)
    for (path, a), b in zip(jax.tree.leaves_with_path(joined), jax.tree.leaves(replaced)):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(a, b, err_msg=jax.tree_util.keystr(path))


def test_a_key_of_an_env_is_the_same_however_the_batch_is_cut():
    key = jax.random.key(5)
    whole = jax.random.key_data(keys_of(key, 0, 8))
    parts = [jax.random.key_data(keys_of(key, first, 4)) for first in (0, jnp.int32(4))]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert len(np.unique(np.asarray(whole), axis=0)) == 8


def test_errors_are_of_whatever_is_commanded():
    metrics = {"height": 0.4, "commanded_height": 0.5, "speed": 1.0, "commanded_turn": 3.0, "raw/a": 0.0}
    found = tracking_errors({name: jnp.float32(value) for name, value in metrics.items()})
    assert found.keys() == {"height_error"}
    assert float(found["height_error"]) == pytest.approx(-0.1)


def test_where_selects_rows_of_any_rank():
    mask = jnp.asarray([True, False])
    yes, no = {"a": jnp.ones((2, 3)), "b": jnp.ones((2,))}, {"a": jnp.zeros((2, 3)), "b": jnp.zeros((2,))}
    chosen = where(mask, yes, no)
    np.testing.assert_array_equal(chosen["a"], [[1, 1, 1], [0, 0, 0]])
    np.testing.assert_array_equal(chosen["b"], [1, 0])


def test_first_episodes_do_not_all_end_together(running):
    state = spread_start(running[0], jax.random.key(3), jnp.asarray(1000, jnp.int32))
    ages = np.asarray(state.steps)
    assert len(np.unique(ages)) == N
    assert ages.min() >= 0
    assert ages.max() < 1000
    np.testing.assert_array_equal(state.physics.qpos, running[0].physics.qpos)
