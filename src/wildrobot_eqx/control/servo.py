"""Servos: what stands between the joint targets that a controller sends and the joints; the world's, not ours."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import WildRobotError
from ..module import AbstractModule
from ..physics import AbstractPhysics, PhysicsParams, PhysicsState, fraction, with_friction
from ..protocol import Call, Protocol
from ..robots import Robot
from .law import Joints, ServoLaw, ServoParams


class AbstractServo(AbstractModule):
    """One property of a real servo, as a change of the law by which joints are driven.

    What differs from episode to episode is drawn in `init` and kept in the state. One that may
    give friction to a joint without any says so by `adds_frictionloss`.
    """

    protocol: ClassVar[Protocol] = (
        Call("init", ("key", "joints", "ctrl", "servo_dt"), ("state",)),
        Call("__call__", ("state", "law", "joints", "servo_dt"), ("law", "state")),
    )

    adds_frictionloss: ClassVar[bool] = False

    @abc.abstractmethod
    def init(self, key: PRNGKeyArray, joints: Joints, target: Float[Array, " nu"], dt: float) -> Any:
        """The state at the start of an episode, at rest at `target` (rad); `dt` (s) is the time between calls."""

    @abc.abstractmethod
    def __call__(self, state: Any, law: ServoLaw, joints: Joints, dt: float) -> tuple[ServoLaw, Any]:
        """The law for the next `dt` seconds, and the next state."""


class Servos(AbstractModule):
    """Servo properties in order, from the bus to the joint; steps an engine under the law that they make.

    The law is made anew `updates` times per control period, and the engine evaluates it in
    every substep. Once is exact for what the law itself can say (gains, limits, torque-speed
    line, voltage); what depends on the state otherwise (deadband, backlash, friction by
    load or speed, delays of less than a period) gets better with more, up to once per
    substep, at the price of that many calls of the engine.

    Args:
        robot: whose servos they are.
        parts: the properties by name, in order.
        updates: laws per control period; must divide the engine's substeps.

    Raises:
        WildRobotError: an actuator of the robot is no position servo.
    """

    servo_params: ServoParams
    parts: dict[str, AbstractServo]
    names: tuple[str, ...] = eqx.field(static=True)  # a pytree sorts a dict's keys; this keeps the order
    updates: int = eqx.field(static=True)

    def __init__(self, robot: Robot, parts: dict[str, AbstractServo], updates: int = 1):
        self.servo_params = ServoParams(robot)
        self.parts, self.names, self.updates = dict(parts), tuple(parts), updates

    def __check_init__(self) -> None:
        if sorted(self.names) != sorted(self.parts):
            raise WildRobotError(
                f"The order of the servos' parts is {', '.join(self.names)}, and they are {', '.join(self.parts)}.",
                where="Servos, names and parts",
                hint="make new Servos of the parts, or replace both",
            )

    def init(
        self,
        key: PRNGKeyArray,
        physics: AbstractPhysics,
        params: PhysicsParams,
        state: PhysicsState,
        offset: Float[Array, " nu"],
    ) -> dict[str, Any]:
        """Every part's state at the start of an episode."""
        joints, dt = self.servo_params.joints(params, state, offset), physics.control_dt / self.updates
        target = self.servo_params.robot.home_joints
        keys = jax.random.split(key, max(len(self.names), 1))
        return {name: self.parts[name].init(key, joints, target, dt) for name, key in zip(self.names, keys)}

    def law(self, servo: dict[str, Any], law: ServoLaw, joints: Joints, dt: float) -> tuple[ServoLaw, dict[str, Any]]:
        """The law for the next `dt` seconds from the engine's own, and the parts' next states."""
        servo = dict(servo)
        for name in self.names:
            law, servo[name] = self.parts[name](servo[name], law, joints, dt)
        return law, servo

    def step(
        self,
        physics: AbstractPhysics,
        params: PhysicsParams,
        state: PhysicsState,
        servo: dict[str, Any],
        target: Float[Array, " nu"],
        offset: Float[Array, " nu"],
    ) -> tuple[PhysicsState, dict[str, Any]]:
        """One control period under `target` (rad), which encoders read `offset` (rad) too far.

        Where a part adds friction, every driven joint can have it, also one without friction in the MJCF.
        """
        engine = fraction(physics, self.updates)
        if any(part.adds_frictionloss for part in self.parts.values()):
            engine = with_friction(engine, self.servo_params.robot.joint_dof)
        dt = physics.control_dt / self.updates

        def update(carry: tuple[PhysicsState, dict[str, Any]], _: None) -> tuple[Any, None]:
            state, servo = carry
            own = self.servo_params.read(params, target)
            law, servo = self.law(servo, own, self.servo_params.joints(params, state, offset), dt)
            return (engine.step(self.servo_params.write(params, law), state, law.target - offset), servo), None

        if self.updates == 1:
            return update((state, servo), None)[0]
        return jax.lax.scan(update, (state, servo), None, self.updates)[0]
