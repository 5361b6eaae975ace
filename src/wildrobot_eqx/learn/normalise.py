"""Running normalisation of observations, carried in the training state."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class RunningNorm(eqx.Module):
    """Mean and variance of everything seen so far; calling it normalises and clips.

    No gradient reaches them: they change by `update` alone.
    """

    count: Float[Array, ""]
    mean: Float[Array, " n"]
    var: Float[Array, " n"]

    @staticmethod
    def init(size: int) -> "RunningNorm":
        """Unit variance about 0, with the weight of one sample."""
        one = jnp.ones((), jnp.float32)
        return RunningNorm(one, jnp.zeros((size,), jnp.float32), jnp.ones((size,), jnp.float32))

    def __call__(self, x: Float[Array, "*batch n"]) -> Float[Array, "*batch n"]:
        """`(x - mean) / sd`, clipped to [-10, 10]."""
        mean, var = jax.lax.stop_gradient((self.mean, self.var))
        return jnp.clip((x - mean) / jnp.sqrt(var + 1e-4), -10.0, 10.0)

    def update(self, x: Float[Array, "batch n"]) -> "RunningNorm":
        """Include a batch (Chan, Golub and LeVeque 1979, the pairwise update)."""
        n = jnp.float32(x.shape[0])
        mean, var = jnp.mean(x, axis=0), jnp.var(x, axis=0)
        total = self.count + n
        delta = mean - self.mean
        moment = self.var * self.count + var * n + jnp.square(delta) * self.count * n / total
        return RunningNorm(total, self.mean + delta * n / total, moment / total)
