"""What an action becomes at actuators of each kind, against NumPy, MuJoCo, and encoders that are off."""

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from made import arm, made

import wildrobot_eqx as we

CONTROLLERS = {
    "position": we.controllers.JointPosition,
    "motor": we.controllers.JointTorque,
    "velocity": we.controllers.JointVelocity,
}
MOTORS = (
    '<general name="shoulder" joint="shoulder" gear="5" gainprm="0.5" ctrlrange="-2 3" forcerange="-0.8 0.8"/>'
    '<general name="elbow" joint="elbow" gear="-2" gainprm="4" ctrlrange="-0.6 0.5" forcerange="-9 9"/>'
)  # at the joints at most min(0.8, 0.5 * 3) * 5 = 4 and min(9, 4 * 0.5) * 2 = 4 N m
SPEEDS = (
    '<velocity name="shoulder" joint="shoulder" kv="2" ctrlrange="-4 5" forcerange="-3 3"/>'
    '<velocity name="elbow" joint="elbow" kv="1" ctrlrange="-8 7" forcerange="-2 2"/>'
)
ACTIONS = np.random.default_rng(0).normal(0.0, 1.5, (64, 2)).astype(np.float32)


def driven(tmp_path, actuators):
    mjcf = arm()
    start, stop = mjcf.index("<actuator>") + len("<actuator>"), mjcf.index("</actuator>")
    return made(tmp_path, mjcf[:start] + actuators + mjcf[stop:])


def commands(controller):
    return np.stack([np.asarray(controller((), jnp.asarray(action))[0]) for action in ACTIONS])


@pytest.mark.parametrize("scale", [1.0, 0.3, (0.5, 0.2)])
def test_a_torque_is_a_share_of_the_joints_limit(tmp_path, scale):
    controller = we.controllers.JointTorque(driven(tmp_path, MOTORS), scale if np.isscalar(scale) else jnp.array(scale))
    share = np.broadcast_to(scale, 2)
    wanted = ACTIONS * share * np.array([4.0 / (5.0 * 0.5), 4.0 / (-2.0 * 4.0)])
    wanted = np.clip(wanted, [-2.0, -0.6], [3.0, 0.5])
    assert (np.abs(np.diff(wanted, axis=0)) > 0.0).any()
    np.testing.assert_allclose(commands(controller), wanted, atol=1e-6)
    np.testing.assert_array_equal(controller.rest(), [0.0, 0.0])


def test_a_torque_of_one_is_the_limit_at_the_joint_in_mujoco(tmp_path):
    robot = driven(tmp_path, MOTORS)
    controller = we.controllers.JointTorque(robot, 0.5)
    data = mujoco.MjData(robot.model.mj)
    for action in ([1.0, 1.0], [-1.0, 0.2], [0.3, -0.7]):
        data.ctrl[:] = controller((), jnp.asarray(action, jnp.float32))[0]
        mujoco.mj_forward(robot.model.mj, data)
        np.testing.assert_allclose(data.qfrc_actuator, 0.5 * 4.0 * np.array(action), rtol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.3, (0.5, 0.2)])
def test_a_speed_is_a_share_of_the_greatest_command(tmp_path, scale):
    controller = we.controllers.JointVelocity(
        driven(tmp_path, SPEEDS), scale if np.isscalar(scale) else jnp.array(scale)
    )
    wanted = np.clip(ACTIONS * np.broadcast_to(scale, 2) * np.array([5.0, 7.0]), [-4.0, -8.0], [5.0, 7.0])
    np.testing.assert_allclose(commands(controller), wanted, rtol=1e-6)
    np.testing.assert_array_equal(controller.rest(), [0.0, 0.0])


@pytest.fixture(scope="module", params=CONTROLLERS)
def off(request, tmp_path_factory):
    """An arm with actuators of one kind whose encoders read 0.2 rad too much, and the same arm without."""
    heavy = arm(request.param).replace("<joint ", '<joint armature="0.05" damping="0.5" ')
    robot = made(tmp_path_factory.mktemp(request.param), heavy)
    terms = {"joints": we.terms.JointPositions(robot), "speeds": we.terms.JointVelocities(robot)}
    sensing = {"joints": (we.sensing.EncoderOffset(),)}
    error = we.RandomCalibrationError(joint_offset=(0.2, 0.2), imu_angle=(0.0, 0.0))
    wrong = we.Env(
        physics=we.NativePhysics(robot, threads=1),
        controller=CONTROLLERS[request.param](robot),
        observations={"policy": we.ObservationStack(terms, sensing=sensing)},
        rewards={},
        endings={},
        reset_state=we.resets.JointReset(robot, {}),
        disturbances=we.Disturbances(calibration=error),
    )
    exact = dataclasses.replace(wrong, disturbances=None, observations={"policy": we.ObservationStack(terms)})
    return request.param, robot, _held(wrong), _held(exact)


def _held(env):
    """The last state and observation of 40 steps of a constant action."""

    def step(loop, _):
        state, timestep = env.step(loop[0], jnp.asarray([0.1, -0.2], jnp.float32))
        return (state, timestep.obs["policy"]), None

    state, timestep = env.reset(jax.random.key(0))
    loop = (state, timestep.obs["policy"])
    return jax.jit(lambda loop: jax.lax.scan(step, loop, length=40)[0])(loop)


def test_encoders_that_are_off_move_positions_that_servos_hold_and_no_torque_or_speed(off):
    kind, robot, (wrong, seen), (exact, truth) = off
    moved = np.asarray(robot.joints(wrong.physics.qpos) - robot.joints(exact.physics.qpos))
    if kind == "position":
        np.testing.assert_allclose(moved, -0.2, atol=0.02)
        np.testing.assert_allclose(seen[:2], truth[:2], atol=0.02)
    else:
        np.testing.assert_array_equal(moved, 0.0)
        np.testing.assert_allclose(seen[:2], np.asarray(truth[:2]) + 0.2, atol=1e-6)
        np.testing.assert_array_equal(seen[2:], truth[2:])
