"""Voltage-controlled motors and the XL330 of BAM's M6, against BAM's formulas in NumPy and the published figures."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import wildrobot_eqx as we

FIGURES = json.loads((Path(__file__).parents[1] / "data" / "microduck_figures.json").read_text())["servo"]
M6 = FIGURES["bam_m6"]
DT = 0.005
N = 6


def joints(rng) -> we.servos.Joints:
    return we.servos.Joints(
        position=jnp.asarray(rng.uniform(-1.0, 1.0, N), jnp.float32),
        velocity=jnp.asarray(rng.uniform(-4.0, 4.0, N) * [1.0, 0.01, 1.0, 0.02, 1.0, 0.0], jnp.float32),
        torque=jnp.asarray(rng.uniform(-0.5, 0.5, N), jnp.float32),
        armature=jnp.full(N, M6["armature_kg_m2"], jnp.float32),
    )


def own_law(rng) -> we.servos.ServoLaw:
    """What a robot's file might say, none of which is to survive."""
    return we.servos.ServoLaw(*(jnp.asarray(rng.uniform(0.1, 1.0, N), jnp.float32) for _ in range(6)))


def test_the_xl330_is_that_of_the_figures():
    parts = we.servos.xl330()
    motor, gears = parts["motor"], parts["gears"]
    ticks_per_rad = 4096 / (2 * np.pi)
    gain = FIGURES["firmware_position_p_gain_register"] * ticks_per_rad / (256 * 885)
    found = {
        "kt_Nm_per_A": motor.torque_constant,
        "R_ohm": motor.resistance,
        "armature_kg_m2": we.servos.XL330_ARMATURE,
        "friction_base_Nm": gears.coulomb,
        "friction_stribeck_Nm": gears.stribeck,
        "load_friction_motor": gears.load_motor,
        "load_friction_external": gears.load_external,
        "load_friction_motor_stribeck": gears.load_motor_stribeck,
        "load_friction_external_stribeck": gears.load_external_stribeck,
        "load_friction_motor_quad": gears.load_motor_quadratic,
        "load_friction_external_quad": gears.load_external_quadratic,
        "dtheta_stribeck_rad_s": gears.stribeck_velocity,
        "alpha": gears.shape,
        "friction_viscous_Nms": gears.viscous,
    }
    assert {name: float(value) for name, value in found.items()} == pytest.approx(M6, rel=1e-6)
    assert float(motor.gain) == pytest.approx(gain, rel=1e-6)
    battery = FIGURES["battery_V"]
    np.testing.assert_allclose(motor.voltage, battery["range"])
    np.testing.assert_allclose(motor.sag, battery["sag_V_per_Nm_total"])
    assert float(motor.floor) == battery["floor"]


def law_of(rng, volts: float, sag: float, floor: float = 0.0, before=None):
    """The law of xl330 at one moment, with the joints of the update `before`; joints and target of that moment."""
    parts, now, own = we.servos.xl330(voltage=(volts, volts), sag=(sag, sag), floor=floor), joints(rng), own_law(rng)
    law = own
    for part in parts.values():
        state = part.init(jax.random.key(0), now if before is None else before, own.target, DT)
        law, _ = part(state, law, now, DT)
    return law, now, own.target


def test_the_floor_raises_no_battery():
    """One that is below it without load stays there; once the floor gave it 6 V."""
    for source, sag in ((5.0, 0.0), (5.0, 0.9), (0.0, 0.9)):
        law, *_ = law_of(np.random.default_rng(0), source, sag, floor=6.0)
        np.testing.assert_allclose(law.limit, M6["kt_Nm_per_A"] / M6["R_ohm"] * source, rtol=1e-6)


def test_torque_is_that_of_the_firmwares_voltage():
    """Duty by gain and error, at most 1, sag by the last torques down to the floor, back-EMF, and viscous friction."""
    rng = np.random.default_rng(0)
    kt, resistance = M6["kt_Nm_per_A"], M6["R_ohm"]
    for volts, sag, floor in ((7.4, 0.0, 0.0), (8.2, 0.2, 6.0), (6.5, 0.9, 6.0), (6.5, 0.9, 3.0)):
        law, now, target = law_of(rng, volts, sag, floor)
        q, w, last = (np.asarray(a, float) for a in (now.position, now.velocity, now.torque))
        register = FIGURES["firmware_position_p_gain_register"]
        supply = max(volts - sag * np.abs(last - kt**2 / resistance * w).sum(), floor)
        for error in (np.asarray(target, float) - q, np.full(N, 3.0)):
            duty = np.clip(register * 4096 / (2 * np.pi) / (256 * 885) * error, -1, 1)
            expected = kt / resistance * (duty * supply - kt * w) - M6["friction_viscous_Nms"] * w
            spring = np.clip(np.asarray(law.stiffness) * error - np.asarray(law.damping) * w, -law.limit, law.limit)
            np.testing.assert_allclose(spring - np.asarray(law.drag) * w, expected, rtol=1e-5, atol=1e-6)


