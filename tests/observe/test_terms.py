"""Observation terms against physics: what tilts, spins and mirrors must show up so."""

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from helpers import critic_terms, default_commands, planar_signals, policy_terms, random_signals, shifted

from wildrobot_eqx import NativePhysics
from wildrobot_eqx.locomotion import GaitState, VelocityCommand, VelocityState
from wildrobot_eqx.observe import CommandTerm, ObservationStack, Signals


@pytest.fixture(scope="module")
def init(robot):
    physics = NativePhysics(robot, threads=1)
    params = physics.params()
    return jax.jit(lambda qpos, qvel: physics.init(params, qpos, qvel))


def _signals(robot, physics, **changes) -> Signals:
    return dataclasses.replace(random_signals(robot, speed=0.25), physics=physics, **changes)


def _qpos(robot, quat, joints=None, height=0.6):
    qpos = robot.home_qpos.at[2].set(height).at[3:7].set(jnp.asarray(quat, jnp.float32))
    return qpos if joints is None else qpos.at[np.array(robot.joint_qpos)].set(joints)


def _random_pose(robot, seed):
    """A free-floating pose with every joint, tilt and velocity at random."""
    rng = np.random.default_rng(shifted(seed))
    quat = np.array([1.0, *rng.normal(size=3, scale=0.3)])
    low, high = np.asarray(robot.joint_range).T
    joints = jnp.asarray(rng.uniform(low, high), jnp.float32)
    qpos = (
        _qpos(robot, quat / np.linalg.norm(quat), joints, 1.0).at[:2].set(jnp.asarray(rng.normal(size=2), jnp.float32))
    )
    return qpos, jnp.asarray(rng.normal(size=robot.nv), jnp.float32)


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ((0, 1, 0), (np.sin(0.3), 0, -np.cos(0.3))),  # nose down: gravity pulls towards +x
        ((1, 0, 0), (0, -np.sin(0.3), -np.cos(0.3))),  # rolled to the right: gravity pulls towards -y
        ((0, 0, 1), (0, 0, -1)),  # a turn changes nothing
    ],
)
def test_gravity_of_a_tilted_robot(robot, init, axis, expected):
    quat = np.empty(4)
    mujoco.mju_axisAngle2Quat(quat, np.array(axis, float), 0.3)
    physics = init(_qpos(robot, quat), jnp.zeros((robot.nv,), jnp.float32))
    gravity = policy_terms(robot)["gravity"](_signals(robot, physics))
    np.testing.assert_allclose(gravity, expected, atol=1e-5)


def test_gravity_agrees_with_the_accelerometer_of_a_robot_at_rest(robot, batched):
    """An accelerometer at rest reads -g, whatever the pose: the one check that no convention can fool."""
    state, timestep = batched.hold(batched.reset(3)[0], 150)
    part = next(s for s in batched.env.observations["policy"].layout if s.name == "gravity")
    gravity = np.asarray(timestep.obs["policy"][:, part.start : part.stop])
    accel = np.stack([robot.imu().accel.read(row) for row in state.physics.sensordata])
    assert np.abs(accel[:, 0] / 9.81).min() > 0.01, "too level: a wrong sign would pass"
    np.testing.assert_allclose(gravity, -accel / 9.81, atol=0.002)


def test_angular_velocity_is_that_of_the_chest(robot, init):
    """The gyro against MuJoCo's object velocity of the IMU site, in its own frame, waist turning."""
    qpos, qvel = _random_pose(robot, 1)
    mj = robot.model.mj
    data = mujoco.MjData(mj)
    data.qpos[:], data.qvel[:] = qpos, qvel
    mujoco.mj_forward(mj, data)
    velocity = np.empty(6)
    site = mujoco.mj_name2id(mj, mujoco.mjtObj.mjOBJ_SITE, "chest_imu")
    mujoco.mj_objectVelocity(mj, data, mujoco.mjtObj.mjOBJ_SITE, site, velocity, 1)
    measured = policy_terms(robot)["angular_velocity"](_signals(robot, init(qpos, qvel)))
    np.testing.assert_allclose(measured, velocity[:3], atol=1e-4)
    assert abs(qvel[robot.joint_dof[robot.joint_names.index("waist_yaw")]]) > 0.1


def test_joint_terms_go_by_name(robot, init):
    qpos, qvel = _random_pose(robot, 2)
    signals = _signals(robot, init(qpos, qvel))
    positions = policy_terms(robot)["joint_positions"](signals)
    velocities = policy_terms(robot)["joint_velocities"](signals)
    data = mujoco.MjData(robot.model.mj)
    data.qpos[:], data.qvel[:] = qpos, qvel
    for i, name in enumerate(robot.joint_names):
        np.testing.assert_allclose(positions[i], data.joint(name).qpos[0] - robot.home_joints[i], atol=1e-6)
        np.testing.assert_allclose(velocities[i], data.joint(name).qvel[0], atol=1e-6)


def test_gait_phase_rests_while_standing(robot):
    term = policy_terms(robot)["gait_phase"]
    walking, standing = random_signals(robot, speed=0.2), random_signals(robot, speed=0.0)
    phase = float(walking.commands["gait"].phase)
    np.testing.assert_allclose(term(walking), [np.sin(phase), np.cos(phase)], atol=1e-6)
    np.testing.assert_array_equal(term(standing), [0.0, 0.0])
    finishing = random_signals(robot, speed=0.0, phase=2.0)
    np.testing.assert_allclose(term(finishing), [np.sin(2.0), np.cos(2.0)], atol=1e-6)


