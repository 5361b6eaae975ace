"""`dataclasses.replace` works on every module, and changes the named fields and nothing else."""

import dataclasses
import importlib
import inspect
import pkgutil

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import lacks_extra, make_env, with_switches
from test_conformance import PARTS, all_rewards, all_terms, bent, beyond, pose_rewards

import wildrobot_eqx as we
from wildrobot_eqx.evaluate.lasting.evaluate import HoldHome
from wildrobot_eqx.evaluate.lasting.meter import LongMeter
from wildrobot_eqx.evaluate.robust.push import TimedPush
from wildrobot_eqx.evaluate.walking.kicks import TimedKick
from wildrobot_eqx.learn import ppo
from wildrobot_eqx.module import AbstractModule
from wildrobot_eqx.observe import ObservationStack
from wildrobot_eqx.physics import MjxPhysics, TreePhysics


def _modules(robot):
    """One of each kind of module with an `__init__` of its own, by name."""
    arm, pole = we.load_robot("reacher"), we.load_robot("cartpole")
    stack = ObservationStack(all_terms(robot), policy=False, sensing={"gravity": (we.sensing.Noise(0.1),)})
    servos = we.Servos(robot, {"motor": we.servos.DCMotor(robot), "backlash": we.servos.Backlash()})
    env = make_env(robot, servos=servos, calibration=we.RandomCalibrationError())
    at = we.gates.HingeAt(pole, "pole", 0.2)
    agent = ppo.make_agent(env, we.PPO(hidden=(8,)), jax.random.key(0))
    found = {f"{family}.{name}": make(robot) for family in PARTS for name, make in PARTS[family].items()}
    found |= {f"terms.{name}": term for name, term in all_terms(robot).items()}
    found |= {f"rewards.{name}": reward for name, reward in all_rewards(robot).items()}
    return found | {
        "switches": we.terms.FootSwitches(with_switches(robot)),
        "angles": we.terms.HingeAngles(arm, arm.joint_names),
        "velocities": we.terms.NamedJointVelocities(pole, ("slider", "pole")),
        "tip": we.terms.SitePosition(arm, "fingertip"),
        "high": we.rewards.HingeHeight(arm, "elbow"),
        "still": we.rewards.HingeStill(arm, "elbow", width=0.3, speed=2.0),
        "distance": we.rewards.SiteDistance(arm, "fingertip", "goal"),
        "near": we.rewards.SiteNear(arm, "fingertip", "goal", width=0.03),
        "clip height": we.rewards.TrackBaseHeight(robot, "clip", width=0.03),
        "clip tilt": we.rewards.TrackBaseTilt(robot, "clip", width=0.1),
        "clip positions": we.rewards.TrackJointPositions(robot, "clip", width=0.3),
        "clip velocities": we.rewards.TrackJointVelocities(robot, "clip", width=1.0),
        "hinge at": at,
        "site at": we.gates.SiteAt(arm, "fingertip", "goal", 0.02),
        "heading": we.commands.HeadingController(),
        "stack": stack,
        "servos": servos,
        "calibration": we.RandomCalibrationError(),
        "disturbances": env.disturbances,
        "env": env,
        "curriculum": we.Curriculum({"episode_length": 3.0}, {"terminations_per_minute": 2.0}),
        "native": we.NativePhysics(robot, threads=1),
        "mjx": MjxPhysics(robot),
        "tree": TreePhysics(robot),
        "walk gate": we.gates.WalkGate(),
        "stand gate": we.gates.StandGate(),
        "goal gate": we.gates.GoalGate(at, hold=1.0, seconds=5.0, reset=bent(pole)),
        "gait meter": we.gates.StandGate().meter(env).gait,
        "goal meter": we.gates.GoalGate(at, hold=1.0, seconds=5.0).meter(env),
        "policy": agent.policy,
        "value": agent.value,
        "layers": agent.value.mlp,
        "robot": robot,
        **{f"rewards.{name}": reward for name, reward in pose_rewards(robot).items()},
        "posed gate": we.load_recipe("microduck")(physics="native").gate,
        "foot-timed gait": we.gaits.FootTimedGait(we.load_robot("wildrobot")),
        "home": HoldHome(robot.nu),
        "long meter": LongMeter(robot, 60.0),
        "kick": TimedKick(robot, at=0.5),
        "push": TimedPush(robot),
    }


@pytest.fixture(scope="module")
def modules(hopper):
    return _modules(hopper)


def test_a_module_replaced_by_nothing_is_itself(modules):
    for name, module in modules.items():
        again = dataclasses.replace(module)
        assert type(again) is type(module), name
        assert jax.tree.structure(again) == jax.tree.structure(module), name
        assert eqx.tree_equal(again, module), name


def test_a_field_that_is_replaced_changes_alone(modules):
    """Each float array of a module, twice its value."""
    doubled = 0
    for name, module in modules.items():
        for field in dataclasses.fields(module):
            old = getattr(module, field.name)
            if not isinstance(old, jax.Array) or old.dtype != jnp.float32:
                continue
            doubled += 1
            after = dataclasses.replace(module, **{field.name: 2.0 * old})
            np.testing.assert_array_equal(getattr(after, field.name), 2.0 * old, err_msg=name)
            for other in {f.name for f in dataclasses.fields(module)} - {field.name}:
                assert eqx.tree_equal(getattr(module, other), getattr(after, other)), (name, other)
    assert doubled > len(modules)


def test_a_weight_may_be_a_plain_number(modules):
    for name, module in modules.items():
        if name.startswith("rewards."):
            after = dataclasses.replace(module, weight=3.0)
            assert after.weight.dtype == jnp.float32, name
            assert float(after.weight) == 3.0, name
            assert jax.tree.structure(after) == jax.tree.structure(module), name


def _classes():
    for info in pkgutil.walk_packages(we.__path__, f"{we.__name__}."):
        if not info.name.endswith("__main__") and not lacks_extra(info.name):
            for value in vars(importlib.import_module(info.name)).values():
                if inspect.isclass(value) and issubclass(value, eqx.Module) and value.__module__ == info.name:
                    yield value


def test_every_module_of_the_package_can_be_made_of_its_fields(modules):
    tried = {type(module) for module in modules.values()}
    for kind in _classes():
        taken, fields = set(inspect.signature(kind).parameters), {field.name for field in dataclasses.fields(kind)}
        if taken != fields:
            assert issubclass(kind, AbstractModule), kind
            assert kind in tried or kind.__name__.startswith(("_", "Abstract")), kind


# --- what is not a module's fields is still refused --------------------------------------------------------


def test_fields_that_are_left_out_or_wrong_are_refused(hopper):
    reward = we.rewards.BaseHeightError(hopper)
    with pytest.raises(TypeError, match="nothing"):
        dataclasses.replace(reward, nothing=1.0)
    with pytest.raises(TypeError):
        we.rewards.BaseHeightError(weight=1.0)
    with pytest.raises(Exception, match="weight"):
        dataclasses.replace(reward, weight=jnp.zeros(3))


def test_a_stack_or_servos_whose_names_are_others_are_refused(hopper):
    stack = ObservationStack({"gyro": we.terms.AngularVelocity(hopper)})
    with pytest.raises(we.WildRobotError, match="gyro"):
        dataclasses.replace(stack, terms={"turn": we.terms.AngularVelocity(hopper)})
    servos = we.Servos(hopper, {"backlash": we.servos.Backlash()})
    with pytest.raises(we.WildRobotError, match="backlash"):
        dataclasses.replace(servos, parts={})
    assert beyond(hopper) is not None
