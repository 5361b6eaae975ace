"""Golden vectors: a real rollout of the training env, recorded from the readings to the targets."""

import dataclasses
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray, Shaped

from ...env import Env, EnvState
from ...learn.networks import AbstractPolicy
from ...physics.mujoco_tools.kinematics import base_translation
from ..bundle.contract import ACTION, COMMAND, OBSERVATION, POSITIONS, SWITCHES, TARGET, VELOCITIES
from .onnx.graph import memory_names
from .robot_side import RobotSide

STEPS = 100  # control steps of golden vectors
STARTS = 16  # first states for a player's own episodes
_REST, _ASKED = 15, 60  # control steps at the golden rollout's start, and of what it is asked for then
_OTHERS, _LONGER = 7, 250  # further rollouts, and control steps of each: how fast do targets change?
_KICKS = (0.5, 0.8)  # m/s, of a robot that only stands: in the golden rollout, and at most in the others
_SEED = 0x601D
# What runs once costs more to compile than to run. Equinox hands further options on to `jax.jit`.
_jit_once: Any = functools.partial(eqx.filter_jit, compiler_options={"xla_backend_optimization_level": 0})


class Recording(eqx.Module):
    """What was recorded. `golden` has a row per control step by name; the rest is of all rollouts."""

    golden: dict[str, Float[np.ndarray, "time ..."]]
    target_speed: Float[np.ndarray, " nu"]  # per second, the greatest of each joint


def record(env: Env, side: RobotSide, policy: AbstractPolicy) -> Recording:
    """Roll out `policy`'s mean action and record every step.

    Args:
        env: the recipe's env with nominal parameters on the native engine.
        side: its part that runs on the robot.
        policy: the trained policy.

    Returns:
        Each row holds what the robot would have read (`time` in s, `command` by channel, sensors as
        `sensor/NAME`, `joint_positions`, `joint_velocities`, and `foot_switches` where its feet have
        them), and what training made of it: `observation`, `action`, `target` and, where the policy
        has a memory, what became of it as `state/NAME`; `qpos` and `qvel` are where the simulated
        robot was. `start_qpos` and `start_qvel` are first states. A robot that is asked for nothing
        is kicked on the way, where its base moves: `kick` (m/s, in the world) is what each row ends with.
    """
    # Episodes begin at rest. What is not recorded (rewards, the critic's view) is not traced either.
    rest = side.values(jnp.asarray(_rest(side)))
    resting = dataclasses.replace(
        env,
        observations={"policy": env.observations["policy"]},
        rewards={},
        endings={},
        commands={name: c.hold(rest[name]) if name in rest else c for name, c in env.commands.items()},
    )
    n = 1 + _OTHERS
    asked = _asked(side)
    commands = jnp.asarray(asked)
    following = jnp.asarray(np.concatenate([asked[1:], asked[-1:]]))
    kicks = jnp.asarray(_kicks()) if side.robot.base is not None and not np.ptp(asked, axis=0).any() else None
    keys = jax.random.split(jax.random.key(_SEED), n + STARTS)
    blank = jax.tree.map(lambda leaf: _blank(leaf, keys[0]), eqx.filter_eval_shape(_first, resting, keys[:n]))
    with ThreadPoolExecutor(1) as pool:  # two compiles, two cores
        roll = pool.submit(_roll.lower(resting, side, policy, *blank, commands, following, kicks).compile)
        state, obs = _reset(resting, keys)
        first, obs = jax.tree.map(lambda leaf: leaf[:n], (state, obs))
        rows = jax.device_get(roll.result()(resting, side, policy, first, obs, commands, following, kicks))
    starts = {f"start_{name}": np.asarray(getattr(state.physics, name)[n:]) for name in ("qpos", "qvel")}
    targets = np.concatenate([np.broadcast_to(side.controller.rest(), rows[TARGET][:1].shape), rows[TARGET]])
    speed = np.abs(np.diff(targets, axis=0)).max(axis=(0, 1)) / env.physics.control_dt
    golden = {name: np.ascontiguousarray(row[:STEPS, 0]) for name, row in rows.items()}
    return Recording({**golden, **starts}, speed)


def _bounds(side: RobotSide) -> Float[np.ndarray, "channels 2"]:
    found = [np.asarray(side.commands[name].bounds()) for name in sorted(side.commands)]
    return np.concatenate([np.zeros((0, 2)), *found]).astype(np.float32)


def _rest(side: RobotSide) -> Float[np.ndarray, " channels"]:
    """What is asked for where nothing is: 0, or what is nearest to it."""
    bounds = _bounds(side)
    return np.minimum(np.maximum(np.zeros(len(bounds), np.float32), bounds[:, 0]), bounds[:, 1])


