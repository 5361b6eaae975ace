"""Microduck's policy file: read back by its contract alone, and refused where a field of it is wrong."""

import dataclasses
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import onnx
import pytest
from helpers import random_physics, replace
from microduck_reader import CONTRACT, MicroduckPolicy, RefusedError, robot_says

import wildrobot_eqx as we
from wildrobot_eqx.deploy.export.microduck import microduck_file
from wildrobot_eqx.learn.agent import make_agent
from wildrobot_eqx.observe import Signals


@pytest.fixture(scope="module")
def env():
    return we.load_recipe("microduck")(physics="native").env


@pytest.fixture(scope="module")
def policy(env):
    """Random weights and statistics, so that nothing in the graph is 0 or 1."""
    policy = make_agent(env, we.PPO(num_envs=4), jax.random.key(0)).policy
    rng = np.random.default_rng(0)

    def stir(leaf):
        return jnp.asarray(np.asarray(leaf) + rng.uniform(0.05, 0.2, leaf.shape), jnp.float32)

    return jax.tree.map(lambda leaf: stir(leaf) if eqx.is_inexact_array(leaf) else leaf, policy)


@pytest.fixture(scope="module")
def data(env, policy) -> bytes:
    return microduck_file(env, policy)


def test_the_robot_takes_it_and_it_is_the_policy(env, policy, data):
    read = MicroduckPolicy(data)
    rng = np.random.default_rng(1)
    observations = (rng.normal(size=(100, 61)) * rng.uniform(0.1, 30.0, (100, 1))).astype(np.float32)
    wanted = np.asarray(policy(jnp.asarray(observations), policy.init())[0].mode())
    found = np.array([read(row) for row in observations])
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4)
    controller = env.controller
    inside = 0.1 * np.tanh(wanted[0])
    target, _ = controller(controller.init(), jnp.asarray(inside))
    np.testing.assert_allclose(read.targets(inside), target, atol=1e-6)


def test_it_clips_no_target_and_nor_does_training(env, policy, heard):
    """Up to half a turn, the servo's register; who trains within the ranges is told that the robot does not."""
    read = MicroduckPolicy(microduck_file(env, policy))
    assert not any("clips none" in message for message in heard.messages)
    actions = np.random.default_rng(2).uniform(-2.5, 2.5, (50, 14)).astype(np.float32)
    trained = np.array([env.controller(env.controller.init(), jnp.asarray(action))[0] for action in actions])
    np.testing.assert_allclose(trained, [read.targets(action) for action in actions], atol=1e-5)
    low, high = np.asarray(env.physics.robot.joint_range).T
    assert np.mean((trained < low) | (trained > high)) > 0.2, "beyond what the joints reach"
    within = we.controllers.JointPosition(env.physics.robot, scale=1.0)
    microduck_file(dataclasses.replace(env, controller=within), policy)
    assert any("the robot clips none" in message for message in heard.messages)


def test_its_observation_is_the_envs(env):
    """What the robot feeds it is what the env does, number by number, of a robot that moves and is told things."""
    robot, physics = env.physics.robot, random_physics(env.physics.robot)
    commands = {name: command.sample(jax.random.key(0)) for name, command in env.commands.items()}
    velocity, dt, ahead = env.commands["velocity"], 0.02, 0.05  # rad, how far the robot has turned beyond its heading
    asked = velocity.start(velocity.set(commands["velocity"], jnp.asarray([0.2, -0.1, 0.4])), physics, {})
    asked = replace(asked, origin=asked.origin - ahead)
    commands["velocity"] = velocity.step(jax.random.key(1), asked, physics, dt, {})
    commands["head"] = dataclasses.replace(commands["head"], value=jnp.asarray([0.1, -0.1, 0.3, 0.05]))
    action = jnp.linspace(-1.0, 1.0, 14)
    observed = {name: command.observe(commands[name]) for name, command in env.commands.items()}
    signals = Signals(physics, action, action, action, commands, observed)
    whole = np.asarray(we.ObservationStack(env.observations["policy"].terms)(signals))
    found, place = {}, 0
    for name, size, _ in CONTRACT["observation"]:
        found[name] = whole[place : place + size]
        place += size
    assert place == whole.size == 61
    imu, home, turn = robot.imu("trunk"), np.array(robot_says()["default_joint_pos"]), np.zeros(9)
    mujoco.mju_quat2Mat(turn, np.asarray(imu.quat.read(physics.sensordata), float))
    np.testing.assert_array_equal(found["base_ang_vel"], imu.gyro.read(physics.sensordata))
    np.testing.assert_allclose(found["projected_gravity"], turn.reshape(3, 3).T @ [0.0, 0.0, -1.0], atol=1e-5)
    np.testing.assert_allclose(found["joint_pos"], np.asarray(robot.joints(physics.qpos)) - home, atol=1e-6)
    np.testing.assert_array_equal(found["joint_vel"], robot.joint_velocities(physics.qvel))
    np.testing.assert_array_equal(found["actions"], action)
    yaw_rate = 0.4 + 1.5 * (0.4 * dt - ahead)  # with the heading loop, which the contract's vyaw of 0.4 lacks
    np.testing.assert_allclose(found["command"], [0.2, -0.1, yaw_rate], atol=1e-5)
    np.testing.assert_allclose(found["head_command"], [0.1, -0.1, 0.3, 0.05], atol=1e-7)
    np.testing.assert_array_equal(found["body_command"], np.zeros(6))


