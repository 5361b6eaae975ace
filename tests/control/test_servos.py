"""Servo parts against their formulas in NumPy, and the chain that joins them."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import shifted

import wildrobot_eqx as we
from wildrobot_eqx.control.law import ServoParams
from wildrobot_eqx.physics import fraction
from wildrobot_eqx.robots import Servo

N = 3


@pytest.fixture
def geared(hopper):
    """The hopper with the biped's servos, one for each of its 3 joints."""
    return dataclasses.replace(hopper, servo=Servo((4.41,) * N, (5.818,) * N))


def f32(*values):
    return jnp.asarray(values, jnp.float32)


def plain_law(**changes) -> we.servos.ServoLaw:
    plain = {
        "target": f32(0.3, -0.2, 0.1),
        "stiffness": f32(20.0, 20.0, 20.0),
        "damping": f32(0.5, 0.5, 0.5),
        "limit": f32(4.0, 4.0, 4.0),
        "drag": f32(0.1, 0.1, 0.1),
        "friction": f32(0.02, 0.02, 0.02),
    }
    return we.servos.ServoLaw(**{**plain, **changes})


def joints(position=(0.0, 0.0, 0.0), velocity=(0.0, 0.0, 0.0), torque=(0.0, 0.0, 0.0), armature=(0.01, 0.01, 0.01)):
    return we.servos.Joints(f32(*position), f32(*velocity), f32(*torque), f32(*armature))


def begin(part, at=None, dt=0.02, seed=0):
    at = at or joints()
    return part.init(jax.random.key(shifted(seed)), at, plain_law().target, dt)


def torque(law: we.servos.ServoLaw, at: we.servos.Joints) -> np.ndarray:
    """A drive's torque by the formula in its docstring, without friction."""
    target, stiffness, damping, limit, drag = (
        np.asarray(getattr(law, name), float) for name in ("target", "stiffness", "damping", "limit", "drag")
    )
    position, velocity = np.asarray(at.position, float), np.asarray(at.velocity, float)
    return np.clip(stiffness * (target - position) - damping * velocity, -limit, limit) - drag * velocity


def test_the_ideal_servo_is_a_pd_law_with_a_limit(hopper):
    part = we.servos.IdealPD(hopper, stiffness=10.0, damping=0.2, limit=1.5)
    at = joints(position=(0.0, 0.1, 0.1), velocity=(1.0, 0.0, -2.0))
    law, _ = part(begin(part), plain_law(), at, 0.02)
    error = np.array([0.3, -0.3, 0.0])
    expected = np.clip(10.0 * error - 0.2 * np.array([1.0, 0.0, -2.0]), -1.5, 1.5)
    np.testing.assert_allclose(torque(law, at), expected, rtol=1e-5)
    assert not law.friction.any()


@pytest.mark.parametrize("voltage", [9.6, 11.1, 12.6])
def test_full_duty_is_the_torque_speed_line(geared, voltage):
    """Its ends: 4.41 N m and 5.818 rad/s at 11.1 V, in proportion to the voltage."""
    part = we.servos.DCMotor(geared, voltage=(voltage, voltage))
    speed = np.linspace(-3.0, 6.0, N)
    at = we.servos.Joints(jnp.zeros(N), f32(*speed), jnp.zeros(N), jnp.zeros(N))
    none = jnp.zeros(N)
    given = we.servos.ServoLaw(jnp.full(N, 1.0), jnp.full(N, 21.1), jnp.full(N, 0.5), jnp.full(N, 4.0), none, none)
    law, state = part(part.init(jax.random.key(0), at, none, 0.02), given, at, 0.02)
    stall, no_load = 4.41 * voltage / 11.1, 5.818 * voltage / 11.1
    np.testing.assert_allclose(torque(law, at), stall * (1.0 - speed / no_load), atol=1e-4)
    assert float(state.voltage) == pytest.approx(voltage)


def test_duty_is_in_proportion_to_the_error_below_the_limit(geared):
    part = we.servos.DCMotor(geared, voltage=(11.1, 11.1), strength=(0.8, 0.8))
    at = joints(position=(0.2, -0.2, 0.0), velocity=(0.5, -0.5, 0.0))
    law, _ = part(begin(part, at), plain_law(), at, 0.02)
    duty = np.clip(20.0 * np.array([0.1, 0.0, 0.1]) / 4.41, -1, 1)
    expected = 0.8 * (4.41 * duty - 4.41 / 5.818 * np.array([0.5, -0.5, 0.0])) - 0.1 * np.array([0.5, -0.5, 0.0])
    np.testing.assert_allclose(torque(law, at), expected, atol=1e-5)


