"""Policies of a user's own: another distribution, a spread that depends on the state, no normaliser, no symmetry."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import still_env
from jaxtyping import Array, Float
from scipy import stats

from wildrobot_eqx import PPO
from wildrobot_eqx.deploy.export.onnx.graph import policy_graph
from wildrobot_eqx.learn import ppo
from wildrobot_eqx.observe import JointVelocities
from wildrobot_eqx.policies import AbstractDistribution, AbstractPolicy

CONFIG = PPO(num_envs=8, unroll_length=6, num_epochs=2, num_minibatches=2, hidden=(8,), desired_kl=0.01)


class Laplace(AbstractDistribution):
    """Double exponentials; of their divergence this class knows no closed form."""

    centre: Float[Array, "*batch nu"]
    scale: Float[Array, "*batch nu"]

    def sample(self, key):
        return self.centre + self.scale * jax.random.laplace(key, self.centre.shape)

    def log_prob(self, action):
        return jnp.sum(-jnp.abs(action - self.centre) / self.scale - jnp.log(2.0 * self.scale), axis=-1)

    def mode(self):
        return self.centre

    def entropy(self):
        return jnp.sum(1.0 + jnp.log(2.0 * self.scale), axis=-1)

    def kl(self, other):
        return None

    def figures(self):
        return {"scale": jnp.mean(self.scale)}


class Wide(AbstractPolicy):
    """One layer, from which the action and its spread come."""

    weights: Float[Array, "nobs two"]

    def init(self):
        return ()

    def __call__(self, obs, carry):
        centre, wide = jnp.split(obs @ self.weights, 2, axis=-1)
        return Laplace(centre, 0.1 + jax.nn.softplus(wide)), carry

    def update_norm(self, obs):
        return self


def make_wide(env, config, key):
    return Wide(0.1 * jax.random.normal(key, (env.observations["policy"].size, 2 * env.action_size)))


@pytest.fixture(scope="module")
def trained(hopper):
    env = still_env(hopper, {"joints": JointVelocities(hopper)}, episode_length=0.1)
    state = ppo.init(env, CONFIG, jax.random.key(0), make_wide)
    return state, list(ppo.train(env, CONFIG, state, 2))


@pytest.mark.slow
def test_it_trains_and_shows_its_own_figures(trained):
    first, rows = trained
    for state, figures in rows:
        assert all(np.isfinite(float(value)) for value in figures.values())
        assert float(figures["scale"]) > 0.1
        assert "std" not in figures
        assert not np.array_equal(state.agent.policy.weights, first.agent.policy.weights)


def test_a_divergence_without_a_closed_form_is_estimated(trained):
    """From the actions taken, without bias: against the integral for two one-dimensional Laplace distributions."""
    old, new = (Laplace(jnp.full((200_000, 1), c), jnp.full((200_000, 1), s)) for c, s in ((0.0, 0.5), (0.2, 0.6)))
    action = old.sample(jax.random.key(0))
    rollout = eqx.tree_at(
        lambda r: (r.distribution, r.action, r.log_prob),
        _blank(trained),
        (old, action, old.log_prob(action)),
    )
    x = np.linspace(-20.0, 20.0, 400_001)
    p, q = stats.laplace(0.0, 0.5), stats.laplace(0.2, 0.6)
    exact = np.trapezoid(p.pdf(x) * (p.logpdf(x) - q.logpdf(x)), x)
    np.testing.assert_allclose(ppo._kl(rollout, new), exact, rtol=0.03)
    assert all(float(figures["kl"]) > 0.0 for _, figures in trained[1])


def _blank(trained):
    """A rollout of nothing, to put a distribution and actions into."""
    state = trained[0]
    zero, distribution = jnp.zeros((1,)), state.agent.policy(jnp.zeros((1, 3)), ())[0]
    never = jnp.zeros((1,), bool)
    return ppo.Rollout({}, {}, (), jnp.zeros((1, 3)), distribution, zero, zero, never, never, never)


def test_its_mode_is_what_is_exported(trained):
    onnxruntime = pytest.importorskip("onnxruntime")
    policy = trained[1][-1][0].agent.policy
    session = onnxruntime.InferenceSession(policy_graph(policy, 3, {}), providers=["CPUExecutionProvider"])
    obs = np.random.default_rng(0).normal(size=(1, 3)).astype(np.float32)
    (action,) = session.run(None, {"observation": obs})
    np.testing.assert_allclose(action, policy(jnp.asarray(obs), ())[0].mode(), atol=1e-6)
