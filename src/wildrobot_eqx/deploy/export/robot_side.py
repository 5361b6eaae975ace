"""What a robot computes in one control step, as pure functions: readings to an observation, an action to targets.

They are the env's own commands, observation terms and controller, at a state of physics that holds
what the robot measures. The exporter traces them into the policy's graph, so what trains is what runs.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ... import jax_compat
from ...check.trace.flow import COMPARED, follow
from ...control import AbstractController, Delay, LowPass
from ...env import Env
from ...errors import WildRobotError
from ...observe import Channel, FootSwitches, ObservationStack, Signals
from ...physics import PhysicsState
from ...robots import Robot, Sensor, encoded, measured_joints
from ...task import AbstractCommand
from ...task.commands import observe_commands, sample_commands, start_commands, step_commands

_PRESSED = 1e6  # N, of a foot whose switch is closed; of an open one the negative


class Measured(eqx.Module):
    """A robot's commands and measurements of one control step."""

    command: Float[Array, " channels"]  # of all commands, by name
    joint_positions: Float[Array, " measured"]  # rad, m of slides
    joint_velocities: Float[Array, " measured"]  # rad/s, m/s of slides
    foot_switches: Float[Array, " feet"]  # 1 where closed
    sensors: dict[str, Float[Array, " _"]]  # of the IMUs, and trackers


class StepState(eqx.Module):
    """What a robot remembers from one control step to the next, beside what the policy does."""

    commands: dict[str, Any]
    terms: Any
    controller: Any
    action: Float[Array, " na"]
    previous_action: Float[Array, " na"]
    ctrl: Float[Array, " nu"]
    ticks: Float[Array, ""]  # control steps since the episode's first


