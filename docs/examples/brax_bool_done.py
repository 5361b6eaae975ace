"""A bool `done`: the error that Brax raises, and what the checker says instead, before any compile."""

import jax
import jax.numpy as jnp
from brax import envs
from brax.envs.wrappers.training import wrap

from wildrobot_eqx.adapters import check_brax


class Falling(envs.Env):
    """A stone that falls from 1 m; the action pushes it upwards."""

    observation_size = 2
    action_size = 1
    backend = "none"

    def reset(self, rng):
        height = jnp.ones((), jnp.float32)
        zero = jnp.zeros((), jnp.float32)
        return envs.State(
            pipeline_state={"height": height, "speed": zero},
            obs=jnp.stack([height, zero]),
            reward=zero,
            done=height < 0.0,
        )

    def step(self, state, action):
        speed = state.pipeline_state["speed"] + 0.02 * (action[0] - 9.81)
        height = state.pipeline_state["height"] + 0.02 * speed
        return state.replace(
            pipeline_state={"height": height, "speed": speed},
            obs=jnp.stack([height, speed]),
            reward=height,
            done=height < 0.0,
        )


def train(env):
    """What every Brax trainer does first: scan the wrapped env."""
    wrapped = wrap(env, episode_length=100)
    state = wrapped.reset(jax.random.split(jax.random.PRNGKey(0), 4))
    actions = jnp.zeros((10, 4, 1), jnp.float32)
    return jax.lax.scan(lambda s, a: (wrapped.step(s, a), s.reward), state, actions)


if __name__ == "__main__":
    try:
        train(Falling())
    except TypeError as error:
        print("Brax says:", error)
    print("The checker says:")
    for finding in check_brax(Falling()):
        print(finding)
