"""Conformance of the world: physics, randomisers of its parameters, and gates that judge in it."""

import dataclasses
import json
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..env import Disturbances, Env
from ..evaluate import AbstractGate, GateResult
from ..learn.networks import AbstractPolicy
from ..physics import AbstractPhysics, AbstractRandomiser, NativePhysics, PhysicsParams
from ..robots import Robot
from .common import env_around, prove, require, require_finite, require_same


def check_physics(physics: AbstractPhysics, tolerance: float = 2e-3) -> None:
    """An engine starts in the given state, keeps time, hides no state, and agrees with MuJoCo over a control step.

    Args:
        physics: the engine under test.
        tolerance: of qpos against the native engine's after one control step from home, m and rad; infinite to
            leave that out.

    Raises:
        AssertionError: it does not.
    """
    kind, robot = type(physics).__name__, physics.robot
    env = env_around(robot, physics=physics)
    prove(env)
    ctrl, params = env.controller.rest(), physics.params()
    qvel = 0.01 * jnp.arange(robot.nv, dtype=jnp.float32)
    init, step = eqx.filter_jit(physics.init), eqx.filter_jit(physics.step)
    state = init(params, robot.home_qpos, qvel)
    for name, value in (("qpos", robot.home_qpos), ("qvel", qvel), ("time", jnp.zeros((), jnp.float32))):
        found = getattr(state, name)
        require(np.allclose(found, value, atol=1e-6), f"{kind}.init starts with {name} = {found}, not {value}")
    after, again = step(params, state, ctrl), step(params, state, ctrl)
    require_same(_figures(after), _figures(again), f"{kind}.step makes two states of one")
    require_finite(_figures(after), kind)
    require(
        np.isclose(after.time, physics.control_dt, atol=1e-6),
        f"{kind}.step takes {float(after.time)} s, a control period is {physics.control_dt} s",
    )
    if np.isfinite(tolerance):
        native = NativePhysics(robot, timestep=physics.timestep, threads=1)
        expected = native.step(native.params(), native.init(native.params(), robot.home_qpos, qvel), ctrl)
        error = float(jnp.max(jnp.abs(expected.qpos - after.qpos)))
        require(error <= tolerance, f"{kind} differs from MuJoCo by {error:.2e} in qpos after one control step")


def _figures(state: Any) -> Any:
    return dataclasses.replace(state, carry=())


def check_randomiser(randomiser: AbstractRandomiser, on: Robot | Env, draws: int = 8) -> None:
    """A randomiser changes what it is given, the same with the same key, and leaves other fields as they came.

    Args:
        randomiser: the randomiser under test.
        on: a robot, or an env.
        draws: how many keys its changed fields are found from.

    Raises:
        AssertionError: it does not.
    """
    kind = type(randomiser).__name__
    env = env_around(on, disturbances=Disturbances(randomisers=(randomiser,)))
    prove(env)
    nominal = env.physics.params()
    key, *keys = jax.random.split(jax.random.key(0), draws + 1)
    drawn = randomiser(key, nominal)
    require_same(drawn, randomiser(key, nominal), f"{kind} draws two things from one key")
    changed_fields = _changed(nominal, drawn).union(*(_changed(nominal, randomiser(key, nominal)) for key in keys))
    other = jax.tree.map(lambda leaf: leaf * jnp.asarray(1.0625, leaf.dtype), nominal)
    after = randomiser(key, other)
    for name in sorted({field.name for field in dataclasses.fields(nominal)} - changed_fields):
        require_same(getattr(after, name), getattr(other, name), f"{kind} puts {name} back to another value")
    require_finite(drawn, kind)
    require((np.asarray(drawn.body_mass) >= 0.0).all(), f"{kind} makes a negative mass")
    dry = (np.asarray(nominal.dof_frictionloss) == 0.0) & (np.asarray(drawn.dof_frictionloss) != 0.0)
    require(
        type(randomiser).adds_frictionloss or not dry.any(),
        f"{kind} gives friction to joints without any, and does not say so: adds_frictionloss = True",
    )


def _changed(before: PhysicsParams, after: PhysicsParams) -> set[str]:
    """The fields that differ."""
    names = [field.name for field in dataclasses.fields(before)]
    return {name for name in names if not bool(eqx.tree_equal(getattr(before, name), getattr(after, name)))}


def check_gate(gate: AbstractGate, env: Env, policy: AbstractPolicy) -> GateResult:
    """A gate judges one episode of a policy, says that this is provisional, and its verdict can be written as JSON.

    Args:
        gate: the gate under test.
        env: an env that it can judge in.
        policy: any policy for that env.

    Returns:
        The verdict.

    Raises:
        AssertionError: it does not.
    """
    kind = type(gate).__name__
    require(isinstance(gate.unasked(env), tuple), f"{kind}.unasked gives no tuple")
    result = gate(env, policy, episodes=1, timesteps=(env.physics.timestep,))
    require(isinstance(result, GateResult), f"{kind} gives a {type(result).__name__}, not a GateResult")
    require(result.provisional, f"{kind} calls the verdict on one episode final")
    require(result.lines, f"{kind} judges by nothing")
    json.dumps(result.to_json(), allow_nan=False)
    return result