def test_the_battery_gives_way_to_the_current_of_all_motors(geared):
    part = we.servos.DCMotor(geared, voltage=(12.0, 12.0), resistance=0.2)
    at = joints(velocity=(1.0, 0.0, -1.0), torque=(2.0, -1.0, 0.5))
    _, state = part(begin(part, at), plain_law(), at, 0.02)
    duty = np.array([2.0, -1.0, 0.5]) / (4.41 * 12.0 / 11.1)
    current = (np.array([2.0, -1.0, 0.5]) - 4.41 / 5.818 * np.array([1.0, 0.0, -1.0])) * 3.0 / 4.41
    assert float(state.voltage) == pytest.approx(12.0 - 0.2 * np.sum(duty * current), rel=1e-5)
    assert float(state.voltage) < 12.0
    braking = joints(velocity=(5.0, 0.0, 0.0), torque=(0.5, 0.0, 0.0))
    _, state = part(begin(part, at), plain_law(), braking, 0.02)
    assert float(state.voltage) == 12.0, "a motor that brakes does not charge the battery"


def test_motors_of_different_size_draw_their_own_currents(hopper):
    """The servos of hip and ankle differ: each follows its own torque-speed line, and currents add up by shares."""
    stall, speed = np.array([4.0, 2.0, 1.0]), np.array([6.0, 8.0, 4.0])
    mixed = dataclasses.replace(hopper, servo=Servo(tuple(stall), tuple(speed)))
    part = we.servos.DCMotor(mixed, voltage=(12.0, 12.0), rated=12.0, resistance=0.2)
    at = joints(velocity=(1.0, 0.0, -1.0), torque=(2.0, -1.0, 0.5))
    law, state = part(begin(part, at), plain_law(), at, 0.02)
    np.testing.assert_allclose(law.drag - plain_law().drag, stall / speed, rtol=1e-5)
    given = np.array([2.0, -1.0, 0.5])
    current = (given - stall / speed * np.array([1.0, 0.0, -1.0])) / stall * 3.0
    assert float(state.voltage) == pytest.approx(12.0 - 0.2 * np.sum(given / stall * current), rel=1e-5)
    np.testing.assert_allclose(law.limit, stall * float(state.voltage) / 12.0, rtol=1e-5)


def test_voltage_and_strength_differ_within_a_batch(geared):
    part = we.servos.DCMotor(geared, voltage=(9.6, 12.6), strength=(0.8, 1.2))
    keys = jax.random.split(jax.random.key(1), 256)
    state = jax.vmap(lambda key: part.init(key, joints(), plain_law().target, 0.02))(keys)
    assert state.source.min() < 9.7
    assert state.source.max() > 12.5
    assert state.source.min() >= 9.6
    assert state.source.max() <= 12.6
    assert state.strength.shape == (256, N)
    assert state.strength.std(axis=0).min() > 0.1
    same = jax.vmap(lambda s: part(s, plain_law(), joints(), 0.02)[0])(state)
    assert len(np.unique(np.asarray(same.limit[:, 0]))) > 250


def test_commands_are_whole_units():
    part = we.servos.CommandResolution(step=0.1)
    law, _ = part((), plain_law(target=f32(0.26, -0.24, 0.05)), joints(), 0.02)
    np.testing.assert_allclose(law.target, [0.3, -0.2, 0.0], atol=1e-6)
    assert float(we.servos.CommandResolution().step) == pytest.approx(np.deg2rad(0.24), rel=1e-3)


@pytest.mark.parametrize(("delay", "dt"), [(0.0, 0.02), (0.02, 0.02), (0.013, 0.02), (0.013, 0.005), (0.05, 0.02)])
def test_a_delayed_target_is_the_mean_of_what_arrives_within_the_update(delay, dt):
    """Against the commanded staircase itself, sampled finely and shifted."""
    part = we.servos.CommandDelay((delay, delay))
    state, targets = begin(part, dt=dt), np.random.default_rng(0).normal(size=(12, N))
    start = np.asarray(plain_law().target)
    fine = 1000
    stairs = np.concatenate([np.tile(start, (20 * fine, 1)), np.repeat(targets, fine, axis=0)])
    for k, target in enumerate(targets):
        law, state = part(state, plain_law(target=f32(*target)), joints(), dt)
        end = (20 + k + 1) * fine - round(delay / dt * fine)
        np.testing.assert_allclose(law.target, stairs[end - fine : end].mean(axis=0), atol=2e-3)


def test_delays_differ_within_a_batch_and_stay_within_their_range():
    part = we.servos.CommandDelay((0.005, 0.03))
    keys = jax.random.split(jax.random.key(0), 64)
    delay, line = jax.vmap(lambda key: part.init(key, joints(), plain_law().target, 0.02))(keys)
    assert delay.min() >= 0.005
    assert delay.max() <= 0.03
    assert delay.std() > 0.004
    assert line.shape == (64, 3, N)


def test_nothing_drives_a_joint_inside_the_deadband():
    part = we.servos.Deadband(width=0.05)
    at = joints(position=(0.28, -0.24, 0.2))
    law, _ = part((), plain_law(), at, 0.02)
    np.testing.assert_allclose(torque(law, at), [0.0, 0.0, -2.0], atol=1e-5)
    np.testing.assert_allclose(law.drag, plain_law().drag)


