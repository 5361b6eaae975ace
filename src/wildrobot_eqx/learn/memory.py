"""A policy's memory over time: empty for a multilayer perceptron, arrays for a recurrent policy."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..env.rollout import where
from .distributions import AbstractDistribution
from .networks import AbstractPolicy


def initial_carry(policy: AbstractPolicy, n: int) -> Any:
    """The policy's carry of `n` envs at the start of an episode."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (n, *leaf.shape)), policy.init())


def unroll(
    policy: AbstractPolicy, obs: Float[Array, "time envs nobs"], carry: Any, done: Bool[Array, "time envs"]
) -> AbstractDistribution:
    """The distributions over collected sequences: `carry` is handed on, and initial again after each `done`.

    Without a memory all steps go through the networks at once.
    """
    if not jax.tree.leaves(carry):
        return policy(obs, carry)[0]
    start = initial_carry(policy, done.shape[1])

    def step(carry: Any, now: tuple[Array, Array]) -> tuple[Any, AbstractDistribution]:
        distribution, after = jax.vmap(policy)(now[0], carry)
        return where(now[1], start, after), distribution

    return jax.lax.scan(step, carry, (obs, done))[1]
