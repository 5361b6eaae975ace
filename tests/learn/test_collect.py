"""Collecting in shards: the same envs in the same order with the same random numbers, however they are cut."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import Elapsed, shifted, still_env

from wildrobot_eqx import PPO, MjxPhysics, NativePhysics, TreePhysics
from wildrobot_eqx.learn import ppo
from wildrobot_eqx.learn.collect import Collector, EnvBatch
from wildrobot_eqx.observe import JointVelocities
from wildrobot_eqx.physics.base import cpu_shards, usable_cpus

CONFIG = PPO(num_envs=8, unroll_length=6, num_epochs=1, num_minibatches=2, hidden=(8,), reset_pool=8)


@pytest.fixture(scope="module")
def begun(hopper):
    """Episodes of 4 steps, two shards, and what they gave."""
    terms = {"elapsed": Elapsed(), "joints": JointVelocities(hopper)}
    env = still_env(hopper, terms, episode_length=0.08)
    state = ppo.init(env, CONFIG, jax.random.key(shifted(0)))
    key_pool, key = jax.random.split(state.key)
    pool = ppo.make_pool(env, CONFIG, key_pool)

    def collected(num_shards):
        with Collector(num_shards) as collector:
            return [collector(env, CONFIG, state, pool, key) for _ in range(2)]

    return env, state, collected(1)[0], collected(4)[0], *collected(2)


def _arrays(tree):
    leaves = jax.tree.leaves(eqx.filter(tree, eqx.is_array))
    return [np.asarray(jax.random.key_data(a) if jnp.issubdtype(a.dtype, jax.dtypes.prng_key) else a) for a in leaves]


def test_rows_belong_to_the_envs_that_they_began_with(begun):
    _, state, _, _, (after, rollout, _), _ = begun
    for name, first in state.obs.items():
        np.testing.assert_array_equal(rollout.obs[name][0], first)
    assert rollout.reward.shape == (6, 8)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert [a.shape for a in _arrays(after)] == [a.shape for a in _arrays(state)]


def test_threads_change_nothing_from_call_to_call(begun):
    *_, after, again = begun
    assert all(np.array_equal(a, b) for a, b in zip(_arrays(after), _arrays(again), strict=True))


def test_every_env_draws_its_own_actions(begun):
    *_, (_, rollout, _), _ = begun
    noise = np.asarray(rollout.action - rollout.distribution.mode()).reshape(-1, 3)
    assert len(np.unique(noise.round(5), axis=0)) == len(noise)


def test_shards_change_no_draw(begun):
    """Keys of 1, 2 and 4 shards are equal to the bit, and so are the actions but for the rounding of the networks."""
    _, _, one, four, two, _ = begun
    for after, rollout, figures in (two, four):
        for name, taken in {"key": lambda state: state.key, "steps": lambda state: state.steps}.items():
            pairs = zip(_arrays(taken(after.env_state)), _arrays(taken(one[0].env_state)), strict=True)
            assert all(np.array_equal(a, b) for a, b in pairs), name
        for a, b in zip(_arrays(rollout), _arrays(one[1]), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
        for name, value in one[2].items():
            np.testing.assert_allclose(figures[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_training_ends_the_same_however_it_was_cut(begun):
    """Three iterations in 1, 2 and 4 shards; nothing but the order of sums differs."""
    env, state, *_ = begun
    one, *others = (list(ppo.train(env, CONFIG, state, 3, num_shards=n))[-1][0] for n in (1, 2, 4))
    for other in others:
        for a, b in zip(_arrays(other.agent), _arrays(one.agent), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)
        np.testing.assert_array_equal(jax.random.key_data(other.key), jax.random.key_data(one.key))


def test_sums_over_episodes_are_those_of_all_shards(begun):
    *_, (_, rollout, figures), _ = begun
    ended = np.asarray(rollout.terminated | rollout.truncated)
    assert ended.sum() > 8
    assert figures["episodes"] == ended.sum()


def test_a_shard_is_rows_in_order(begun):
    _, state, *_ = begun
    second = EnvBatch.of(state).shard(jnp.int32(1), 4)
    np.testing.assert_array_equal(second.obs["policy"], state.obs["policy"][2:4])


class TestShards:
    """As many as cores, equal, and none too small; 1 for an engine that XLA must not call from two threads."""

    def test_of_the_tree_engine(self, hopper):
        physics = TreePhysics(hopper)
        assert cpu_shards(physics, 64 * usable_cpus()) == usable_cpus()
        assert cpu_shards(physics, 32) == 1
        assert cpu_shards(physics, 127) == 1

    def test_of_others(self, hopper):
        assert cpu_shards(NativePhysics(hopper), 64 * usable_cpus()) == 1
        assert cpu_shards(MjxPhysics(hopper), 64 * usable_cpus()) == 1
