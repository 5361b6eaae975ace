"""The environment: physics, controller, observations and task, joined. State goes in and comes out."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ..arrays import Number, check_scalars, check_vectors, f32, named_key
from ..control import AbstractController
from ..module import AbstractModule
from ..observe import CommandTerm, ObservationStack, Signals, Slice
from ..physics import AbstractPhysics, PhysicsParams, PhysicsState
from ..physics.mujoco_tools.kinematics import sensor_quat
from ..task import AbstractCommand, AbstractEnding, AbstractReset, AbstractReward
from ..task.commands import observe_commands, order_of, sample_commands, start_commands, step_commands
from .disturbances import Disturbances, DisturbanceState
from .divergence import guard


class EnvState(eqx.Module):
    """Everything in one env that changes."""

    physics: PhysicsState
    controller: Any
    commands: dict[str, Any]
    rewards: dict[str, Any]
    endings: dict[str, Any]
    observations: dict[str, Any]  # what sensors and terms remember, by role
    disturbances: DisturbanceState
    action: Float[Array, " na"]  # the last one
    key: PRNGKeyArray
    steps: Int[Array, ""]  # control steps in this episode


class Timestep(eqx.Module):
    """What one control step yields. Termination (a failure) and truncation are two facts."""

    obs: dict[str, Float[Array, " _"]]
    reward: Float[Array, ""]
    terminated: Bool[Array, ""]
    truncated: Bool[Array, ""]
    metrics: dict[str, Float[Array, ""]]

    def __check_init__(self) -> None:
        check_vectors(self.obs)
        check_scalars(self.metrics)

    @property
    def done(self) -> Bool[Array, "*batch"]:
        """The episode is over, for either reason."""
        return self.terminated | self.truncated


class _Draw(NamedTuple):
    """An episode's draws, before any engine is asked."""

    key: PRNGKeyArray
    key_disturbances: PRNGKeyArray
    key_observations: PRNGKeyArray
    params: PhysicsParams | None
    commands: dict[str, Any]
    qpos: Float[Array, " nq"]
    qvel: Float[Array, " nv"]


