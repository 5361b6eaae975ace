"""Golden vectors: a real rollout of the training env, recorded from the sensors to the targets."""

import dataclasses
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray, Shaped

from ...control import AbstractController
from ...env import Env, EnvState
from ...learn.networks import AbstractPolicy
from ...locomotion import velocity_of
from ...physics.mujoco_tools.kinematics import base_translation
from ...robots import Sensor
from .describe import foot_switches
from .onnx.graph import memory_names

STEPS = 100  # control steps of golden vectors
STARTS = 16  # first states for a player's own episodes
_STAND, _WALK = 15, 60  # control steps of the golden rollout's start and walk; it stops for the rest
_OTHERS, _LONGER = 7, 250  # further rollouts, and control steps of each: how fast do targets change?
_KICKS = (0.5, 0.8)  # m/s, of a robot that only stands: in the golden rollout, and at most in the others
_SEED = 0x601D
# What runs once costs more to compile than to run. Equinox hands further options on to `jax.jit`.
_jit_once: Any = functools.partial(eqx.filter_jit, compiler_options={"xla_backend_optimization_level": 0})


class Recording(eqx.Module):
    """What was recorded. `golden` has a row per control step by name; the rest is of all rollouts."""

    golden: dict[str, Float[np.ndarray, "time ..."]]
    target_speed: Float[np.ndarray, " nu"]  # rad/s, the greatest of each joint


def record(env: Env, controller: AbstractController, policy: AbstractPolicy, sensors: dict[str, Sensor]) -> Recording:
    """Roll out `policy`'s mean action and record every step.

    Args:
        env: the recipe's env with nominal parameters on the native engine.
        controller: its controller as the robot computes it, without delay.
        policy: the trained policy.
        sensors: the raw readings to keep, by name.

    Returns:
        Each row holds what the robot would have read (`time` in s, `speed` commanded in m/s,
        sensors as `sensor/NAME`, `joint_positions`, `joint_velocities`, and `foot_switches` where
        the policy reads them), and what training made of
        it: `observation`, `action`, `target` (rad) and, where the policy has a memory, what became
        of it as `state/NAME`; `qpos` and `qvel` are where the simulated robot was. `start_qpos` and
        `start_qvel` are first states. A robot that is only ever told to stand is kicked on the way,
        or nothing would happen: `kick` (m/s, in the world) is what each row ends with.
    """
    name, command = velocity_of(env.commands)
    high = float(command.lin_vel_x[1])
    low = max(float(command.lin_vel_x[0]), float(command.deadband), 0.2 * high)
    speeds = np.zeros((_LONGER, 1 + _OTHERS), np.float32)
    stands = not (command.planar or np.any(command.lin_vel_x))
    if not stands:
        speeds[_STAND : _STAND + _WALK, 0] = 0.6 * high
        speeds[_STAND:, 1:] = np.linspace(low, high, _OTHERS)
    # Episodes begin standing. What is not recorded (rewards, the critic's view) is not traced either.
    standing = dataclasses.replace(
        env,
        observations={"policy": env.observations["policy"]},
        rewards={},
        endings={},
        commands={**env.commands, name: command.hold(jnp.zeros((len(command.channels),), jnp.float32))},
    )
    n = 1 + _OTHERS
    following = jnp.asarray(np.concatenate([speeds[1:], speeds[-1:]])[..., None] * _directions(env))
    kicks = jnp.asarray(_kicks()) if stands else None
    keys = jax.random.split(jax.random.key(_SEED), n + STARTS)
    blank = jax.tree.map(lambda leaf: _blank(leaf, keys[0]), eqx.filter_eval_shape(_first, standing, keys[:n]))
    with ThreadPoolExecutor(1) as pool:  # two compiles, two cores
        roll = pool.submit(_roll.lower(standing, controller, policy, sensors, *blank, following, kicks).compile)
        state, obs = _reset(standing, keys)
        first, obs = jax.tree.map(lambda leaf: leaf[:n], (state, obs))
        rows = jax.device_get(roll.result()(standing, controller, policy, sensors, first, obs, following, kicks))
    starts = {f"start_{name}": np.asarray(getattr(state.physics, name)[n:]) for name in ("qpos", "qvel")}
    targets = np.concatenate([np.broadcast_to(env.physics.robot.home_joints, rows["target"][:1].shape), rows["target"]])
    speed = np.abs(np.diff(targets, axis=0)).max(axis=(0, 1)) / env.physics.control_dt
    golden = {name: np.ascontiguousarray(row[:STEPS, 0]) for name, row in rows.items()}
    return Recording({**golden, **starts}, speed)


