"""Generalised advantage estimation."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def gae(
    rewards: Float[Array, "time envs"],
    values: Float[Array, "time envs"],
    next_values: Float[Array, "time envs"],
    terminated: Bool[Array, "time envs"],
    done: Bool[Array, "time envs"],
    gamma: float,
    lam: float,
) -> tuple[Float[Array, "time envs"], Float[Array, "time envs"]]:
    """Advantages and value targets (Schulman et al. 2016, arXiv 1506.02438, eq. 16).

    `next_values` are values of the true next observation: of the final one, never of the
    reset one, where an episode ended. A terminated step bootstraps nothing, a truncated
    one bootstraps its final value; the sum over time stops at either. What does not count
    is left out by selection, not multiplied by zero: it need not be finite.
    """
    delta = rewards + gamma * jnp.where(terminated, 0.0, next_values) - values

    def back(carry: Float[Array, " envs"], step: tuple[Array, Array]) -> tuple[Array, Array]:
        advantage = step[0] + jnp.where(step[1], 0.0, gamma * lam * carry)
        return advantage, advantage

    _, advantages = jax.lax.scan(back, jnp.zeros_like(delta[0]), (delta, done), reverse=True)
    return advantages, advantages + values
