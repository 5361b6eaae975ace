"""A recipe's env in the view, driven by a run's newest policy or by none: all that training computes is shown."""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from ..arrays import f32
from ..deploy.bundle.contract import CommandChannel
from ..env import Env, EnvState, Timestep
from ..errors import WildRobotError
from ..evaluate.robust.terrain import terrain_env
from ..evaluate.rollout import judge_key, judged_env
from ..learn.networks import AbstractPolicy
from ..physics import PhysicsParams
from ..physics.mujoco_tools.kinematics import base_translation
from ..robots import Ground
from .curves import Curves
from .newest import NewestPolicy
from .shadow import apply_world
from .simulation import AbstractSimulation, Inside, Pose, World
from .terrain import base_height, heights

_log = logging.getLogger(__name__)
_FOR_EVER = 1e6  # s: nobody's time is up in the view


class TaskSimulation(AbstractSimulation):
    """An env as it is judged: nominal, nothing disturbed, its commands as the sliders say.

    Args:
        env: the recipe's env.
        title: what it is, in a few words.
        newest: whose policy acts; None: every action is 0.
        curves: of the run.
    """

    def __init__(self, env: Env, title: str, newest: NewestPolicy | None = None, curves: Curves | None = None):
        self._own, self._title, self._newest = env, title, newest
        self._robot, self._episode = env.physics.robot, 0
        self._channels, self._curves = _channels(env), curves
        self._world = World()
        self._build(self._world)

    def _build(self, world: World) -> None:
        own = self._own
        if world.terrain != "flat":
            if world.engine != "native":
                raise WildRobotError(
                    f"The engine {world.engine} simulates flat ground only.", where="terrain", hint="take native"
                )
            field, half = heights(world.terrain, base_height(self._robot.home_height))
            own = terrain_env(own, Ground(jnp.asarray(field, jnp.float32), half), own.physics.timestep)
        env = judged_env(own, own.physics.timestep, world.engine)
        env = dataclasses.replace(env, episode_length=f32(_FOR_EVER))
        self._env, self._model = env, mujoco.MjModel.__copy__(env.physics.robot.model.mj)
        self._tune(world)
        _log.info(f"compiling {self._robot.name} on {world.engine} ...")
        self.reset()
        self.step({})
        self.reset()

    def _tune(self, world: World) -> None:
        """Friction and payload, for the engine and for what is shown of its forces."""
        apply_world(self._model, self._env.physics.robot.model.mj, self.base, world)
        self._params = _params(self._env, self.base, world)

    @property
    def title(self) -> str:
        return self._title if self._newest is None else f"{self._title}, iteration {self._newest.iteration}"

    @property
    def robot(self) -> str:
        return self._robot.name

    @property
    def dt(self) -> float:
        return self._env.physics.control_dt

    @property
    def model(self) -> mujoco.MjModel:
        return self._model

    @property
    def base(self) -> int:
        return 0 if self._robot.base is None else self._robot.base.body

    @property
    def feet(self) -> Mapping[str, int]:
        return {foot.name: int(self._model.site_bodyid[foot.site]) for foot in self._robot.feet}

    @property
    def joints(self) -> tuple[str, ...]:
        return self._robot.joint_names

    @property
    def torque_limit(self) -> NDArray[np.float64]:
        return np.asarray(self._robot.torque_limit, np.float64)

    @property
    def channels(self) -> tuple[CommandChannel, ...]:
        return self._channels

    @property
    def engines(self) -> tuple[str, ...]:
        return ("native", "tree", "mjx")

    @property
    def world(self) -> World:
        return self._world

    @property
    def pose(self) -> Pose:
        physics = self._state.physics
        return Pose(np.asarray(physics.qpos, np.float64), np.asarray(physics.qvel, np.float64), self._ctrl)

    @property
    def inside(self) -> Inside:
        stack, obs = self._env.observations["policy"], np.asarray(self._timestep.obs["policy"])
        metrics = {name: float(value) for name, value in jax.device_get(self._timestep.metrics).items()}
        parts = {p.name + (f" ({p.age} before)" if p.age else ""): obs[p.start : p.stop] for p in stack.layout}
        rewards = {n.removeprefix("reward/"): value for n, value in metrics.items() if n.startswith("reward/")}
        measured = {c.name: metrics[c.name] for c in self._channels if c.name in metrics}
        return Inside("no policy: actions are 0" if self._newest is None else "run", "", parts, rewards, measured)

    @property
    def ended(self) -> str | None:
        if bool(self._timestep.terminated):
            return "fell" if np.isfinite(np.asarray(self._state.physics.qpos)).all() else "diverged"
        return "is over" if bool(self._timestep.truncated) else None

    def reset(self) -> None:
        self._episode += 1
        key = jax.random.fold_in(judge_key(self._env.physics.timestep), self._episode)
        state, self._timestep = _reset(self._env, key)
        self._state = _with_params(state, self._params)
        self._carry = None if self._newest is None else self._newest.policy.init()
        self._ctrl = np.asarray(self._env.controller.rest(), np.float64)

    def take_over(self, pose: Pose) -> None:
        self.reset()
        physics = dataclasses.replace(
            self._state.physics,
            qpos=jnp.asarray(pose.qpos, jnp.float32),
            qvel=jnp.asarray(pose.qvel, jnp.float32),
        )
        self._state = dataclasses.replace(self._state, physics=physics)

    def step(self, asked: Mapping[str, float]) -> None:
        values: dict[str, list[float]] = {}
        for channel in self._channels:
            value = min(max(asked.get(channel.name, channel.rest), channel.low), channel.high)
            values.setdefault(channel.command, []).append(float(value))
        held = {name: jnp.asarray(value, jnp.float32) for name, value in values.items()}
        policy = None if self._newest is None else self._newest.policy
        state = _with_params(self._state, self._params)
        self._state, self._timestep, self._carry, ctrl = _step(
            self._env, policy, state, self._timestep.obs["policy"], self._carry, held
        )
        self._ctrl = np.asarray(ctrl, np.float64)

    def kick(self, velocity: NDArray[np.float64]) -> None:
        if self._robot.base is not None:
            added = jnp.asarray(base_translation(self._robot) @ velocity, jnp.float32)
            physics = self._state.physics
            self._state = dataclasses.replace(
                self._state, physics=dataclasses.replace(physics, qvel=physics.qvel + added)
            )

    def enter(self, world: World) -> None:
        if (world.terrain, world.engine) != (self._world.terrain, self._world.engine):
            before = self._env, self._model, self._params
            try:
                self._build(world)
            except WildRobotError:
                self._env, self._model, self._params = before
                raise
        self._tune(world)
        self._world = world

    @property
    def curves(self) -> Curves | None:
        return self._curves

    def refresh(self) -> str | None:
        if self._newest is None or not self._newest.poll():
            return None
        return f"the policy is now that of iteration {self._newest.iteration}"


