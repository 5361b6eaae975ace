"""The Brax checker: good envs have no findings, each planted fault is named with its class, file and line."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from brax import envs
from small import small_env

from wildrobot_eqx import check
from wildrobot_eqx.adapters import BraxEnv, brax_stage, check_brax


class Stone(envs.Env):
    """It falls. `changes(state, first)` spoils what reset or step returns."""

    observation_size = 2
    action_size = 1
    backend = "none"

    def __init__(self, changes=lambda state, first: state):
        self.changes = changes

    def reset(self, rng):
        zero = jnp.zeros((), jnp.float32)
        state = envs.State({"x": zero}, jnp.zeros((2,), jnp.float32), zero, zero, {"height": zero}, {"rng": rng})
        return self.changes(state, True)

    def step(self, state, action):
        state = state.replace(reward=action[0])
        return self.changes(state, False)


def _in_step(**fields):
    return Stone(lambda state, first: state if first else state.replace(**{k: f(state) for k, f in fields.items()}))


def _in_both(**fields):
    return Stone(lambda state, first: state.replace(**{k: f(state) for k, f in fields.items()}))


FAULTS = {
    "bool done": (_in_step(done=lambda s: s.reward < 0), "state.done", "bool[]", "astype(jnp.float32)"),
    "bool done in both": (_in_both(done=lambda s: s.reward < 0), "state.done", "bool[]", "astype(jnp.float32)"),
    "int done": (_in_step(done=lambda s: jnp.int32(0)), "state.done", "int32[]", "astype(jnp.float32)"),
    "int reward": (_in_step(reward=lambda s: jnp.int32(0)), "state.reward", "int32[]", "jnp.asarray(reward"),
    "a column of reward": (_in_both(reward=lambda s: jnp.zeros((1,))), "state.reward", "float32[1]", "shape ()"),
    "a batched done": (_in_both(done=lambda s: jnp.zeros((4,))), "state.done", "float32[4]", "shape ()"),
    "weak reward": (_in_step(reward=lambda s: jnp.asarray(1.0)), "state.reward", "weakly typed", "name the dtype"),
    "int metric": (
        _in_both(metrics=lambda s: {"height": jnp.int32(0)}),
        "state.metrics['height']",
        "int32[]",
        "float32 scalar",
    ),
    "dropped metric": (_in_step(metrics=lambda s: {}), "state.metrics['height']", "missing", "return it from step"),
    "new info": (
        _in_step(info=lambda s: {**s.info, "more": jnp.zeros(())}),
        "state.info['more']",
        "float32[]",
        "return it from reset",
    ),
    "long observation": (_in_both(obs=lambda s: jnp.zeros((3,))), "state.obs", "float32[3]", "observation_size"),
    "another dtype": (
        _in_step(pipeline_state=lambda s: {"x": jnp.int32(0)}),
        "state.pipeline_state['x']",
        "int32[]",
        "jnp.asarray(value, jnp.float32) (Stone)",
    ),
    "no array": (_in_step(info=lambda s: {"rng": None}), "state.info['rng']", "None", "return an array from step"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault):
    env, leaf, shown, fix = FAULTS[fault]
    findings = check_brax(env)
    assert [finding.leaf for finding in findings] == [leaf]
    assert shown in (findings[0].after, findings[0].before) or shown in findings[0].after
    assert fix in findings[0].fix
    assert findings[0].source.startswith("Stone.")
    assert f"{inspect.getsourcefile(Stone)}:" in findings[0].source


def test_the_line_is_the_one_that_names_the_leaf():
    class Bad(Stone):
        def step(self, state, action):
            reward = action[0]
            done = reward < 0.0
            return state.replace(reward=reward, done=done)

    _, start = inspect.getsourcelines(Bad.step)
    finding = check_brax(Bad())[0]
    assert finding.source == f"Bad.step, {inspect.getsourcefile(Bad)}:{start + 3}"


def test_several_faults_are_told_at_once():
    env = _in_step(done=lambda s: s.reward < 0, reward=lambda s: jnp.int32(0), metrics=lambda s: {})
    assert [finding.leaf for finding in check_brax(env)] == ["state.done", "state.reward", "state.metrics['height']"]


def test_an_error_while_tracing_is_a_finding():
    def broken(state, first):
        return state if first else state.replace(obs=state.obs + jnp.zeros((5,)))

    (finding,) = check_brax(Stone(broken))
    assert finding.leaf == "env.step"
    assert "TypeError" in finding.after
    (finding,) = check_brax(Stone(lambda state, first: 1 / 0))
    assert finding.leaf == "env.reset"
    assert "ZeroDivisionError" in finding.before


def test_what_only_a_wrapper_meets_is_told_with_its_name():
    """A key that an episode wrapper owns: the env writes an int over it."""

    def tampers(state, first):
        info = state.info if "steps" not in state.info else {**state.info, "steps": jnp.zeros((), jnp.int32)}
        return state.replace(info=info)

    (finding,) = check_brax(Stone(tampers))
    assert finding.leaf.startswith("wrap(env)")
    assert finding.source.startswith("Stone.step")


def test_good_envs_have_no_findings():
    assert check_brax(Stone()) == []


@pytest.fixture
def compiles():
    """Counts what is compiled."""
    events = []

    def listener(event, duration, **_):
        if "compile" in event:
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(listener)
    yield events
    jax.monitoring.unregister_event_duration_listener(listener)


def test_our_envs_have_none_and_nothing_is_compiled(hopper, env, compiles):
    for one in (small_env(hopper), env):
        compiles.clear()
        assert list(brax_stage(one)) == []
        assert "/jax/core/compile/jaxpr_trace_duration" in compiles
        assert [event for event in compiles if "backend_compile" in event] == []


def test_the_stage_joins_the_contract(hopper):
    good = small_env(hopper)
    assert check.check_env(good, stages=(brax_stage,)).passed
    policy_only = eqx.tree_at(lambda e: e.observations, good, {"policy": good.observations["policy"]})
    assert check.check_env(policy_only, stages=(brax_stage,)).passed

    def stage(env):
        brax_env = BraxEnv(env)
        brax_env.step = lambda state, action: state.replace(done=state.done > 0)
        return check_brax(brax_env)

    report = check.check_env(good, stages=(stage,))
    assert [finding.leaf for finding in report.findings] == ["state.done"]
