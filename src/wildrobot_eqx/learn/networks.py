"""Policies and value functions: `policy(obs, carry) -> (distribution, carry)`, `value(obs)`."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from ..module import AbstractModule
from ..robots import Mirror
from .distributions import AbstractDistribution
from .distributions import Normal as Normal
from .normalise import RunningNorm


class MLP(AbstractModule):
    """A multilayer perceptron with elu units, for single samples or batches alike."""

    weights: list[Float[Array, "n_in n_out"]]
    biases: list[Float[Array, " n_out"]]

    def __init__(self, sizes: tuple[int, ...], key: PRNGKeyArray, output_scale: float = 1.0):
        keys = jax.random.split(key, len(sizes) - 1)
        last = len(keys) - 1
        self.weights, self.biases = [], []
        for i, k in enumerate(keys):
            scale = output_scale if i == last else jnp.sqrt(2.0)
            orthogonal = jax.nn.initializers.orthogonal(scale)
            self.weights.append(orthogonal(k, (sizes[i], sizes[i + 1]), jnp.float32))
            self.biases.append(jnp.zeros((sizes[i + 1],), jnp.float32))

    def __call__(self, x: Float[Array, "*batch n_in"]) -> Float[Array, "*batch n_out"]:
        """The output layer's values."""
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            x = x @ weight + bias
            if i < len(self.weights) - 1:
                x = jax.nn.elu(x)
        return x


class SideMirror(eqx.Module):
    """Makes a policy symmetric: observations of one side are reflected to the other, and their actions back.

    The side is the sign of one entry, which its own reflection turns around. By the gait
    clock's sine the network only ever sees the half cycle in which the left foot swings (the
    PHASE method of Abdolhosseini et al. 2019, "On Learning Symmetric Locomotion", section
    4.3); by the sideways part of gravity, robots that lean to one side.
    """

    observation: Mirror
    action: Mirror
    index: int = eqx.field(static=True)  # of the entry whose sign changes with the side

    def reflected(self, obs: Float[Array, "*batch nobs"]) -> Bool[Array, "*batch 1"]:
        """Which samples are reflected: those whose entry is negative."""
        return obs[..., self.index, None] < 0.0

    def one_side(self, obs: Float[Array, "*batch nobs"]) -> Float[Array, "*batch nobs"]:
        """The observations as a network sees them: those of the other side are reflected."""
        return jnp.where(self.reflected(obs), self.observation(obs), obs)


class AbstractPolicy(AbstractModule):
    """From an observation and a memory to a distribution of actions, for single samples or batches alike.

    Gradients change every array of floats; `RunningNorm` lets none through, and learns by `update_norm`.
    """

    @abc.abstractmethod
    def init(self) -> Any:
        """The memory at the start of an episode."""

    @abc.abstractmethod
    def __call__(self, obs: Float[Array, "*batch nobs"], carry: Any) -> tuple[AbstractDistribution, Any]:
        """The distribution of actions, and the next memory."""

    @abc.abstractmethod
    def update_norm(self, obs: Float[Array, "batch nobs"]) -> "AbstractPolicy":
        """The policy with an iteration's observations in its running statistics; one without any is its own."""


class AbstractValue(AbstractModule):
    """A value function of the critic's observation, for single samples or batches alike."""

    @abc.abstractmethod
    def __call__(self, obs: Float[Array, "*batch nobs"]) -> Float[Array, "*batch"]:
        """The value of each observation."""

    @abc.abstractmethod
    def update_norm(self, obs: Float[Array, "batch nobs"]) -> "AbstractValue":
        """The function with an iteration's observations in its running statistics; one without any is its own."""


class MLPPolicy(AbstractPolicy):
    """A Gaussian policy with a state-independent spread and, if given, exact left-right symmetry."""

    norm: RunningNorm
    log_std: Float[Array, " nu"]
    mirror: SideMirror | None
    mlp: MLP

    def init(self) -> tuple[()]:
        return ()

    def __call__(self, obs: Float[Array, "*batch nobs"], carry: tuple[()]) -> tuple[Normal, tuple[()]]:
        if self.mirror is None:
            return Normal(self.mlp(self.norm(obs)), self.log_std), carry
        mean = self.mlp(self.norm(self.mirror.one_side(obs)))
        return Normal(jnp.where(self.mirror.reflected(obs), self.mirror.action(mean), mean), self.log_std), carry

    def update_norm(self, obs: Float[Array, "batch nobs"]) -> "MLPPolicy":
        one_side_obs = obs if self.mirror is None else self.mirror.one_side(obs)
        return eqx.tree_at(lambda p: p.norm, self, self.norm.update(one_side_obs))


class MLPValue(AbstractValue):
    """A value function behind a multilayer perceptron and, if given, exact left-right symmetry."""

    norm: RunningNorm
    mlp: MLP
    mirror: SideMirror | None

    def __call__(self, obs: Float[Array, "*batch nobs"]) -> Float[Array, "*batch"]:
        one_side_obs = obs if self.mirror is None else self.mirror.one_side(obs)
        return self.mlp(self.norm(one_side_obs))[..., 0]

    def update_norm(self, obs: Float[Array, "batch nobs"]) -> "MLPValue":
        one_side_obs = obs if self.mirror is None else self.mirror.one_side(obs)
        return eqx.tree_at(lambda v: v.norm, self, self.norm.update(one_side_obs))
