"""The Brax checker: good envs have no findings, each planted fault is named with its class, file and line."""

import inspect
import re

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
    "bool done": (_in_step(done=lambda s: s.reward < 0), "state.done", "bool[]", "jnp.asarray(done"),
    "bool done in both": (_in_both(done=lambda s: s.reward < 0), "state.done", "bool[]", "jnp.asarray(done"),
    "int done": (_in_step(done=lambda s: jnp.int32(0)), "state.done", "int32[]", "jnp.asarray(done"),
    "int reward": (_in_step(reward=lambda s: jnp.int32(0)), "state.reward", "int32[]", "jnp.asarray(reward"),
    "a column of reward": (_in_both(reward=lambda s: jnp.zeros((1,))), "state.reward", "float32[1]", "shape ()"),
    "a batched done": (_in_both(done=lambda s: jnp.zeros((4,))), "state.done", "float32[4]", "shape ()"),
    "weak reward": (_in_step(reward=lambda s: jnp.asarray(1.0)), "state.reward", "weakly typed", "jnp.asarray(reward"),
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
    assert re.fullmatch(rf"Stone \({re.escape(__file__)}:\d+\)", findings[0].source)


def test_the_line_is_the_one_that_made_the_leaf():
    class Bad(Stone):
        def step(self, state, action):
            reward = action[0]
            done = reward < 0.0
            return state.replace(reward=reward, done=done)

    _, start = inspect.getsourcelines(Bad.step)
    finding = check_brax(Bad())[0]
    assert finding.source == f"Bad ({inspect.getsourcefile(Bad)}:{start + 2})"


def test_several_faults_are_reported_at_once():
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
    assert "ZeroDivisionError" in finding.after


def test_what_only_a_wrapper_meets_is_reported_as_the_envs_own_leaf():
    """A key that an episode wrapper owns: the env writes an int over it."""

    def tampers(state, first):
        info = state.info if "steps" not in state.info else {**state.info, "steps": jnp.zeros((), jnp.int32)}
        return state.replace(info=info)

    (finding,) = check_brax(Stone(tampers))
    assert (finding.leaf, finding.before, finding.after) == ("state.info['steps']", "float32[]", "int32[]")
    assert finding.source.startswith(f"Stone ({__file__}:")
    assert "use other names than Brax's wrappers" in finding.fix


class Rules(envs.Env):
    """A base for envs with a key and two observations."""

    observation_size = {"state": (2,), "more": (1,)}  # noqa: RUF012 - Brax's own way
    action_size = 1
    backend = "none"
    count = 0

    def reset(self, rng):
        rng, key = jax.random.split(rng)
        zero = jnp.zeros((), jnp.float32)
        obs = {"state": jax.random.normal(key, (2,), jnp.float32), "more": jnp.zeros((1,), jnp.float32)}
        return envs.State(self.begin(zero), obs, zero, zero, {"height": zero}, {"rng": rng})

    def begin(self, zero):
        return {"x": zero}

    def step(self, state, action):
        rng, key = jax.random.split(state.info["rng"])
        noise = jax.random.normal(key, (2,), jnp.float32)
        obs = {**state.obs, "state": state.obs["state"] + noise}
        return state.replace(obs=obs, reward=action[0], info={**state.info, "rng": rng})


class DropsObservation(Rules):
    def step(self, state, action):
        state = super().step(state, action)
        return state.replace(obs={"state": state.obs["state"]})  # wrong


class RenamesObservation(Rules):
    def step(self, state, action):
        state = super().step(state, action)
        return state.replace(obs={"state": state.obs["state"], "other": state.obs["more"]})  # wrong


class UndeclaredObservation(Rules):
    observation_size = {"state": (2,)}  # noqa: RUF012

    def reset(self, rng):  # wrong
        return super().reset(rng)


class KeepsKey(Rules):
    def step(self, state, action):
        noise = jax.random.normal(state.info["rng"], (), jnp.float32)  # wrong
        return state.replace(reward=action[0] + noise)


class DrawsTwice(Rules):
    def step(self, state, action):
        rng, key = jax.random.split(state.info["rng"])
        reward = jax.random.normal(key, (), jnp.float32) * jax.random.uniform(key, (), jnp.float32)  # wrong
        return state.replace(reward=reward, info={**state.info, "rng": rng})


class Counts(Rules):
    def step(self, state, action):
        self.count += 1  # wrong
        return super().step(state, action)


class Remembers(Rules):
    def __init__(self):
        self.actions = []

    def step(self, state, action):  # wrong
        self.actions.append(action)
        return super().step(state, action)


class StaticTracer(Rules):
    def reset(self, rng):  # wrong
        return super().reset(rng)

    def begin(self, zero):
        return Still(zero)

    def step(self, state, action):
        return super().step(state, action).replace(pipeline_state=Still(action))


