"""Distributions over actions: what a policy yields, and PPO computes with."""

import abc
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..module import AbstractModule


class AbstractDistribution(AbstractModule):
    """A distribution over actions, for single samples or batches alike.

    Its arrays may have leading batch axes, or broadcast against them, as a spread does that is the same in every state.
    """

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray) -> Float[Array, "*batch nu"]:
        """A random action."""

    @abc.abstractmethod
    def log_prob(self, action: Float[Array, "*batch nu"]) -> Float[Array, "*batch"]:
        """Log density, summed over the action's entries."""

    @abc.abstractmethod
    def mode(self) -> Float[Array, "*batch nu"]:
        """The action that evaluations, films and robots take."""

    @abc.abstractmethod
    def entropy(self) -> Float[Array, "..."]:
        """Entropy in nats; its shape broadcasts against the batch."""

    @abc.abstractmethod
    def kl(self, other: Any) -> Float[Array, "..."] | None:
        """KL divergence from this distribution to `other`, one of its kind, in nats.

        None where no closed form is known: PPO then estimates it from the actions that were taken.
        """

    @abc.abstractmethod
    def figures(self) -> dict[str, Float[Array, ""]]:
        """What training shows of it by name, such as its spread; means over the batch."""


class Normal(AbstractDistribution):
    """A diagonal Gaussian; its spread is the same in every state, or has the batch axes of the mean."""

    mean: Float[Array, "*batch nu"]
    log_std: Float[Array, "*#batch nu"]

    def sample(self, key: PRNGKeyArray) -> Float[Array, "*batch nu"]:
        return self.mean + jnp.exp(self.log_std) * jax.random.normal(key, self.mean.shape, jnp.float32)

    def log_prob(self, action: Float[Array, "*batch nu"]) -> Float[Array, "*batch"]:
        z = (action - self.mean) * jnp.exp(-self.log_std)
        return jnp.sum(-0.5 * jnp.square(z) - self.log_std - 0.5 * jnp.log(2.0 * jnp.pi), axis=-1)

    def mode(self) -> Float[Array, "*batch nu"]:
        return self.mean

    def entropy(self) -> Float[Array, "..."]:
        return jnp.sum(self.log_std + 0.5 * jnp.log(2.0 * jnp.pi * jnp.e), axis=-1)

    def kl(self, other: Any) -> Float[Array, "..."]:
        ratio = jnp.exp(2.0 * (self.log_std - other.log_std))
        distance = jnp.square((self.mean - other.mean) * jnp.exp(-other.log_std))
        return jnp.sum(0.5 * (ratio + distance - 1.0) + other.log_std - self.log_std, axis=-1)

    def figures(self) -> dict[str, Float[Array, ""]]:
        return {"std": jnp.mean(jnp.exp(self.log_std))}
