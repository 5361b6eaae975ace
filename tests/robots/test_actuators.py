"""Kinds of actuators: what a command is, and which controller may give it."""

import shutil

import jax.numpy as jnp
import numpy as np
import pytest
from made import arm, made

import wildrobot_eqx as we
from wildrobot_eqx import WildRobotError, load_robot
from wildrobot_eqx.paths import data_dir
from wildrobot_eqx.physics.base import nominal_ctrl
from wildrobot_eqx.robots.actuators import read_actuators

CONTROLLERS = {
    "position": we.controllers.JointPosition,
    "motor": we.controllers.JointTorque,
    "velocity": we.controllers.JointVelocity,
}


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_the_kind_of_each_actuator_is_known(tmp_path, kind):
    robot = made(tmp_path, arm(kind), "[home]\nelbow = 0.5\n")
    assert robot.actuator_kind == (kind, kind)
    np.testing.assert_allclose(robot.ctrl_range, robot.model.mj.actuator_ctrlrange)
    limits = [-1.5, 1.5] if kind == "position" else [-2.0, 2.0]
    np.testing.assert_allclose(robot.joint_range, np.broadcast_to(limits, (2, 2)))
    np.testing.assert_allclose(robot.torque_limit, [2.0, 2.0] if kind == "motor" else [3.0, 3.0])
    np.testing.assert_allclose(nominal_ctrl(robot), [0.0, 0.5] if kind == "position" else [0.0, 0.0])


@pytest.mark.parametrize("kind", CONTROLLERS)
@pytest.mark.parametrize("controller", CONTROLLERS)
def test_a_controller_refuses_actuators_of_another_kind(tmp_path, kind, controller):
    robot = made(tmp_path, arm(kind))
    cls = CONTROLLERS[controller]
    if kind == controller:
        made_controller = cls(robot)
        assert made_controller.action_size == 2
        assert made_controller.rest().shape == (2,)
        return
    with pytest.raises(WildRobotError) as caught:
        cls(robot)
    assert caught.value.where.startswith(cls.__name__)
    assert "'shoulder'" in caught.value.what
    assert CONTROLLERS[kind].__name__ in caught.value.hint


def test_an_unlimited_joint_has_an_infinite_range():
    assert np.isfinite(load_robot("cartpole").joint_range).all()
    robot = load_robot("reacher")
    free = robot.model.edit(lambda mj: mj.jnt_limited.__setitem__(0, 0))
    free.mj.actuator_biasprm[:], free.mj.actuator_biastype[:] = 0.0, 0
    driven = read_actuators(free.mj, "it")
    assert driven.kind == ("motor", "motor")
    np.testing.assert_array_equal(driven.joint_range[0], [-np.inf, np.inf])


def test_an_action_of_one_is_the_torque_limit(tmp_path):
    """Through gear and gain: MuJoCo's own force on the joint says so."""
    robot = made(tmp_path, arm("motor"))
    controller = we.controllers.JointTorque(robot, scale=jnp.array([1.0, 0.5]))
    ctrl, _ = controller(controller.init(), jnp.array([1.0, -1.0]))
    physics = we.NativePhysics(robot)
    state = physics.init(physics.params(), robot.home_qpos, jnp.zeros(2))
    gear = robot.model.mj.actuator_gear[:, 0]
    force = physics.step(physics.params(), state, ctrl).actuator_force
    np.testing.assert_allclose(gear * force, [2.0, -1.0], rtol=1e-6)
    np.testing.assert_array_equal(controller((), jnp.array([9.0, -9.0]))[0], [1.0, -1.0])
    np.testing.assert_array_equal(controller.rest(), [0.0, 0.0])


def test_a_velocity_actuator_is_told_a_share_of_its_greatest_speed(tmp_path):
    controller = we.controllers.JointVelocity(made(tmp_path, arm("velocity")), scale=0.5)
    np.testing.assert_allclose(controller((), jnp.array([0.5, -4.0]))[0], [1.0, -4.0])


@pytest.mark.parametrize(
    "wrap", [lambda c, r: we.controllers.Delay(c, c.rest(), 2), lambda c, r: we.controllers.LowPass(c, c.rest(), 0.5)]
)
def test_wrappers_keep_size_and_rest(robot, wrap):
    inner = we.controllers.JointPosition(robot)
    wrapped = wrap(inner, robot)
    assert wrapped.action_size == inner.action_size == robot.nu
    np.testing.assert_array_equal(wrapped.rest(), robot.home_joints)


@pytest.mark.parametrize(
    ("mjcf", "what"),
    [
        (arm().replace('kv="0.5"', 'kv="0.5" gear="2"'), "gear of 2"),
        (
            arm()
            .replace('<position name="elbow"', '<general biastype="affine" gainprm="1" name="elbow"')
            .replace(
                'biastype="affine" gainprm="1" name="elbow" joint="elbow" kp="20" kv="0.5"',
                'biastype="affine" gainprm="1" biasprm="1 -2 -3" name="elbow" joint="elbow"',
            ),
            "'elbow' is none of",
        ),
        (arm().replace('name="elbow" joint="elbow"', 'name="elbow" joint="shoulder"'), "Several actuators"),
        (
            arm(before='<body name="b"><freejoint name="b"/><geom size="1"/></body>').replace(
                'name="elbow" joint="elbow"', 'name="elbow" joint="b"'
            ),
            "'b', which is no hinge",
        ),
        (arm("motor").replace('ctrlrange="-1 1"', ""), "without a ctrlrange: ['shoulder', 'elbow']"),
    ],
)
def test_an_actuator_that_nobody_could_command_is_refused(tmp_path, mjcf, what):
    with pytest.raises(WildRobotError) as caught:
        made(tmp_path, mjcf)
    assert what in caught.value.what
    assert caught.value.where.endswith("made.xml, <actuator>")


def test_the_hopper_with_motors_is_refused_by_its_recipe(tmp_path, hopper):
    folder = shutil.copytree(data_dir("robots") / "hopper", tmp_path / "hopper")
    text = (folder / "hopper.xml").read_text()
    for joint in hopper.joint_names:
        old = f'<position name="{joint}" class="servo" joint'
        new = f'<motor name="{joint}" ctrlrange="-8 8" forcerange="-8 8" joint'
        assert old in text
        text = text.replace(old, new)
    (folder / "hopper.xml").write_text(text)
    with pytest.raises(WildRobotError) as caught:
        we.load_recipe("hop")(robot=str(folder))
    assert caught.value.where.startswith("JointPosition")
