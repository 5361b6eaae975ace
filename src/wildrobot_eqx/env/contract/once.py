"""A physics that is traced once, however often an env calls it: an engine in JAX takes seconds to trace."""

import equinox as eqx
from jaxtyping import Array, Float

from ...physics import AbstractPhysics, PhysicsParams, PhysicsState
from ...robots import Model, Robot


class _Once(AbstractPhysics):
    """Stands in for a physics while an env is traced; JAX keeps the traces of what is under `jit`."""

    inner: AbstractPhysics
    robot: Robot
    model: Model = eqx.field(static=True)
    n_substeps: int = eqx.field(static=True)

    def __init__(self, inner: AbstractPhysics):
        self.inner = inner
        self.robot, self.model, self.n_substeps = inner.robot, inner.model, inner.n_substeps

    def params(self) -> PhysicsParams:
        return self.inner.params()

    def init(self, params: PhysicsParams, qpos: Float[Array, " nq"], qvel: Float[Array, " nv"]) -> PhysicsState:
        return _init(self.inner, params, qpos, qvel)

    def step(self, params: PhysicsParams, state: PhysicsState, ctrl: Float[Array, " nu"]) -> PhysicsState:
        return _step(self.inner, params, state, ctrl)


def traced_once(physics: AbstractPhysics) -> AbstractPhysics:
    """The same physics, traced once for each of its methods."""
    return _Once(physics)


@eqx.filter_jit
def _init(physics: AbstractPhysics, params: PhysicsParams, qpos: Array, qvel: Array) -> PhysicsState:
    return physics.init(params, qpos, qvel)


@eqx.filter_jit
def _step(physics: AbstractPhysics, params: PhysicsParams, state: PhysicsState, ctrl: Array) -> PhysicsState:
    return physics.step(params, state, ctrl)