class RobotSide(eqx.Module):
    """The part of an env that runs on the robot; `robot_side` makes it."""

    robot: Robot
    commands: dict[str, AbstractCommand]
    stack: ObservationStack  # of one moment
    controller: AbstractController  # without its delays
    dt: float = eqx.field(static=True)  # s
    delay: int = eqx.field(static=True)  # control periods from a target to the actuator, which are the robot's own
    measured: tuple[str, ...] = eqx.field(static=True)  # joints: those with an actuator in its order, then the others
    qpos: tuple[int, ...] = eqx.field(static=True)
    qvel: tuple[int, ...] = eqx.field(static=True)

    @property
    def channels(self) -> tuple[tuple[str, Channel], ...]:
        """What can be asked for: each channel, and the command that it belongs to."""
        return tuple((name, channel) for name in sorted(self.commands) for channel in self.commands[name].channels)

    @property
    def sensors(self) -> dict[str, Sensor]:
        """Those of the IMUs, and the trackers of free bodies, by name."""
        return {sensor.name: sensor for _, sensor in self.robot.measured_sensors}

    @property
    def switched(self) -> bool:
        """Every foot has a switch."""
        return bool(self.robot.feet) and all(foot.switch for foot in self.robot.feet)

    def values(self, command: Float[Array, " channels"]) -> dict[str, Float[Array, " _"]]:
        """The numbers of each command that has channels."""
        found, start = {}, 0
        for name in sorted(self.commands):
            stop = start + len(self.commands[name].channels)
            if stop > start:
                found[name] = command[start:stop]
            start = stop
        return found

    def blank(self) -> tuple[Measured, PhysicsState]:
        """A reading and a state of physics, of the right shapes: the home pose at rest."""
        mj, n = self.robot.model.mj, len(self.measured)
        zeros = {name: jnp.zeros((sensor.size,), jnp.float32) for name, sensor in self.sensors.items()}
        feet = len(self.robot.feet)
        reading = Measured(
            jnp.zeros((len(self.channels),), jnp.float32),
            jnp.zeros((n,), jnp.float32),
            jnp.zeros((n,), jnp.float32),
            jnp.zeros((feet,), jnp.float32),
            zeros,
        )
        upright = jnp.tile(jnp.asarray([1.0, 0.0, 0.0, 0.0], jnp.float32), (mj.nbody, 1))
        physics = PhysicsState(
            qpos=self.robot.home_qpos,
            qvel=jnp.zeros((mj.nv,), jnp.float32),
            xpos=jnp.zeros((mj.nbody, 3), jnp.float32),
            xquat=upright,
            site_xpos=jnp.zeros((mj.nsite, 3), jnp.float32),
            sensordata=jnp.zeros((mj.nsensordata,), jnp.float32),
            actuator_force=jnp.zeros((mj.nu,), jnp.float32),
            time=jnp.zeros((), jnp.float32),
            foot_force=jnp.zeros((feet, 3), jnp.float32),
            carry=(),
        )
        return reading, physics

    def init(self) -> StepState:
        """The state of an episode's start; only its shapes and dtypes count, for `observe` begins anew at the first."""
        _, physics = self.blank()
        key = jax.random.key(0)
        action = jnp.zeros((self.controller.action_size,), jnp.float32)
        commands = start_commands(self.commands, sample_commands(self.commands, key), physics)
        signals = self._signals(physics, action, action, self.controller.rest(), commands)
        _, terms = self.stack.init(key, signals, self.dt)
        rest, zero = self.controller.rest(), jnp.zeros((), jnp.float32)
        return StepState(commands, terms, self.controller.init(), action, action, rest, zero)

    def observe(
        self, first: Bool[Array, ""], state: StepState, reading: Measured, unknown: PhysicsState
    ) -> tuple[Float[Array, " n"], StepState]:
        """What the policy sees of one moment.

        Args:
            first: this is an episode's first step, whatever the state.
            state: of the step before.
            reading: the commands and the measurements.
            unknown: the rest of the state of physics, which nothing here may read.
        """
        ticks, key = jnp.where(first, 0.0, state.ticks + 1.0), jax.random.key(0)
        physics = self._physics(reading, unknown, ticks)
        values = self._admitted(state, self.values(reading.command))
        constant = {name: c.hold(values[name]) if name in values else c for name, c in self.commands.items()}
        started = start_commands(constant, sample_commands(constant, key), physics)
        current = {
            name: command.set(state.commands[name], values[name]) if name in values else state.commands[name]
            for name, command in constant.items()
        }
        stepped = step_commands(constant, key, current, physics, self.dt)
        commands = _either(first, started, stepped)
        none = jnp.zeros_like(state.action)
        action, previous = _either(first, (none, none), (state.action, state.previous_action))
        ctrl = _either(first, self.controller.rest(), state.ctrl)
        signals = self._signals(physics, action, previous, ctrl, commands)
        first_terms, next_terms = self.stack.init(key, signals, self.dt), self.stack.step(key, state.terms, signals)
        observation, terms = _either(first, first_terms, next_terms)
        return observation, StepState(commands, terms, state.controller, action, previous, ctrl, ticks)

    def _admitted(self, state: StepState, values: dict[str, Float[Array, " _"]]) -> dict[str, Float[Array, " _"]]:
        """What each command makes of the numbers that it is given, such as 0 of what is below its deadband."""
        return {
            name: self.commands[name].asked(self.commands[name].set(state.commands[name], v))
            for name, v in values.items()
        }

    def act(
        self, first: Bool[Array, ""], state: StepState, action: Float[Array, " na"]
    ) -> tuple[Float[Array, " nu"], StepState]:
        """The targets of an action, and the state for the next step."""
        controller = _either(first, self.controller.init(), state.controller)
        target, controller = self.controller(controller, action)
        return target, StepState(state.commands, state.terms, controller, action, state.action, target, state.ticks)

    def reads(self) -> set[str]:
        """What of a reading reaches an observation: "joint_velocities", "foot_switches", or a sensor's name.

        Raises:
            WildRobotError: a command or a term reads what only a simulation knows.
        """
        reading, physics = self.blank()
        first, state = jnp.zeros((), bool), self.init()
        traced = jax.make_jaxpr(self.observe)(first, state, reading, physics)
        jaxpr, consts = jax_compat.opened(traced)
        names: list[str] = []
        masks: list[np.ndarray] = []
        leaves = jax.tree_util.tree_leaves_with_path((first, state, reading, physics))
        for path, leaf in leaves:
            place, name = path[0].idx, jax.tree_util.keystr(path[1:]).lstrip(".")
            mask = np.zeros(np.shape(leaf), np.int64)
            if place >= 2 and name != "time":
                mask[...] = 1 << len(names)
                names.append(name if place == 2 else f"physics.{name}")
            if place == 2 and name == "foot_switches":
                mask |= COMPARED
            masks.append(mask)
        known: dict[Any, Any] = dict(zip(jaxpr.constvars, consts))
        count = len(jax.tree.leaves(state))
        reach = 0
        while True:  # until what the state hands on adds nothing
            marks = follow(jaxpr, masks, known)
            total = int(np.bitwise_or.reduce([int(np.bitwise_or.reduce(m.ravel(), initial=0)) for m in marks[:1]]))
            after = [np.asarray(old | _of(new, old)) for old, new in zip(masks[1 : 1 + count], marks[1:])]
            if total == reach and all(np.array_equal(a, b) for a, b in zip(after, masks[1 : 1 + count])):
                break
            reach, masks[1 : 1 + count] = total, after
        found = [name for i, name in enumerate(names) if reach >> i & 1]
        secret = [name for name in found if name.startswith("physics.")]
        if reach & COMPARED:
            secret.append("physics.foot_force")
        if secret:
            raise WildRobotError(
                f"The policy's observation or a command reads {', '.join(secret)}, which no robot measures.",
                where="env.observations['policy'], env.commands",
                hint="compute it from the joints' sensors, the IMUs, the feet's switches and what is asked for",
            )
        return {name.removeprefix("sensors['").removesuffix("']") for name in found}

    def switches(self) -> list[FootSwitches]:
        """The terms that read the feet's switches, whose thresholds a simulated robot has."""
        return [term for term in self.stack.terms.values() if isinstance(term, FootSwitches)]

    def _signals(
        self, physics: PhysicsState, action: Array, previous: Array, ctrl: Array, commands: dict[str, Any]
    ) -> Signals:
        observed = observe_commands(self.commands, commands)
        return Signals(
            physics=physics, action=action, previous_action=previous, ctrl=ctrl, commands=commands, observed=observed
        )

    def _physics(self, reading: Measured, unknown: PhysicsState, ticks: Float[Array, ""]) -> PhysicsState:
        """A state that holds what is measured, piece by piece, so that what reads it can be followed."""
        qpos = _put(unknown.qpos, {at: reading.joint_positions[i : i + 1] for i, at in enumerate(self.qpos)})
        timed = encoded(self.robot, "qvel")
        speeds = {at: reading.joint_velocities[i : i + 1] for i, at in enumerate(self.qvel) if at in timed}
        qvel = _put(unknown.qvel, speeds)
        sensed = {sensor.address: reading.sensors[name] for name, sensor in self.sensors.items()}
        force = unknown.foot_force
        if self.switched:
            # No comparison here: `reads` finds a term that has none of its own.
            pressed = (2.0 * reading.foot_switches - 1.0) * _PRESSED
            force = jnp.concatenate([force[:, :2], pressed[:, None]], axis=1)
        known = (qpos, qvel, _put(unknown.sensordata, sensed), force, jnp.float32(self.dt) * ticks)
        return eqx.tree_at(lambda p: (p.qpos, p.qvel, p.sensordata, p.foot_force, p.time), unknown, known)


