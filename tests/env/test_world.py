"""An env whose servos, sensors and calibration are off and that is pushed: its contract, its draws, its determinism."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import Batched, critic_terms, make_env, policy_terms, wrong_world

import wildrobot_eqx as we
from wildrobot_eqx import check
from wildrobot_eqx.observe import ObservationStack

NOISE = {"gravity": (we.sensing.Noise(0.1),)}


@pytest.fixture(scope="module")
def wrong(hopper):
    """The hopper with one of everything that can be wrong, for 4 robots."""
    return Batched(make_env(hopper, **wrong_world(hopper)), 4)


def test_the_contract_holds(wrong):
    report = check.check_env(wrong.env)
    assert report.passed, "\n".join(map(str, report.findings))


def test_a_perfect_env_carries_no_world(hopper_env, wrong):
    assert hopper_env.ideal
    assert not wrong.env.ideal
    state = eqx.filter_eval_shape(hopper_env.reset, jax.random.key(0))[0]
    assert jax.tree.leaves((state.disturbances, state.observations)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        {"servos": lambda r: we.Servos(r, {"motor": we.servos.DCMotor(r)})},
        {"calibration": lambda r: we.RandomCalibrationError()},
        {"events": lambda r: {"push": we.events.Push()}},
        {"observations": lambda r: {"policy": ObservationStack(policy_terms(r), history=2)}},
        {
            "observations": lambda r: {
                "policy": ObservationStack(policy_terms(r), sensing={"gravity": (we.sensing.Noise(0.1),)})
            }
        },
    ],
    ids=["servos", "calibration", "events", "history", "noise"],
)
def test_each_part_alone_is_an_env(hopper, part):
    env = make_env(hopper, **{name: make(hopper) for name, make in part.items()})
    assert not env.ideal
    assert check.check_env(env).passed


def test_episodes_differ_within_a_batch_and_repeat_with_their_key(wrong):
    state, timestep = wrong.reset(0)
    again, same = wrong.reset(0)
    assert eqx.tree_equal(state, again)
    assert eqx.tree_equal(timestep.obs, same.obs)
    world = state.disturbances
    for draw in (world.servo["motor"].source, world.calibration.joint_offset, world.servo["delay"][0]):
        assert len(np.unique(np.asarray(draw).reshape(4, -1), axis=0)) == 4
    other, _ = wrong.reset(1)
    assert not np.intersect1d(world.servo["motor"].source, other.disturbances.servo["motor"].source).size


@pytest.mark.slow
def test_stepping_one_state_twice_gives_the_same_bits_and_draws_stay(wrong):
    state, _ = wrong.hold(wrong.reset()[0], 3)
    action = np.full((4, 3), 0.1, np.float32)
    one, two = wrong.step(state, action), wrong.step(state, action)
    assert eqx.tree_equal(one, two)
    after = one[0].disturbances
    assert eqx.tree_equal(after.calibration, state.disturbances.calibration)
    np.testing.assert_array_equal(after.servo["motor"].source, state.disturbances.servo["motor"].source)


def test_the_policy_sees_noise_and_the_critic_the_truth(wrong):
    state, timestep = wrong.hold(wrong.reset()[0], 10)
    env = wrong.env
    policy, critic = env.observations["policy"], env.observations["critic"]
    spot = {s.name: slice(s.start, s.stop) for s in reversed(policy.layout)}
    truth = {s.name: slice(s.start, s.stop) for s in critic.layout}
    joints = jax.vmap(env.physics.robot.joints)(state.physics.qpos) - env.physics.robot.home_joints
    np.testing.assert_allclose(timestep.obs["critic"][:, truth["joint_positions"]], joints, atol=1e-6)
    seen = np.asarray(timestep.obs["policy"][:, spot["joint_positions"]])
    expected = np.asarray(joints + state.disturbances.calibration.joint_offset)
    assert np.abs(seen - expected).max() < 0.0021 + 1e-5, "the offset, and half a unit of resolution"
    gyro = {
        role: np.asarray(timestep.obs[role][:, part["angular_velocity"]])
        for role, part in (("policy", spot), ("critic", truth))
    }
    assert np.abs(gyro["policy"] - gyro["critic"]).max() > 1e-3
    frames = np.asarray(timestep.obs["policy"]).reshape(4, policy.history, -1)
    assert np.abs(frames[:, 0] - frames[:, 1]).max() > 0.0


def test_an_env_shows_its_critic_what_it_has_drawn(hopper, wrong):
    """In a running env: the servos' and the calibration's draws, those of each robot, from the first observation on."""
    state, first = wrong.reset()
    _, later = wrong.hold(state, 2)
    world = state.disturbances
    expected = {
        "voltage": world.servo["motor"].source[:, None],
        "strength": world.servo["motor"].strength,
        "lag": world.servo["delay"][0][:, None] / hopper.control_dt,
        "play": world.servo["backlash"],
        "encoder_offsets": world.calibration.joint_offset,
        "imu_rotation": world.calibration.imu_rotation,
    }
    spot = {part.name: slice(part.start, part.stop) for part in wrong.env.observations["critic"].layout}
    for name, value in expected.items():
        for timestep in (first, later):
            np.testing.assert_allclose(timestep.obs["critic"][:, spot[name]], value, rtol=1e-5, err_msg=name)


@pytest.mark.slow
def test_joints_go_by_their_encoders(hopper):
    """Commanded to hold the home pose, each joint settles its offset short of it, and the encoder reads home."""
    calm = {"reset_state": we.resets.HomeReset(hopper, joint_noise=0.0, velocity_noise=0.0)}
    sensed = ObservationStack(policy_terms(hopper), sensing={"joint_positions": (we.sensing.EncoderOffset(),)})
    off = we.RandomCalibrationError(joint_offset=(-0.03, 0.03), imu_angle=(0.0, 0.0))
    parts = {"observations": {"policy": sensed}, "calibration": off, **calm}
    batch = Batched(make_env(hopper, **parts), 4)
    state, timestep = batch.hold(batch.reset()[0], 40)
    plain = Batched(make_env(hopper, **calm), 4)
    level, _ = plain.hold(plain.reset()[0], 40)
    true = jax.vmap(hopper.joints)(state.physics.qpos) - jax.vmap(hopper.joints)(level.physics.qpos)
    np.testing.assert_allclose(true, -state.disturbances.calibration.joint_offset, atol=0.01)
    part = next(s for s in sensed.layout if s.name == "joint_positions")
    home = jax.vmap(hopper.joints)(level.physics.qpos) - hopper.home_joints
    np.testing.assert_allclose(timestep.obs["policy"][:, part.start : part.stop], home, atol=0.01)


@pytest.mark.slow
def test_a_redraw_is_the_resets_world(wrong):
    state, _ = wrong.hold(wrong.reset()[0], 3)
    keys = jax.random.split(jax.random.key(7), 4)
    fresh = jax.jit(lambda env, state, keys: jax.vmap(env.redraw)(state, keys))(wrong.env, state, keys)
    full = wrong._reset(wrong.env, keys)[0]
    assert eqx.tree_equal(fresh.disturbances.calibration, full.disturbances.calibration)
    np.testing.assert_array_equal(fresh.disturbances.servo["motor"].source, full.disturbances.servo["motor"].source)
    assert jax.tree.structure(fresh) == jax.tree.structure(full)


@pytest.mark.slow
def test_a_weak_battery_moves_the_robot_otherwise(hopper):
    """Voltage is a leaf: one compiled env, two batteries."""
    servos = we.Servos(hopper, {"motor": we.servos.DCMotor(hopper, voltage=(11.1, 11.1))})
    batch = Batched(make_env(hopper, servos=servos), 4)
    low = eqx.tree_at(
        lambda e: e.disturbances.servos.parts["motor"].voltage, batch.env, jnp.asarray([5.0, 5.0], jnp.float32)
    )
    force = []
    for env in (batch.env, low):
        state, _ = batch.reset(env=env)
        state, _ = batch.step(state, np.full((4, 3), 2.0), env=env)
        force.append(np.abs(np.asarray(state.physics.actuator_force)).max())
    np.testing.assert_allclose(force, [8.0, 8.0 * 5.0 / 11.1], rtol=1e-3)


@pytest.mark.slow
def test_updates_within_a_period_hardly_change_a_law_that_is_exact(hopper):
    """The DC motor's law holds in every substep already; the engine's rounding between calls is all that differs."""
    states = []
    for updates in (1, 4):
        servos = we.Servos(hopper, {"motor": we.servos.DCMotor(hopper, voltage=(11.1, 11.1))}, updates=updates)
        batch = Batched(make_env(hopper, servos=servos), 2)
        state, _ = batch.reset()
        for _ in range(5):
            state, _ = batch.step(state, np.full((2, 3), 0.3))
        states.append(np.asarray(state.physics.qpos))
    np.testing.assert_allclose(states[0], states[1], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("engine", [we.MjxPhysics, we.TreePhysics])
def test_other_engines_take_the_same_world(hopper, wrong, engine):
    """The whole chain, backlash and all: the same joints as on native after a few control steps."""
    env = wrong.env
    other = eqx.tree_at(lambda e: e.physics, env, engine(hopper))
    batch = Batched(other, 4)
    (ours, _), (theirs, _) = wrong.reset(), batch.reset()
    assert jax.tree.map(jnp.shape, ours) == jax.tree.map(jnp.shape, theirs)
    for _ in range(5):
        ours, _ = wrong.step(ours, np.full((4, 3), 0.2))
        theirs, _ = batch.step(theirs, np.full((4, 3), 0.2))
    np.testing.assert_allclose(ours.physics.qpos, theirs.physics.qpos, atol=2e-3)
    assert check.check_env(other).passed


def test_privileged_terms_still_refuse_the_policy(hopper):
    with pytest.raises(we.WildRobotError, match="cannot measure"):
        ObservationStack(critic_terms(hopper))
