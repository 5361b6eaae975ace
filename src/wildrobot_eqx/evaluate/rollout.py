"""Judged episodes: a policy's mean actions, on the native engine unless another is named, all commands in one batch."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from ..arrays import f32
from ..env import Disturbances, Env, EnvState, Timestep
from ..env.rollout import where
from ..errors import WildRobotError, nearest
from ..learn.memory import initial_carry
from ..learn.networks import AbstractPolicy
from ..locomotion import VelocityCommand
from ..physics import make_physics
from ..task import AbstractCommand
from .meter import AbstractMeter, Case

_log = logging.getLogger(__name__)

_MAX_CHUNK = 50  # control steps per compiled call: progress is logged in between
_SEED = 0x7FFF_6A7E  # with the fold below a domain of keys that no training seed reaches


def judged_env(env: Env, timestep: float, engine: str = "native") -> Env:
    """The env as it is judged: `engine`'s physics at `timestep` (s), nominal parameters, nothing disturbed.

    Servos and calibration are the model's own, nothing happens on the way, and the velocity that a reset has drawn
    is never drawn again; the policy sees through its own sensors.

    Raises:
        WildRobotError: the timestep does not divide the robot's control period, or the engine cannot simulate it.
    """
    physics, disturbances = make_physics(engine, env.physics.robot, timestep), env.disturbances
    env = dataclasses.replace(env, commands={name: _once(command) for name, command in env.commands.items()})
    if disturbances is None:
        return dataclasses.replace(env, physics=physics)
    exact = None  # of calibration errors, where sensors may ask for them
    if disturbances.calibration is not None:
        exact = Disturbances(calibration=jax.tree.map(jnp.zeros_like, disturbances.calibration))
    observations = env.observations
    if disturbances.servos is not None:  # the critic may ask for what servos draw, and no gate reads it
        observations = {"policy": observations["policy"]}
    return dataclasses.replace(env, physics=physics, disturbances=exact, observations=observations)


def _once(command: AbstractCommand) -> AbstractCommand:
    """The command, drawn once where it is a velocity."""
    if isinstance(command, VelocityCommand):
        return eqx.tree_at(lambda c: c.interval, command, f32(jnp.inf))
    return command


def hold_commands(env: Env, values: Mapping[str, Float[Array, " channels"]]) -> Env:
    """The env whose commands of these names always ask for these values; only array leaves change.

    Raises:
        WildRobotError: the env has no such command, or it has not as many channels.
    """
    commands = dict(env.commands)
    for name, value in values.items():
        if name not in commands:
            raise WildRobotError(
                f"The env has no command {name!r} to hold.", where="env.commands", hint=nearest(name, commands)
            )
        if value.shape != (len(commands[name].channels),):
            channels = ", ".join(channel.name for channel in commands[name].channels) or "none"
            raise WildRobotError(
                f"The command {name!r} is held at {value.shape[0]} numbers, and its channels are: {channels}.",
                where=f"env.commands[{name!r}]",
                hint="give one number for each channel",
            )
        commands[name] = commands[name].hold(value)
    return dataclasses.replace(env, commands=commands)


def judge_key(timestep: float) -> PRNGKeyArray:
    """The key of the judged episodes: a domain of its own, one per timestep (s)."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(_SEED), 0xFFFF_FFFF), round(timestep * 1e6))


def run_cases(
    env: Env,
    policy: AbstractPolicy,
    meter: AbstractMeter,
    cases: Sequence[Case],
    episodes: int,
    seconds: float,
    label: str = "",
    vary: Callable[[Env, Any], Env] | None = None,
    rows: Any = None,
    keys: Key[Array, " n"] | None = None,
) -> list[Any]:
    """Run `episodes` of `seconds` for each case, and tally each.

    Args:
        env: a judged env.
        policy: its distribution's mode is the action.
        meter: gathers the statistics.
        cases: all of them hold the same commands.
        episodes: how many per case.
        seconds: their length, s.
        label: what the log says before how far it is; the physics timestep if it is empty.
        vary: the env of the episode of a row of `rows`, from its reset on; only array leaves may differ.
            None: the episodes of a case are in one env.
        rows: a tree of arrays with a row per episode, `episodes` for each case.
        keys: one per episode, `episodes` for each case; None: those of `judge_key`.

    Returns:
        One tally per case, NumPy leaves whose first axis is the episodes.

    Raises:
        WildRobotError: the env has no such command.
    """
    if keys is None:
        keys = jax.random.split(judge_key(env.physics.timestep), len(cases) * episodes)
    each, cases_of = episode_of(cases, episodes, vary, rows)
    loop = init_episodes(env, policy, meter, each, cases_of, keys)
    label = label or f"{env.physics.timestep * 1e3:g} ms steps"
    tally = play_out(env, policy, meter, loop, seconds, label, each, cases_of)
    tally = jax.tree.map(lambda leaf: leaf.reshape(len(cases), episodes, *leaf.shape[1:]), tally)
    return [jax.tree.map(lambda leaf, i=i: leaf[i], tally) for i in range(len(cases))]


