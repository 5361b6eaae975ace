"""Builders that the tests share: envs, states made by hand, and an engine whose physics fits on a page."""

import contextlib
import dataclasses
import importlib.util
import logging
import os
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import wildrobot_eqx as we
from wildrobot_eqx import AbstractPhysics, Env, NativePhysics, PhysicsParams, PhysicsState, Robot, locomotion, task
from wildrobot_eqx import observe as obs
from wildrobot_eqx.control.motors import MotorState
from wildrobot_eqx.controllers import JointPosition
from wildrobot_eqx.locomotion import GaitState, VelocityState
from wildrobot_eqx.observe import ObservationStack, Signals
from wildrobot_eqx.physics.params import nominal_params
from wildrobot_eqx.robots import Mirror, Model

SEED_OFFSET = int(os.environ.get("WILDROBOT_EQX_SEED_OFFSET", "0"))


NEEDS = {f"sweep.ray_{name}": "ray" for name in ("engine", "eval", "optuna", "trial")} | {"sweep.slurm": "submitit"}
"""Modules that import a package at once which the extra `dev` lacks, for its size."""


def lacks_extra(module: str) -> bool:
    """Whether a module of the package, by its full name, cannot be imported without an extra that is not there."""
    needed = NEEDS.get(module.partition(".")[2])
    return needed is not None and importlib.util.find_spec(needed) is None


def shifted(seed: int) -> int:
    """The seed of a fixture, of a helper or of a training, moved by WILDROBOT_EQX_SEED_OFFSET: tests hold for any."""
    return seed + SEED_OFFSET


def policy_terms(robot: Robot) -> dict[str, obs.AbstractTerm]:
    """What a robot can measure, one term of every kind."""
    return {
        "gravity": obs.ProjectedGravity(robot),
        "angular_velocity": obs.AngularVelocity(robot),
        "joint_positions": obs.JointPositions(robot),
        "joint_velocities": obs.JointVelocities(robot),
        "last_action": obs.LastAction(JointPosition(robot)),
        "gait_phase": obs.CommandTerm("gait", locomotion.gaits.two_beat(robot).observed),
        "command": obs.CommandTerm("velocity", locomotion.VelocityCommand(robot).observed),
    }


def with_switches(robot: Robot) -> Robot:
    """The same robot, with a switch in each foot."""
    return dataclasses.replace(robot, feet=tuple(dataclasses.replace(foot, switch=True) for foot in robot.feet))


def critic_terms(robot: Robot) -> dict[str, obs.AbstractTerm]:
    """The same, and what only the simulator knows."""
    return {
        **policy_terms(robot),
        "linear_velocity": locomotion.BaseLinearVelocity(robot),
        "height": obs.BaseHeight(robot),
        "reserved": obs.Reserved(2),
        "foot_contacts": obs.FootContacts(robot),
    }


def drawn_terms(robot: Robot) -> dict[str, obs.AbstractTerm]:
    """What is drawn for an episode of `wrong_world`, one term of every kind."""
    return {
        "stiffness": obs.JointRatios(robot, "stiffness"),
        "torque_limit": obs.JointRatios(robot, "torque limit"),
        "armature": obs.JointRatios(robot, "armature"),
        "damping": obs.JointRatios(robot, "damping"),
        "friction_loss": obs.JointRatios(robot, "friction loss"),
        "mass": obs.MassRatios(robot),
        "centre_of_mass": obs.CentreOfMassShift(robot),
        "friction": obs.FrictionRatio(robot),
        "floor_tilt": locomotion.FloorTilt(),
        "encoder_offsets": obs.EncoderOffsets(robot),
        "imu_rotation": obs.ImuRotation(),
        "voltage": obs.BatteryVoltage("motor"),
        "strength": obs.MotorStrengths(robot, "motor"),
        "lag": obs.CommandLag(robot, "delay"),
        "play": obs.GearPlay(robot, "backlash"),
    }


def all_rewards(robot: Robot) -> dict[str, task.AbstractReward]:
    """One reward of every kind, widths and limits named so that a new default changes no test."""
    return {
        "track_lin_vel": locomotion.TrackLinVelX(robot, width=0.15, slope=0.5),
        "track_lateral": locomotion.TrackLinVelY(robot, width=0.15),
        "track_yaw_rate": locomotion.TrackAngVelZ(robot, width=0.5),
        "hold_heading": locomotion.TrackHeading(width=0.2),
        "foot_height": locomotion.FeetClearance(robot, height=0.05, width=0.02),
        "foot_slip": locomotion.FeetSlip(robot, load=3.0),
        "gait_contacts": locomotion.GaitContacts(robot, load=3.0),
        "upright": task.FlatOrientation(robot),
        "base_height": task.BaseHeightError(robot),
        "action_rate": task.ActionRate(),
        "torque": task.Torque(),
        "joint_speed": task.JointSpeedLimit(robot, fraction=0.8),
        "joint_deviation": task.Posture(robot),
        "stand_still": locomotion.StandStill(robot, command="gait", time=0.02**0.5),
        "capture_point": locomotion.CapturePoint(robot, margin=0.03, time=0.175),
        "idle_feet": locomotion.IdleFeet(robot, speed=1.5, near=0.03, load=3.0, margin=0.03, time=0.175),
        "alive": task.Alive(),
    }