def _channels(env: Env) -> tuple[CommandChannel, ...]:
    """What an env can be asked for, with the names that a bundle gives them."""
    names = [channel.name for command in env.commands.values() for channel in command.channels]
    found = []
    for name in sorted(env.commands):
        command = env.commands[name]
        for channel, (low, high) in zip(command.channels, np.asarray(command.bounds(), np.float64)):
            full = channel.name if names.count(channel.name) == 1 else f"{name}.{channel.name}"
            rest = float(np.clip(0.0, low, high))
            found.append(CommandChannel(full, name, channel.unit, float(low), float(high), rest))
    return tuple(found)


def _params(env: Env, base: int, world: World) -> PhysicsParams:
    """The engine's parameters in a world."""
    params = env.physics.params()
    rubbing = jnp.asarray([world.friction, 1.0, 1.0], jnp.float32)
    params = dataclasses.replace(
        params,
        geom_friction=params.geom_friction * rubbing,
        pair_friction=params.pair_friction * jnp.asarray([world.friction, world.friction, 1.0, 1.0, 1.0], jnp.float32),
    )
    if not base:
        return params
    return dataclasses.replace(params, body_mass=params.body_mass.at[base].add(world.payload))


def _with_params(state: EnvState, params: PhysicsParams) -> EnvState:
    return dataclasses.replace(state, disturbances=dataclasses.replace(state.disturbances, params=params))


@eqx.filter_jit
def _reset(env: Env, key: Any) -> tuple[EnvState, Timestep]:
    return env.reset(key)


@eqx.filter_jit
def _step(
    env: Env,
    policy: AbstractPolicy | None,
    state: EnvState,
    obs: Float[Array, " no"],
    carry: Any,
    asked: dict[str, Float[Array, " channels"]],
) -> tuple[EnvState, Timestep, Any, Float[Array, " nu"]]:
    """One control step under what is asked for, and what was sent to the actuators."""
    commands = {name: env.commands[name].set(state.commands[name], value) for name, value in asked.items()}
    state = dataclasses.replace(state, commands={**state.commands, **commands})
    if policy is None:
        action = jnp.zeros((env.action_size,), jnp.float32)
    else:
        distribution, carry = policy(obs, carry)
        action = distribution.mode()
    ctrl, _ = env.controller(state.controller, action)
    state, timestep = env.step(state, action)
    return state, timestep, carry, ctrl
