"""Learned rewards: they replace the env's, learn once per iteration, and live in the training state."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import DivergingPhysics, Elapsed, still_env
from jaxtyping import Array, Float

from wildrobot_eqx import PPO, Recipe, WildRobotError
from wildrobot_eqx.learn import ppo
from wildrobot_eqx.observe import JointVelocities, ObservationStack
from wildrobot_eqx.policies import AbstractRewardModel
from wildrobot_eqx.runs.checkpoint import flatten, unflatten
from wildrobot_eqx.train import registry as trainers

CONFIG = PPO(num_envs=8, unroll_length=6, num_epochs=1, num_minibatches=2, hidden=(8,))


class Linear(AbstractRewardModel):
    """Pays a linear function of the change of an observation, whose weights follow the mean change."""

    observation: str = eqx.field(static=True)
    rate: Float[Array, ""]

    def init(self, key, env):
        return {"weights": jax.random.normal(key, (env.observations[self.observation].size,)), "updates": jnp.int32(0)}

    def relabel(self, state, rollout):
        return (rollout.final_obs[self.observation] - rollout.obs[self.observation]) @ state["weights"]

    def update(self, state, rollout, key):
        change = rollout.final_obs[self.observation] - rollout.obs[self.observation]
        mean = jnp.mean(jnp.where(rollout.diverged[..., None], 0.0, change), axis=(0, 1))
        weights = state["weights"] + self.rate * mean + 1e-3 * jax.random.normal(key, mean.shape)
        return {"weights": weights, "updates": state["updates"] + 1}, {"change": jnp.linalg.norm(mean)}


MODEL = Linear("amp", jnp.float32(0.5))


@pytest.fixture(scope="module")
def env(hopper):
    """Episodes of 5 steps of robots that may diverge; the model sees an observation that no network does."""
    terms = {"joints": JointVelocities(hopper)}
    stacks = {"policy": ObservationStack(terms), "critic": ObservationStack(terms)}
    stacks["amp"] = ObservationStack({"elapsed": Elapsed()}, policy=False)
    return still_env(hopper, {}, observations=stacks, episode_length=0.1, physics=DivergingPhysics(hopper, limit=0.0))


@pytest.fixture(scope="module")
def collected(env):
    state = ppo.init(env, CONFIG, jax.random.key(0), reward_model=MODEL)
    key_pool, key_steps, key = jax.random.split(state.key, 3)
    pool = ppo.make_pool(env, CONFIG, key_pool)
    state, rollout, _ = eqx.filter_jit(ppo.collect)(env, CONFIG, state, pool, key_steps, MODEL.observation)
    return state, rollout, key


@pytest.fixture(scope="module")
def trained(env):
    """Four iterations in one go, and two and two."""

    def train(state, iterations):
        return list(ppo.train(env, CONFIG, state, iterations, reward_model=MODEL))

    first = ppo.init(env, CONFIG, jax.random.key(0), reward_model=MODEL)
    return first, train(first, 4), train(train(first, 2)[-1][0], 4)


def test_it_sees_the_true_next_observation(collected):
    """20 ms later than the one before, also where an episode ended and the next one has begun."""
    _, rollout, _ = collected
    assert rollout.final_obs.keys() == {"critic", "amp"}
    ended = np.asarray(rollout.truncated)
    assert ended.any()
    sound = ~np.asarray(rollout.diverged)
    later = np.asarray(rollout.final_obs["amp"] - rollout.obs["amp"])[..., 0]
    np.testing.assert_allclose(later[sound], 0.02, atol=1e-6)


def test_what_is_learned_follows_its_reward_alone(collected):
    """The env's own reward changes nothing, the model's weights change everything, and a step that diverged pays 0."""
    state, rollout, key = collected
    update = eqx.filter_jit(ppo.update)
    one, figures = update(CONFIG, state, rollout, key, MODEL)
    richer = dataclasses.replace(rollout, reward=rollout.reward + 1.0)
    turned = eqx.tree_at(lambda s: s.reward_model["weights"], state, -state.reward_model["weights"])
    same, other = (update(CONFIG, s, r, key, MODEL)[0] for s, r in ((state, richer), (turned, rollout)))
    weights = [s.agent.value.mlp.weights[0] for s in (one, same, other)]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert np.abs(weights[0] - weights[2]).max() > 1e-6
    assert rollout.diverged.any()
    paid = np.where(rollout.diverged, 0.0, MODEL.relabel(state.reward_model, rollout))
    np.testing.assert_allclose(figures["reward_model/reward_per_step"], paid.mean(), rtol=1e-5)
    assert float(figures["reward_model/change"]) > 0.0


def test_it_learns_once_per_iteration(trained):
    first, rows, _ = trained
    assert [int(state.reward_model["updates"]) for state, _ in rows] == [1, 2, 3, 4]
    assert np.abs(rows[-1][0].reward_model["weights"] - first.reward_model["weights"]).max() > 1e-3


def test_a_training_that_was_split_ends_with_the_same_model(trained):
    _, whole, halves = trained
    for name, value in flatten(whole[-1][0]).items():
        np.testing.assert_array_equal(flatten(halves[-1][0])[name], value, err_msg=name)


def test_a_checkpoint_keeps_it(env, trained):
    recipe = Recipe(env=env, learner=CONFIG, steps=200, reward_model=MODEL)
    state = trained[1][-1][0]
    read = unflatten(trainers.template(trainers.trainer("ppo"), recipe), flatten(state))
    np.testing.assert_array_equal(read.reward_model["weights"], state.reward_model["weights"])
    seen = []
    longer = dataclasses.replace(recipe, steps=5 * CONFIG.steps_per_iteration)
    trainers.trainer("ppo").run(longer, read, lambda new, figures: seen.append((new, figures)), 1)
    assert int(seen[-1][0].reward_model["updates"]) == 5
    assert "reward_model/change" in seen[-1][1]


def test_an_observation_that_the_env_lacks_is_named(env):
    with pytest.raises(WildRobotError) as caught:
        ppo.init(env, CONFIG, jax.random.key(0), reward_model=Linear("amb", jnp.float32(1.0)))
    assert "'amb'" in caught.value.what
    assert caught.value.where == "Linear, observation"
    assert "amp" in caught.value.hint


def test_brax_refuses_it(env):
    pytest.importorskip("brax")
    recipe = Recipe(env=env, learner=CONFIG, steps=200, reward_model=MODEL)
    for name in ("brax-ppo", "brax-sac"):
        with pytest.raises(WildRobotError) as caught:
            trainers.trainer(name).schedule(recipe)
        assert caught.value.where == "Recipe, reward_model"