def test_dry_friction_is_that_of_m6():
    """After BAM's `Model.compute_frictions`, the load from the balance of the rotor."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        before = joints(rng)
        law, now, _ = law_of(rng, 7.4, 0.0, before=before)
        w, armature = np.asarray(now.velocity, float), M6["armature_kg_m2"]
        motor = np.asarray(now.torque, float) - M6["kt_Nm_per_A"] ** 2 / M6["R_ohm"] * w
        external = armature * (w - np.asarray(before.velocity, float)) / DT - motor
        slow = np.exp(-(np.abs(w / M6["dtheta_stribeck_rad_s"]) ** M6["alpha"]))
        gearbox = np.abs(external * M6["load_friction_external"] - motor * M6["load_friction_motor"])
        creep = external * M6["load_friction_external_stribeck"] - motor * M6["load_friction_motor_stribeck"]
        drives = np.abs(external) <= np.abs(motor)
        square = np.where(
            drives, M6["load_friction_external_quad"] * external**2, M6["load_friction_motor_quad"] * motor**2
        )
        square *= np.sign(external) != np.sign(motor)
        expected = M6["friction_base_Nm"] + gearbox + slow * (M6["friction_stribeck_Nm"] + np.abs(creep) + square)
        np.testing.assert_allclose(law.friction, expected, rtol=1e-4, atol=1e-6)


def test_battery_and_friction_are_drawn_per_episode():
    parts = we.servos.xl330(friction=(0.7, 1.3))
    rng = np.random.default_rng(2)
    now, target = joints(rng), jnp.zeros(N, jnp.float32)
    keys = jax.random.split(jax.random.key(0), 200)
    battery = jax.vmap(lambda key: parts["motor"].init(key, now, target, DT))(keys)
    for drawn, (low, high) in ((battery.source, (6.5, 8.2)), (battery.sag, (0.0, 0.2))):
        assert low <= float(drawn.min()) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < float(drawn.max()) <= high
    scale = jax.vmap(lambda key: parts["gears"].init(key, now, target, DT))(keys).scale
    assert scale.shape == (200, N)
    assert 0.7 <= float(scale.min()) < 0.75
    assert 1.25 < float(scale.max()) <= 1.3


def test_a_held_joint_settles_where_the_motor_bears_it():
    """On the engine: an XL330 under a constant load sags by load over stiffness, less what friction takes."""
    robot = we.load_robot("hopper")
    physics = we.NativePhysics(robot, threads=1)
    servos = we.Servos(robot, we.servos.xl330(voltage=(7.4, 7.4), sag=(0.0, 0.0)), updates=physics.n_substeps)
    params, zero = physics.params(), jnp.zeros(robot.nu, jnp.float32)
    params = dataclasses.replace(params, body_mass=0.02 * params.body_mass, body_inertia=0.02 * params.body_inertia)
    qvel = jnp.zeros(robot.nv, jnp.float32)
    state = jax.jit(lambda p: physics.init(p, robot.home_qpos.at[1].add(1.0), qvel))(params)
    servo = servos.init(jax.random.key(0), physics, params, state, zero)
    target = robot.home_joints + 0.3

    @jax.jit
    def step(state, servo):
        state = dataclasses.replace(
            state, qpos=state.qpos.at[:3].set(robot.home_qpos[:3]), qvel=state.qvel.at[:3].set(0.0)
        )
        return servos.step(physics, params, state, servo, target, zero)

    for _ in range(50):
        state, servo = step(state, servo)
    error = np.asarray(target - robot.joints(state.qpos))
    gain = 200 * we.servos.XL330_GAIN * 7.4 * M6["kt_Nm_per_A"] / M6["R_ohm"]
    assert gain == pytest.approx(0.6098, rel=1e-3), "N m/rad at 7.4 V"
    np.testing.assert_allclose(np.asarray(state.actuator_force), gain * error, atol=2e-3)
    assert np.abs(error).max() < 0.1
