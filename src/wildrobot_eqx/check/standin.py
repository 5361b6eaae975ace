"""Stand-ins for a physics: an engine in JAX takes seconds to trace, and as long again in each `vmap` around it."""

from typing import Any, NoReturn

import equinox as eqx
import jax
from jaxtyping import Array, Float

from ..physics import AbstractPhysics, PhysicsParams, PhysicsState
from ..robots import Model, Robot


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


class _Outline(AbstractPhysics):
    """Returns what the physics returns, to the shape and dtype, by an operation that could not be run."""

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
        return _outline(eqx.filter_eval_shape(self.inner.init, params, qpos, qvel), params, qpos, qvel)

    def step(self, params: PhysicsParams, state: PhysicsState, ctrl: Float[Array, " nu"]) -> PhysicsState:
        return _outline(eqx.filter_eval_shape(self.inner.step, params, state, ctrl), params, state, ctrl)


def outlined(physics: AbstractPhysics) -> AbstractPhysics:
    """The same physics for shapes and dtypes alone, once it is known that they hold: a step is one operation."""
    return _Outline(traced_once(physics))


def _outline(result: PhysicsState, *inputs: Any) -> PhysicsState:
    arrays, rest = eqx.partition(result, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    return eqx.combine(jax.pure_callback(_never, arrays, *inputs, vmap_method="expand_dims"), rest)


def _never(*inputs: Any) -> NoReturn:
    raise AssertionError("an outline of a physics was run, which can only be traced")


@eqx.filter_jit
def _init(physics: AbstractPhysics, params: PhysicsParams, qpos: Array, qvel: Array) -> PhysicsState:
    return physics.init(params, qpos, qvel)


@eqx.filter_jit
def _step(physics: AbstractPhysics, params: PhysicsParams, state: PhysicsState, ctrl: Array) -> PhysicsState:
    return physics.step(params, state, ctrl)
