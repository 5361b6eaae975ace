"""States of robots that walk by a policy of their own."""

import jax
import jax.numpy as jnp
from helpers import shifted

from wildrobot_eqx.learn import ppo
from wildrobot_eqx.recipes.recipe import load_recipe


def walking(n: int):
    """States of the walk recipe's own robots while they walk, and the command that each was given next."""
    recipe = load_recipe("walk")(steps=500_000)
    env, config = recipe.env, recipe.learner
    kept = []
    for state, figures in ppo.train(env, config, ppo.init(env, config, jax.random.key(shifted(0))), 195):
        if int(state.iteration) > 187:
            kept.append((state.env_state.physics, state.obs["policy"]))
            assert float(figures["lin_vel_x_error"]) < 0.12, "they do not walk yet"
    physics, obs = jax.tree.map(lambda *a: jnp.concatenate(a)[:n], *kept)
    action = state.agent.policy(obs, ())[0].mean
    return physics, jax.vmap(lambda a: env.controller(env.controller.init(), a)[0])(action)
