"""A recipe whose policy remembers: the hopper of recipes/hop.py with a gated recurrent unit.

wildrobot-eqx run docs/examples/recurrent_hop.py
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

import wildrobot_eqx as we


class GRUPolicy(we.policies.AbstractPolicy):
    """A Gaussian policy behind one layer of gated recurrent units (Cho et al. 2014, arXiv 1406.1078)."""

    norm: we.policies.RunningNorm
    log_std: Float[Array, " nu"]
    cell: eqx.nn.GRUCell
    head: eqx.nn.Linear

    def init(self) -> Float[Array, " h"]:
        return jnp.zeros((self.cell.hidden_size,), jnp.float32)

    def __call__(
        self, obs: Float[Array, "*batch nobs"], carry: Float[Array, "*batch h"]
    ) -> tuple[we.policies.Normal, Float[Array, "*batch h"]]:
        one = self._one
        for _ in obs.shape[:-1]:
            one = jax.vmap(one)
        mean, after = one(obs, carry)
        return we.policies.Normal(mean, self.log_std), after

    def update_norm(self, obs: Float[Array, "batch nobs"]) -> "GRUPolicy":
        return dataclasses.replace(self, norm=self.norm.update(obs))

    def _one(
        self, obs: Float[Array, " nobs"], carry: Float[Array, " h"]
    ) -> tuple[Float[Array, " nu"], Float[Array, " h"]]:
        after = self.cell(self.norm(obs), carry)
        return self.head(after), after


def make_gru(env: we.Env, config: we.PPO, key: PRNGKeyArray) -> GRUPolicy:
    """A policy of the width of the config's first hidden layer, sized by the env."""
    nobs, nu, size = env.observations["policy"].size, env.action_size, config.hidden[0]
    key_cell, key_head = jax.random.split(key)
    return GRUPolicy(
        norm=we.policies.RunningNorm.init(nobs),
        log_std=jnp.full((nu,), jnp.log(config.init_std), jnp.float32),
        cell=eqx.nn.GRUCell(nobs, size, key=key_cell),
        head=eqx.nn.Linear(size, nu, key=key_head),
    )


@we.recipe
def recurrent_hop(
    physics: we.EngineName = "auto", steps: int = 300_000, seed: int = 0, num_envs: int = 64
) -> we.Recipe:
    """Move on one leg, with a memory."""
    made = we.load_recipe("hop")(physics=physics, steps=steps, seed=seed, num_envs=num_envs)
    ppo = we.PPO(num_envs=num_envs, decay_steps=steps, hidden=(32, 32))
    return we.Recipe(env=made.env, learner=ppo, steps=steps, seed=seed, policy=make_gru)