def default_commands(robot: Robot, **ranges: Any) -> dict[str, task.AbstractCommand]:
    """A velocity command with `ranges`, and the gait of one or two feet."""
    return {
        "velocity": locomotion.VelocityCommand(robot, **ranges),
        "gait": locomotion.gaits.two_beat(robot, period=0.7),
    }


def make_env(robot: Robot, **changes: Any) -> Env:
    """An env with every kind of term on the native engine; arguments replace `Env`'s own, or are `Disturbances`'."""
    parts = {
        "controller": JointPosition(robot),
        "observations": {
            "policy": ObservationStack(policy_terms(robot)),
            "critic": ObservationStack(critic_terms(robot), policy=False),
        },
        "commands": default_commands(robot),
        "rewards": all_rewards(robot),
        "endings": {"fallen": task.Fallen(robot)},
        "reset_state": task.HomeReset(robot),
        **changes,
    }
    if "command" in parts:
        parts["commands"] = {**default_commands(robot), "velocity": parts.pop("command")}
    loose = {name: parts.pop(name) for name in ("randomisers", "servos", "calibration", "events") if name in parts}
    if loose:
        parts["disturbances"] = we.Disturbances(**loose)
    if "physics" not in parts:
        parts["physics"] = NativePhysics(robot, threads=1)
    return Env(**parts)


def wrong_world(robot: Robot, updates: int = 2) -> dict[str, Any]:
    """`Env`'s arguments for one of everything that can be wrong: servos, sensors, calibration, parameters, pushes."""
    parts = {
        "delay": we.servos.CommandDelay((0.005, 0.03)),
        "resolution": we.servos.CommandResolution(),
        "motor": we.servos.DCMotor(robot, strength=(0.9, 1.1), resistance=0.05),
        "friction": we.servos.GearFriction(),
        "deadband": we.servos.Deadband(),
        "backlash": we.servos.Backlash(),
    }
    sensing = {
        "gravity": (we.sensing.MountingError(), we.sensing.Noise(0.01)),
        "angular_velocity": (
            we.sensing.MountingError(),
            we.sensing.Bias(0.02),
            we.sensing.Noise(0.02),
            we.sensing.ReadingDelay((0.0, 0.03)),
            we.sensing.SampleHold(),
            we.sensing.DroppedPackets(),
        ),
        "joint_positions": (we.sensing.EncoderOffset(), we.sensing.ReadingResolution(), we.sensing.RoundRobin(4)),
    }
    return {
        "disturbances": we.Disturbances(
            randomisers=(
                we.randomise.ScaleMass(),
                we.randomise.Payload(robot),
                we.randomise.TiltGravity(),
                we.randomise.ScaleFriction(),
            ),
            servos=we.Servos(robot, parts, updates),
            calibration=we.RandomCalibrationError(),
            events={"kick": we.events.VelocityKick(robot), "push": we.events.Push()},
        ),
        "observations": {
            "policy": ObservationStack(policy_terms(robot), sensing=sensing, history=3),
            "critic": ObservationStack({**critic_terms(robot), **drawn_terms(robot)}, policy=False),
        },
    }


class Batched:
    """An env's `reset` and `step`, vmapped over `n` robots and jitted; the env is an argument, as in training."""

    def __init__(self, env: Env, n: int):
        self.env, self.n = env, n
        self._reset = eqx.filter_jit(lambda env, keys: jax.vmap(env.reset)(keys))
        self._step = eqx.filter_jit(lambda env, state, action: jax.vmap(env.step)(state, action))

    def reset(self, seed: int = 0, env: Env | None = None):
        return self._reset(env or self.env, jax.random.split(jax.random.key(shifted(seed)), self.n))

    def step(self, state, action, env: Env | None = None):
        return self._step(env or self.env, state, jnp.asarray(action, jnp.float32))

    def hold(self, state, steps: int):
        """`steps` steps with zero action: the home pose."""
        for _ in range(steps):
            state, timestep = self.step(state, np.zeros((self.n, self.env.action_size), np.float32))
        return state, timestep


