"""Advantages against a double loop that writes the definition out."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import shifted

from wildrobot_eqx.learn.gae import gae

GAMMA, LAM = 0.93, 0.8


def _double_loop(rewards, values, next_values, terminated, done):
    """Eq. 16 of Schulman et al.: the sum of discounted temporal differences until the episode ends."""
    steps, envs = rewards.shape
    advantages = np.zeros((steps, envs))
    for e in range(envs):
        for start in range(steps):
            for t in range(start, steps):
                bootstrap = 0.0 if terminated[t, e] else next_values[t, e]
                delta = rewards[t, e] + GAMMA * bootstrap - values[t, e]
                advantages[start, e] += (GAMMA * LAM) ** (t - start) * delta
                if done[t, e]:
                    break
    return advantages


def _data(seed, steps=17, envs=6):
    rng = np.random.default_rng(shifted(seed))
    numbers = [rng.normal(size=(steps, envs)).astype(np.float32) for _ in range(3)]
    terminated = rng.random((steps, envs)) < 0.15
    truncated = (rng.random((steps, envs)) < 0.15) & ~terminated
    return (*numbers, terminated, terminated | truncated)


def test_a_value_beyond_a_failure_need_not_be_finite():
    """The final state of a simulation that diverged: neither its step nor an earlier one knows of it."""
    rewards, values, next_values, terminated, done = _data(0)
    expected, _ = gae(*map(jnp.asarray, (rewards, values, next_values, terminated, done)), GAMMA, LAM)
    next_values = np.where(terminated, np.nan, next_values)
    found, _ = gae(*map(jnp.asarray, (rewards, values, next_values, terminated, done)), GAMMA, LAM)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("seed", range(4))
def test_against_the_double_loop(seed):
    data = _data(seed)
    assert data[3].any()
    assert (data[4] & ~data[3]).any()
    advantages, targets = gae(*map(jnp.asarray, data), GAMMA, LAM)
    expected = _double_loop(*data)
    np.testing.assert_allclose(advantages, expected, atol=1e-5)
    np.testing.assert_allclose(targets, expected + data[1], atol=1e-5)


def test_lambda_one_is_the_discounted_return():
    """With no end in sight and lambda 1, the target is the rewards' sum and the last value's."""
    rewards, values, *_ = _data(1)
    never = np.zeros(rewards.shape, bool)
    last = np.ones((1, rewards.shape[1]), np.float32)
    next_values = np.concatenate([values[1:], last])
    _, targets = gae(*map(jnp.asarray, (rewards, values, next_values, never, never)), GAMMA, 1.0)
    steps = len(rewards)
    expected = sum(GAMMA**t * rewards[t] for t in range(steps)) + GAMMA**steps * last[0]
    np.testing.assert_allclose(targets[0], expected, atol=1e-5)


def test_an_end_lets_nothing_through():
    """What comes after an episode's end changes nothing before it; only truncation bootstraps."""
    rewards, values, next_values, *_ = _data(2)
    for terminated in (True, False):
        done = np.zeros(rewards.shape, bool)
        done[5] = True
        stop = done & terminated
        one, _ = gae(*map(jnp.asarray, (rewards, values, next_values, stop, done)), GAMMA, LAM)
        later, final = rewards.copy(), next_values.copy()
        later[6:] += 100.0
        final[5] += 1.0
        two, _ = gae(*map(jnp.asarray, (later, values, final, stop, done)), GAMMA, LAM)
        expected = 0.0 if terminated else GAMMA
        np.testing.assert_allclose(two[5] - one[5], expected, atol=1e-5)