class Still(eqx.Module):
    last: jax.Array = eqx.field(static=True)


class OtherTree(Rules):
    def begin(self, zero):
        return {"x": (zero, zero)}

    def step(self, state, action):
        return super().step(state, action).replace(pipeline_state={"x": list(state.pipeline_state["x"])})  # wrong


class DropsInfo(Rules):
    def step(self, state, action):
        return state.replace(info={"rng": jax.random.split(state.info["rng"])[0]})  # wrong


class WeakState(Rules):
    def begin(self, zero):
        return {"x": jnp.asarray(0.0)}

    def step(self, state, action):
        state = super().step(state, action)
        return state.replace(metrics={**state.metrics, "height": jnp.asarray(1.0)})  # wrong


class TypedKey(Rules):
    def step(self, state, action):
        key = jax.random.wrap_key_data(state.info["rng"])
        return state.replace(info={**state.info, "rng": jax.random.split(key)[0]})  # wrong


class DropsMetrics(Rules):
    """Brax's evaluator puts the reward among them; JAX alone speaks of its own scan."""

    def step(self, state, action):
        return super().step(state, action).replace(metrics={"height": action[0]})  # wrong


RULES = {
    DropsObservation: (["state.obs['more']"], "missing", "return it from step"),
    RenamesObservation: (["state.obs['more']", "state.obs['other']"], "missing", "one name in both"),
    UndeclaredObservation: (["state.obs['more']"], "float32[1]", "name it in observation_size"),
    KeepsKey: (["env.step"], "carried on unchanged", "jax.random.split(key)"),
    DrawsTwice: (["env.step"], "is used twice", "draw once from each key"),
    Counts: (["env.step"], "a call wrote to self.count", "carry it"),
    Remembers: (["env.step"], "changed self.actions", "carry it"),
    StaticTracer: (["state.pipeline_state.last"], "in a static field of Still", "is a leaf"),
    OtherTree: (["state.pipeline_state['x']"], "a list of 2", "return a tuple of 2"),
    DropsInfo: (
        [f"state.info[{name!r}]" for name in ("episode_done", "steps", "truncation")],
        "missing",
        "info = {**state.info, **own}",
    ),
    DropsMetrics: (["state.metrics['reward']"], "missing", "metrics = {**state.metrics, **own}"),
    WeakState: (["state.metrics['height']"], "weakly typed", "jnp.asarray(value, jnp.float32)"),
    TypedKey: (["state.info['rng']"], "key<fry>[]", "jax.random.key_data(key)"),
}


@pytest.mark.filterwarnings("ignore:A JAX array is being set as static")
@pytest.mark.parametrize("cls", RULES, ids=lambda cls: cls.__name__)
def test_the_rules_of_the_contract_hold_for_brax_too(cls):
    leaves, after, fix = RULES[cls]
    findings = check_brax(cls())
    assert set(leaves) <= {finding.leaf for finding in findings}
    assert {finding.leaf.split("[")[0] for finding in findings} == {leaves[0].split("[")[0]}
    finding = next(finding for finding in findings if finding.leaf == leaves[0])
    assert after in finding.after
    assert fix in finding.fix
    lines, first = inspect.getsourcelines(cls)
    (line,) = [first + i for i, text in enumerate(lines) if "# wrong" in text]
    assert finding.source == f"{cls.__name__} ({__file__}:{line})"


def test_their_base_breaks_no_rule():
    assert check_brax(Rules()) == []


class CastDone(Rules):
    """The cure of a done that is no float."""

    def step(self, state, action):
        return super().step(state, action).replace(done=jnp.asarray(action[0] < 0.0, jnp.float32))


class HandsOn(Rules):
    """The cure of a dropped info."""

    def step(self, state, action):
        own = {"rng": jax.random.split(state.info["rng"])[0]}
        return state.replace(info={**state.info, **own})


class Words(Rules):
    """The cure of a key that becomes typed."""

    def step(self, state, action):
        key = jax.random.split(jax.random.wrap_key_data(state.info["rng"]))[0]
        return state.replace(info={**state.info, "rng": jax.random.key_data(key)})


class Strong(Rules):
    """The cure of a weak type."""

    def step(self, state, action):
        state = super().step(state, action)
        return state.replace(metrics={**state.metrics, "height": jnp.asarray(jnp.asarray(1.0), jnp.float32)})


@pytest.mark.parametrize("cls", [CastDone, HandsOn, Words, Strong], ids=lambda cls: cls.__name__)
def test_the_cures_work(cls):
    assert check_brax(cls()) == []


def test_x64_is_reported_with_what_to_do(hopper):
    with jax.enable_x64(True):
        (finding,) = check_brax(BraxEnv(small_env(hopper)))
    assert finding.leaf == "jax_enable_x64"
    assert "unset JAX_ENABLE_X64" in finding.fix


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
