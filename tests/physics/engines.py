"""Engines with their jitted steps, made once, and states to hold them against each other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from helpers import shifted

from wildrobot_eqx import MjxPhysics, NativePhysics, PhysicsState, load_robot
from wildrobot_eqx.physics.tree import TreePhysics


class Engine:
    """An engine with its `init` and `step`, vmapped over parameters, states and commands, and jitted.

    Batches smaller than `least` are filled up with copies of their first env, so that all of them share one compile.
    """

    def __init__(self, physics, least: int = 1):
        # MJX's loops, not optimised as the fast tests have it, step at a quarter of the speed.
        options = {"xla_backend_optimization_level": 1} if isinstance(physics, MjxPhysics) else None
        self.physics, self.robot = physics, physics.robot
        self.init = filled(jax.jit(jax.vmap(physics.init)), least)
        self.step = filled(jax.jit(jax.vmap(physics.step), compiler_options=options), least)

    def params(self, n: int):
        return jax.tree.map(lambda a: jnp.broadcast_to(a, (n, *a.shape)), self.physics.params())

    def home(self, n: int) -> jax.Array:
        return jnp.broadcast_to(self.robot.home_joints, (n, self.robot.nu))

    def at_home(self, params) -> PhysicsState:
        n = params.gravity.shape[0]
        qpos = jnp.broadcast_to(self.robot.home_qpos, (n, self.robot.nq))
        return self.init(params, qpos, jnp.zeros((n, self.robot.nv), jnp.float32))

    def stand(self, params, seconds: float) -> PhysicsState:
        state = self.at_home(params)
        for _ in range(round(seconds / self.physics.control_dt)):
            state = self.step(params, state, self.home(len(state.time)))
        return state


def filled(function, least: int):
    """`function` of batches, called with at least that many envs."""

    def call(*args):
        n = len(jax.tree.leaves(args)[0])
        if n >= least:
            return function(*args)
        whole = jax.tree.map(lambda a: np.concatenate([a, np.repeat(a[:1], least - n, axis=0)]), args)
        return jax.tree.map(lambda a: jnp.asarray(np.asarray(a)[:n]), function(*whole))

    return call


@functools.cache
def native(name: str) -> Engine:
    return Engine(NativePhysics(load_robot(name), threads=2))


@functools.cache
def mjx(name: str) -> Engine:
    return Engine(MjxPhysics(load_robot(name)), 4)


@functools.cache
def tree(name: str) -> Engine:
    return Engine(TreePhysics(load_robot(name)), 4)


def restless(engine: Engine, n: int, steps: int, seed: int = 0) -> tuple[PhysicsState, np.ndarray]:
    """`n` robots that follow random targets for `steps` control steps, and who of them is still up."""
    rng = np.random.default_rng(shifted(seed))
    robot, params = engine.robot, engine.params(n)
    low, high = np.asarray(robot.joint_range).T
    state, target = engine.at_home(params), np.zeros((n, robot.nu))
    for _ in range(steps):
        target += rng.normal(0.0, 0.12, target.shape) - 0.1 * target
        ctrl = np.clip(np.asarray(robot.home_joints) + target, low, high)
        state = engine.step(params, state, jnp.asarray(ctrl, jnp.float32))
    up = np.asarray(state.xpos[:, robot.base.body, 2] > robot.min_root_height)
    return state, up
