"""One episode's imperfect world: servos, sensors, calibration errors and events, begun and carried on."""

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..control import Calibration
from ..observe import Signals
from ..physics import AbstractPhysics, PhysicsParams, PhysicsState, ScaleFrictionLoss, with_friction

if TYPE_CHECKING:
    from .env import Env


class World(eqx.Module):
    """What is wrong in one episode, and what its servos, events and sensors remember. All drawn anew at reset."""

    calibration: Calibration | None
    servo: dict[str, Any]  # by part
    events: dict[str, Any]  # by event
    senses: dict[str, Any]  # by observation, of those that are not perfect


def begin_world(env: "Env", key: PRNGKeyArray, params: PhysicsParams, physics: PhysicsState) -> World:
    """An episode's draws; no sensor has been read yet."""
    key_calibration, key_servo, key_events = jax.random.split(key, 3)
    nu, dt = env.action_size, env.physics.control_dt
    calibration = None if env.miscalibration is None else env.miscalibration(key_calibration, nu)
    offset = _offset(env, calibration)
    servo = {} if env.servos is None else env.servos.init(key_servo, env.physics, params, physics, offset)
    keys = jax.random.split(key_events, max(len(env.events), 1))
    events = {name: event.init(sub, dt) for (name, event), sub in zip(env.events.items(), keys)}
    return World(calibration, servo, events, {})


def advance(
    env: "Env",
    key: PRNGKeyArray,
    params: PhysicsParams,
    physics: PhysicsState,
    world: World,
    target: Float[Array, " nu"],
) -> tuple[PhysicsState, World]:
    """One control period: events first, then the servos and the engine. What the sensors remember stays."""
    events, engine, own = dict(world.events), rubbing(env), params.dof_frictionloss
    keys = jax.random.split(key, max(len(env.events), 1))
    for (name, event), sub in zip(env.events.items(), keys):
        physics, params, events[name] = event(sub, events[name], physics, params, env.physics.control_dt)
    if params.dof_frictionloss is not own:
        engine = with_friction(engine)
    servo, offset = world.servo, _offset(env, world.calibration)
    if env.servos is None:
        physics = engine.step(params, physics, target - offset)
    else:
        physics, servo = env.servos.step(engine, params, physics, servo, target, offset)
    return physics, World(world.calibration, servo, events, world.senses)


def rubbing(env: "Env") -> AbstractPhysics:
    """The env's engine, with room for friction anywhere if a randomiser may write some; scaling adds none."""
    others = [r for r in env.randomisers if not isinstance(r, ScaleFrictionLoss)]
    writes = []

    def draw(key: PRNGKeyArray, params: PhysicsParams) -> None:
        for randomiser in others:
            writes.append(randomiser(key, params).dof_frictionloss is not params.dof_frictionloss)

    if others:
        jax.eval_shape(draw, jax.random.key(0), env.physics.params())
    return with_friction(env.physics) if any(writes) else env.physics


def begin_senses(
    env: "Env", key: PRNGKeyArray, signals: Signals
) -> tuple[dict[str, Float[Array, " _"]], dict[str, Any]]:
    """The first observations of an episode, and the state of those that are not perfect."""
    obs, senses = {}, {}
    for (name, stack), sub in zip(env.observations.items(), jax.random.split(key, len(env.observations))):
        if stack.perfect:
            obs[name] = stack(signals)
        else:
            obs[name], senses[name] = stack.begin(sub, signals, env.physics.control_dt)
    return obs, senses


def observe(
    env: "Env", key: PRNGKeyArray, world: World, signals: Signals
) -> tuple[dict[str, Float[Array, " _"]], dict[str, Any]]:
    """The next observations, and the next state of those that are not perfect."""
    obs, senses = {}, {}
    for (name, stack), sub in zip(env.observations.items(), jax.random.split(key, len(env.observations))):
        if stack.perfect:
            obs[name] = stack(signals)
        else:
            obs[name], senses[name] = stack.observe(sub, world.senses[name], signals)
    return obs, senses


def _offset(env: "Env", calibration: Calibration | None) -> Float[Array, " nu"]:
    return jnp.zeros((env.action_size,), jnp.float32) if calibration is None else calibration.joint_offset