def random_physics(robot: Robot, seed: int = 0) -> PhysicsState:
    """A physics state of random numbers in the right shapes, unit quaternions where they belong."""
    rng = np.random.default_rng(shifted(seed))
    mj = robot.model.mj

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    quats = normal(mj.nbody, 4)
    sensordata = normal(mj.nsensordata)
    for imu in robot.imus:
        part = slice(imu.quat.address, imu.quat.address + 4)
        sensordata[part] /= np.linalg.norm(sensordata[part])
    arrays = {
        "qpos": normal(mj.nq),
        "qvel": 5.0 * normal(mj.nv),
        "time": np.float32(1.0),
        "xpos": normal(mj.nbody, 3),
        "xquat": quats / np.linalg.norm(quats, axis=1, keepdims=True),
        "site_xpos": 0.05 * normal(mj.nsite, 3),
        "sensordata": sensordata,
        "foot_force": 20.0 * normal(len(robot.feet), 3),
        "actuator_force": normal(mj.nu),
    }
    return PhysicsState(**{name: jnp.asarray(value) for name, value in arrays.items()}, carry=())


def random_draws(robot: Robot, seed: int = 0) -> dict[str, Any]:
    """What `Signals` carries of an episode's draws: parameters, calibration, and the servos' states by part."""
    rng = np.random.default_rng(shifted(seed + 2000))

    def around(leaf: Array) -> Array:
        return leaf * jnp.asarray(rng.uniform(0.8, 1.2, leaf.shape), jnp.float32)

    def vector(n: int = robot.nu) -> Array:
        return jnp.asarray(rng.uniform(0.01, 0.05, n), jnp.float32)

    voltage = jnp.asarray(rng.uniform(9.6, 12.6), jnp.float32)
    return {
        "params": jax.tree.map(around, nominal_params(robot.model)),
        "calibration": we.Calibration(vector(), vector(3)),
        "servo": {
            "motor": MotorState(voltage, 1.0 + vector(), voltage),
            "delay": (vector(1)[0], jnp.zeros((3, robot.nu), jnp.float32)),
            "backlash": vector(),
        },
    }


def random_signals(robot: Robot, seed: int = 0, speed: float = 0.3, phase: float | None = None) -> Signals:
    """Signals of random numbers in the right shapes; the clock rests where the command is to stand."""
    rng = np.random.default_rng(shifted(seed + 1000))

    def scalar(value: float) -> Float[Array, ""]:
        return jnp.asarray(value, jnp.float32)

    def vector() -> Float[Array, " nu"]:
        return jnp.asarray(rng.normal(size=robot.nu), jnp.float32)

    heading, target, origin, yaw_rate = rng.normal(size=4)
    if phase is None:
        phase = rng.uniform(0.0, 2.0 * np.pi) if speed else 0.0
    velocity = VelocityState(scalar(speed), scalar(yaw_rate), scalar(heading), scalar(target), scalar(origin))
    commands = default_commands(robot)
    gait = commands["gait"]
    clock = GaitState(scalar(phase), velocity.is_moving, gait.mid_swing, gait.swing)
    states = {"velocity": velocity, "gait": clock}
    return Signals(
        physics=random_physics(robot, seed),
        action=vector(),
        previous_action=vector(),
        ctrl=vector(),
        commands=states,
        observed={name: command.observe(states[name]) for name, command in commands.items()},
        **random_draws(robot, seed),
    )


def planar_signals(robot: Robot, seed: int = 0, **options: Any) -> Signals:
    """The same signals, commanded to walk sideways and to turn as well."""
    signals = random_signals(robot, seed, **options)
    lateral, turn = map(
        jnp.asarray, np.random.default_rng(shifted(seed + 3000)).uniform(0.05, 0.5, 2).astype(np.float32)
    )
    velocity = dataclasses.replace(signals.commands["velocity"], lin_vel_y=lateral, ang_vel_z=turn)
    observed = locomotion.VelocityCommand(robot, lin_vel_y=(-0.5, 0.5), ang_vel_z=(-0.5, 0.5)).observe(velocity)
    return dataclasses.replace(
        signals,
        commands={**signals.commands, "velocity": velocity},
        observed={**signals.observed, "velocity": observed},
    )


def replace(module: Any, **changes: Any) -> Any:
    """A copy of a module made without its `__init__`: its fields are replaced, not derived anew."""
    names = tuple(changes)
    return eqx.tree_at(
        lambda m: [getattr(m, name) for name in names], module, [changes[n] for n in names], is_leaf=lambda x: x is None
    )


