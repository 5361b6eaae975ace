"""Gears and their friction: deadband, backlash, and dry friction that depends on speed and load."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import Number, Pair, f32, uniform
from .law import Joints, ServoLaw
from .servo import AbstractServo


class Deadband(AbstractServo):
    """No duty while the error is smaller than `width`: the firmware's way to keep still.

    The motor is shorted then, so back-EMF and friction stay.
    """

    width: Float[Array, ""]  # rad, one unit of the bus

    def __init__(self, width: Number = 0.0041888):
        self.width = f32(width)

    def init(self, key: PRNGKeyArray, joints: Joints, target: Float[Array, " nu"], dt: float) -> tuple[()]:
        return ()

    def __call__(self, state: tuple[()], law: ServoLaw, joints: Joints, dt: float) -> tuple[ServoLaw, tuple[()]]:
        on = (jnp.abs(law.target - joints.position) >= self.width).astype(jnp.float32)
        return dataclasses.replace(law, stiffness=on * law.stiffness, damping=on * law.damping), state


class Backlash(AbstractServo):
    """Play between gears and joint, of a width drawn per episode and joint, as a gap in the position error.

    In series stand the position loop, which pulls the motor to its target like a spring,
    and a gap of `play`. A motor whose own inertia and friction are small against the load
    waits in the gap at its target until the joint meets one end; from there on it is held
    with the spring's torque. So the torque is that of the error beyond the gap,

        stiffness * (error - clip(error, -play / 2, play / 2)),

    and inside the gap the joint is free: no torque, no back-EMF, no friction of the motor.
    That is the passive joint in series of the usual models, where the motor's inertia does
    not matter; it needs no joint that the robot's file lacks, and no encoder sees it. Put
    it last: what comes before belongs to the motor's side.
    """

    play: Float[Array, " 2"]  # rad, full width

    def __init__(self, play: Pair = (0.0, 0.01745)):
        self.play = f32(play)

    def init(self, key: PRNGKeyArray, joints: Joints, target: Float[Array, " nu"], dt: float) -> Float[Array, " nu"]:
        return uniform(key, self.play, joints.position.shape)

    def __call__(
        self, state: Float[Array, " nu"], law: ServoLaw, joints: Joints, dt: float
    ) -> tuple[ServoLaw, Float[Array, " nu"]]:
        error = law.target - joints.position
        touching = (jnp.abs(error) >= 0.5 * state).astype(jnp.float32)
        law = ServoLaw(
            target=law.target - jnp.clip(error, -0.5 * state, 0.5 * state),
            stiffness=touching * law.stiffness,
            damping=touching * law.damping,
            limit=law.limit,
            drag=touching * law.drag,
            friction=touching * law.friction,
        )
        return law, state


class GearFrictionState(eqx.Module):
    """One episode's friction, and the state from which the load on the gears is estimated."""

    scale: Float[Array, " nu"]
    velocity: Float[Array, " nu"]  # rad/s, at the last update


