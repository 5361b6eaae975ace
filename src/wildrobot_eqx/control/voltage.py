"""Servos whose firmware turns a position error into a voltage, as BAM identifies them, and the XL330 among them."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import Number, Pair, f32, uniform
from .gears import GearFriction
from .law import Joints, ServoLaw
from .servo import AbstractServo


class VoltageState(eqx.Module):
    """One episode's battery."""

    source: Float[Array, ""]  # V, without load
    sag: Float[Array, ""]  # V per N m of all motors together


class VoltageControlledMotor(AbstractServo):
    """A motor of known torque constant and resistance, whose firmware sets its voltage by the position error.

    With duty u = clip(gain * error, -1, 1) and battery voltage V:

        torque = kt / R * (u * V - kt * velocity)
        V = max(source - sag * sum |torque|, min(floor, source)), the torques of all motors at the last update

    The first term is the engine's position law, the second, back-EMF, its `drag`. Drag and
    friction of the robot's own joints are taken away: put `GearFriction` behind it. Source:
    Duclusaud et al., "Extended Friction Models for the Physics Simulation of Servo
    Actuators", 2024, arXiv 2410.08650, and their library BAM.

    Args:
        gain: duty per rad of error; of a Dynamixel X its P gain's register times `XL330_GAIN`.
        torque_constant: kt, N m/A, which is V s/rad, at the joint.
        resistance: R, ohm.
        voltage: range of the battery's voltage without load, V, drawn per episode.
        sag: range of its loss per N m of all motors' torques together, V/(N m), drawn per episode.
        floor: below which it does not sag, V; a battery that is weaker without load keeps its own voltage.
    """

    gain: Float[Array, ""]  # 1/rad
    torque_constant: Float[Array, ""]  # N m/A
    resistance: Float[Array, ""]  # ohm
    voltage: Float[Array, " 2"]  # V
    sag: Float[Array, " 2"]  # V/(N m)
    floor: Float[Array, ""]  # V

    def __init__(
        self,
        gain: Number,
        torque_constant: Number,
        resistance: Number,
        voltage: Pair,
        sag: Pair = (0.0, 0.0),
        floor: Number = 0.0,
    ):
        self.gain, self.torque_constant, self.resistance = f32(gain), f32(torque_constant), f32(resistance)
        self.voltage, self.sag, self.floor = f32(voltage), f32(sag), f32(floor)

    def init(self, key: PRNGKeyArray, joints: Joints, target: Float[Array, " nu"], dt: float) -> VoltageState:
        key_voltage, key_sag = jax.random.split(key)
        return VoltageState(uniform(key_voltage, self.voltage), uniform(key_sag, self.sag))

    def __call__(self, state: VoltageState, law: ServoLaw, joints: Joints, dt: float) -> tuple[ServoLaw, VoltageState]:
        per_volt = self.torque_constant / self.resistance  # N m/V
        back = per_volt * self.torque_constant  # N m s/rad
        load = jnp.sum(jnp.abs(joints.torque - back * joints.velocity))
        supply = jnp.maximum(state.source - state.sag * load, jnp.minimum(self.floor, state.source))
        stall = per_volt * supply
        one = jnp.ones_like(law.limit)
        return ServoLaw(law.target, self.gain * stall * one, 0.0 * one, stall * one, back * one, 0.0 * one), state


XL330_GAIN = 4096.0 / (2.0 * math.pi) / (256.0 * 885.0)
"""Duty per rad and unit of the P gain's register of a Dynamixel XL330: ticks per rad over divisor and PWM limit."""


def xl330(
    register: float = 200.0,
    voltage: Pair = (6.5, 8.2),
    sag: Pair = (0.0, 0.2),
    floor: Number = 6.0,
    friction: Pair = (1.0, 1.0),
) -> dict[str, AbstractServo]:
    """Parts of a Dynamixel XL330, identified by BAM as its model M6: `Servos(robot, xl330())`.

    Its rotor's inertia at the joint, `XL330_ARMATURE`, belongs to the robot's file, or to `ScaleArmature`.

    Args:
        register: the P gain in the servo's register; D and I gains are 0.
        voltage: range of the battery's voltage without load, V; 7.4 is that of two cells.
        sag: range of its loss per N m of all servos' torques together, V/(N m).
        floor: below which it does not sag, V.
        friction: range of dry friction as a share of the identified one, drawn per episode and joint.

    Returns:
        The motor and its gears, by name; a bus delay goes before, a backlash behind them.
    """
    return {
        "motor": VoltageControlledMotor(
            register * XL330_GAIN, 0.28638649600668775, 2.000017119760972, voltage, sag, floor
        ),
        "gears": GearFriction(
            coulomb=0.0023258418670152347,
            viscous=0.0185448141303962,
            stribeck=0.0001856264715700908,
            stribeck_velocity=0.11532863880939243,
            shape=1.000022697315946,
            load_motor=0.23063000784446322,
            load_external=0.26077932692372613,
            load_motor_stribeck=1.9157733081388423e-06,
            load_external_stribeck=0.15158776983752117,
            load_motor_quadratic=0.005595958708218643,
            load_external_quadratic=0.0037747149629857673,
            scale=friction,
        ),
    }


XL330_ARMATURE = 0.002569774737524995
"""Inertia of a Dynamixel XL330's rotor and gears at the joint, kg m^2, of the same identification."""