class StillPhysics(AbstractPhysics):
    """An engine of one line: joints jump to their targets, velocities stay as they were, time goes on.

    It compiles in no time and its future is known, which makes the optimum of a task known.
    """

    robot: Robot
    model: Model = eqx.field(static=True)
    n_substeps: int = eqx.field(static=True)

    def __init__(self, robot: Robot):
        self.robot, self.model = robot, robot.model
        self.n_substeps = round(robot.control_dt / robot.model.mj.opt.timestep)

    def init(self, params: PhysicsParams, qpos: Float[Array, " nq"], qvel: Float[Array, " nv"]) -> PhysicsState:
        blank = jax.tree.map(jnp.zeros_like, random_physics(self.robot))
        upright = jnp.asarray([1.0, 0.0, 0.0, 0.0], jnp.float32)
        address = self.robot.imu().quat.address
        return dataclasses.replace(
            blank,
            qpos=qpos,
            qvel=qvel,
            xpos=blank.xpos.at[:, 2].set(self.robot.home_height),
            xquat=jnp.broadcast_to(upright, blank.xquat.shape),
            sensordata=blank.sensordata.at[address : address + 4].set(upright),
        )

    def step(self, params: PhysicsParams, state: PhysicsState, ctrl: Float[Array, " nu"]) -> PhysicsState:
        qpos = state.qpos.at[np.array(self.robot.joint_qpos)].set(ctrl)
        return dataclasses.replace(state, qpos=qpos, time=state.time + jnp.float32(self.control_dt))


class DivergingPhysics(AbstractPhysics):
    """`StillPhysics`, where robots whose first velocity is above `limit` are NaN from `begin` seconds on."""

    inner: StillPhysics
    limit: Float[Array, ""]
    robot: Robot
    model: Model = eqx.field(static=True)
    n_substeps: int = eqx.field(static=True)
    begin: float = eqx.field(static=True)

    def __init__(self, robot: Robot, limit: float = 0.2, begin: float = 0.05):
        self.inner, self.limit, self.begin = StillPhysics(robot), jnp.asarray(limit, jnp.float32), begin
        self.robot, self.model, self.n_substeps = robot, robot.model, self.inner.n_substeps

    def init(self, params: PhysicsParams, qpos: Float[Array, " nq"], qvel: Float[Array, " nv"]) -> PhysicsState:
        return self.inner.init(params, qpos, qvel)

    def step(self, params: PhysicsParams, state: PhysicsState, ctrl: Float[Array, " nu"]) -> PhysicsState:
        new = self.inner.step(params, state, ctrl)
        bad = (state.qvel[0] > self.limit) & (new.time > self.begin)
        spoilt = [jnp.where(bad, jnp.nan, leaf) for leaf in (new.qpos, new.qvel, new.sensordata)]
        return dataclasses.replace(new, qpos=spoilt[0], qvel=spoilt[1], sensordata=spoilt[2])


class Elapsed(obs.AbstractStatelessTerm):
    """Time since the start of the episode: an observation whose every value is known."""

    unit = "s"
    frame = "clock"
    size = 1
    measurable = True

    @property
    def mirror(self):
        return Mirror((0,), (1.0,))

    @property
    def source(self) -> str:
        return "clock"

    def __call__(self, signals: Signals) -> Float[Array, " 1"]:
        return signals.physics.time[None]


class MatchVelocities(task.AbstractStatelessReward):
    """Minus the squared distance of the action from half the joint velocities: best at action = qvel / 2."""

    robot: Robot
    weight: Float[Array, ""]

    def __init__(self, robot: Robot, weight: float = 50.0):
        self.robot, self.weight = robot, jnp.asarray(weight, jnp.float32)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        goal = 0.5 * self.robot.joint_velocities(signals.physics.qvel)
        return -jnp.sum(jnp.square(signals.action - goal))


def still_env(robot: Robot, terms: Mapping[str, obs.AbstractTerm], **changes: Any) -> Env:
    """An env on `StillPhysics`: both roles observe `terms`, nothing ever falls."""
    parts = {
        "physics": StillPhysics(robot),
        "observations": {role: ObservationStack(terms) for role in ("policy", "critic")},
        "endings": {},
        "rewards": {"match": MatchVelocities(robot)},
        "reset_state": task.HomeReset(robot, velocity_noise=1.0),
    }
    return make_env(robot, **{**parts, **changes})


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextlib.contextmanager
def hearing():
    """What the package logs meanwhile, the level INFO included: `messages`."""
    log, ear = logging.getLogger("wildrobot_eqx"), _Ear()
    level = log.level
    log.addHandler(ear)
    log.setLevel(logging.INFO)
    try:
        yield ear
    finally:
        log.removeHandler(ear)
        log.setLevel(level)
