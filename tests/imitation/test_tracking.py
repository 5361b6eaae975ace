"""Commands, resets, rewards, endings and a gate for a motion clip: against NumPy and MuJoCo."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_physics

import wildrobot_eqx as we
from wildrobot_eqx import check
from wildrobot_eqx.evaluate.clip_gate import ClipTally
from wildrobot_eqx.evaluate.rollout import judged_env
from wildrobot_eqx.learn.networks import AbstractPolicy, Normal
from wildrobot_eqx.observe import Signals

DT = 0.02


@pytest.fixture(scope="module")
def clip(robot):
    return we.load_clip("squat_bow_wave", robot)


@pytest.fixture(scope="module")
def recipe():
    return we.load_recipe("track")(num_envs=8, physics="native")


@pytest.fixture(scope="module")
def once(robot):
    """A clip of 0.5 s that does not loop: the knees bend."""
    knees = np.linspace(0.5, 0.8, 6)
    return we.MotionClip.make(robot, 10.0, {"left_knee_pitch": knees, "right_knee_pitch": knees})


def played(command, state, steps, physics):
    for _ in range(steps):
        state = command.step(jax.random.key(0), state, physics, DT, {})
    return state


# --- the command -----------------------------------------------------------------------------------------


def test_a_command_plays_its_clip(robot, clip):
    command, physics = we.commands.ClipCommand(robot, clip), random_physics(robot)
    state = played(command, command.sample(jax.random.key(3)), 120, physics)
    np.testing.assert_allclose(state.phase, 120 * DT / 5.4, rtol=1e-5)
    frame = clip.at(jnp.float32(120 * DT))
    for a, b in zip(jax.tree.leaves(state.frame), jax.tree.leaves(frame), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)
    state = played(command, state, 170, physics)
    np.testing.assert_allclose(state.phase, 20 * DT / 5.4, atol=1e-4)  # it loops


def test_a_policy_sees_what_the_clip_asks_for(robot, clip):
    command = we.commands.ClipCommand(robot, clip, start=(0.4, 0.4))
    state = command.sample(jax.random.key(0))
    names = [channel.name for channel in command.observed]
    seen = dict(zip(names, np.asarray(command.observe(state)), strict=True))
    for i, name in enumerate(robot.joint_names):
        np.testing.assert_allclose(seen[name], state.frame.joint_pos[i] - robot.home_joints[i], atol=1e-6)
        assert seen[f"{name}_vel"] == state.frame.joint_vel[i]
    np.testing.assert_allclose(
        [seen["phase_sin"], seen["phase_cos"]], [np.sin(0.8 * np.pi), np.cos(0.8 * np.pi)], atol=1e-5
    )


def test_a_clip_has_no_mirror_image_that_is_known(robot, clip):
    """So a learner that is to be symmetric is refused by name, instead of taught to wave to the other side."""
    assert we.terms.CommandTerm("clip", we.commands.ClipCommand(robot, clip).observed).mirror is None
    velocity = we.commands.VelocityCommand(robot)
    assert we.terms.CommandTerm("velocity", velocity.observed).mirror is not None


def test_episodes_begin_all_over_a_clip_each_at_a_speed_of_its_own(robot, clip):
    command = we.commands.ClipCommand(robot, clip, start=(0.0, 1.0), speed=(0.5, 1.5))
    states = jax.vmap(command.sample)(jax.random.split(jax.random.key(1), 512))
    assert np.histogram(states.phase, bins=4, range=(0.0, 1.0))[0].min() > 90
    assert np.histogram(states.speed, bins=4, range=(0.5, 1.5))[0].min() > 90
    assert abs(np.corrcoef(states.phase, states.speed)[0, 1]) < 0.15


def test_the_speed_is_what_can_be_asked_for(robot, clip):
    """Half the speed halves the velocities; at speed 0 the robot is asked to hold its pose."""
    command, physics = we.commands.ClipCommand(robot, clip, start=(0.3, 0.3)), random_physics(robot)
    plain = command.sample(jax.random.key(0))
    half = command.set(plain, jnp.array([0.5]))
    assert half.phase == plain.phase
    np.testing.assert_allclose(half.frame.joint_vel, 0.5 * plain.frame.joint_vel)
    np.testing.assert_allclose(half.frame.base_angvel, 0.5 * plain.frame.base_angvel)
    np.testing.assert_allclose(played(command, half, 100, physics).phase, 0.3 + 1.0 / 5.4, rtol=1e-5)
    still = played(command, command.set(plain, jnp.array([0.0])), 100, physics)
    np.testing.assert_array_equal(still.frame.joint_pos, plain.frame.joint_pos)
    assert not np.any(still.frame.joint_vel)
    held = command.hold(jnp.array([0.7]))
    first = held.sample(jax.random.key(5))
    assert (float(first.phase), float(first.speed)) == (0.0, pytest.approx(0.7))


def test_a_clip_that_does_not_loop_is_over_at_its_end(robot, once):
    command, ending = we.commands.ClipCommand(robot, once), we.endings.ClipOver("clip")
    physics, state, over = random_physics(robot), command.sample(jax.random.key(0)), []
    for _ in range(30):
        state = command.step(jax.random.key(0), state, physics, DT, {})
        over.append(bool(ending(signals_of(physics, state))))
    assert over.index(True) in (24, 25)  # after 25 steps, but for a rounding of the phase
    assert all(over[25:])
    i = robot.joint_names.index("left_knee_pitch")
    np.testing.assert_allclose(state.frame.joint_pos[i], 0.8, atol=1e-6)
    assert not np.any(state.frame.joint_vel)
    assert ending.truncates


def test_a_figure_tells_how_far_the_joints_are(robot, clip):
    command, physics = we.commands.ClipCommand(robot, clip), random_physics(robot)
    state = command.sample(jax.random.key(0))
    error = np.mean(np.abs(np.asarray(physics.qpos)[list(robot.joint_qpos)] - np.asarray(state.frame.joint_pos)))
    np.testing.assert_allclose(command.metrics(state, physics)["joint_error"], error, rtol=1e-5)


# --- the reset -------------------------------------------------------------------------------------------


def test_an_episode_begins_in_the_pose_of_its_moment(robot, recipe):
    """Pose and command agree, whatever the heading, and the soles are flat on the floor and still: MuJoCo says so."""
    exact = we.resets.ClipReset(robot, "clip", joint_noise=0.0, velocity_noise=0.0, drop=0.0)
    env = dataclasses.replace(recipe.env, reset_state=exact)
    headings, phases, speeds = [], [], []
    for key in jax.random.split(jax.random.key(0), 6):
        state = env.reset(key)[0]
        frame, physics = state.commands["clip"].frame, state.physics
        np.testing.assert_allclose(robot.joints(physics.qpos), frame.joint_pos, atol=1e-6)
        np.testing.assert_allclose(robot.joint_velocities(physics.qvel), frame.joint_vel, atol=1e-6)
        np.testing.assert_allclose(physics.xpos[robot.base.body, 2], frame.base_pos[2], atol=1e-6)
        for foot in robot.feet:
            assert abs(float(physics.site_xpos[foot.site, 2])) < 1e-3
            assert np.linalg.norm(foot.linvel.read(physics.sensordata)) < 0.02
        heading = we.rotation.yaw(physics.xquat[robot.base.body])
        headings.append(float(heading - we.rotation.yaw(frame.base_quat)))
        phases.append(float(state.commands["clip"].phase))
        speeds.append(float(jnp.linalg.norm(physics.qvel)))
    assert np.ptp(headings) > 1.0
    assert np.ptp(phases) > 0.3
    assert max(speeds) > 0.3


def test_a_reset_needs_its_command(robot):
    reset = we.resets.ClipReset(robot, "clip")
    with pytest.raises(we.WildRobotError, match="no such command"):
        reset(jax.random.key(0), {})
    with pytest.raises(we.WildRobotError, match="PointState"):
        reset(jax.random.key(0), {"clip": we.commands.PointState(jnp.zeros(2))})


# --- rewards ---------------------------------------------------------------------------------------------


def signals_of(physics, state) -> Signals:
    zero = jnp.zeros((11,), jnp.float32)
    return Signals(physics, zero, zero, zero, {"clip": state}, {})


def test_rewards_are_their_formulas(robot, clip):
    command, physics = we.commands.ClipCommand(robot, clip, start=(0.45, 0.45)), random_physics(robot)
    state = command.sample(jax.random.key(0))
    frame, seen = state.frame, signals_of(physics, state)
    qpos, qvel = np.asarray(physics.qpos, float), np.asarray(physics.qvel, float)
    position = np.sqrt(np.mean((qpos[list(robot.joint_qpos)] - np.asarray(frame.joint_pos)) ** 2))
    velocity = np.sqrt(np.mean((qvel[list(robot.joint_dof)] - np.asarray(frame.joint_vel)) ** 2))
    up, wanted = (matrix(quat).T @ [0.0, 0.0, 1.0] for quat in (physics.xquat[robot.base.body], frame.base_quat))
    height = float(physics.xpos[robot.base.body, 2] - frame.base_pos[2])
    for make, error in (
        (we.rewards.TrackJointPositions, position),
        (we.rewards.TrackJointVelocities, velocity),
        (we.rewards.TrackBaseHeight, height),
        (we.rewards.TrackBaseTilt, np.linalg.norm(up - wanted)),
    ):
        reward = make(robot, "clip", width=2.0 * abs(error))
        np.testing.assert_allclose(reward(seen), np.exp(-0.25), rtol=1e-4, err_msg=make.__name__)


def test_rewards_peak_where_the_robot_does_what_it_is_asked(robot, recipe):
    exact = we.resets.ClipReset(robot, "clip", joint_noise=0.0, velocity_noise=0.0, drop=0.0)
    env = dataclasses.replace(recipe.env, reset_state=exact)
    for key in jax.random.split(jax.random.key(2), 3):
        seen = env.signals(env.reset(key)[0])
        for name in ("far", "near", "speed", "height", "tilt"):
            np.testing.assert_allclose(env.rewards[name](seen), 1.0, atol=1e-5, err_msg=name)


def matrix(quat) -> np.ndarray:
    w, x, y, z = np.asarray(quat, float)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


# --- the gate --------------------------------------------------------------------------------------------


class Follow(AbstractPolicy):
    """Sends the clip's own joint positions to the servos, `offset` (rad) away: no balance, nothing learned."""

    at: int = eqx.field(static=True)
    nu: int = eqx.field(static=True)
    share: jax.Array
    offset: jax.Array

    def __init__(self, env, share=1.0, offset=0.0):
        self.at = next(part.start for part in env.observations["policy"].layout if part.name == "clip")
        self.nu = env.action_size
        self.share, self.offset = jnp.float32(share), jnp.float32(offset)

    def init(self):
        return ()

    def __call__(self, obs, carry):
        asked = self.share * obs[..., self.at : self.at + self.nu] + self.offset
        return Normal(asked / 0.8, jnp.zeros((self.nu,), jnp.float32)), carry  # the controller's scale

    def update_norm(self, obs):
        return self


