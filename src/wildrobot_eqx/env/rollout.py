"""Many envs for many steps: batching, and cheap resets from a pool."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from .env import Env, EnvState, Timestep


class ResetPool(eqx.Module):
    """First states made in one go; envs that are done take one each instead of a full reset per step."""

    state: EnvState
    obs: PyTree

    @staticmethod
    def make(env: Env, key: PRNGKeyArray, size: int) -> "ResetPool":
        """`size` fresh episodes."""
        state, timestep = jax.vmap(env.reset)(jax.random.split(key, size))
        return ResetPool(state, timestep.obs)

    @property
    def size(self) -> int:
        """How many first states it holds."""
        return self.state.steps.shape[0]

    def replace(
        self, key: PRNGKeyArray, done: Bool[Array, " n"], state: EnvState, obs: PyTree
    ) -> tuple[EnvState, PyTree]:
        """Give each env that is `done` a state of the pool with a key of its own."""
        n = done.shape[0]
        key_pick, key_env = jax.random.split(key)
        pick = jax.random.randint(key_pick, (n,), 0, self.size)
        fresh = jax.tree.map(lambda leaf: leaf[pick], (self.state, self.obs))
        fresh = eqx.tree_at(lambda t: t[0].key, fresh, jax.random.split(key_env, n))
        return where(done, fresh, (state, obs))


def where(mask: Bool[Array, " n"], yes: PyTree, no: PyTree) -> PyTree:
    """Leaf by leaf, row by row: `yes` where `mask`, else `no`."""

    def select(a: Array, b: Array) -> Array:
        return jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(select, yes, no)


def spread_start(state: EnvState, key: PRNGKeyArray, episode_steps: Int[Array, ""]) -> EnvState:
    """Ages drawn at random, so that the first episodes of a batch do not all end together."""
    n = state.steps.shape[0]
    ages = jax.random.randint(key, (n,), 0, episode_steps, jnp.int32)
    return eqx.tree_at(lambda s: s.steps, state, ages)


def batch_step(env: Env, state: EnvState, action: Float[Array, "envs nu"]) -> tuple[EnvState, Timestep]:
    """`env.step` for a batch."""
    return jax.vmap(env.step)(state, action)
