"""Many envs for many steps: batching, and cheap resets from a pool."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray, PyTree

from .env import Env, EnvState, Timestep


class ResetPool(eqx.Module):
    """First states made in one go; envs that are done take one each instead of a full reset per step."""

    state: EnvState
    obs: PyTree

    @staticmethod
    def make(env: Env, key: PRNGKeyArray, size: int) -> "ResetPool":
        """`size` fresh episodes."""
        return ResetPool.of(env, jax.random.split(key, size))

    @staticmethod
    def of(env: Env, keys: Key[Array, " n"]) -> "ResetPool":
        """A fresh episode of each key."""
        state, timestep = jax.vmap(env.reset)(keys)
        return ResetPool(state, timestep.obs)

    @property
    def size(self) -> int:
        """How many first states it holds."""
        return self.state.steps.shape[0]

    def replace(
        self, keys: Key[Array, " n"], done: Bool[Array, " n"], state: EnvState, obs: PyTree
    ) -> tuple[EnvState, PyTree]:
        """Give each env that is `done` a state of the pool with a key of its own.

        `keys` has one for each env, so that what an env gets does not depend on those beside it.
        """
        key_pick, key_env = jax.vmap(jax.random.split, out_axes=1)(keys)
        pick = jax.vmap(lambda key: jax.random.randint(key, (), 0, self.size))(key_pick)
        fresh = jax.tree.map(lambda leaf: leaf[pick], (self.state, self.obs))
        fresh = eqx.tree_at(lambda t: t[0].key, fresh, key_env)
        return where(done, fresh, (state, obs))


def where(mask: Bool[Array, " n"], yes: PyTree, no: PyTree) -> PyTree:
    """Leaf by leaf, row by row: `yes` where `mask`, else `no`."""

    def select(a: Array, b: Array) -> Array:
        return jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(select, yes, no)


def keys_of(key: PRNGKeyArray, first: Int[Array, ""] | int, n: int) -> Key[Array, " n"]:
    """One key for each of `n` envs of a batch, from the `first` on: the same however the batch is cut."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, first + jnp.arange(n, dtype=jnp.uint32))


def tracking_errors(metrics: dict[str, Float[Array, "*batch"]]) -> dict[str, Float[Array, "*batch"]]:
    """For each metric `NAME` that has a `commanded_NAME` beside it, `NAME_error`: what is too much of it."""
    pairs = {name: f"commanded_{name}" for name in sorted(metrics) if f"commanded_{name}" in metrics}
    return {f"{name}_error": metrics[name] - metrics[commanded] for name, commanded in pairs.items()}


def spread_start(state: EnvState, key: PRNGKeyArray, episode_steps: Int[Array, ""]) -> EnvState:
    """Ages drawn at random, so that the first episodes of a batch do not all end together."""
    n = state.steps.shape[0]
    ages = jax.random.randint(key, (n,), 0, episode_steps, jnp.int32)
    return eqx.tree_at(lambda s: s.steps, state, ages)


def batch_step(env: Env, state: EnvState, action: Float[Array, "envs nu"]) -> tuple[EnvState, Timestep]:
    """`env.step` for a batch."""
    return jax.vmap(env.step)(state, action)