def test_equal_policies_give_equal_bytes(env, policy, data):
    assert microduck_file(env, policy) == data


def spoilt(data: bytes, change) -> bytes:
    model = onnx.load_model_from_string(data)
    change(model)
    return model.SerializeToString()


def field(name, value):
    def change(model):
        (entry,) = model.metadata_props
        document = json.loads(entry.value)
        if value is None:
            del document[name]
        else:
            document[name] = value(document[name])
        entry.value = json.dumps(document)

    return change


WRONG = {
    "obs_len": lambda n: n - 10,
    "action_len": lambda n: n + 1,
    "control_hz": lambda hz: 2 * hz,
    "joint_names": lambda names: [names[1], names[0], *names[2:]],
    "default_joint_pos": lambda pose: [pose[0] + 1e-3, *pose[1:]],
    "observation": lambda parts: [parts[1], parts[0], *parts[2:]],
}


def test_every_field_that_the_contract_refuses_is_tried():
    assert set(WRONG) == set(CONTRACT["refused_on_mismatch"])


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_field_is_refused(data, name):
    with pytest.raises(RefusedError, match=name):
        MicroduckPolicy(spoilt(data, field(name, WRONG[name])))


@pytest.mark.parametrize("name", CONTRACT["metadata_fields"])
def test_a_missing_field_is_refused(data, name):
    with pytest.raises(RefusedError, match=f"no field {name}"):
        MicroduckPolicy(spoilt(data, field(name, None)))


def _opset(model):
    model.opset_import[0].version = 17


