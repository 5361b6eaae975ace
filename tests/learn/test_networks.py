"""Distributions and networks against scipy and NumPy; symmetry exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import policy_terms
from scipy import stats

from wildrobot_eqx.learn.networks import MLP, MLPPolicy, MLPValue, Normal, SideMirror
from wildrobot_eqx.learn.normalise import RunningNorm
from wildrobot_eqx.observe import ObservationStack


@pytest.fixture
def gaussian():
    rng = np.random.default_rng(0)
    mean, log_std = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    return Normal(jnp.asarray(mean), jnp.asarray(log_std)), mean, np.exp(log_std)


def test_log_prob_is_scipys(gaussian):
    distribution, mean, std = gaussian
    action = np.random.default_rng(1).normal(size=mean.shape).astype(np.float32)
    expected = [stats.multivariate_normal(m, np.diag(std**2)).logpdf(a) for m, a in zip(mean, action)]
    np.testing.assert_allclose(distribution.log_prob(jnp.asarray(action)), expected, rtol=1e-5)


def test_entropy_is_scipys(gaussian):
    distribution, mean, std = gaussian
    np.testing.assert_allclose(
        distribution.entropy(), stats.multivariate_normal(mean[0], np.diag(std**2)).entropy(), rtol=1e-5
    )


def test_samples_have_the_distribution(gaussian):
    distribution, mean, std = gaussian
    keys = jax.random.split(jax.random.key(0), 4000)
    samples = np.asarray(jax.vmap(distribution.sample)(keys))
    np.testing.assert_allclose(samples.mean(axis=0), mean, atol=4 * std.max() / np.sqrt(4000))
    np.testing.assert_allclose(samples.std(axis=0), np.broadcast_to(std, mean.shape), rtol=0.06)


def test_kl_is_the_mean_log_ratio(gaussian):
    """Against Monte Carlo: the mean of log p - log q over samples of p."""
    p = gaussian[0]
    q = Normal(p.mean + 0.3, p.log_std - 0.2)
    samples = jax.vmap(p.sample)(jax.random.split(jax.random.key(1), 20000))
    estimate = np.asarray(jax.vmap(p.log_prob)(samples) - jax.vmap(q.log_prob)(samples))
    exact = float(p.kl(q).mean())
    np.testing.assert_allclose(exact, estimate.mean(), atol=5 * estimate.std() / np.sqrt(estimate.size))
    np.testing.assert_allclose(p.kl(p), 0.0, atol=1e-6)


def test_a_spread_may_have_a_batch_of_its_own(gaussian):
    """What a vmapped policy yields: the same densities, divergences and entropies, one for each sample."""
    one, mean, std = gaussian
    each = Normal(one.mean, jnp.broadcast_to(one.log_std, one.mean.shape))
    action, other = jnp.asarray(mean + 0.3 * std), Normal(one.mean + 0.1, one.log_std)
    np.testing.assert_allclose(each.log_prob(action), one.log_prob(action), rtol=1e-5)
    np.testing.assert_allclose(each.kl(other), one.kl(other), rtol=1e-5)
    assert each.entropy().shape == (len(mean),)
    np.testing.assert_allclose(each.entropy(), one.entropy(), rtol=1e-6)
    np.testing.assert_array_equal(one.mode(), mean)


def test_mlp_against_numpy():
    mlp = MLP((4, 8, 7, 2), jax.random.key(0))
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    expected = x
    for i, (w, b) in enumerate(zip(mlp.weights, mlp.biases)):
        expected = expected @ np.asarray(w) + np.asarray(b)
        if i < 2:
            expected = np.where(expected > 0, expected, np.exp(np.minimum(expected, 0)) - 1)
    np.testing.assert_allclose(mlp(jnp.asarray(x)), expected, atol=1e-5)
    w = np.asarray(mlp.weights[0])
    np.testing.assert_allclose(w @ w.T, 2.0 * np.eye(4), atol=1e-5, err_msg="orthogonal, gain sqrt(2)")


def test_running_norm_is_numpys_over_all_batches():
    rng = np.random.default_rng(3)
    batches = [rng.normal(loc=i, scale=1 + i, size=(n, 3)).astype(np.float32) for i, n in enumerate((500, 20, 1000))]
    norm = RunningNorm.init(3)
    for batch in batches:
        norm = norm.update(jnp.asarray(batch))
    # the start counts as one sample at 0 with unit variance
    seen = np.concatenate(batches).astype(np.float64)
    n = len(seen) + 1
    mean = seen.sum(axis=0) / n
    var = ((seen - mean) ** 2).sum(axis=0) / n + (1.0 + mean**2) / n
    np.testing.assert_allclose(norm.count, n)
    np.testing.assert_allclose(norm.mean, mean, rtol=1e-4)
    np.testing.assert_allclose(norm.var, var, rtol=1e-4)
    x = seen[:5].astype(np.float32)
    np.testing.assert_allclose(norm(jnp.asarray(x)), (x - mean) / np.sqrt(var + 1e-4), atol=1e-4)
    assert float(norm(jnp.full((3,), 1e6)).max()) == 10.0


@pytest.fixture(scope="module", params=["gait_phase", "gravity"])
def symmetric(robot, request):
    """A policy and a value with random weights and statistics, mirrored by the gait clock or by the lean."""
    stack = ObservationStack(policy_terms(robot))
    index = next(s.start for s in stack.layout if s.name == request.param) + (request.param == "gravity")
    mirror = SideMirror(stack.mirror, robot.mirror, index)
    rng = np.random.default_rng(0)
    norm = RunningNorm.init(stack.size).update(jnp.asarray(rng.normal(1.0, 2.0, (50, stack.size)), jnp.float32))
    keys = jax.random.split(jax.random.key(0))
    policy = MLPPolicy(norm, jnp.zeros((robot.nu,)), mirror, MLP((stack.size, 32, robot.nu), keys[0]))
    value = MLPValue(norm, MLP((stack.size, 32, 1), keys[1]), mirror)
    obs = rng.normal(size=(64, stack.size)).astype(np.float32)
    obs[np.abs(obs[:, index]) < 1e-3, index] = 0.5
    return policy, value, jnp.asarray(obs), mirror


def test_a_mirrored_policy_is_exactly_symmetric(symmetric):
    """policy(mirror(obs)) is mirror(policy(obs)), to the bit, wherever the side is clear."""
    policy, _, obs, mirror = symmetric
    action = policy(obs, ())[0].mean
    seen = policy(mirror.observation(obs), ())[0].mean
    np.testing.assert_array_equal(seen, mirror.action(action))
    assert (np.asarray(mirror.action(action)) != np.asarray(action)).any(axis=1).all()
    assert 10 < int(mirror.reflected(obs).sum()) < 54


def test_a_mirrored_value_is_exactly_symmetric(symmetric):
    _, value, obs, mirror = symmetric
    np.testing.assert_array_equal(value(mirror.observation(obs)), value(obs))


def test_one_sample_and_a_batch_agree(symmetric):
    policy, value, obs, _ = symmetric
    np.testing.assert_allclose(policy(obs[0], ())[0].mean, policy(obs, ())[0].mean[0], atol=1e-5)
    np.testing.assert_allclose(value(obs[0]), value(obs)[0], atol=1e-5)
