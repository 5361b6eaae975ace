"""One simulation that diverged harms no other: its episode ends, it pays nothing, and it is counted."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..physics import PhysicsState

DIVERGED = "diverged"
"""The metric that is 1 in a control step whose outcome is not finite, else 0."""


class Guarded(NamedTuple):
    """The fields of a `Timestep`, in its order."""

    obs: dict[str, Float[Array, " _"]]
    reward: Float[Array, ""]
    terminated: Bool[Array, ""]
    truncated: Bool[Array, ""]
    metrics: dict[str, Float[Array, ""]]


def is_finite(physics: PhysicsState, obs: dict[str, Float[Array, " _"]], reward: Float[Array, ""]) -> Bool[Array, ""]:
    """Whether the positions, the velocities, every observation and the reward are finite."""
    leaves = (physics.qpos, physics.qvel, reward, *obs.values())
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]))


def guard(
    physics: PhysicsState,
    obs: dict[str, Float[Array, " _"]],
    reward: Float[Array, ""],
    terminated: Bool[Array, ""],
    truncated: Bool[Array, ""],
    metrics: dict[str, Float[Array, ""]],
) -> Guarded:
    """The results of a control step, where its outcome may not be finite.

    A step that diverged terminates its episode with reward 0 and zeros for observations and metrics, so that
    nothing is computed with what is not finite; the metric `diverged` says so. Any other step is returned as it is.
    The state stays as the engine left it, until a reset takes its place.

    Returns:
        The fields of a `Timestep`; the metrics have one more, `diverged`.
    """
    finite = is_finite(physics, obs, reward)
    return Guarded(
        obs={name: jnp.where(finite, value, 0.0) for name, value in obs.items()},
        reward=jnp.where(finite, reward, 0.0),
        terminated=terminated | ~finite,
        truncated=truncated & finite,
        metrics={
            **{name: jnp.where(finite, value, 0.0) for name, value in metrics.items()},
            DIVERGED: (~finite).astype(jnp.float32),
        },
    )