def episode_of(
    cases: Sequence[Case], episodes: int, vary: Callable[[Env, Any], Env] | None = None, rows: Any = None
) -> tuple[Callable[[Env, Any], Env], Any]:
    """The env of each episode of a batch: a function of an env and a row, and a tree of rows, `episodes` per case.

    `vary` and `rows` are as `run_cases` has them.
    """
    by_case = {name: np.asarray([case.values[name] for case in cases], np.float32) for name in cases[0].values}
    values = {name: jnp.repeat(f32(rows), episodes, axis=0) for name, rows in by_case.items()}
    return _Held(same if vary is None else vary), (values, rows)


class _Held(eqx.Module):
    """The env of one episode: its case's commands are held, and `vary` does the rest."""

    vary: Callable[[Env, Any], Env]

    def __call__(self, env: Env, case: tuple[dict[str, Float[Array, " channels"]], Any]) -> Env:
        values, row = case
        return self.vary(hold_commands(env, values), row)


def same(env: Env, case: Any) -> Env:
    """The env, whatever the case."""
    return env


def control_steps(env: Env, seconds: float) -> int:
    """The control steps of `seconds`, at least one."""
    return max(1, round(seconds / env.physics.control_dt))


def play_out(
    env: Env,
    policy: AbstractPolicy,
    meter: AbstractMeter,
    loop: tuple[Any, ...],
    seconds: float,
    label: str,
    vary: Callable[[Env, Any], Env] = same,
    cases: Any = None,
) -> Any:
    """Run the episodes of `init_episodes` to their end, or until none is running; NumPy leaves, a row per episode.

    The log says how far it is, after `label`.
    """
    steps = control_steps(env, seconds)
    chunk = max(n for n in range(1, _MAX_CHUNK + 1) if steps % n == 0)
    for done in range(chunk, steps + 1, chunk):
        loop, running = advance(env, policy, meter, loop, chunk, vary, cases)
        count = loop[0].steps.size
        now = done * env.physics.control_dt
        _log.info(f"{label}: {now:.0f} of {seconds:g} s, {int(running)} of {count} {meter.lasting}")
        if not int(running):
            break
    return jax.tree.map(np.asarray, loop[-1])


@eqx.filter_jit
def init_episodes(
    env: Env,
    policy: AbstractPolicy,
    meter: AbstractMeter,
    vary: Callable[[Env, Any], Env],
    cases: Any,
    keys: Key[Array, " n"],
) -> tuple[Any, ...]:
    """First states, observations, policy memories and tallies of one batch.

    Args:
        env: what the episodes have in common.
        policy: its memories are initialised.
        meter: initialises the tallies.
        vary: the env in which an episode of a case is drawn; only array leaves may differ.
        cases: a tree whose leaves have one row per episode. What a case changes must lie in the
            drawn state, or be given to `advance`, too.
        keys: one per episode.
    """

    def reset(case: Any, key: PRNGKeyArray) -> tuple[EnvState, Timestep]:
        return vary(env, case).reset(key)

    state, timestep = jax.vmap(reset)(cases, keys)
    carry = initial_carry(policy, keys.size)
    return state, timestep.obs["policy"], carry, jax.vmap(meter.init)(state, timestep)


@eqx.filter_jit
def advance(
    env: Env,
    policy: AbstractPolicy,
    meter: AbstractMeter,
    loop: tuple[Any, ...],
    steps: int,
    vary: Callable[[Env, Any], Env] = same,
    cases: Any = None,
) -> tuple[tuple[Any, ...], Int[Array, ""]]:
    """Some control steps; episodes that are over stay frozen where they were.

    With `cases`, each episode steps in the env that `vary` makes of its own case.
    """

    def one(case: Any, state: EnvState, action: Float[Array, " na"]) -> tuple[EnvState, Timestep]:
        return vary(env, case).step(state, action)

    def step(loop: tuple[Any, ...], _: None) -> tuple[tuple[Any, ...], None]:
        state, obs, carry, tally = loop
        distribution, next_carry = policy(obs, carry)
        new, timestep = jax.vmap(one)(cases, state, distribution.mode())
        tally = jax.vmap(meter.step)(tally, new, timestep)
        now: tuple[Any, ...] = (new, timestep.obs["policy"], next_carry)
        return (*where(jax.vmap(meter.running)(tally), now, (state, obs, carry)), tally), None

    loop, _ = jax.lax.scan(step, loop, length=steps)
    return loop, jnp.sum(jax.vmap(meter.running)(loop[-1]))