class Env(AbstractModule):
    """One robot with one task; `vmap` it for many.

    `reset(key)` and `step(state, action)` return trees of the same structure, shapes, dtypes
    and weak types, which `check.check_env` proves. Parts are walked in the order of their names,
    and each draws from a key folded with its name: an env that went through `jit` draws what it
    draws outside of it.

    Args:
        physics: the engine.
        controller: turns actions into what is sent to the actuators.
        observations: stacks by name; "policy" feeds the policy, "critic" the value function.
        rewards: terms by name; each is logged by name, weighted and unweighted.
        endings: ways for an episode to end, by name.
        reset_state: distribution of first poses.
        commands: what the robot is asked for, by name.
        disturbances: what differs from the model and happens on the way; None: nothing does.
        episode_length: s, after which an episode is truncated.
    """

    physics: AbstractPhysics
    controller: AbstractController
    observations: dict[str, ObservationStack]
    rewards: dict[str, AbstractReward]
    endings: dict[str, AbstractEnding]
    reset_state: AbstractReset
    commands: dict[str, AbstractCommand]
    disturbances: Disturbances | None
    episode_length: Float[Array, ""]  # s

    def __init__(
        self,
        physics: AbstractPhysics,
        controller: AbstractController,
        observations: Mapping[str, ObservationStack],
        rewards: Mapping[str, AbstractReward],
        endings: Mapping[str, AbstractEnding],
        reset_state: AbstractReset,
        commands: Mapping[str, AbstractCommand] | None = None,
        disturbances: Disturbances | None = None,
        episode_length: Number = 20.0,
    ):
        self.physics, self.controller, self.reset_state = physics, controller, reset_state
        self.observations, self.rewards, self.endings = dict(observations), dict(rewards), dict(endings)
        self.commands, self.disturbances = dict(commands or {}), disturbances
        self.episode_length = f32(episode_length)

    def __check_init__(self) -> None:
        order_of(self.commands)  # raises where one needs what is not there

    @property
    def action_size(self) -> int:
        """Length of the action vector."""
        return self.controller.action_size

    @property
    def episode_steps(self) -> Int[Array, ""]:
        """Control steps after which an episode is truncated."""
        return jnp.round(self.episode_length / self.physics.control_dt).astype(jnp.int32)

    @property
    def ideal(self) -> bool:
        """The robot is as drawn: nothing is disturbed, and observations are the truth of the moment."""
        return self.disturbances is None and all(stack.ideal for stack in self.observations.values())

    def layout(self, role: str) -> tuple[Slice, ...]:
        """The layout of the observation `role`, with the constants that the robot computes its parts with.

        They are read from the modules that use them, such as each joint's home angle (rad) or the
        heading controller's gain (1/s). Not for use under `jit`.
        """
        stack = self.observations[role]

        def complete(part: Slice) -> Slice:
            term = stack.terms[part.name]
            known = term.constants
            if isinstance(term, CommandTerm):
                known = known | self.commands[term.command].constants()
            return dataclasses.replace(part, constants=tuple((name, float(value)) for name, value in known.items()))

        return tuple(complete(part) for part in stack.layout)

    def reset(self, key: PRNGKeyArray, nominal: PhysicsParams | None = None) -> tuple[EnvState, Timestep]:
        """A new episode: parameters, commands and pose drawn from `key`.

        `nominal` are the parameters that randomisers start from, where they are not the engine's own.
        """
        draw = self._draw(key, nominal)
        physics = self._engine.init(self._params(draw.params), draw.qpos, draw.qvel)
        state, signals, obs = self._begin(draw, physics)
        never = jnp.zeros((), bool)
        _, metrics, _ = self._rewards(state.rewards, signals)
        metrics = jax.tree.map(jnp.zeros_like, metrics | self._metrics(state.commands, physics))
        return state, Timestep(*guard(physics, obs, jnp.zeros((), jnp.float32), never, never, metrics))

    def redraw(self, state: EnvState, key: PRNGKeyArray, nominal: PhysicsParams | None = None) -> EnvState:
        """The first state of the episode that `reset(key, nominal)` begins, without the engine's forward pass.

        Parameters, pose, velocities and commands are those of that reset. What an engine derives
        from them (poses, sensors but for the IMUs' orientation, forces) and its carry stay those
        of `state`, any state of this env, until the next step: of a state, engines read `qpos`,
        `qvel`, `time` and `carry`, a guess from which they solve. Where full resets under `vmap`
        would run at every step, this costs next to nothing.
        """
        draw = self._draw(key, nominal)
        readings = state.physics.sensordata
        for imu in self.physics.robot.imus:
            quat = sensor_quat(self.physics.model, imu.quat, draw.qpos)
            readings = readings.at[imu.quat.address : imu.quat.address + imu.quat.size].set(quat)
        time = jnp.zeros_like(state.physics.time)
        physics = dataclasses.replace(state.physics, qpos=draw.qpos, qvel=draw.qvel, time=time, sensordata=readings)
        return self._begin(draw, physics)[0]

    def step(self, state: EnvState, action: Float[Array, " {self.action_size}"]) -> tuple[EnvState, Timestep]:
        """One control period under `action`; a simulation that diverges ends its episode (`divergence.guard`)."""
        new, raw = self.raw_step(state, action)
        checked = guard(new.physics, raw.obs, raw.reward, raw.terminated, raw.truncated, raw.metrics)
        return new, Timestep(*checked)

    def raw_step(self, state: EnvState, action: Float[Array, " {self.action_size}"]) -> tuple[EnvState, Timestep]:
        """As `step`, with whatever is not finite left as it is: for who looks for where it came from."""
        key, key_commands, key_disturbances, key_observations = jax.random.split(state.key, 4)
        dt = self.physics.control_dt
        ctrl, controller = self.controller(state.controller, action)
        nominal, disturbed = self.physics.params(), state.disturbances
        if self.disturbances is None:
            physics = self.physics.step(self._params(disturbed.params), state.physics, ctrl)
        else:
            physics, disturbed = self.disturbances.step(
                key_disturbances, self.physics, nominal, state.physics, disturbed, ctrl
            )
        commands = step_commands(self.commands, key_commands, state.commands, physics, dt)
        signals = self._signals(physics, action, state.action, ctrl, commands, disturbed)
        obs, observations = self._observe(key_observations, state.observations, signals)
        rate, metrics, rewards = self._rewards(state.rewards, signals)
        failed, over, endings = self._endings(state.endings, signals)
        steps = state.steps + 1
        new = EnvState(
            physics=physics,
            controller=controller,
            commands=commands,
            rewards=rewards,
            endings=endings,
            observations=observations,
            disturbances=disturbed,
            action=action,
            key=key,
            steps=steps,
        )
        truncated = (over | (steps >= self.episode_steps)) & ~failed
        metrics = metrics | self._metrics(commands, physics)
        return new, Timestep(obs, rate * jnp.float32(dt), failed, truncated, metrics)

    def signals(self, state: EnvState) -> Signals:
        """Signals of a state, for a judge; the previous action is taken for the last one, and `ctrl` is at rest."""
        return self._signals(
            state.physics, state.action, state.action, self.controller.rest(), state.commands, state.disturbances
        )

    @property
    def _engine(self) -> AbstractPhysics:
        return self.physics if self.disturbances is None else self.disturbances.engine(self.physics)

    def _draw(self, key: PRNGKeyArray, nominal: PhysicsParams | None) -> _Draw:
        """An episode's draws: keys, parameters, commands, first `qpos` and `qvel`."""
        key, key_params, key_commands, key_pose, key_disturbances, key_observations = jax.random.split(key, 6)
        params = nominal
        if self.disturbances is not None and self.disturbances.draws_params:
            params = self.disturbances.draw(key_params, self._params(nominal))
        commands = sample_commands(self.commands, key_commands)
        qpos, qvel = self.reset_state(key_pose, commands)
        return _Draw(key, key_disturbances, key_observations, params, commands, qpos, qvel)

    def _begin(self, draw: _Draw, physics: PhysicsState) -> tuple[EnvState, Signals, dict[str, Float[Array, " _"]]]:
        """The first state of an episode at `physics`, what terms see of it, and the first observation."""
        disturbed = DisturbanceState(draw.params, None, {}, {})
        if self.disturbances is not None:
            nominal = self.physics.params()
            disturbed = self.disturbances.init(draw.key_disturbances, self.physics, draw.params, nominal, physics)
        commands = start_commands(self.commands, draw.commands, physics)
        action, ctrl = jnp.zeros((self.action_size,), jnp.float32), self.controller.rest()
        signals = self._signals(physics, action, action, ctrl, commands, disturbed)
        obs, observations = {}, {}
        for name in sorted(self.observations):
            sub = named_key(draw.key_observations, name)
            obs[name], observations[name] = self.observations[name].init(sub, signals, self.physics.control_dt)
        state = EnvState(
            physics=physics,
            controller=self.controller.init(),
            commands=commands,
            rewards={name: self.rewards[name].init(signals) for name in sorted(self.rewards)},
            endings={name: self.endings[name].init(signals) for name in sorted(self.endings)},
            observations=observations,
            disturbances=disturbed,
            action=action,
            key=draw.key,
            steps=jnp.zeros((), jnp.int32),
        )
        return state, signals, obs

    def _params(self, drawn: PhysicsParams | None) -> PhysicsParams:
        return self.physics.params() if drawn is None else drawn

    def _signals(
        self,
        physics: PhysicsState,
        action: Float[Array, " na"],
        previous_action: Float[Array, " na"],
        ctrl: Float[Array, " nu"],
        commands: dict[str, Any],
        disturbed: DisturbanceState,
    ) -> Signals:
        return Signals(
            physics=physics,
            action=action,
            previous_action=previous_action,
            ctrl=ctrl,
            commands=commands,
            observed=observe_commands(self.commands, commands),
            params=self._params(disturbed.params),
            calibration=disturbed.calibration,
            servo=disturbed.servo,
        )

    def _observe(
        self, key: PRNGKeyArray, states: dict[str, Any], signals: Signals
    ) -> tuple[dict[str, Float[Array, " _"]], dict[str, Any]]:
        obs, after = {}, {}
        for name in sorted(self.observations):
            obs[name], after[name] = self.observations[name].step(named_key(key, name), states[name], signals)
        return obs, after

    def _rewards(
        self, states: dict[str, Any], signals: Signals
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]], dict[str, Any]]:
        """The total rate, every term's weighted and raw rate by name, and the terms' next states."""
        metrics: dict[str, Float[Array, ""]] = {}
        after: dict[str, Any] = {}
        total = jnp.zeros((), jnp.float32)
        for name in sorted(self.rewards):
            term = self.rewards[name]
            raw, after[name] = term.step(states[name], signals)
            weighted = term.weight * raw
            metrics[f"raw/{name}"] = raw
            metrics[f"reward/{name}"] = weighted
            total = total + weighted
        return total, metrics, after

    def _endings(
        self, states: dict[str, Any], signals: Signals
    ) -> tuple[Bool[Array, ""], Bool[Array, ""], dict[str, Any]]:
        """Whether the episode has failed, whether it is over without a failure, and the endings' next states."""
        failed, over = jnp.zeros((), bool), jnp.zeros((), bool)
        after: dict[str, Any] = {}
        for name in sorted(self.endings):
            ending = self.endings[name]
            ends, after[name] = ending.step(states[name], signals)
            if ending.truncates:
                over = over | ends
            else:
                failed = failed | ends
        return failed, over, after

    def _metrics(self, states: dict[str, Any], physics: PhysicsState) -> dict[str, Float[Array, ""]]:
        found: dict[str, Float[Array, ""]] = {}
        for name in sorted(self.commands):
            found |= self.commands[name].metrics(states[name], physics)
        return found
