"""What makes a simulated robot differ from the model: parameters, servos, calibration errors and events."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import named_key
from ..control import Calibration, RandomCalibrationError, Servos
from ..module import AbstractModule
from ..physics import AbstractPhysics, AbstractRandomiser, PhysicsParams, PhysicsState, with_friction
from ..task import AbstractEvent


class DisturbanceState(eqx.Module):
    """What one episode has drawn, and what servos and events remember."""

    params: PhysicsParams | None  # None where nothing is randomised
    calibration: Calibration | None  # None where no error is drawn
    servo: dict[str, Any]  # by part
    events: dict[str, Any]  # by event


class Disturbances(AbstractModule):
    """Everything that is drawn anew for an episode beside pose and commands, and what happens on the way.

    Args:
        randomisers: applied in order to the nominal domain parameters at every reset.
        servos: what the servos make of the joint targets; without, the engine's own position servos.
        calibration: draws encoder offsets and the IMU's mounting error.
        events: what happens to the robot on the way, such as pushes, by name.
    """

    randomisers: tuple[AbstractRandomiser, ...]
    servos: Servos | None
    calibration: RandomCalibrationError | None
    events: dict[str, AbstractEvent]

    def __init__(
        self,
        randomisers: tuple[AbstractRandomiser, ...] = (),
        servos: Servos | None = None,
        calibration: RandomCalibrationError | None = None,
        events: Mapping[str, AbstractEvent] | None = None,
    ):
        self.randomisers = randomisers
        self.servos = servos
        self.calibration = calibration
        self.events = dict(events or {})

    @property
    def draws_params(self) -> bool:
        """Whether domain parameters are drawn."""
        return bool(self.randomisers)

    def engine(self, physics: AbstractPhysics) -> AbstractPhysics:
        """The engine, with room for dry friction at any joint where a randomiser may add some."""
        adds = any(randomiser.adds_frictionloss for randomiser in self.randomisers)
        return with_friction(physics) if adds else physics

    def draw(self, key: PRNGKeyArray, nominal: PhysicsParams) -> PhysicsParams:
        """One episode's domain parameters."""
        params = nominal
        for randomiser, sub in zip(self.randomisers, jax.random.split(key, max(len(self.randomisers), 1))):
            params = randomiser(sub, params)
        return params

    def init(
        self,
        key: PRNGKeyArray,
        physics: AbstractPhysics,
        drawn: PhysicsParams | None,
        nominal: PhysicsParams,
        state: PhysicsState,
    ) -> DisturbanceState:
        """An episode's state at its first pose; `drawn` are its parameters, None where they are the `nominal` ones."""
        key_calibration, key_servo, key_events = jax.random.split(key, 3)
        nu, dt = physics.robot.nu, physics.control_dt
        params = nominal if drawn is None else drawn
        calibration = None if self.calibration is None else self.calibration(key_calibration, nu)
        servo = {}
        if self.servos is not None:
            servo = self.servos.init(key_servo, physics, params, state, _offset(calibration, nu))
        events = {name: self.events[name].init(named_key(key_events, name), dt) for name in sorted(self.events)}
        return DisturbanceState(drawn, calibration, servo, events)

    def step(
        self,
        key: PRNGKeyArray,
        physics: AbstractPhysics,
        nominal: PhysicsParams,
        state: PhysicsState,
        disturbed: DisturbanceState,
        ctrl: Float[Array, " nu"],
    ) -> tuple[PhysicsState, DisturbanceState]:
        """One control period under `ctrl`: events first, in the order of their names, then servos and engine."""
        engine, events = self.engine(physics), dict(disturbed.events)
        params = nominal if disturbed.params is None else disturbed.params
        for name in sorted(self.events):
            event, sub = self.events[name], named_key(key, name)
            state, params, events[name] = event(sub, events[name], state, params, physics.control_dt)
            engine = with_friction(engine) if event.adds_frictionloss else engine
        offset = _offset(disturbed.calibration, physics.robot.nu)
        servo = disturbed.servo
        by_angle = np.array([kind == "position" for kind in physics.robot.actuator_kind])
        if self.servos is not None:
            state, servo = self.servos.step(engine, params, state, servo, ctrl, offset)
        else:
            state = engine.step(params, state, jnp.where(by_angle, ctrl - offset, ctrl))
        return state, DisturbanceState(disturbed.params, disturbed.calibration, servo, events)


def _offset(calibration: Calibration | None, nu: int) -> Float[Array, " nu"]:
    return jnp.zeros((nu,), jnp.float32) if calibration is None else calibration.joint_offset
