"""Every further kind of fault is found with its leaf and its file and line, and what is said to write instead helps."""

import inspect
import re

import cured
import equinox as eqx
import faults
import jax
import jax.numpy as jnp
import pytest
from jaxtyping import Array, Float

from wildrobot_eqx import check
from wildrobot_eqx.arrays import f32
from wildrobot_eqx.check.examiner import Examiner
from wildrobot_eqx.check.trace import statics
from wildrobot_eqx.control import AbstractController
from wildrobot_eqx.observe import Channel
from wildrobot_eqx.task import AbstractCommand, AbstractReward


@pytest.fixture(scope="module")
def signals(hopper_env):
    """What terms are given, as specs."""
    env = hopper_env

    def begin(key):
        state, _ = env.reset(key)
        action, ctrl = jnp.zeros((env.action_size,), jnp.float32), env.controller.rest()
        return env._signals(state.physics, action, action, ctrl, state.commands, state.disturbances)

    return eqx.filter_eval_shape(begin, jax.random.key(0))


@pytest.fixture(scope="module")
def examined(hopper_env, signals):
    """What is found about one part in its slot of the hopper's env: its slot alone is traced."""

    def examine(part):
        if isinstance(part, AbstractController):
            env, place = faults.remake(hopper_env, controller=part), ("env.controller", part, "state.controller")
        elif isinstance(part, AbstractReward):
            env = faults.remake(hopper_env, rewards={"bad": part}, endings={}, observations={})
            place = ("env.rewards['bad']", part, "state.rewards['bad']")
        else:
            env = faults.remake(hopper_env, randomisers=(part,))
            place = ("env.disturbances.randomisers[0]", part, "state.disturbances.params")
        alone = Examiner(env, env.physics)
        alone.known |= {"signals": signals, "params": jax.eval_shape(env.physics.params)}
        found = statics.of_env(env)
        if not (found and isinstance(part, AbstractReward)):
            alone.examine(*place, part.protocol)
        return [*found, *alone.found, *alone.subtle]

    return examine


def _lines(part):
    """The marked lines of this part's class, or of one that it holds; a lambda's own."""
    if "<locals>" in type(part).__qualname__:
        call = inspect.getclosurevars(type(part).__call__).nonlocals["call"]
        return {f"{cured.__file__}:{call.__code__.co_firstlineno}"}
    found = set()
    for cls in (type(part), cured.Tally):
        lines, first = inspect.getsourcelines(cls)
        found |= {f"{cured.__file__}:{first + i}" for i, line in enumerate(lines) if "# wrong" in line}
    return found


pytestmark = pytest.mark.filterwarnings("ignore:A JAX array is being set as static")  # it is; Equinox only warns


@pytest.mark.parametrize("name", cured.PLANTED)
def test_a_planted_fault_is_named_in_full(name, examined):
    planted = cured.PLANTED[name]
    findings = examined(planted.bad)
    assert [finding.leaf for finding in findings] == [planted.leaf]
    assert planted.after in findings[0].after
    assert planted.fix in findings[0].fix
    (line,) = re.findall(r"\((.*:\d+)\)$", findings[0].source)
    assert line in _lines(planted.bad)
    assert findings[0].before != findings[0].after
    assert len(str(findings[0])) < 900


@pytest.mark.parametrize("name", cured.PLANTED)
def test_the_cure_works(name, examined):
    assert examined(cured.PLANTED[name].good) == []


WHOLE = ("a jax array in a static field", "an array in a static field of a state", "tree: a static field")


@pytest.mark.parametrize("name", WHOLE)
def test_the_whole_check_survives_what_kills_jax_and_names_it(name, hopper_env):
    planted = cured.PLANTED[name]
    rewards = isinstance(planted.bad, AbstractReward)
    slot = {"rewards": {**hopper_env.rewards, "bad": planted.bad}} if rewards else {"controller": planted.bad}
    (finding,) = check.check_env(faults.remake(hopper_env, **slot)).findings
    assert finding.leaf == planted.leaf


class Goal(eqx.Module):
    """The state of a command of a user's own: a point to reach."""

    goal: Float[Array, " 2"]


class GoalCommand(AbstractCommand):
    """A point, drawn once per episode."""

    far: Float[Array, ""] = eqx.field(default=0.5, converter=f32)
    channels = observed = (Channel("x", "m", 1.0), Channel("y", "m", -1.0))
    needs = ()

    def bounds(self):
        return self.far * jnp.asarray([[-1.0, 1.0], [-1.0, 1.0]], jnp.float32)

    def sample(self, key):
        return Goal(self.far * jax.random.uniform(key, (2,), jnp.float32, -1.0, 1.0))

    def start(self, state, physics, others):
        return state

    def step(self, key, state, physics, dt, others):
        return state

    def observe(self, state):
        return state.goal

    def hold(self, value):
        return eqx.tree_at(lambda c: c.far, self, jnp.zeros((), jnp.float32))

    def set(self, state, value):
        return Goal(value)

    def asked(self, state):
        return state.goal

    def metrics(self, state, physics):
        return {}

    def constants(self):
        return {}


class LosesGoal(AbstractCommand):
    """The same, but that a step gives another shape."""

    inner: GoalCommand = eqx.field(default_factory=GoalCommand)
    channels = observed = GoalCommand.channels
    needs = ()

    def bounds(self):
        return self.inner.bounds()

    def sample(self, key):
        return self.inner.sample(key)

    def start(self, state, physics, others):
        return state

    def step(self, key, state, physics, dt, others):
        return Goal(state.goal[0])  # wrong

    def observe(self, state):
        return state.goal

    def hold(self, value):
        return self

    def set(self, state, value):
        return Goal(value)

    def asked(self, state):
        return state.goal

    def metrics(self, state, physics):
        return {}

    def constants(self):
        return {}


def test_a_command_of_ones_own_gets_the_same_care(hopper_env):
    """CASES 10: terms are given the states of the env's own commands, whatever they are."""
    near = cured.reward(lambda signals: jnp.sum(signals.commands["goal"].goal))
    env = faults.remake(hopper_env, commands={**hopper_env.commands, "goal": GoalCommand()}, rewards={"near": near})
    assert check.check_env(env).findings == ()
    broken = faults.remake(env, commands={**env.commands, "goal": LosesGoal()})
    (finding,) = check.check_env(broken).findings
    assert (finding.leaf, finding.after) == ("state.commands['goal'].goal", "float32[]")
    assert finding.source.startswith(f"LosesGoal ({__file__}:")
