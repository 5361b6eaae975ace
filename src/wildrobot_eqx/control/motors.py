"""Motors: what torque a servo gives for a position error, at a speed and a voltage."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import Number, Pair, f32, uniform
from ..robots import Robot
from .law import Joints, ServoLaw
from .servo import AbstractServo


class IdealPD(AbstractServo):
    """A PD law with a torque limit and nothing else: `clip(stiffness * error - damping * velocity, -limit, limit)`.

    Drag and friction of the joint are taken away, too.
    """

    stiffness: Float[Array, " nu"]  # N m/rad
    damping: Float[Array, " nu"]  # N m s/rad
    limit: Float[Array, " nu"]  # N m

    def __init__(self, robot: Robot, stiffness: float, damping: float, limit: float):
        shape = (robot.nu,)
        self.stiffness = jnp.broadcast_to(f32(stiffness), shape)
        self.damping = jnp.broadcast_to(f32(damping), shape)
        self.limit = jnp.broadcast_to(f32(limit), shape)

    def init(self, key: PRNGKeyArray, joints: Joints, target: Float[Array, " nu"], dt: float) -> tuple[()]:
        return ()

    def __call__(self, state: tuple[()], law: ServoLaw, joints: Joints, dt: float) -> tuple[ServoLaw, tuple[()]]:
        zero = jnp.zeros_like(law.drag)
        return ServoLaw(law.target, self.stiffness, self.damping, self.limit, zero, zero), state


class MotorState(eqx.Module):
    """One episode's battery and motors."""

    source: Float[Array, ""]  # V, of the battery without load
    strength: Float[Array, " nu"]  # torque of each motor, as a fraction of the nominal
    voltage: Float[Array, ""]  # V, at the servos, under load


class DCMotor(AbstractServo):
    """A brushed DC motor behind a position loop that sets its duty cycle.

    With duty u = clip(k * error, -1, 1), voltage V, and the stall torque T and no-load
    speed w of the rated voltage Vr:

        torque = strength * (T * u * V / Vr - (T / w) * velocity)

    At full duty that is the torque-speed line, whose ends are T V/Vr and w V/Vr. The first
    term is the engine's position law, gains and limit scaled by V/Vr; the second, the
    back-EMF, is `drag`, outside of the limit. So the engine follows the line in every
    substep. `k` is the robot's own stiffness over T: the gains of the MJCF hold at rated
    voltage. Its damping (`kv`) mimics back-EMF, which is modelled here: `damping` replaces it.

    The battery gives way under load: V = source - resistance * current, where a motor's
    current is its torque over T times the stall current, and draws on the battery for the
    fraction of time that its duty says; currents add up, and never charge the battery. Voltage
    follows the last update's load. Source: Duclusaud et al., "Extended Friction Models for
    the Physics Simulation of Servo Actuators", 2024, arXiv 2410.08650, for the motor, and
    their library BAM for the battery.

    Args:
        robot: whose servo's stall torque and no-load speed hold at `rated`.
        voltage: range of the battery's voltage without load, V, drawn per episode.
        strength: range of each motor's torque as a fraction of the nominal, drawn per episode and joint.
        damping: of the position loop itself, N m s/rad at rated voltage.
        rated: V.
        resistance: of battery and wires, ohm.
        stall_current: of one motor at the rated voltage, A.
    """

    stall_torque: Float[Array, " nu"]  # N m
    no_load_speed: Float[Array, " nu"]  # rad/s
    voltage: Float[Array, " 2"]  # V
    strength: Float[Array, " 2"]
    damping: Float[Array, ""]  # N m s/rad
    rated: Float[Array, ""]  # V
    resistance: Float[Array, ""]  # ohm
    stall_current: Float[Array, ""]  # A

    def __init__(
        self,
        robot: Robot,
        voltage: Pair = (9.6, 12.6),
        strength: Pair = (1.0, 1.0),
        damping: Number = 0.0,
        rated: Number = 11.1,
        resistance: Number = 0.0,
        stall_current: Number = 3.0,
    ):
        self.stall_torque, self.no_load_speed = f32(robot.servo.stall_torque), f32(robot.servo.no_load_speed)
        self.voltage, self.strength, self.damping = f32(voltage), f32(strength), f32(damping)
        self.rated, self.resistance, self.stall_current = f32(rated), f32(resistance), f32(stall_current)

    def init(self, key: PRNGKeyArray, joints: Joints, target: Float[Array, " nu"], dt: float) -> MotorState:
        key_voltage, key_strength = jax.random.split(key)
        source = uniform(key_voltage, self.voltage)
        return MotorState(source, uniform(key_strength, self.strength, joints.position.shape), source)

    def __call__(self, state: MotorState, law: ServoLaw, joints: Joints, dt: float) -> tuple[ServoLaw, MotorState]:
        slope = self.stall_torque / self.no_load_speed
        full = state.strength * self.stall_torque * jnp.maximum(state.voltage / self.rated, 0.1)
        duty = jnp.clip(joints.torque / full, -1.0, 1.0)
        motor = joints.torque / state.strength - slope * joints.velocity  # N m, of a motor of nominal strength
        largest = jnp.max(self.stall_torque)  # of which the others are fractions: 1 where all servos are the same
        current = jnp.sum(duty * motor * (largest / self.stall_torque)) * self.stall_current / largest
        voltage = jnp.maximum(state.source - self.resistance * jnp.maximum(current, 0.0), 0.0)
        scale = state.strength * voltage / self.rated
        law = ServoLaw(
            target=law.target,
            stiffness=scale * law.stiffness,
            damping=scale * self.damping,
            limit=scale * self.stall_torque,
            drag=law.drag + state.strength * slope,
            friction=law.friction,
        )
        return law, MotorState(state.source, state.strength, voltage)
