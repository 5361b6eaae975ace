"""Judged episodes: a policy's mean actions, on the native engine unless told otherwise, all commands in one batch."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from ..arrays import f32
from ..env import Disturbances, Env, EnvState, Timestep
from ..env.rollout import batch_step, where
from ..learn.networks import AbstractPolicy
from ..locomotion import VelocityCommand, velocity_of
from ..physics import make_physics
from .walking.measure import Measurement, measure
from .walking.meter import GaitMeter, GaitTally

_MAX_CHUNK = 50  # control steps per compiled call: progress is told in between
_SEED = 0x7FFF_6A7E  # with the fold below a domain of keys that no training seed reaches


def judged_env(env: Env, timestep: float, engine: str = "native") -> Env:
    """The env as it is judged: `engine`'s physics at `timestep` (s), nominal parameters, nothing disturbed.

    Servos and calibration are the model's own, nothing happens on the way, and the velocity that a reset has drawn
    is never drawn again; the policy sees through its own sensors.

    Raises:
        WildRobotError: the timestep does not divide the robot's control period, or the engine cannot simulate it.
    """
    physics, disturbances = make_physics(engine, env.physics.robot, timestep), env.disturbances
    name, command = velocity_of(env.commands)
    constant = eqx.tree_at(lambda c: c.interval, command, f32(jnp.inf))
    env = dataclasses.replace(env, commands={**env.commands, name: constant})
    if disturbances is None:
        return dataclasses.replace(env, physics=physics)
    exact = None  # of calibration errors, where sensors may ask for them
    if disturbances.calibration is not None:
        exact = Disturbances(calibration=jax.tree.map(jnp.zeros_like, disturbances.calibration))
    observations = env.observations
    if disturbances.servos is not None:  # the critic may ask for what servos draw, and no gate reads it
        observations = {"policy": observations["policy"]}
    return dataclasses.replace(env, physics=physics, disturbances=exact, observations=observations)


def with_command(env: Env, speed: Float[Array, ""], motion: Float[Array, " 2"] | None = None) -> Env:
    """The env with one commanded speed (m/s), 0 meaning: stand; only array leaves change.

    `motion` is the lateral speed (m/s) and the turn (rad/s) beside it, where the env's command has such channels.
    """
    name, command = velocity_of(env.commands)
    held = command.hold(channel_values(command, speed, motion))
    return dataclasses.replace(env, commands={**env.commands, name: held})


def channel_values(
    command: VelocityCommand, speed: Float[Array, ""], motion: Float[Array, " 2"] | None = None
) -> Float[Array, " channels"]:
    """A speed ahead (m/s), and a lateral speed (m/s) and a turn (rad/s) beside it, by the command's channels."""
    lateral, turn = jnp.zeros((2,), jnp.float32) if motion is None else motion
    known = {"lin_vel_x": speed, "lin_vel_y": lateral, "ang_vel_z": turn}
    return jnp.stack([known[channel.name] for channel in command.channels])


def _told(env: Env, case: tuple[Float[Array, ""], Float[Array, " 2"] | None]) -> Env:
    return with_command(env, *case)


