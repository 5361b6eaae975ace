"""Backends with their jitted steps, made once, and states to hold them against each other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from wildrobot_eqx import MjxPhysics, NativePhysics, PhysicsState, load_robot
from wildrobot_eqx.physics.tree import TreePhysics


class Engine:
    """A backend with its `init` and `step`, vmapped over parameters, states and commands, and jitted."""

    def __init__(self, physics):
        self.physics, self.robot = physics, physics.robot
        self.init = jax.jit(jax.vmap(physics.init))
        self.step = jax.jit(jax.vmap(physics.step))

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


@functools.cache
def native(name: str) -> Engine:
    return Engine(NativePhysics(load_robot(name), threads=2))


@functools.cache
def mjx(name: str) -> Engine:
    return Engine(MjxPhysics(load_robot(name)))


@functools.cache
def tree(name: str) -> Engine:
    return Engine(TreePhysics(load_robot(name)))


def restless(engine: Engine, n: int, steps: int, seed: int = 0) -> tuple[PhysicsState, np.ndarray]:
    """`n` robots that follow random targets for `steps` control steps, and who of them is still up."""
    rng = np.random.default_rng(seed)
    robot, params = engine.robot, engine.params(n)
    low, high = np.asarray(robot.joint_range).T
    state, target = engine.at_home(params), np.zeros((n, robot.nu))
    for _ in range(steps):
        target += rng.normal(0.0, 0.12, target.shape) - 0.1 * target
        ctrl = np.clip(np.asarray(robot.home_joints) + target, low, high)
        state = engine.step(params, state, jnp.asarray(ctrl, jnp.float32))
    up = np.asarray(state.xpos[:, robot.base.body, 2] > robot.min_root_height)
    return state, up
