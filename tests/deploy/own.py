"""Parts of a user's own to export: a command, a term and a controller, each with a state, and an env of them."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from made import arm, made

import wildrobot_eqx as we
from wildrobot_eqx.control import AbstractController
from wildrobot_eqx.learn.agent import make_agent
from wildrobot_eqx.learn.networks import AbstractPolicy
from wildrobot_eqx.locomotion import Gait
from wildrobot_eqx.locomotion.base import AbstractMotionState
from wildrobot_eqx.observe import AbstractTerm, Channel
from wildrobot_eqx.robots import Mirror
from wildrobot_eqx.task import AbstractCommand


class SpinState(AbstractMotionState):
    """An angle that turns on, and for how long it has."""

    asked: Float[Array, " 2"]
    angle: Float[Array, ""]
    age: Int[Array, ""]
    turned: Bool[Array, ""]

    @property
    def is_moving(self):
        return (jnp.abs(self.asked[0]) > 0.0).astype(jnp.float32)

    @property
    def stepping(self):
        return self.is_moving


class Spin(AbstractCommand):
    """Turn with a velocity and lean by an angle; its angle wraps, its age is a whole number."""

    low: Float[Array, " 2"]
    high: Float[Array, " 2"]

    channels = (Channel("spin", "rad/s", -1.0), Channel("lean", "rad", 1.0))
    observed = (Channel("cos", "1", 1.0), Channel("young", "1", 1.0), Channel("lean", "rad", 1.0))
    needs = ()

    def bounds(self):
        return jnp.stack([self.low, self.high], axis=1)

    def sample(self, key):
        share = jax.random.uniform(key, (2,))
        return self._at(self.low + share * (self.high - self.low))

    def start(self, state, physics, others):
        return eqx.tree_at(lambda s: s.angle, state, jnp.arctan2(physics.qpos[1], 1.0 + physics.qpos[0]))

    def step(self, key, state, physics, dt, others):
        angle = (state.angle + dt * state.asked[0]) % (2.0 * jnp.pi)
        return SpinState(state.asked, angle, state.age + 1, state.turned | (angle > 1.5))

    def observe(self, state):
        young = jax.lax.cond(state.age < 30, lambda s: jnp.cos(s.angle), lambda s: 0.5 * s.asked[0], state)
        return jnp.stack([jnp.cos(state.angle), young, jnp.where(state.turned, state.asked[1], 0.0)])

    def hold(self, value):
        return Spin(value, value)

    def set(self, state, value):
        return eqx.tree_at(lambda s: s.asked, state, value)

    def asked(self, state):
        return state.asked

    def metrics(self, state, physics):
        return {}

    def constants(self):
        return {}

    def _at(self, asked):
        return SpinState(asked, jnp.zeros(()), jnp.zeros((), jnp.int32), jnp.zeros((), bool))


class Tally(AbstractTerm):
    """Remembers the last angles, how many it has seen and whether one was large; picks one, and knows the time."""

    unit, frame, size, measurable = "rad", "joint", 4, True

    @property
    def source(self) -> str:
        return "joint encoders"

    def init(self, signals):
        return {
            "last": jnp.tile(signals.physics.qpos[0], 5),
            "seen": jnp.zeros((), jnp.int32),
            "large": jnp.zeros((), bool),
        }

    def step(self, state, signals):
        qpos = signals.physics.qpos
        last = jnp.concatenate([qpos[:1], state["last"][:-1]])
        seen, large = state["seen"] + 1, state["large"] | (jnp.abs(qpos[0]) > 0.1)
        picked = last[seen % 5]
        value = jnp.where(large, jnp.arctan2(qpos[1], qpos[0]), 0.1 * jnp.fmod(seen.astype(jnp.float32), 7.0))
        reading = 0.01 * seen.astype(jnp.float32) + 0.1 * signals.physics.time
        return jnp.stack([picked, value, jnp.max(last), reading]), {
            "last": last,
            "seen": seen,
            "large": large,
        }


class Coupled(AbstractController):
    """Both joints by one action, each step a little later than the one before."""

    at: Float[Array, " nu"]
    ways: Float[Array, " nu"]

    action_size = 1

    @property
    def mirror(self) -> Mirror | None:
        return None

    def rest(self):
        return self.at

    def init(self) -> Any:
        return {"level": jnp.zeros_like(self.at), "count": jnp.zeros((), jnp.int32)}

    def __call__(self, state, action):
        level = 0.8 * state["level"] + 0.2 * jnp.tanh(action[0]) * self.ways
        count = state["count"] + 1
        even = (count % 2 == 0).astype(jnp.float32)
        return self.at + level * (1.0 - 0.1 * even), {"level": level, "count": count}


class Wrapped(AbstractController):
    """A controller of another kind around one of ours."""

    inner: AbstractController

    @property
    def action_size(self) -> int:
        return self.inner.action_size

    @property
    def mirror(self) -> Mirror | None:
        return self.inner.mirror

    def rest(self):
        return self.inner.rest()

    def init(self) -> Any:
        return self.inner.init()

    def __call__(self, state, action):
        return self.inner(state, action)


class Sees(we.terms.AbstractStatelessTerm):
    """A first number of the state of physics, said to be measurable."""

    what: str = eqx.field(static=True)
    unit, frame, size, measurable, source = "1", "world", 1, True, "?"

    def __call__(self, signals):
        return jnp.ravel(getattr(signals.physics, self.what))[:1]


class Lacking(Tally):
    """It sorts, and hands a random key on; what it shows hangs on none of them, one of them, or the other."""

    shows: str = eqx.field(static=True, default="")

    def init(self, signals):
        return {"key": jax.random.key(0), "sorted": jnp.zeros((2,))}

    def step(self, state, signals):
        key, _ = jax.random.split(state["key"])
        value = {
            "": signals.physics.qpos[0],
            "sorted": state["sorted"][0],
            "drawn": jax.random.normal(state["key"]),
        }[self.shows]
        return jnp.full((4,), value), {"key": key, "sorted": jnp.sort(signals.physics.qpos[-2:])}


def own_env(folder: Path, kind: str = "velocity", more: dict[str, Any] | None = None) -> we.Env:
    """An arm of two joints with all of them, and a walking gait of four beats and four feet, which it has not."""
    robot = made(folder, arm(kind).replace("<joint ", '<joint armature="0.05" '))  # slow enough for its timestep
    spin = Spin(jnp.asarray([-1.0, 0.0], jnp.float32), jnp.asarray([2.0, 0.5], jnp.float32))
    walk = Gait(tuple("abcd"), (0.375, 0.875, 0.125, 0.625), 0.5, 0.25, beats=4, command="spin")
    controller = Coupled(jnp.zeros((2,), jnp.float32), jnp.asarray([0.8, -0.5], jnp.float32))
    terms = {
        "tally": Tally(),
        "velocities": we.terms.JointVelocities(robot),
        "spin": we.terms.CommandTerm("spin", spin.observed),
        "gait": we.terms.CommandTerm("gait", walk.observed),
        "last_action": we.terms.LastAction(controller),
        **(more or {}),
    }
    return we.Env(
        physics=we.make_physics("native", robot, 0.01),
        controller=controller,
        observations={"policy": we.ObservationStack(terms)},
        rewards={},
        endings={},
        reset_state=we.resets.JointReset(robot, {"shoulder": (-0.4, 0.4), "elbow": (-0.4, 0.4)}),
        commands={"spin": spin, "gait": walk},
    )


def own_policy(env: we.Env) -> AbstractPolicy:
    """A policy of random weights that moves something."""
    policy = make_agent(env, we.PPO(hidden=(8,), symmetric=False), jax.random.key(1)).policy
    return eqx.tree_at(lambda p: p.mlp.weights[-1], policy, policy.mlp.weights[-1] * 30.0)


def readings_at_random(side: Any, steps: int, seed: int = 0) -> list[Any]:
    """Readings of a robot that is thrown about, and what it is asked for; asked for nothing now and then."""
    rng = np.random.default_rng(seed)
    blank, _ = side.blank()
    found = []
    for _ in range(steps):
        reading = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), blank)
        sensors = {
            name: value / jnp.linalg.norm(value) if value.size == 4 else value
            for name, value in reading.sensors.items()
        }
        command = reading.command * np.float32(rng.random() < 0.7)
        switches = (reading.foot_switches > 0.0).astype(jnp.float32)
        new = (command, switches, sensors)
        found.append(eqx.tree_at(lambda r: (r.command, r.foot_switches, r.sensors), reading, new))
    return found
