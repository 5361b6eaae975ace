"""The contract check finds what breaks scan, by name, several at once, and passes what is right."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from jaxtyping import Array, Float

from wildrobot_eqx import Env, check, task
from wildrobot_eqx.arrays import f32
from wildrobot_eqx.check import static as proof
from wildrobot_eqx.control import AbstractController
from wildrobot_eqx.controllers import JointPosition
from wildrobot_eqx.observe import AbstractStatelessTerm, ObservationStack
from wildrobot_eqx.robots import Mirror
from wildrobot_eqx.task import AbstractStatelessReward


def test_envs_of_every_kind_of_term_pass(env, hopper_env):
    for good in (env, hopper_env):
        report = check.check_env(good)
        assert report.findings == ()
        assert report.passed


class Forgetful(AbstractController):
    """Its state changes shape and dtype between reset and step, and loses a leaf."""

    inner: JointPosition

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.inner.action_size

    def rest(self):
        return self.inner.rest()

    def init(self):
        return {"kept": jnp.zeros(3), "dtype": jnp.zeros((), jnp.int32), "weak": jnp.zeros(()), "lost": jnp.zeros(())}

    def __call__(self, state, action):
        target, _ = self.inner((), action)
        return target, {"kept": jnp.zeros(2), "dtype": jnp.zeros(()), "weak": jnp.asarray(0.5), "new": jnp.zeros(())}


_with = dataclasses.replace


def test_every_leaf_that_differs_is_named_with_its_module_and_a_fix(hopper_env, hopper):
    report = check.check_env(_with(hopper_env, controller=Forgetful(JointPosition(hopper))))
    found = {finding.leaf: finding for finding in report.findings}
    assert not report.passed
    assert found.keys() == {f"state.controller['{name}']" for name in ("kept", "dtype", "weak", "lost", "new")}
    assert all("env.controller, Forgetful" in finding.fix for finding in report.findings)
    kept = found["state.controller['kept']"]
    assert (kept.before, kept.after) == ("float32[3]", "float32[2]")
    dtype = found["state.controller['dtype']"]
    assert (dtype.before, dtype.after) == ("int32[]", "float32[]")
    assert "jnp.asarray(value, jnp.int32)" in dtype.fix
    weak = found["state.controller['weak']"]
    assert (weak.before, weak.after) == ("float32[]", "float32[], weakly typed")
    assert "in step: jnp.asarray(value, jnp.float32)" in weak.fix
    assert found["state.controller['lost']"].after == "missing"
    assert found["state.controller['new']"].before == "missing"
    assert "return it from reset as well as from step" in found["state.controller['new']"].fix


def test_a_weakly_typed_reset_fails_in_a_real_scan_too(hopper_env, hopper):
    """What the check calls wrong, scan refuses."""
    broken = _with(hopper_env, controller=Forgetful(JointPosition(hopper)))
    with pytest.raises(TypeError):
        eqx.filter_eval_shape(proof._two_steps, broken, jax.random.key(0), jnp.zeros(3))


class Pair(AbstractStatelessReward):
    """Returns a vector."""

    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return jnp.zeros(2)


class Whole(AbstractStatelessReward):
    """Returns an integer."""

    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return jnp.zeros((), jnp.int32)


class Perhaps(task.AbstractStatelessEnding):
    """Returns a float."""

    truncates = False

    def __call__(self, signals):
        return jnp.zeros(())


class Long(AbstractStatelessTerm):
    """One entry more than its layout says."""

    size = 3
    mirror = Mirror((0, 1, 2), (1.0, 1.0, 1.0))
    source = "nowhere"
    unit = frame = "1"
    measurable = True

    def __call__(self, signals):
        return jnp.zeros(4)


def test_terms_that_return_the_wrong_kind_are_all_named(hopper_env, hopper):
    stack = hopper_env.observations["policy"]
    long = ObservationStack({**stack.terms, "joint_positions": Long()})
    report = check.check_env(
        _with(
            hopper_env,
            rewards={**hopper_env.rewards, "pair": Pair(), "whole": Whole()},
            endings={"perhaps": Perhaps()},
            observations={**hopper_env.observations, "policy": long},
        )
    )
    found = {finding.leaf: (finding.after, finding.fix.split(":")[0]) for finding in report.findings}
    assert found == {
        "env.rewards['pair']": ("float32[2]", "Pair must return float32[]"),
        "env.rewards['whole']": ("int32[]", "Whole must return float32[]"),
        "env.endings['perhaps']": ("float32[]", "Perhaps must return bool[]"),
        "env.observations['policy'].terms['joint_positions']": ("float32[4]", "Long must return float32[3]"),
    }
    owners = {finding.leaf: finding.source for finding in report.findings}
    assert owners["env.rewards['pair']"].startswith(f"Pair ({__file__}:")


def _spoilt(timestep):
    """A timestep that breaks every promise; the type checks of its class are passed by."""
    spoilt = object.__new__(type(timestep))
    changes = {
        "reward": jnp.asarray(1.0),
        "terminated": jnp.zeros((), jnp.float32),
        "truncated": jnp.zeros((1,), bool),
        "obs": {**timestep.obs, "policy": timestep.obs["policy"][:-1]},
    }
    for field in dataclasses.fields(timestep):
        object.__setattr__(spoilt, field.name, changes.get(field.name, getattr(timestep, field.name)))
    return spoilt


def test_timesteps_owe_a_reward_flags_and_observations_of_their_layouts(hopper_env, monkeypatch):
    for method in ("reset", "step"):
        honest = getattr(Env, method)

        def spoil(*arguments, honest=honest):
            state, timestep = honest(*arguments)
            return state, _spoilt(timestep)

        monkeypatch.setattr(Env, method, spoil)
    found = {finding.leaf: finding for finding in check.check_env(hopper_env).findings}
    assert found.keys() == {
        "timestep.reward",
        "timestep.terminated",
        "timestep.truncated",
        "timestep.obs['policy']",
    }
    assert found["timestep.reward"].after == "float32[], weakly typed"
    assert "scalar bool" in found["timestep.terminated"].fix
    assert "bool[1]" in found["timestep.truncated"].after
    assert f"float32[{hopper_env.observations['policy'].size}]" in found["timestep.obs['policy']"].fix


class Raises(task.AbstractStatelessEnding):
    """A term with a mistake."""

    truncates = False

    def __call__(self, signals):
        raise KeyError("no_such_sensor")


def test_a_module_that_raises_is_reported_with_its_line(hopper_env):
    report = check.check_env(_with(hopper_env, endings={"bad": Raises()}))
    (finding,) = report.findings
    assert finding.leaf == "env.endings['bad']"
    assert "KeyError: 'no_such_sensor'" in finding.after
    assert finding.source.startswith(f"Raises ({__file__}:")


def test_a_stack_without_its_critic_terms_still_checks(hopper_env):
    policy = hopper_env.observations["policy"]
    same = {name: ObservationStack(policy.terms) for name in ("policy", "critic")}
    assert check.check_env(_with(hopper_env, observations=same)).passed


def test_stages_run_once_the_env_itself_is_right(hopper_env, hopper):
    extra = check.Finding("info", "float32[]", "bool[]", "give done a dtype")
    asked = []

    def stage(env):
        asked.append(env)
        return [extra]

    assert check.check_env(hopper_env, stages=(stage,)).findings == (extra,)
    broken = _with(hopper_env, controller=Forgetful(JointPosition(hopper)))
    assert extra not in check.check_env(broken, stages=(stage,)).findings
    assert [env.rewards for env in asked] == [hopper_env.rewards]  # once, and not for the broken one
