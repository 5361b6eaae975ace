"""The environment: physics, controller, observations and task, joined. State goes in and comes out."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ..control import AbstractController, Miscalibration, Servos
from ..observe import (
    Command,
    GaitPhase,
    JointPositions,
    ObservationStack,
    PlanarCommands,
    Signals,
    Slice,
    VelocityCommands,
)
from ..physics import AbstractPhysics, AbstractRandomiser, PhysicsParams, PhysicsState
from ..physics.kinematics import sensor_quat
from ..task import AbstractEvent, AbstractReward, AbstractTermination, GaitClock, HomeReset, VelocityCommand
from .divergence import guard
from .world import World, advance, begin_senses, begin_world, observe, rubbing


class EnvState(eqx.Module):
    """Everything in one env that changes."""

    physics: PhysicsState
    params: PhysicsParams | None  # this episode's draw; None where nothing is randomised
    controller: Any
    command: Command
    phase: Float[Array, ""]  # rad
    action: Float[Array, " nu"]  # the last one
    key: PRNGKeyArray
    steps: Int[Array, ""]  # control steps in this episode
    world: World | None = None  # servos, sensors and pushes; None where all are perfect


class Timestep(eqx.Module):
    """What one control step yields. Termination (a failure) and truncation (out of time) are two facts."""

    obs: dict[str, Float[Array, " _"]]
    reward: Float[Array, ""]
    terminated: Bool[Array, ""]
    truncated: Bool[Array, ""]
    metrics: dict[str, Float[Array, ""]]

    @property
    def done(self) -> Bool[Array, "*batch"]:
        """The episode is over, for either reason."""
        return self.terminated | self.truncated


class _Draw(NamedTuple):
    """An episode's draws; `world` is a key, where something in the world is not perfect."""

    key: PRNGKeyArray
    command: PRNGKeyArray
    world: PRNGKeyArray | None
    params: PhysicsParams | None
    qpos: Float[Array, " nq"]
    qvel: Float[Array, " nv"]


