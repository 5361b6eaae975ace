"""Every further kind of fault is found with its leaf and its file and line, and what is said to write instead helps."""

import dataclasses
import inspect
import re

import cured
import equinox as eqx
import faults
import jax
import jax.numpy as jnp
import pytest
from jaxtyping import Array

from wildrobot_eqx import VelocityCommand
from wildrobot_eqx.control import AbstractController
from wildrobot_eqx.env import contract
from wildrobot_eqx.env.contract import statics
from wildrobot_eqx.env.contract.modules import _Alone
from wildrobot_eqx.observe import Command
from wildrobot_eqx.task import AbstractReward


@pytest.fixture(scope="module")
def signals(hopper_env):
    """What terms are given, as specs."""
    env = hopper_env
    state, _ = eqx.filter_eval_shape(env.reset, jax.random.key(0))
    nu = jax.ShapeDtypeStruct((env.action_size,), jnp.float32)
    return eqx.filter_eval_shape(env._signals, state, nu, nu, env.physics.params())


@pytest.fixture(scope="module")
def examined(hopper_env, signals):
    """What is found about one part in its slot of the hopper's env: its slot alone is traced."""

    def examine(part):
        if isinstance(part, AbstractController):
            env = faults.remake(hopper_env, controller=part)
            alone = _Alone(env, env.physics)
            alone.controlled()
        elif isinstance(part, AbstractReward):
            env = faults.remake(hopper_env, rewards={"bad": part}, terminations={}, observations={})
            alone = _Alone(env, env.physics)
            if not statics.of_env(env):
                alone.terms(signals)
        else:
            env = faults.remake(hopper_env, randomisers=(part,))
            alone = _Alone(env, env.physics)
            params = jax.eval_shape(env.physics.params)
            alone.part("env.randomisers[0]", part, (alone.key, params), "", (("", "state.params"),), params)
        return [*statics.of_env(env), *alone.found, *alone.subtle]

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
    (finding,) = contract.check(faults.remake(hopper_env, **slot)).findings
    assert finding.leaf == planted.leaf


class WithGoal(Command):
    """A command that carries more than the package's."""

    goal: Array = None


class GoalCommand(VelocityCommand):
    def _with(self, command, goal):
        fields = {field.name: getattr(command, field.name) for field in dataclasses.fields(Command)}
        return WithGoal(**fields, goal=goal)

    def init(self, key, physics):
        key, sub = jax.random.split(key)
        return self._with(super().init(key, physics), jax.random.uniform(sub, (2,), jnp.float32))

    def step(self, key, command, physics, dt):
        return self._with(super().step(key, command, physics, dt), command.goal)


class LosesGoal(GoalCommand):
    def step(self, key, command, physics, dt):
        return self._with(super().step(key, command, physics, dt), command.goal[0])  # wrong


def test_terms_are_given_what_the_envs_own_command_begins_with(hopper_env, hopper):
    """A command's state may be of any kind, and its step must give that kind back."""
    near = cured.reward(lambda signals: jnp.sum(signals.command.goal))
    env = faults.remake(hopper_env, command=GoalCommand(hopper), rewards={"near": near})
    assert contract.check(env).findings == ()
    (finding,) = contract.check(faults.remake(env, command=LosesGoal(hopper))).findings
    assert (finding.leaf, finding.after) == ("state.command.goal", "float32[]")
    assert finding.source.startswith(f"LosesGoal ({__file__}:")