BRIEF = {"episodes": 2, "timesteps": (0.005,)}
SECONDS = 1.6


@pytest.fixture(scope="module")
def gate():
    return we.gates.ClipGate(seconds=SECONDS)


def figure(result, name, case="from the start"):
    (value,) = (found.values[name] for found in result.figures if found.case == case)
    return value


@pytest.mark.slow
def test_the_gate_passes_a_robot_that_does_the_clip(recipe, gate):
    """The clip's own joint positions, sent to the servos as they are, while it squats."""
    result = gate(recipe.env, Follow(recipe.env), **BRIEF)
    assert {line.case for line in result.lines} == {"from the start", "from anywhere"}
    assert all(line.passed for line in result.lines), result.lines
    assert result.provisional
    assert 0.2 < np.rad2deg(figure(result, "joint_error")) < 3.0
    assert figure(result, "joint_error") <= figure(result, "worst_joint_error")


def test_the_gate_refuses_a_robot_that_stands(recipe, robot, clip, gate):
    """It is as far from the clip as the home pose is."""
    result = gate(recipe.env, Follow(recipe.env, share=0.0), **BRIEF)
    assert {line.name for line in result.lines if not line.passed} == {"joint_error"}
    times = DT * jnp.arange(1, round(SECONDS / DT) + 1)
    away = np.abs(np.asarray(jax.vmap(clip.at)(times).joint_pos) - np.asarray(robot.home_joints)).mean(axis=0)
    assert figure(result, "joint_error") == pytest.approx(away.mean(), rel=0.1)
    assert figure(result, "worst_joint_error") == pytest.approx(away.max(), rel=0.1)
    wanted = np.asarray(jax.vmap(we.rotation.pitch)(jax.vmap(clip.at)(times).base_quat)).mean()
    assert figure(result, "tilt_error") == pytest.approx(wanted, rel=0.15)


