"""Conformance of what a task is made of: commands, resets, rewards, endings and events."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..env import Disturbances, Env
from ..observe import Channel
from ..robots import Robot
from ..task import AbstractCommand, AbstractEnding, AbstractEvent, AbstractReset, AbstractReward
from .common import env_around, prove, require, require_finite, require_same, run

NAME = "tested"


def check_command(command: AbstractCommand, on: Robot | Env, name: str = NAME) -> None:
    """A command keeps to its channels, its state stays one tree, and `hold` and `set` ask for what they are given.

    Args:
        command: the command under test.
        on: a robot, or an env that has the commands which it needs.
        name: what the env calls it.

    Raises:
        AssertionError: it does not; the text says what differs.
    """
    kind = type(command).__name__
    env = env_around(on, commands={**(on.commands if isinstance(on, Env) else {}), name: command})
    prove(env)
    for which in ("channels", "observed"):
        _check_channels(getattr(command, which), f"{kind}.{which}")
    bounds = np.asarray(command.bounds())
    require((bounds[:, 0] <= bounds[:, 1]).all(), f"{kind}.bounds has a low end above its high end: {bounds.tolist()}")
    key = jax.random.key(0)
    require_same(command.sample(key), command.sample(key), f"{kind}.sample draws two states from one key")
    for state, timestep in run(env):
        require_finite(command.observe(state.commands[name]), f"{kind}.observe")
        require_finite(timestep.metrics, f"{kind}.metrics")
    if command.channels:
        _check_hold(command, env, name)


def _check_channels(channels: tuple[Channel, ...], what: str) -> None:
    names = [channel.name for channel in channels]
    require(len(set(names)) == len(names), f"{what} has a name twice: {', '.join(names)}")
    for channel in channels:
        require(channel.mirror in (1.0, -1.0, None), f"{what}, {channel.name}: its mirror sign is {channel.mirror}")
        require(not channel.side or channel.mirror == -1.0, f"{what}, {channel.name}: a side changes in the mirror")


def _check_hold(command: AbstractCommand, env: Env, name: str) -> None:
    """What a held command asks for hangs on no key, and is what `set` makes a state ask for."""
    kind = type(command).__name__
    low, high = command.bounds().T
    for value in (low, high):
        held = command.hold(value)
        same = str(jax.tree.structure(held)) == str(jax.tree.structure(command)) and _shapes(held) == _shapes(command)
        require(same, f"{kind}.hold changes more than array leaves")
        bounds = held.bounds()
        require(np.allclose(bounds, value[:, None]), f"{kind}.hold({value}) has the bounds {bounds.tolist()}")
        first, second = (run(_with(env, name, held), seed, 0)[0][0] for seed in (0, 1))
        seen = [command.observe(state.commands[name]) for state in (first, second)]
        require_same(seen[0], seen[1], f"{kind}.hold({value}) asks for two things with two keys")
        plain = run(env, 0, 0)[0][0]
        changed = held.set(plain.commands[name], value)
        asked = held.asked(changed)
        require(np.allclose(asked, value, atol=1e-6), f"{kind}.asked is {asked} after set({value})")
        others = {needed: plain.commands[needed] for needed in command.needs}
        after = [
            command.observe(held.step(jax.random.key(0), state, plain.physics, env.physics.control_dt, others))
            for state in (changed, first.commands[name])
        ]
        require(
            np.allclose(after[0], after[1], atol=1e-5),
            f"{kind}: a step after set({value}) shows {after[0]}, a step of hold({value}) shows {after[1]}",
        )


def _with(env: Env, name: str, command: AbstractCommand) -> Env:
    return env_around(env, commands={**env.commands, name: command})


def _shapes(tree: Any) -> list[Any]:
    return [(leaf.shape, leaf.dtype) if eqx.is_array(leaf) else leaf for leaf in jax.tree.leaves(tree)]


def check_reward(reward: AbstractReward, on: Robot | Env) -> None:
    """A reward keeps to the contract and is a finite rate in every step of an episode.

    Args:
        reward: the term under test.
        on: a robot, or an env with the commands and the world that the term reads.

    Raises:
        AssertionError: it does not.
    """
    check_rewards({NAME: reward}, on)


def check_rewards(rewards: Mapping[str, AbstractReward], on: Robot | Env) -> None:
    """As `check_reward`, for several rewards by name in one env: quicker.

    Raises:
        AssertionError: one of them does not keep to the contract.
    """
    env = env_around(on, rewards=rewards)
    prove(env)
    for name, reward in rewards.items():
        shape = jnp.shape(reward.weight)
        require(shape == (), f"{type(reward).__name__} {name!r}: its weight has the shape {shape}, not one number")
    for _, timestep in run(env):
        for name, reward in rewards.items():
            require_finite(timestep.metrics[f"raw/{name}"], f"{type(reward).__name__} {name!r}")


def check_ending(ending: AbstractEnding, on: Robot | Env) -> None:
    """An ending keeps to the contract, and is a failure or a truncation, never both.

    Args:
        ending: the ending under test.
        on: a robot, or an env with the commands that the ending reads.

    Raises:
        AssertionError: it does not.
    """
    env = env_around(on, endings={NAME: ending})
    prove(env)
    kind = type(ending).__name__
    require(isinstance(ending.truncates, bool), f"{kind}.truncates is {ending.truncates!r}, not a bool")
    for _, timestep in run(env):
        other = timestep.terminated if ending.truncates else timestep.truncated
        require(not other, f"{kind} ends an episode as {'a failure' if ending.truncates else 'a truncation'}, too")


def check_reset(reset: AbstractReset, on: Robot | Env, draws: int = 64) -> None:
    """A reset draws finite poses within the joints' ranges, with unit quaternions, the same from the same key.

    Args:
        reset: the reset under test.
        on: a robot, or an env with the commands that the reset reads.
        draws: how many poses are judged.

    Raises:
        AssertionError: it does not.
    """
    env = env_around(on, reset_state=reset)
    prove(env)
    robot, kind = env.physics.robot, type(reset).__name__

    def draw(key: Any) -> tuple[Any, Any]:
        commands = {name: env.commands[name].sample(key) for name in sorted(env.commands)}
        return reset(key, commands)

    keys = jax.random.split(jax.random.key(0), draws)
    drawn = jax.vmap(draw)(keys)
    require_finite(drawn, kind)
    first = jax.tree.map(lambda leaf: leaf[0], drawn)
    again = draw(keys[0])
    require(all(np.allclose(a, b, atol=1e-6) for a, b in zip(first, again)), f"{kind} draws two poses from one key")
    low, high = np.asarray(robot.joint_range).T
    joints = np.asarray(drawn[0])[:, np.array(robot.joint_qpos, int)]
    for i, name in enumerate(robot.joint_names):
        inside = (joints[:, i] >= low[i] - 1e-5).all() and (joints[:, i] <= high[i] + 1e-5).all()
        require(inside, f"{kind} puts the joint {name!r} outside of its range [{low[i]:.4g}, {high[i]:.4g}]")
    for start in _quaternions(robot):
        norm = np.linalg.norm(np.asarray(drawn[0])[:, start : start + 4], axis=1)
        require(
            np.allclose(norm, 1.0, atol=1e-4), f"{kind}: the quaternion at qpos[{start}] has the length {norm[0]:.3f}"
        )


def _quaternions(robot: Robot) -> list[int]:
    """Where the quaternions of free and ball joints begin in qpos."""
    mj = robot.model.mj
    free, ball = 0, 1  # mjtJoint
    found = []
    for kind, at in zip(mj.jnt_type, mj.jnt_qposadr):
        if kind in (free, ball):
            found.append(int(at) + (3 if kind == free else 0))
    return found


def check_event(event: AbstractEvent, on: Robot | Env) -> None:
    """An event keeps to the contract, leaves everything finite, and does the same with the same key.

    Args:
        event: the event under test.
        on: a robot, or an env.

    Raises:
        AssertionError: it does not.
    """
    env = env_around(on, disturbances=Disturbances(events={NAME: event}))
    prove(env)
    kind, dt = type(event).__name__, env.physics.control_dt
    for state, _ in run(env):
        require_finite((state.physics.qpos, state.physics.qvel), kind)
    params, key = env.physics.params(), jax.random.key(1)
    own = event.init(key, dt)
    require_same(own, event.init(key, dt), f"{kind}.init makes two states of one key")
    calls = [event(key, own, state.physics, params, dt) for _ in range(2)]
    require_same(calls[0], calls[1], f"{kind} does two things with one key")
    require_finite(jnp.asarray(calls[0][1].gravity), f"{kind}, gravity")