class Env(eqx.Module):
    """One robot with one task; `vmap` it for many.

    `reset(key)` and `step(state, action)` return trees of the same structure, shapes,
    dtypes and weak types, which `contract.check` proves.

    Args:
        physics: the engine.
        controller: turns actions into joint targets.
        observations: stacks by name; "policy" feeds the policy, "critic" the value function.
        command: draws what the robot is told.
        clock: the gait clock.
        rewards: terms by name; each is logged by name, weighted and unweighted.
        terminations: ways to fail, by name.
        reset_state: distribution of first poses.
        randomisers: applied in order to the nominal domain parameters at every reset.
        episode_length: s, after which an episode is truncated.
        servos: what the servos make of the joint targets; without, the engine's own position servos.
        miscalibration: draws encoder offsets and the IMU's mounting error.
        events: what befalls the robot on the way, such as pushes, by name.
    """

    physics: AbstractPhysics
    controller: AbstractController
    observations: dict[str, ObservationStack]
    command: VelocityCommand
    clock: GaitClock
    rewards: dict[str, AbstractReward]
    terminations: dict[str, AbstractTermination]
    reset_state: HomeReset
    randomisers: tuple[AbstractRandomiser, ...]
    episode_steps: Int[Array, ""]
    servos: Servos | None
    miscalibration: Miscalibration | None
    events: dict[str, AbstractEvent]

    def __init__(
        self,
        physics: AbstractPhysics,
        controller: AbstractController,
        observations: Mapping[str, ObservationStack],
        command: VelocityCommand,
        rewards: Mapping[str, AbstractReward],
        terminations: Mapping[str, AbstractTermination],
        reset_state: HomeReset,
        clock: GaitClock | None = None,
        randomisers: tuple[AbstractRandomiser, ...] = (),
        episode_length: float = 20.0,
        servos: Servos | None = None,
        miscalibration: Miscalibration | None = None,
        events: Mapping[str, AbstractEvent] | None = None,
    ):
        self.physics, self.controller, self.command = physics, controller, command
        self.observations = dict(observations)
        self.clock = GaitClock() if clock is None else clock
        self.rewards, self.terminations = dict(rewards), dict(terminations)
        self.reset_state, self.randomisers = reset_state, randomisers
        self.episode_steps = jnp.asarray(round(episode_length / physics.control_dt), jnp.int32)
        self.servos, self.miscalibration, self.events = servos, miscalibration, dict(events or {})

    @property
    def action_size(self) -> int:
        """Length of the action vector: the robot's number of actuators."""
        return self.physics.robot.nu

    @property
    def perfect(self) -> bool:
        """Servos, sensors and calibration are ideal and nothing befalls the robot: there is no `World`."""
        blurred = any(not stack.perfect for stack in self.observations.values())
        return self.servos is None and self.miscalibration is None and not self.events and not blurred

    def layout(self, role: str) -> tuple[Slice, ...]:
        """The layout of the observation `role`, with the constants that the robot computes its parts with.

        They are read from the modules that use them: the heading hold's gain (1/s) and limit
        (rad/s), the speed below which the command means to stand (m/s), the gait's period
        (s), each joint's home angle (rad). Not for use under `jit`.
        """
        robot, command = self.physics.robot, self.command
        home = {f"home {name}": angle for name, angle in zip(robot.joint_names, robot.home_joints)}
        hold = {"heading gain": command.hold.gain, "yaw rate limit": command.hold.limit, "deadband": command.deadband}
        known = {
            VelocityCommands: hold,
            PlanarCommands: hold,
            GaitPhase: {"period": self.clock.period},
            JointPositions: home,
        }
        stack = self.observations[role]

        def complete(part: Slice) -> Slice:
            constants = known.get(type(stack.terms[part.name]), {})
            return dataclasses.replace(part, constants=tuple((name, float(value)) for name, value in constants.items()))

        return tuple(complete(part) for part in stack.layout)

    def reset(self, key: PRNGKeyArray, nominal: PhysicsParams | None = None) -> tuple[EnvState, Timestep]:
        """A new episode: parameters, pose and command drawn from `key`.

        `nominal` are the parameters that randomisers start from, where they are not the engine's own.
        """
        draw = self._draw(key, nominal)
        physics = rubbing(self).init(self._params(draw.params), draw.qpos, draw.qvel)
        state, signals, obs = self._begin(draw, physics)
        never = jnp.zeros((), bool)
        metrics = {name: jnp.zeros_like(value) for name, value in self._rewards(signals)[1].items()}
        return state, Timestep(*guard(physics, obs, jnp.zeros((), jnp.float32), never, never, metrics))

    def redraw(self, state: EnvState, key: PRNGKeyArray, nominal: PhysicsParams | None = None) -> EnvState:
        """The first state of the episode that `reset(key, nominal)` begins, without the engine's forward pass.

        Parameters, pose, velocities and command are those of that reset. What an engine
        derives from them (poses, sensors but for the command's orientation sensor, forces)
        and its carry stay those of `state`, any state of this env, until the next step: of a
        state, engines read `qpos`, `qvel`, `time` and `carry`, a guess from which they solve.
        Where full resets under `vmap` would run at every step, this costs next to nothing.
        """
        draw = self._draw(key, nominal)
        sensor = self.command.quat
        quat = sensor_quat(self.physics.model, sensor, draw.qpos)
        readings = state.physics.sensordata.at[sensor.address : sensor.address + sensor.size].set(quat)
        time = jnp.zeros_like(state.physics.time)
        physics = dataclasses.replace(state.physics, qpos=draw.qpos, qvel=draw.qvel, time=time, sensordata=readings)
        return self._begin(draw, physics)[0]

    def step(self, state: EnvState, action: Float[Array, " {self.action_size}"]) -> tuple[EnvState, Timestep]:
        """One control period under `action`; a simulation that diverges ends its episode (`divergence.guard`)."""
        new, raw = self.raw_step(state, action)
        told = guard(new.physics, raw.obs, raw.reward, raw.terminated, raw.truncated, raw.metrics)
        return new, Timestep(*told)

    def raw_step(self, state: EnvState, action: Float[Array, " {self.action_size}"]) -> tuple[EnvState, Timestep]:
        """As `step`, with whatever is not finite left as it is: for who looks for where it came from."""
        key, key_command, *more = jax.random.split(state.key, 2 if self.perfect else 3)
        dt = self.physics.control_dt
        params = self._params(state.params)
        target, controller = self.controller(state.controller, action)
        world = state.world
        if world is None:
            physics = rubbing(self).step(params, state.physics, target)
        else:
            key_events, key_senses = jax.random.split(more[0])
            physics, world = advance(self, key_events, params, state.physics, world, target)
        command = self.command.step(key_command, state.command, physics, dt)
        new = EnvState(
            physics=physics,
            params=state.params,
            controller=controller,
            command=command,
            phase=self.clock.step(state.phase, command.moving, dt),
            action=action,
            key=key,
            steps=state.steps + 1,
            world=world,
        )
        signals = self._signals(new, state.action, target, params)
        if world is None:
            obs = self._observe(signals)
        else:
            obs, senses = observe(self, key_senses, world, signals)
            new = dataclasses.replace(new, world=dataclasses.replace(world, senses=senses))
        rate, metrics = self._rewards(signals)
        failed = [term(signals) for term in self.terminations.values()]
        terminated = jnp.any(jnp.stack(failed)) if failed else jnp.zeros((), bool)
        truncated = (new.steps >= self.episode_steps) & ~terminated
        return new, Timestep(obs, rate * jnp.float32(dt), terminated, truncated, metrics)

    def _draw(self, key: PRNGKeyArray, nominal: PhysicsParams | None) -> _Draw:
        """An episode's draws: keys, parameters, first `qpos` and `qvel`."""
        key, key_params, key_pose, key_command, *more = jax.random.split(key, 4 if self.perfect else 5)
        params = self._draw_params(key_params, nominal)
        return _Draw(key, key_command, more[0] if more else None, params, *self.reset_state(key_pose))

    def _begin(self, draw: _Draw, physics: PhysicsState) -> tuple[EnvState, Signals, dict[str, Float[Array, " _"]]]:
        """The first state of an episode at `physics`, what terms see of it, and the first observation."""
        params, world = self._params(draw.params), None
        if draw.world is not None:
            key_world, key_senses = jax.random.split(draw.world)
            world = begin_world(self, key_world, params, physics)
        state = EnvState(
            physics=physics,
            params=draw.params,
            controller=self.controller.init(),
            command=self.command.init(draw.command, physics),
            phase=jnp.zeros((), jnp.float32),
            action=jnp.zeros((self.action_size,), jnp.float32),
            key=draw.key,
            steps=jnp.zeros((), jnp.int32),
            world=world,
        )
        signals = self._signals(state, state.action, self.physics.robot.home_joints, params)
        if world is None:
            return state, signals, self._observe(signals)
        obs, senses = begin_senses(self, key_senses, signals)
        return dataclasses.replace(state, world=dataclasses.replace(world, senses=senses)), signals, obs

    def _draw_params(self, key: PRNGKeyArray, nominal: PhysicsParams | None) -> PhysicsParams | None:
        if not self.randomisers:
            return nominal
        params = self._params(nominal)
        for randomiser, sub in zip(self.randomisers, jax.random.split(key, len(self.randomisers))):
            params = randomiser(sub, params)
        return params

    def _params(self, drawn: PhysicsParams | None) -> PhysicsParams:
        return self.physics.params() if drawn is None else drawn

    def _signals(
        self, state: EnvState, previous_action: Float[Array, " nu"], target: Float[Array, " nu"], params: PhysicsParams
    ) -> Signals:
        return Signals(
            physics=state.physics,
            action=state.action,
            previous_action=previous_action,
            target=target,
            command=state.command,
            phase=state.phase,
            params=params,
            calibration=None if state.world is None else state.world.calibration,
            servo=() if state.world is None else state.world.servo,
        )

    def _observe(self, signals: Signals) -> dict[str, Float[Array, " _"]]:
        return {name: stack(signals) for name, stack in self.observations.items()}

    def _rewards(self, signals: Signals) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        """The total rate, and every term's weighted and raw rate by name."""
        metrics: dict[str, Float[Array, ""]] = {}
        total = jnp.zeros((), jnp.float32)
        for name, term in self.rewards.items():
            raw = term(signals)
            weighted = term.weight * raw
            metrics[f"raw/{name}"] = raw
            metrics[f"reward/{name}"] = weighted
            total = total + weighted
        base, command = self.physics.robot.base, signals.command
        linvel = base.linvel.read(signals.physics.sensordata)
        metrics["speed"] = signals.heading_frame(linvel)[0]
        metrics["commanded_speed"] = command.speed
        if command.lateral is not None:
            metrics["lateral_speed"] = signals.heading_frame(linvel)[1]
            metrics["commanded_lateral_speed"] = command.lateral
        if command.turn is not None:
            metrics["turn"] = base.angvel.read(signals.physics.sensordata)[2]
            metrics["commanded_turn"] = command.turn
        return total, metrics