class GearFriction(AbstractServo):
    """Dry friction after the BAM models M1 to M6: Coulomb, Stribeck, and by the load on the gears and its square.

        friction = coulomb + |load_motor * motor - load_external * external|
          + s * (stribeck + |load_motor_stribeck * motor - load_external_stribeck * external| + q)
        s = exp(-|velocity / stribeck_velocity| ** shape)
        q = load_external_quadratic * external ** 2, where motor and external torque oppose each other and
            the motor is the stronger, so that it drives;
            load_motor_quadratic * motor ** 2, where they oppose each other and it is driven back;
            0, where both turn the joint the same way

    Coulomb and viscous friction are the robot's own (`frictionloss` and `damping` of its
    joints), so M1 is all zeros here; behind a part that takes those away, such as
    `VoltageControlledMotor`, `coulomb` and `viscous` add them. M2 adds `stribeck`, M3 equal loads, M4 equal Stribeck
    loads, M5 different ones, M6 the squares, by default none. BAM's code adds no square where
    both torques are equal to the last bit; by the balance below a joint at rest has them equal
    always, and here counts as driving. `motor` is the torque on the motor's side of the gears, back-EMF
    included; `external` what the load answers, -(motor - armature * acceleration), from
    the change of velocity since the last update. Friction itself is left out of that balance.
    Source: Duclusaud et al., "Extended Friction Models for the Physics Simulation of Servo
    Actuators", 2024, arXiv 2410.08650. Figures for this robot's servo have not been
    identified; the ranges that BAM fits within are 0 to 0.2 N m for `stribeck`, 0 to 0.5
    for the loads, 0 to 1 for the Stribeck loads, 0 to 0.01 per N m for the squares, 0.1 to
    1 rad/s and 1 to 10 for velocity and shape.
    """

    adds_frictionloss = True
    stribeck: Float[Array, ""]  # N m
    stribeck_velocity: Float[Array, ""]  # rad/s
    shape: Float[Array, ""]
    load_motor: Float[Array, ""]
    load_external: Float[Array, ""]
    load_motor_stribeck: Float[Array, ""]
    load_external_stribeck: Float[Array, ""]
    scale: Float[Array, " 2"]  # of all, drawn per episode and joint
    load_motor_quadratic: Float[Array, ""]  # 1 / (N m)
    load_external_quadratic: Float[Array, ""]  # 1 / (N m)
    coulomb: Float[Array, ""]  # N m
    viscous: Float[Array, ""]  # N m s/rad

    def __init__(
        self,
        stribeck: Number = 0.05,
        stribeck_velocity: Number = 0.2,
        shape: Number = 1.35,
        load_motor: Number = 0.05,
        load_external: Number = 0.05,
        load_motor_stribeck: Number = 0.05,
        load_external_stribeck: Number = 0.05,
        scale: Pair = (1.0, 1.0),
        load_motor_quadratic: Number = 0.0,
        load_external_quadratic: Number = 0.0,
        coulomb: Number = 0.0,
        viscous: Number = 0.0,
    ):
        self.stribeck = f32(stribeck)
        self.stribeck_velocity = f32(stribeck_velocity)
        self.shape = f32(shape)
        self.load_motor = f32(load_motor)
        self.load_external = f32(load_external)
        self.load_motor_stribeck = f32(load_motor_stribeck)
        self.load_external_stribeck = f32(load_external_stribeck)
        self.scale = f32(scale)
        self.load_motor_quadratic = f32(load_motor_quadratic)
        self.load_external_quadratic = f32(load_external_quadratic)
        self.coulomb, self.viscous = f32(coulomb), f32(viscous)

    def init(self, key: PRNGKeyArray, joints: Joints, target: Float[Array, " nu"], dt: float) -> GearFrictionState:
        return GearFrictionState(uniform(key, self.scale, joints.position.shape), joints.velocity)

    def __call__(
        self, state: GearFrictionState, law: ServoLaw, joints: Joints, dt: float
    ) -> tuple[ServoLaw, GearFrictionState]:
        motor = joints.torque - law.drag * joints.velocity
        external = joints.armature * (joints.velocity - state.velocity) / dt - motor
        slow = jnp.exp(-jnp.power(jnp.abs(joints.velocity) / self.stribeck_velocity, self.shape))
        load = jnp.abs(self.load_motor * motor - self.load_external * external)
        slow_load = jnp.abs(self.load_motor_stribeck * motor - self.load_external_stribeck * external)
        drives = jnp.abs(external) <= jnp.abs(motor)
        square = jnp.where(
            drives, self.load_external_quadratic * jnp.square(external), self.load_motor_quadratic * jnp.square(motor)
        )
        square = jnp.where(motor * external < 0.0, square, 0.0)
        dry = law.friction + self.coulomb + load + slow * (self.stribeck + slow_load + square)
        law = dataclasses.replace(law, friction=state.scale * dry, drag=law.drag + self.viscous)
        return law, GearFrictionState(state.scale, joints.velocity)