def test_the_gate_counts_falls(recipe, gate):
    result = gate(recipe.env, Follow(recipe.env, share=0.0, offset=0.8), **BRIEF)
    assert figure(result, "survival") == 0.0
    assert all(np.isfinite(value) for found in result.figures for value in found.values.values())


def test_what_befalls_a_robot_is_the_gates(recipe, robot, gate):
    """Nothing of what training draws, unless the gate brings it."""
    kick = we.events.VelocityKick(robot, speed=(0.4, 0.4))
    pushed = dataclasses.replace(recipe.env, disturbances=we.Disturbances(events={"push": we.events.Push()}))
    judged = judged_env(pushed, 0.005)
    assert gate.prepare(judged).disturbances is None
    brought = we.gates.ClipGate(seconds=SECONDS, events={"kick": kick}).prepare(judged).disturbances
    assert eqx.tree_equal(brought, we.Disturbances(events={"kick": kick}))


def test_figures_of_a_gate_are_means_over_all_steps(recipe, gate):
    meter = gate.meter(recipe.env)
    joints = np.zeros((2, 11), np.float32)
    joints[0], joints[1, 3] = 0.3, 0.9
    tally = ClipTally(jnp.array([True, False]), jnp.array([3, 1]), jnp.asarray(joints), jnp.array([0.3, 0.1]))
    tally = jax.tree.map(np.asarray, tally)
    found = meter.figures(tally, gate.cases(recipe.env)[0])
    assert found["joint_error"] == pytest.approx((11 * 0.3 + 0.9) / 4 / 11, rel=1e-5)
    assert found["worst_joint_error"] == pytest.approx((0.3 + 0.9) / 4, rel=1e-5)
    assert found["tilt_error"] == pytest.approx(0.1, rel=1e-5)
    assert found["survival"] == 0.5


def test_a_gate_needs_its_command(recipe, gate):
    with pytest.raises(we.WildRobotError, match="does not have") as caught:
        we.gates.ClipGate(seconds=SECONDS, command="clap").cases(recipe.env)
    assert "did you mean 'clip'" in caught.value.hint
    with pytest.raises(we.WildRobotError, match="judges nothing"):
        we.gates.ClipGate(seconds=0.0)
    assert gate.cases(recipe.env)[0].values == {"clip": (1.0,)}


# --- all of it -------------------------------------------------------------------------------------------


def test_an_env_whose_clip_ends_keeps_the_contract(recipe, once, robot):
    env = dataclasses.replace(recipe.env, commands={"clip": we.commands.ClipCommand(robot, once)})
    assert check.check_env(env).findings == ()


def test_we_testing_proves_them_on_a_floating_base(recipe, robot, once):
    we.testing.check_command(we.commands.ClipCommand(robot, once), robot)
    we.testing.check_reset(we.resets.ClipReset(robot, "clip"), recipe.env)