def _directions(env: Env) -> Float[np.ndarray, "time n 3"]:
    """Shares of speed, lateral speed and turn by which each rollout's speed is multiplied.

    All are told to walk ahead. Where the command knows more, the golden one turns and walks
    sideways in the second half of its walk, and so do the others from time to time.
    """
    command = velocity_of(env.commands)[1]
    shares = np.zeros((_LONGER, 1 + _OTHERS, 3), np.float32)
    shares[..., 0] = 1.0
    high = max(float(command.lin_vel_x[1]), 1e-6)
    for i, bounds in ((1, command.lin_vel_y), (2, command.ang_vel_z)):
        if bounds is not None:
            shares[_STAND + _WALK // 2 :, :, i] = float(bounds[1]) / high
            shares[_STAND + _WALK :, ::2, i] *= -1.0
    return shares


def _kicks() -> Float[np.ndarray, "time n 3"]:
    """One kick per rollout at the end of its stand, each in a direction of its own."""
    kicks = np.zeros((_LONGER, 1 + _OTHERS, 3), np.float32)
    speed = np.concatenate([_KICKS[:1], np.linspace(0.3, _KICKS[1], _OTHERS)])
    angle = 2.0 * np.pi * (np.arange(1 + _OTHERS) + 0.5) / (1 + _OTHERS)
    kicks[_STAND, :, 0], kicks[_STAND, :, 1] = speed * np.cos(angle), speed * np.sin(angle)
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


def _commands(state: EnvState, name: str) -> dict[str, Array]:
    """What the robot is asked for, by name."""
    command = state.commands[name]
    commands = {"speed": command.lin_vel_x, "lateral": command.lin_vel_y, "turn": command.ang_vel_z}
    return {name: value for name, value in commands.items() if value is not None}


@_jit_once
def _roll(
    env: Env,
    controller: AbstractController,
    policy: AbstractPolicy,
    sensors: dict[str, Sensor],
    state: EnvState,
    obs: Float[Array, "n nobs"],
    following: Float[Array, "time n 3"],
    kicks: Float[Array, "time n 3"] | None,
) -> dict[str, Float[Array, "time n ..."]]:
    """Rows of all rollouts; the commands are those that follow upon each step."""
    robot = env.physics.robot
    n = following.shape[1]
    remembered, switches = memory_names(policy), foot_switches(env)
    velocity = velocity_of(env.commands)[0]
    names = tuple(_commands(state, velocity))
    dofs = jnp.asarray(base_translation(robot), jnp.float32)

    def reading(state: EnvState) -> dict[str, Array]:
        physics = state.physics
        return {
            "time": physics.time,
            **_commands(state, velocity),
            "qpos": physics.qpos,
            "qvel": physics.qvel,
            "joint_positions": robot.joints(physics.qpos),
            "joint_velocities": robot.joint_velocities(physics.qvel),
            **{f"sensor/{name}": sensor.read(physics.sensordata) for name, sensor in sensors.items()},
            **({"foot_switches": switches[0].closed(physics)} if switches else {}),
        }

    def step(loop: tuple[Any, ...], now: tuple[Array, Array | None]) -> tuple[tuple[Any, ...], dict[str, Array]]:
        command, kick = now
        state, obs, carry, inner = loop
        distribution, carry = policy(obs, carry)
        target, inner = jax.vmap(controller)(inner, distribution.mode())
        row = {**jax.vmap(reading)(state), "observation": obs, "action": distribution.mode(), "target": target}
        row |= {f"state/{name}": leaf for name, leaf in zip(remembered, jax.tree.leaves(carry))}
        asked = jnp.stack([command[:, i] for i, n in enumerate(("speed", "lateral", "turn")) if n in names], axis=1)
        told = jax.vmap(env.commands[velocity].set)(state.commands[velocity], asked)
        state = eqx.tree_at(lambda s: s.commands[velocity], state, told)
        if kick is not None:
            row["kick"] = kick
            state = eqx.tree_at(lambda s: s.physics.qvel, state, state.physics.qvel + kick @ dofs.T)
        state, timestep = jax.vmap(env.step)(state, distribution.mode())
        return (state, timestep.obs["policy"], carry, inner), row

    def all_alike(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (n, *jnp.shape(leaf))), tree)

    loop = (state, obs, all_alike(policy.init()), all_alike(controller.init()))
    return jax.lax.scan(step, loop, (following, kicks))[1]