def judge_key(timestep: float) -> PRNGKeyArray:
    """The key of the judged episodes: a domain of its own, one per timestep (s)."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(_SEED), 0xFFFF_FFFF), round(timestep * 1e6))


def run_episodes(
    env: Env,
    policy: AbstractPolicy,
    meter: GaitMeter,
    speeds: tuple[float, ...],
    episodes: int,
    seconds: float,
    progress: Callable[[str], None] | None = None,
    prepare: Callable[[EnvState], EnvState] | None = None,
    motions: tuple[tuple[float, float], ...] | None = None,
) -> list[GaitTally]:
    """Run `episodes` of `seconds` for each commanded speed (m/s), and tally each.

    Args:
        env: a judged env.
        policy: its distribution's mode is the action.
        meter: gathers the statistics.
        speeds: the commands.
        episodes: how many per command.
        seconds: their length, s.
        progress: told how far it is, now and then.
        prepare: changes the first states of the whole batch, `episodes` per speed.
        motions: lateral speed (m/s) and turn (rad/s) beside each commanded speed; none if None.

    Returns:
        One tally per command, NumPy leaves whose first axis is the episodes.
    """
    commands = jnp.repeat(f32(speeds), episodes)
    beside = None if motions is None else jnp.repeat(f32(np.asarray(motions)), episodes, axis=0)
    keys = jax.random.split(judge_key(env.physics.timestep), commands.size)
    loop = begin(env, policy, meter, _told, (commands, beside), keys)
    if prepare is not None:
        loop = (prepare(loop[0]), *loop[1:])

    def tell(text: str) -> None:
        if progress is not None:
            progress(f"{env.physics.timestep * 1e3:g} ms steps: {text}")

    tally = play_out(env, policy, meter, loop, seconds, tell)
    tally = jax.tree.map(lambda leaf: leaf.reshape(len(speeds), episodes, *leaf.shape[1:]), tally)
    return [jax.tree.map(lambda leaf, i=i: leaf[i], tally) for i in range(len(speeds))]


def measured(env: Env) -> Callable[[EnvState, Timestep], Measurement]:
    """What is measured of one robot of the env, on the ground that its episodes begin on."""
    return lambda state, timestep: measure(env.physics.robot, state, timestep, env.physics.robot.ground)


def control_steps(env: Env, seconds: float) -> int:
    """The control steps of `seconds`, at least one."""
    return max(1, round(seconds / env.physics.control_dt))


def play_out(
    env: Env, policy: AbstractPolicy, meter: GaitMeter, loop: tuple, seconds: float, tell: Callable[[str], None]
) -> GaitTally:
    """Run episodes that `begin` has begun to their end, or until none is upright; NumPy leaves, a row per episode."""
    steps = control_steps(env, seconds)
    chunk = max(n for n in range(1, _MAX_CHUNK + 1) if steps % n == 0)
    for done in range(chunk, steps + 1, chunk):
        loop, upright = advance(env, policy, meter, loop, chunk)
        count = loop[-1].upright.size
        tell(f"{done * env.physics.control_dt:.0f} of {seconds:g} s, {int(upright)} of {count} upright")
        if not int(upright):
            break
    return jax.tree.map(np.asarray, loop[-1])


@eqx.filter_jit
def begin(
    env: Env,
    policy: AbstractPolicy,
    meter: GaitMeter,
    vary: Callable[[Env, Any], Env],
    cases: Any,
    keys: Key[Array, " n"],
) -> tuple:
    """First states, observations, policy memories and tallies of one batch.

    Args:
        env: what the episodes have in common.
        policy: its memories are begun.
        meter: begins the tallies.
        vary: the env in which an episode of a case is drawn; only array leaves may differ.
        cases: a tree whose leaves have one row per episode. What a case changes must lie in
            the drawn state: the steps after are those of `env`.
        keys: one per episode.
    """

    def reset(case: Any, key: PRNGKeyArray) -> tuple[EnvState, Timestep]:
        return vary(env, case).reset(key)

    state, timestep = jax.vmap(reset)(cases, keys)
    carry = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (keys.size, *leaf.shape)), policy.init())
    samples = jax.vmap(measured(env))(state, timestep)
    return state, timestep.obs["policy"], carry, jax.vmap(meter.init)(samples)


@eqx.filter_jit
def advance(
    env: Env, policy: AbstractPolicy, meter: GaitMeter, loop: tuple, steps: int
) -> tuple[tuple, Int[Array, ""]]:
    """Some control steps; episodes that are over stay frozen where they were."""

    def step(loop: tuple, _: None) -> tuple[tuple, None]:
        state, obs, carry, tally = loop
        distribution, next_carry = policy(obs, carry)
        new, timestep = batch_step(env, state, distribution.mode())
        samples = jax.vmap(measured(env))(new, timestep)
        tally = jax.vmap(meter.step)(tally, samples)
        now: tuple[Any, ...] = (new, timestep.obs["policy"], next_carry)
        return (*where(tally.upright, now, (state, obs, carry)), tally), None

    loop, _ = jax.lax.scan(step, loop, length=steps)
    return loop, jnp.sum(loop[-1].upright)