def test_critic_terms_read_the_simulator(robot, init):
    qpos, qvel = _random_pose(robot, 4)
    signals = _signals(robot, init(qpos, qvel))
    terms = critic_terms(robot)
    angle = float(signals.commands["velocity"].origin + signals.commands["velocity"].target)
    c, s = np.cos(angle), np.sin(angle)
    turned = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) @ np.asarray(qvel[:3])
    np.testing.assert_allclose(terms["linear_velocity"](signals), turned, atol=1e-5)
    np.testing.assert_allclose(terms["height"](signals), [qpos[2]], atol=1e-6)


def test_foot_contacts_carry_the_body_weight_at_rest(batched):
    _, timestep = batched.hold(batched.reset(1)[0], 150)
    part = next(s for s in batched.env.observations["critic"].layout if s.name == "foot_contacts")
    forces = np.asarray(timestep.obs["critic"][:, part.start : part.stop])
    np.testing.assert_allclose(forces.sum(axis=1), 1.0, atol=0.03)
    assert (forces > 0.2).all()


def _reflected(robot, qpos, qvel):
    """The same robot seen in the x-z plane's mirror, written out for MuJoCo's coordinates."""
    mirror = robot.mirror
    flip = jnp.asarray([1.0, -1.0, 1.0], jnp.float32)
    qpos2 = qpos.at[:3].multiply(flip).at[3:7].multiply(jnp.asarray([1.0, -1.0, 1.0, -1.0], jnp.float32))
    qvel2 = qvel.at[:3].multiply(flip).at[3:6].multiply(-flip)
    qpos2 = qpos2.at[np.array(robot.joint_qpos)].set(mirror(robot.joints(qpos)))
    qvel2 = qvel2.at[np.array(robot.joint_dof)].set(mirror(robot.joint_velocities(qvel)))
    return qpos2, qvel2


def _reflected_signals(robot, signals, physics) -> Signals:
    command, mirror = signals.commands["velocity"], robot.mirror
    gait = signals.commands["gait"]
    later = (gait.phase + jnp.float32(np.pi)) % jnp.float32(2.0 * np.pi)
    commands = default_commands(robot)
    states = {
        "velocity": VelocityState(
            command.lin_vel_x, -command.yaw_rate, -command.heading, -command.target, -command.origin
        ),
        "gait": GaitState(later, gait.moving, gait.mid_swing, gait.swing),
    }
    return Signals(
        physics=physics,
        action=mirror(signals.action),
        previous_action=mirror(signals.previous_action),
        ctrl=mirror(signals.ctrl),
        commands=states,
        observed={name: commands[name].observe(state) for name, state in states.items()},
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_mirror_of_a_stack_is_the_mirror_of_the_world(robot, init, seed):
    """A mirrored robot, simulated, observes `stack.mirror` of what the robot observes."""
    qpos, qvel = _random_pose(robot, seed)
    signals = _signals(robot, init(qpos, qvel))
    seen = _reflected_signals(robot, signals, init(*_reflected(robot, qpos, qvel)))
    stack = ObservationStack(critic_terms(robot), policy=False)
    expected = np.asarray(stack.mirror(stack(signals)))
    actual = np.asarray(stack(seen))
    for part in stack.layout:
        np.testing.assert_allclose(
            actual[part.start : part.stop], expected[part.start : part.stop], atol=2e-4, err_msg=part.name
        )
    changed = np.abs(expected - np.asarray(stack(signals))) > 1e-3
    assert changed.sum() > 30, "a mirror that changes nothing would pass, too"
    np.testing.assert_array_equal(stack.mirror(stack.mirror(stack(signals))), stack(signals))


def test_a_planar_command_mirrors_as_the_world_does(robot):
    """Sideways and turns change their sides, ahead stays ahead."""
    signals = planar_signals(robot)
    command = signals.commands["velocity"]
    planar = VelocityCommand(robot, lin_vel_y=(-0.1, 0.1), ang_vel_z=(-0.5, 0.5))
    term = CommandTerm("velocity", planar.observed)
    value = np.asarray(term(signals))
    np.testing.assert_array_equal(value, [command.lin_vel_x, command.lin_vel_y, command.yaw_rate])
    np.testing.assert_array_equal(term.mirror(jnp.asarray(value)), value * np.array([1, -1, -1]))
    turning = VelocityCommand(robot, ang_vel_z=(-0.5, 0.5))  # without a channel for sideways
    np.testing.assert_array_equal(turning.observe(turning.sample(jax.random.key(0)))[1], 0.0)


def test_foot_contacts_swap_in_the_mirror(robot, init):
    """Leaning on one foot: the mirrored robot leans on the other (the chest is not quite symmetric)."""
    quat = np.empty(4)
    mujoco.mju_axisAngle2Quat(quat, np.array([1.0, 0.0, 0.0]), 0.02)
    qpos = _qpos(robot, quat, height=float(robot.home_height) - 0.003)
    qvel = jnp.zeros((robot.nv,), jnp.float32)
    term = critic_terms(robot)["foot_contacts"]
    one = np.asarray(term(_signals(robot, init(qpos, qvel))))
    other = np.asarray(term(_signals(robot, init(*_reflected(robot, qpos, qvel)))))
    assert one.max() > 1.5 * one.min()
    np.testing.assert_allclose(other, np.asarray(term.mirror(jnp.asarray(one))), atol=0.1 * one.max())
