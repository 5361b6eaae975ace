"""Policies with a memory to test with."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from wildrobot_eqx.learn.networks import Normal
from wildrobot_eqx.learn.normalise import RunningNorm
from wildrobot_eqx.policies import AbstractPolicy


class Gated(AbstractPolicy):
    """A gated recurrent unit of Equinox's own; its first memory is learned, and not zero."""

    norm: RunningNorm
    log_std: Float[Array, " nu"]
    cell: eqx.nn.GRUCell
    head: eqx.nn.Linear
    start: Float[Array, " h"]

    def init(self) -> Float[Array, " h"]:
        return self.start

    def __call__(self, obs: Float[Array, "*batch nobs"], carry: Float[Array, "*batch h"]):
        batch = obs.shape[:-1]
        x, h = (v.reshape(-1, v.shape[-1]) for v in (self.norm(obs), carry))
        h = jax.vmap(self.cell)(x, h)
        mean = jax.vmap(self.head)(h)
        return Normal(mean.reshape(*batch, -1), self.log_std), h.reshape(*batch, -1)

    def update_norm(self, obs):
        return dataclasses.replace(self, norm=self.norm.update(obs))


class Layered(AbstractPolicy):
    """Two memories, one of them a scalar count, layer norm, skipped and reflected entries: most of what is traced."""

    norm: RunningNorm
    log_std: Float[Array, " nu"]
    cell: eqx.nn.LSTMCell
    scale: eqx.nn.LayerNorm
    head: eqx.nn.MLP

    def init(self) -> Any:
        zeros = jnp.zeros((self.cell.hidden_size,), jnp.float32)
        return {"lstm": (zeros, zeros), "steps": jnp.zeros((), jnp.float32)}

    def __call__(self, obs: Float[Array, "*batch nobs"], carry: Any):
        one = lambda x, c: self._one(x, c)  # noqa: E731
        for _ in obs.shape[:-1]:
            one = jax.vmap(one)
        mean, after = one(obs, carry)
        return Normal(mean, self.log_std), after

    def update_norm(self, obs):
        return dataclasses.replace(self, norm=self.norm.update(obs))

    def _one(self, obs: Float[Array, " nobs"], carry: Any):
        x = jax.nn.gelu(self.scale(self.norm(obs)))
        h, c = self.cell(jnp.where(obs[0] > 0.0, x, x[np.arange(x.size)[::-1]]), carry["lstm"])
        steps = jnp.minimum(carry["steps"] + 1.0, 5.0)
        mean = (
            jax.checkpoint(jax.nn.softplus)(self.head(jnp.concatenate([h, obs[1:3]])))
            - jnp.square(steps / 5.0)
            + jnp.mean(h)
        )
        return mean - 0.1 * jnp.max(c), {"lstm": (h, c), "steps": steps}


def make_gated(env, config, key, size: int = 8) -> Gated:
    """A `MakePolicy`."""
    nobs, nu = env.observations["policy"].size, env.action_size
    one, two, three = jax.random.split(key, 3)
    return Gated(
        norm=RunningNorm.init(nobs),
        log_std=jnp.full((nu,), jnp.log(config.init_std), jnp.float32),
        cell=eqx.nn.GRUCell(nobs, size, key=one),
        head=eqx.nn.Linear(size, nu, key=two),
        start=0.3 * jax.random.normal(three, (size,), jnp.float32),
    )


def make_layered(env, config, key, size: int = 6) -> Layered:
    """Another."""
    nobs, nu = env.observations["policy"].size, env.action_size
    one, two = jax.random.split(key)
    return Layered(
        norm=RunningNorm.init(nobs),
        log_std=jnp.full((nu,), jnp.log(config.init_std), jnp.float32),
        cell=eqx.nn.LSTMCell(nobs, size, key=one),
        scale=eqx.nn.LayerNorm(nobs),
        head=eqx.nn.MLP(size + 2, nu, 8, 2, key=two),
    )
