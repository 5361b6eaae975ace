"""Trainings under `vmap`: each row is the training that it would be by itself, but for the order of sums."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import Elapsed, shifted, still_env

from wildrobot_eqx import PPO
from wildrobot_eqx.learn import ppo
from wildrobot_eqx.learn.together import iterate, row, stack
from wildrobot_eqx.observe import JointVelocities

CONFIG = PPO(num_envs=8, unroll_length=6, num_epochs=1, num_minibatches=2, hidden=(8,), reset_pool=8)


@pytest.mark.slow
def test_each_row_is_the_training_by_itself(hopper):
    env = still_env(hopper, {"elapsed": Elapsed(), "joints": JointVelocities(hopper)}, episode_length=0.08)
    begun = [ppo.init(env, CONFIG, jax.random.key(shifted(seed))) for seed in (0, 1, 2)]
    states, told = stack(begun), []
    for _ in range(2):
        states, figures = iterate(env, CONFIG, states)
        told.append(figures)
    for i, state in enumerate(begun):
        alone = list(ppo.train(env, CONFIG, state, 2))
        mine = row(states, i)
        np.testing.assert_array_equal(jax.random.key_data(mine.key), jax.random.key_data(alone[-1][0].key))
        assert int(mine.iteration) == 2
        pairs = zip(jax.tree.leaves(mine.agent), jax.tree.leaves(alone[-1][0].agent), strict=True)
        for a, b in pairs:
            if isinstance(a, jnp.ndarray):
                np.testing.assert_allclose(a, b, atol=1e-4)
        for k, (_, figures) in enumerate(alone):
            assert set(figures) == set(told[k])
            for name, value in figures.items():
                np.testing.assert_allclose(told[k][name][i], value, rtol=1e-3, atol=1e-4, err_msg=name)
    assert (
        len({float(told[0]["reward_per_step"][i]) for i in range(3)} | {float(told[1]["kl"][i]) for i in range(3)}) > 3
    )
