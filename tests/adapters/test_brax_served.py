"""What of Brax around its training wrappers is served, and what says that it is not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from brax.envs.wrappers import training
from brax.training import acting
from small import small_env

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.adapters import BraxEnv, check_brax


@pytest.fixture(scope="module")
def limited(hopper):
    """Episodes of 4 steps by the env's own limit, which the adapter heeds."""
    return BraxEnv(small_env(hopper, endings={}, episode_length=4 * hopper.control_dt), time_limit=True)


def test_time_outs_are_reported_where_bootstrap_on_timeout_reads_them(limited):
    """Each fourth step, and only these, is done by time: the info that Brax's PPO asks for by name."""
    wrapped = training.wrap(limited, episode_length=100)

    def policy(obs, key):
        return jnp.zeros((*obs.shape[:-1], limited.action_size), jnp.float32), {}

    @jax.jit
    def unroll(key):
        state = wrapped.reset(jax.random.split(key, 2))
        fields = ("truncation", "episode_metrics", "episode_done", "time_out")
        return acting.generate_unroll(wrapped, state, policy, key, 9, extra_fields=fields)[1]

    data = unroll(jax.random.PRNGKey(0))
    time_out = data.extras["state_extras"]["time_out"]
    assert time_out.dtype == jnp.float32
    expected = np.repeat([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]], 2, axis=0).T
    np.testing.assert_array_equal(time_out, expected)
    np.testing.assert_array_equal(1.0 - data.discount, expected)


def test_without_the_envs_own_limit_nothing_times_out_and_both_kinds_pass_the_check(limited):
    plain = BraxEnv(limited.env)
    shapes = jax.eval_shape(plain.reset, jax.random.PRNGKey(0))
    assert (shapes.info["time_out"].shape, shapes.info["time_out"].dtype) == ((), jnp.float32)
    state = jax.eval_shape(plain.step, shapes, jax.ShapeDtypeStruct((plain.action_size,), jnp.float32))
    assert jax.tree.structure(state) == jax.tree.structure(shapes)
    assert check_brax(plain) == []
    assert check_brax(limited) == []


@pytest.mark.slow
def test_braxs_ppo_bootstraps_on_timeout(limited):
    from brax.training.agents.ppo import train as ppo

    from wildrobot_eqx.adapters.brax_compat import brax_trainers

    seen = []
    with brax_trainers():
        ppo.train(
            environment=limited,
            num_timesteps=128,
            episode_length=100,
            num_envs=4,
            batch_size=4,
            num_minibatches=1,
            unroll_length=8,
            num_evals=1,
            num_eval_envs=2,
            bootstrap_on_timeout=True,
            progress_fn=lambda steps, metrics: seen.append(metrics),
        )
    assert seen


@pytest.mark.parametrize("name", ["mj_model", "mjx_model", "xml_path"])
def test_playgrounds_names_say_that_they_are_not_served(name, limited):
    with pytest.raises(WildRobotError, match="Playground") as caught:
        getattr(limited, name)
    assert isinstance(caught.value, AttributeError)
    assert caught.value.where == f"BraxEnv.{name}"
    assert not hasattr(limited, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        limited.nothing  # noqa: B018


def test_a_state_has_no_data_for_playgrounds_wrapper(limited):
    """Its auto-reset reads `state.data`; ours says so, and stays Brax's state for all else."""
    shapes = jax.eval_shape(limited.reset, jax.random.PRNGKey(0))
    with pytest.raises(WildRobotError) as caught:
        shapes.data  # noqa: B018
    assert caught.value.where == "BraxEnv, state.data"
    assert type(shapes.replace(done=shapes.done)) is type(shapes)


def test_the_gym_and_dm_env_wrappers_say_that_they_are_not_served(limited):
    """Both read `env.sys.actuator.ctrl_range` of a System of Brax's."""
    with pytest.raises(WildRobotError) as caught:
        limited.sys.actuator.ctrl_range  # noqa: B018
    assert isinstance(caught.value, AttributeError)
    assert "actuator_forcerange" in caught.value.hint
    assert not hasattr(limited.sys, "actuator")
    assert not hasattr(limited.sys, "__jax_array__")
