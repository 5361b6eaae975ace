"""The gate of a robot that walks and holds a pose: what it asks for, how it measures, whom it refuses."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_physics

import wildrobot_eqx as we
from wildrobot_eqx import WildRobotError
from wildrobot_eqx.env.disturbances import DisturbanceState
from wildrobot_eqx.env.env import EnvState, Timestep
from wildrobot_eqx.evaluate.gate import judge_case
from wildrobot_eqx.evaluate.rollout import judged_env


@pytest.fixture(scope="module")
def recipe():
    return we.load_recipe("microduck")(physics="native")


@pytest.fixture(scope="module")
def gate(recipe):
    return recipe.gate


def test_the_walk_is_judged_at_home_and_poses_beside_it(recipe, gate):
    cases = gate.cases(recipe.env)
    walked = gate.walk.cases(recipe.env)
    assert [case.name for case in cases] == [case.name for case in walked] + [pose.name for pose in gate.poses]
    for case, plain in zip(cases, walked):
        assert case.values == {**plain.values, "head": (0.0,) * 4}
    by_name = {case.name: case for case in cases}
    assert by_name["aside, walking"].values == {"velocity": (0.2, 0.0, 0.0), "head": (0.0, 0.0, -0.7, -0.2)}
    assert by_name["up"].values["velocity"] == (0.0, 0.0, 0.0)
    assert all(case.required for case in cases if case.batch == 2)


def test_its_limits_are_the_walks_and_the_poses(recipe, gate):
    limits = gate.limits(recipe.env)
    for limit in gate.walk.limits(recipe.env):
        assert limit in limits
    (pose,) = [limit for limit in limits if limit.figure == "pose_error"]
    assert pose.cases is None, "of every case"
    assert pose.high == 0.1
    upright = [limit for limit in limits if limit.figure == "survival" and limit.applies("up, walking")]
    assert [limit.low for limit in upright] == [0.99]


def test_the_judged_robot_has_its_own_servos(recipe, gate):
    judged = judged_env(recipe.env, 0.005)
    assert judged.disturbances is None or judged.disturbances.servos is None, "other gates judge the model's own"
    own = gate.prepare(judged).disturbances
    assert list(own.servos.names) == ["delay", "motor", "gears"]
    np.testing.assert_allclose(own.servos.parts["motor"].voltage, 7.4)
    robot = recipe.env.physics.robot
    drawn = own.draw(jax.random.key(0), recipe.env.physics.params())
    np.testing.assert_allclose(drawn.dof_armature[np.array(robot.joint_dof)], we.servos.XL330_ARMATURE, rtol=1e-5)


def test_poses_that_training_never_asks_for_are_told(recipe, gate):
    fast = we.gates.PosedWalkGate(gate.walk, "head", (we.gates.Pose("fast", (0.0,) * 4, 2.0),))
    assert [(one.leaf, one.judged) for one in fast.unasked(recipe.env)] == [("gate.poses[0]", "2 m/s")]
    assert gate.unasked(recipe.env) == ()


def test_a_pose_has_a_name_of_its_own(gate):
    with pytest.raises(WildRobotError, match="one name"):
        we.gates.PosedWalkGate(gate.walk, "head", (we.gates.Pose("0.2", (0.0,) * 4),))


def first(env) -> EnvState:
    """A state of random numbers, its head told to be somewhere."""
    robot = env.physics.robot
    commands = {name: part.sample(jax.random.key(0)) for name, part in env.commands.items()}
    commands["head"] = dataclasses.replace(commands["head"], value=jnp.asarray([0.1, 0.2, -0.3, 0.0]))
    return EnvState(
        physics=random_physics(robot),
        controller=(),
        commands=commands,
        rewards={},
        endings={},
        observations={},
        disturbances=DisturbanceState(None, None, {}, {}),
        action=jnp.zeros(robot.nu, jnp.float32),
        key=jax.random.key(0),
        steps=jnp.zeros((), jnp.int32),
    )


def test_the_pose_error_is_the_mean_of_the_worst_joint_after_the_warm_up(recipe, gate):
    env = recipe.env
    meter, robot, command = dataclasses.replace(gate.meter(env), warmup=3), env.physics.robot, env.commands["head"]
    which = np.array(command.indices)
    share = jnp.asarray([1.0, -2.0, 0.5, 0.0])  # of an error at each joint

    @jax.jit
    def run(errors, falls):
        state, no, nothing = first(env), jnp.zeros((), bool), jnp.zeros((), jnp.float32)
        told = robot.home_joints[which] + state.commands["head"].value

        def on(tally, now):
            error, falls = now
            qpos = state.physics.qpos.at[np.array(robot.joint_qpos)[which]].set(told + error * share)
            moved = dataclasses.replace(state, physics=dataclasses.replace(state.physics, qpos=qpos))
            return meter.step(tally, moved, Timestep({}, nothing, falls, no, {})), None

        return jax.lax.scan(on, meter.init(state, Timestep({}, nothing, no, no, {})), (errors, falls))[0]

    # The first three are the warm-up's; the fall is not judged, nor what comes after.
    errors = jnp.asarray([[9.0, 9.0, 9.0, 0.01, 0.02, 0.03, 9.0, 9.0], [0.05] * 8])
    falls = jnp.zeros((2, 8), bool).at[0, 6].set(True)
    tally, other = (run(*row) for row in zip(errors, falls))
    assert not bool(meter.running(tally))
    both = jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), tally, other)
    case = next(case for case in gate.cases(env) if case.name == "up, walking")
    values = meter.figures(both, case)
    assert values["pose_error"] == pytest.approx(2.0 * (0.02 + 0.05) / 2.0, rel=1e-4)
    assert values["survival"] == 0.5
    _, lines = judge_case(case, values, gate.limits(env), 0.005, {}, meter.shown())
    assert {line.name: line.passed for line in lines} == {"survival": False, "pose_error": True}


def test_a_pose_that_is_never_asked_for_is_told_before_a_training(recipe, gate):
    far = dataclasses.replace(gate, poses=(we.gates.Pose("far", (0.0, 0.0, 1.4, 0.0)),))
    (found,) = far.unasked(recipe.env)
    assert "head_yaw" in found.asked
    assert found.leaf == "gate.poses[0]"
    assert gate.unasked(recipe.env) == ()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"pose": "hand"}, "no such JointPoseCommand"),
        ({"poses": (we.gates.Pose("short", (0.0,)),)}, "'short' has not one"),
    ],
)
def test_a_gate_that_does_not_fit_the_env_is_refused(recipe, gate, change, what):
    with pytest.raises(we.WildRobotError, match=what):
        dataclasses.replace(gate, **change).cases(recipe.env)