def robot_side(env: Env) -> RobotSide:
    """The part of an env that runs on the robot.

    Args:
        env: its policy reads ideal sensors (no `sensing`), for a robot brings its own.

    Raises:
        WildRobotError: the controller holds a delay where it cannot be taken out.
    """
    robot, stack = env.physics.robot, env.observations["policy"]
    controller, delay = without_delay(env.controller)
    moment = ObservationStack({name: stack.terms[name] for name in stack.names})
    return RobotSide(robot, env.commands, moment, controller, env.physics.control_dt, delay, *measured_joints(robot))


def without_delay(controller: AbstractController) -> tuple[AbstractController, int]:
    """The controller without its delays, and how many control periods they were.

    A delay is the robot's own, so a robot must not wait once more. Delays and filters that start
    from one command commute, so their order does not matter.

    Raises:
        WildRobotError: a delay starts from another command than the rest, or lies within a part that is not known.
    """
    if isinstance(controller, (Delay, LowPass)):
        inner, steps = without_delay(controller.inner)
        if not np.array_equal(np.asarray(controller.start), np.asarray(inner.rest())):
            raise WildRobotError(
                f"The {type(controller).__name__} of the controller does not start from the command at rest.",
                where="env.controller",
                hint="give it start=controller.rest() of the controller that it wraps",
            )
        if isinstance(controller, Delay):
            return inner, steps + controller.steps
        return LowPass(inner, controller.start, float(controller.alpha)), steps
    parts = jax.tree.leaves(controller, is_leaf=lambda part: isinstance(part, Delay))
    if any(isinstance(part, Delay) for part in parts):
        raise WildRobotError(
            f"A Delay lies within a {type(controller).__name__}, from which it cannot be taken out.",
            where="env.controller",
            hint="put the Delay around it: a delay is the robot's own, and a bundle must not wait once more",
        )
    return controller, 0


def _put(whole: Float[Array, " n"], pieces: dict[int, Float[Array, " _"]]) -> Float[Array, " n"]:
    """A vector with pieces put in from their places on."""
    parts, at = [], 0
    for start in sorted(pieces):
        if start > at:
            parts.append(whole[at:start])
        parts.append(pieces[start])
        at = start + pieces[start].shape[0]
    return jnp.concatenate([*parts, whole[at:]])


def _either(which: Bool[Array, ""], yes: Any, no: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(which, a, b), yes, no)


def _of(new: np.ndarray, old: np.ndarray) -> np.ndarray:
    return new if new.shape == old.shape else np.full(old.shape, int(np.bitwise_or.reduce(new.ravel(), initial=0)))