def _asked(side: RobotSide) -> Float[np.ndarray, "time n channels"]:
    """What each rollout is asked for in each control step.

    After a time at rest the first channel goes towards the larger of its ends, each rollout to
    another place; the other channels follow later, and go to one end and to the other. The golden
    rollout goes back to rest.
    """
    bounds, rest = _bounds(side), _rest(side)
    asked = np.tile(rest, (_LONGER, 1 + _OTHERS, 1))
    fractions = np.concatenate([[0.6], np.linspace(0.2, 1.0, _OTHERS)])[:, None].astype(np.float32)
    low, high = bounds[:, 0] - rest, bounds[:, 1] - rest
    far, near = np.where(high >= -low, high, low), np.where(high >= -low, low, high)
    if len(rest):
        asked[_REST:, :, :1] = rest[:1] + fractions * far[:1]
        asked[_REST + _ASKED // 2 :, :, 1:] = rest[1:] + fractions * far[1:]
        asked[_REST + _ASKED :, ::2, 1:] = rest[1:] + fractions[::2] * near[1:]
        asked[_REST + _ASKED :, 0] = rest
    return asked.astype(np.float32)


def _kicks() -> Float[np.ndarray, "time n 3"]:
    """One kick per rollout at the end of its stand, each in a direction of its own."""
    kicks = np.zeros((_LONGER, 1 + _OTHERS, 3), np.float32)
    speed = np.concatenate([_KICKS[:1], np.linspace(0.3, _KICKS[1], _OTHERS)])
    angle = 2.0 * np.pi * (np.arange(1 + _OTHERS) + 0.5) / (1 + _OTHERS)
    kicks[_REST, :, 0], kicks[_REST, :, 1] = speed * np.cos(angle), speed * np.sin(angle)
    return kicks


def _blank(like: jax.ShapeDtypeStruct, key: PRNGKeyArray) -> Shaped[Array, "..."]:
    """An array of that shape, whatever it holds."""
    typed = jnp.issubdtype(like.dtype, jax.dtypes.prng_key)
    return jnp.broadcast_to(key, like.shape) if typed else jnp.zeros(like.shape, like.dtype)


def _first(env: Env, keys: Key[Array, " n"]) -> tuple[EnvState, Float[Array, "n nobs"]]:
    """First states and what the policy sees of them."""
    state, timestep = jax.vmap(env.reset)(keys)
    return state, timestep.obs["policy"]


_reset = _jit_once(_first)


@_jit_once
def _roll(
    env: Env,
    side: RobotSide,
    policy: AbstractPolicy,
    state: EnvState,
    obs: Float[Array, "n nobs"],
    commands: Float[Array, "time n channels"],
    following: Float[Array, "time n channels"],
    kicks: Float[Array, "time n 3"] | None,
) -> dict[str, Float[Array, "time n ..."]]:
    """Rows of all rollouts, each under its entry of `commands`; `following` is the command of the step after it."""
    n, remembered = commands.shape[1], memory_names(policy)
    dofs = None if kicks is None else jnp.asarray(base_translation(side.robot), jnp.float32)
    switches = side.switches()
    qpos, qvel = np.array(side.qpos, int), np.array(side.qvel, int)

    def reading(state: EnvState) -> dict[str, Array]:
        physics = state.physics
        return {
            "time": physics.time,
            "qpos": physics.qpos,
            "qvel": physics.qvel,
            POSITIONS: physics.qpos[qpos],
            VELOCITIES: physics.qvel[qvel],
            **{f"sensor/{name}": sensor.read(physics.sensordata) for name, sensor in side.sensors.items()},
            **({SWITCHES: switches[0].closed(physics)} if switches else {}),
        }

    def ask(state: EnvState, command: Float[Array, " channels"]) -> EnvState:
        values = side.values(command)
        asked = {name: side.commands[name].set(state.commands[name], value) for name, value in values.items()}
        return dataclasses.replace(state, commands={**state.commands, **asked})

    def step(loop: tuple[Any, ...], now: tuple[Array, Array, Array | None]) -> tuple[tuple[Any, ...], dict[str, Array]]:
        command, then, kick = now
        state, obs, carry, inner = loop
        distribution, carry = policy(obs, carry)
        target, inner = jax.vmap(side.controller)(inner, distribution.mode())
        row = {**jax.vmap(reading)(state), OBSERVATION: obs, ACTION: distribution.mode(), TARGET: target}
        row |= {COMMAND: command}
        row |= {f"state/{name}": leaf for name, leaf in zip(remembered, jax.tree.leaves(carry))}
        state = jax.vmap(ask)(state, then)
        if kick is not None and dofs is not None:
            row["kick"] = kick
            state = eqx.tree_at(lambda s: s.physics.qvel, state, state.physics.qvel + kick @ dofs.T)
        state, timestep = jax.vmap(env.step)(state, distribution.mode())
        return (state, timestep.obs["policy"], carry, inner), row

    def all_alike(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (n, *jnp.shape(leaf))), tree)

    loop = (state, obs, all_alike(policy.init()), all_alike(side.controller.init()))
    return jax.lax.scan(step, loop, (commands, following, kicks))[1]
