"""The policy of a learner whose actions lie within -1 and 1, such as soft actor-critic, without its noise."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .distributions import Normal
from .networks import MLP, AbstractPolicy
from .normalise import RunningNorm


class SquashedPolicy(AbstractPolicy):
    """Actions `tanh(mlp(norm(obs)))`: the mode of a squashed Gaussian.

    The spread that such a learner explores with depends on the state and belongs to its
    training; it is left behind, and `log_std` is that of a nearly deterministic policy.
    """

    norm: RunningNorm
    log_std: Float[Array, " nu"]
    mlp: MLP

    def init(self) -> tuple[()]:
        return ()

    def __call__(self, obs: Float[Array, "*batch nobs"], carry: Any) -> tuple[Normal, Any]:
        return Normal(jnp.tanh(self.mlp(self.norm(obs))), self.log_std), carry

    def update_norm(self, obs: Float[Array, "batch nobs"]) -> "SquashedPolicy":
        return eqx.tree_at(lambda p: p.norm, self, self.norm.update(obs))