def _dynamic(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"


def _narrow(model):
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 12


def _renamed(model):
    model.graph.input[0].name = "observation"


def _double(model):
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE


def _bare(model):
    del model.metadata_props[:]


@pytest.mark.parametrize("change", [_opset, _dynamic, _narrow, _renamed, _double, _bare], ids=lambda f: f.__name__)
def test_a_wrong_file_is_refused(data, change):
    with pytest.raises(RefusedError):
        MicroduckPolicy(spoilt(data, change))


def _stack(env, **changes):
    stack = env.observations["policy"]
    terms = {name: changes.get(name, stack.terms[name]) for name in stack.names}
    return {"policy": we.ObservationStack(terms, sensing=stack.sensing)}


def _other_order(env):
    stack = env.observations["policy"]
    names = [stack.names[1], stack.names[0], *stack.names[2:]]
    return dataclasses.replace(
        env, observations={"policy": we.ObservationStack({n: stack.terms[n] for n in names}, sensing=stack.sensing)}
    )


def _other_meaning(env):
    robot = env.physics.robot
    stack = env.observations["policy"]
    swapped = _stack(env, joint_pos=we.terms.JointVelocities(robot))
    assert swapped["policy"].size == stack.size
    return dataclasses.replace(env, observations=swapped)


def _young_speeds(env):
    stack = env.observations["policy"]
    sensing = {name: parts for name, parts in stack.sensing.items() if name != "joint_vel"}
    return dataclasses.replace(env, observations={"policy": we.ObservationStack(stack.terms, sensing=sensing)})


def _other_controller(env):
    return dataclasses.replace(
        env, controller=we.controllers.LowPass(env.controller, env.physics.robot.home_joints, 0.5)
    )


def _other_home(env):
    """Of one joint, of the controller and so of the file."""
    return dataclasses.replace(env, controller=replace(env.controller, home=env.controller.home.at[3].set(0.4)))


def _other_zero(env):
    """Of one joint, as the policy sees it: the robot takes its own home away."""
    term = env.observations["policy"].terms["joint_pos"]
    term = replace(term, driven=replace(term.driven, home=term.driven.home.at[13].add(2e-6)))
    return dataclasses.replace(env, observations=_stack(env, joint_pos=term))


def _other_head(env):
    """Of one joint, as the policy is told where to hold its head."""
    head = env.commands["head"]
    head = replace(head, joints=replace(head.joints, home=head.joints.home.at[5].set(0.0)))
    return dataclasses.replace(env, commands={**env.commands, "head": head})


def _with_servos(env, parts):
    servos = None if parts is None else we.Servos(env.physics.robot, parts)
    return dataclasses.replace(env, disturbances=we.Disturbances(servos=servos))


def _other_motor(env):
    return _with_servos(env, {"delay": we.servos.CommandDelay(), "motor": we.servos.DCMotor(env.physics.robot)})


def _two_motors(env):
    motors = [we.servos.xl330(register)["motor"] for register in (200.0, 400.0)]
    return _with_servos(env, dict(zip(("weak", "strong"), motors)))


def _other_gain(env):
    """No servo model, and an MJCF that is no stand-in of the robot's servos."""

    def stiffer(mj):
        mj.actuator_gainprm[2, 0], mj.actuator_biasprm[2, 1] = 1.1, -1.1

    robot = env.physics.robot
    physics = we.NativePhysics(dataclasses.replace(robot, model=robot.model.edit(stiffer)))
    return dataclasses.replace(_with_servos(env, None), physics=physics)


ENVS = {
    _other_motor: r"its servos' gain is that of motor \(DCMotor\)",
    _two_motors: r"weak \(VoltageControlledMotor\), strong \(VoltageControlledMotor\)",
    _other_gain: r"a kp of 0\.55, 1\.1 N m/rad, and the stand-in of register 200 has 0\.55",
    _other_head: r"head_command has neck_pitch at home at 0 rad, not 0\.3491",
    _other_home: r"the controller has left_knee at home at 0\.4 rad, not -0\.0049",
    _other_zero: r"joint_pos has right_ankle at home at -0\.452998 rad, not -0\.453",
    _other_order: "its policy sees projected_gravity",
    _other_meaning: "joint_pos is a JointVelocities",
    _young_speeds: "joint_vel is not one control step old",
    _other_controller: "LowPass",
}


@pytest.mark.parametrize("change", ENVS, ids=lambda f: f.__name__)
def test_an_env_that_differs_from_the_contract_is_refused(env, policy, change):
    with pytest.raises(we.WildRobotError, match=ENVS[change]):
        microduck_file(change(env), policy)


SERVOS = {
    "none": (None, 200.0),
    "a late bus": ({"delay": we.servos.CommandDelay(), "play": we.servos.Backlash()}, 200.0),
    "another register": ({"delay": we.servos.CommandDelay(), **we.servos.xl330(350.0)}, 350.0),
}


@pytest.mark.parametrize("servos", SERVOS)
def test_the_servos_register_is_that_of_training(env, policy, servos):
    """Without a model of them the robot's own, of which the MJCF's kp is the makers' stand-in."""
    parts, register = SERVOS[servos]
    assert MicroduckPolicy(microduck_file(_with_servos(env, parts), policy)).document["kp_fw"] == register


def test_another_robot_is_refused(policy):
    walk = we.load_recipe("walk")(physics="native").env
    with pytest.raises(we.WildRobotError, match="its joints are") as caught:
        microduck_file(walk, make_agent(walk, we.PPO(num_envs=4), jax.random.key(0)).policy)
    assert "its policy sees" in str(caught.value), "all that is wrong, at once"
