"""Recurrent policies: `update` sees the memories that `collect` had, and so the same distributions."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import Elapsed, shifted, still_env
from jaxtyping import Array, Float

from wildrobot_eqx import PPO
from wildrobot_eqx.learn import ppo
from wildrobot_eqx.learn.memory import initial_carry, unroll
from wildrobot_eqx.learn.networks import Normal
from wildrobot_eqx.learn.normalise import RunningNorm
from wildrobot_eqx.policies import AbstractPolicy

CONFIG = PPO(
    num_envs=8,
    unroll_length=13,
    num_epochs=1,
    num_minibatches=1,
    learning_rate=1e-3,
    init_std=0.3,
    hidden=(16,),
    reset_pool=8,
)
SIZE = 5


class Leaky(AbstractPolicy):
    """A policy whose memory leaks: the smallest recurrent network. Its first memory is learned, and not zero."""

    norm: RunningNorm
    log_std: Float[Array, " nu"]
    start: Float[Array, " h"]
    inward: Float[Array, "nobs h"]
    outward: Float[Array, "h nu"]

    def init(self) -> Float[Array, " h"]:
        return self.start

    def __call__(self, obs: Float[Array, "*batch nobs"], carry: Float[Array, "*batch h"]):
        carry = jnp.tanh(0.9 * carry + self.norm(obs) @ self.inward)
        return Normal(carry @ self.outward, self.log_std), carry

    def update_norm(self, obs):
        return dataclasses.replace(self, norm=self.norm.update(obs))


def make_leaky(env, config, key):
    size, nu = env.observations["policy"].size, env.action_size
    one, two = jax.random.split(key)
    return Leaky(
        norm=RunningNorm.init(size),
        log_std=jnp.full((nu,), jnp.log(config.init_std), jnp.float32),
        start=jnp.full((SIZE,), 0.5, jnp.float32),
        inward=jax.random.normal(one, (size, SIZE), jnp.float32),
        outward=jax.random.normal(two, (SIZE, nu), jnp.float32),
    )


@pytest.fixture(scope="module")
def recurrent(hopper):
    """The second rollout of episodes of 5 steps: memories that go on, and memories that start anew."""
    env = still_env(hopper, {"elapsed": Elapsed()}, episode_length=0.1)
    state = ppo.init(env, CONFIG, jax.random.key(shifted(0)), make_leaky)
    ages = jnp.arange(CONFIG.num_envs, dtype=jnp.int32) % 5  # so that in each step some end, and some do not
    state = eqx.tree_at(lambda s: s.env_state.steps, state, ages)
    collect = eqx.filter_jit(ppo.collect)
    for _ in range(2):
        key, key_pool, key_steps = jax.random.split(state.key, 3)
        state, rollout, _ = collect(env, CONFIG, state, ppo.make_pool(env, CONFIG, key_pool), key_steps)
        state = dataclasses.replace(state, key=key)
    return env, state, rollout


def test_the_memory_is_that_of_each_env(recurrent):
    _, state, rollout = recurrent
    assert state.carry.shape == rollout.carry.shape == (CONFIG.num_envs, SIZE)
    ended = np.asarray(rollout.truncated)[-1]
    assert 0 < ended.sum() < CONFIG.num_envs
    fresh = (np.asarray(state.carry) == 0.5).all(axis=1)
    np.testing.assert_array_equal(fresh, ended)


def test_replay_gives_the_distributions_of_collect(recurrent):
    """And nothing less does: not one call for all times, not a memory that outlives its episode."""
    _, state, rollout = recurrent
    policy, obs = state.agent.policy, rollout.obs["policy"]
    done = rollout.terminated | rollout.truncated
    again = unroll(policy, obs, rollout.carry, done)
    np.testing.assert_allclose(again.mode(), rollout.distribution.mode(), atol=1e-6)
    np.testing.assert_allclose(again.log_prob(rollout.action), rollout.log_prob, atol=1e-4)
    at_once = policy(obs, rollout.carry)[0].mode()
    endless = unroll(policy, obs, rollout.carry, jnp.zeros_like(done)).mode()
    for wrong in (at_once, endless):
        assert np.abs(wrong - rollout.distribution.mode()).max() > 0.1


def test_the_first_minibatch_has_a_ratio_of_one(recurrent):
    """Nothing has moved yet: the mean of normalised advantages, 0, for a loss. Then everything has: the KL shows it."""
    _, state, rollout = recurrent
    new, info = eqx.filter_jit(ppo.update)(CONFIG, state, rollout, jax.random.key(shifted(0)))
    np.testing.assert_allclose(info["policy_loss"], 0.0, atol=1e-5)
    assert float(info["kl"]) > 1e-5
    for name in ("start", "inward", "outward"):
        before, after = (getattr(s.agent.policy, name) for s in (state, new))
        assert np.abs(after - before).max() > 1e-5, f"{name} learns"


def test_training_reaches_its_end(recurrent):
    env, _, _ = recurrent
    config = dataclasses.replace(CONFIG, num_minibatches=2, num_epochs=2)
    state = ppo.init(env, config, jax.random.key(shifted(0)), make_leaky)
    rows = list(ppo.train(env, config, state, 2))
    assert int(rows[-1][0].iteration) == 2
    assert all(np.isfinite(float(value)) for _, row in rows for value in row.values())


def test_without_a_memory_nothing_is_scanned(hopper):
    """The multilayer perceptron sees all steps at once, as one matrix product."""
    env = still_env(hopper, {"elapsed": Elapsed()})
    policy = ppo.make_agent(env, CONFIG, jax.random.key(shifted(0))).policy
    obs, done = jnp.zeros((3, 2, 1), jnp.float32), jnp.zeros((3, 2), bool)
    assert initial_carry(policy, 2) == ()
    assert "scan" not in str(jax.make_jaxpr(lambda o: unroll(policy, o, (), done).mode())(obs))
    recurrent = ppo.make_agent(env, CONFIG, jax.random.key(shifted(0)), make_leaky).policy
    carry = initial_carry(recurrent, 2)
    assert "scan" in str(jax.make_jaxpr(lambda o: unroll(recurrent, o, carry, done).mode())(obs))