def test_backlash_is_a_gap_in_the_error():
    part = we.servos.Backlash(play=(0.1, 0.1))
    at = joints(position=(0.2, -0.17, 0.4), velocity=(0.0, 3.0, 0.0))
    law, play = part(begin(part), plain_law(), at, 0.02)
    np.testing.assert_allclose(play, 0.1)
    np.testing.assert_allclose(torque(law, at), [20.0 * 0.05, 0.0, -4.0], atol=1e-4)
    np.testing.assert_allclose(law.friction, [0.02, 0.0, 0.02])


def test_gear_friction_is_the_papers_formula():
    part = we.servos.GearFriction(0.05, 0.2, 1.5, 0.04, 0.06, 0.1, 0.08)
    before, at = joints(velocity=(0.0, 0.4, -0.1)), joints(velocity=(0.1, 0.5, 0.0), torque=(1.0, -2.0, 0.5))
    law, state = part(begin(part, before), plain_law(), at, 0.01)
    for i in range(N):
        v, v0 = float(at.velocity[i]), float(before.velocity[i])
        motor = float(at.torque[i]) - 0.1 * v
        external = -(motor - 0.01 * (v - v0) / 0.01)
        s = np.exp(-((abs(v) / 0.2) ** 1.5))
        friction = 0.02 + abs(0.04 * motor - 0.06 * external)
        friction += s * (0.05 + abs(0.1 * motor - 0.08 * external))
        assert float(law.friction[i]) == pytest.approx(friction, rel=1e-4)
    np.testing.assert_array_equal(state.velocity, at.velocity)


# Motor torques and accelerations such that the motor drives, is driven back, helps the load, and holds at rest.
@pytest.mark.parametrize(
    ("torque", "acceleration", "driven"),
    [(1.5, 60.0, "external"), (0.4, -50.0, "motor"), (0.3, 90.0, None), (0.8, 0.0, "external")],
)
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_square_of_the_weaker_torque_adds_friction_where_the_two_oppose_each_other(
    torque, acceleration, driven, side
):
    """M6 less M5, with BAM's formula in NumPy; the joint moves at 0.3 rad/s after its update."""
    drag, inertia, dt, speed = 0.1, 0.01, 0.01, 0.3
    plain = we.servos.GearFriction(shape=1.5)
    squares = we.servos.GearFriction(shape=1.5, load_motor_quadratic=0.009, load_external_quadratic=0.005)
    before = joints(velocity=(side * (speed - acceleration * dt),) * N)
    at = joints(velocity=(side * speed,) * N, torque=(side * torque,) * N, armature=(inertia,) * N)
    added = squares(begin(squares, before), plain_law(), at, dt)[0].friction
    added = np.asarray(added - plain(begin(plain, before), plain_law(), at, dt)[0].friction, float)
    motor = torque - drag * speed
    external = inertia * acceleration - motor
    slow = np.exp(-((speed / 0.2) ** 1.5))
    square = 0.0
    if np.sign(motor) != np.sign(external):
        square = 0.005 * external**2 if abs(external) <= abs(motor) else 0.009 * motor**2
    np.testing.assert_allclose(added, slow * square, atol=2e-8)
    expected = {None: 0.0, "external": slow * 0.005 * external**2, "motor": slow * 0.009 * motor**2}[driven]
    assert slow * square == pytest.approx(expected), "the case is what its name says"
    assert driven is None or added[0] > 1e-5


def test_without_parts_the_chain_is_the_engine_alone(batched_hopper, hopper):
    """Read and written back, the robot's own servo is the same law to the last bit."""
    physics = batched_hopper.env.physics
    servo_params, params = ServoParams(hopper), physics.params()
    again = servo_params.write(params, servo_params.read(params, hopper.home_joints))
    assert eqx.tree_equal(again, params)


def test_updates_must_divide_the_substeps(hopper):
    physics = we.NativePhysics(hopper)
    with pytest.raises(we.WildRobotError, match="does not divide into 3 parts"):
        fraction(physics, 3)
    assert fraction(physics, 2).control_dt == pytest.approx(physics.control_dt / 2)
    assert physics.n_substeps == 4, "the engine itself stays as it is"


def test_a_robot_whose_actuators_are_no_position_servos_is_refused(hopper):
    def torque_control(mj):
        mj.actuator_biasprm[1, :] = 0.0

    other = dataclasses.replace(hopper, model=hopper.model.edit(torque_control))
    with pytest.raises(we.WildRobotError, match="'knee_pitch' is no plain position servo"):
        we.Servos(other, {})


def test_calibration_errors_lie_in_their_ranges():
    draw = we.RandomCalibrationError(joint_offset=(-0.02, 0.03), imu_angle=(0.01, 0.05))
    drawn = jax.vmap(lambda key: draw(key, N))(jax.random.split(jax.random.key(0), 512))
    assert drawn.joint_offset.min() >= -0.02
    assert drawn.joint_offset.max() <= 0.03
    angle = np.linalg.norm(np.asarray(drawn.imu_rotation), axis=1)
    assert angle.min() >= 0.0099
    assert angle.max() <= 0.0501
    assert angle.std() > 0.008
    axis = np.asarray(drawn.imu_rotation) / angle[:, None]
    np.testing.assert_allclose(axis.mean(axis=0), 0.0, atol=0.1)
