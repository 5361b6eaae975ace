"""The tree engine as `AbstractPhysics`: packing, batching and `PhysicsState`."""

import functools
import math
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...robots import Model, Robot
from ..base import AbstractPhysics, PhysicsState, control_model, foot_forces, nominal_ctrl
from ..params import PhysicsParams
from .batch import batched
from .check import check_class
from .engine import Engine
from .kernels import check_compiler, compiler_options
from .packing import constants, pack_params, params_size, shapes, unpack
from .scalar import Num, Scalar, array
from .solver import Effort

EFFORT = Effort(steps=5, line=4)
"""What keeps one step's accelerations within 2% of MuJoCo's at 100 iterations, mostly 1%; see docs/physics.md."""

TILE = 1024
"""Envs that run together."""


class TreePhysics(AbstractPhysics):
    """Our own reduced-coordinate dynamics in JAX alone, held against MuJoCo's C engine.

    Works under jit, vmap, scan and grad, in float32 and, given float64 states, in float64.
    `carry` is the solver's warm start, the accelerations of the last substep.

    Args:
        robot: the robot to simulate.
        timestep: simulation step, s; must divide the robot's control period.
        ignore_self_contact: let moving geoms pass through each other, where the MJCF would have them collide.
        effort: how long the constraint solver works in each step.

    Raises:
        WildRobotError: the model uses something that this engine lacks; all of it is listed.
    """

    robot: Robot
    model: Model = eqx.field(static=True)
    n_substeps: int = eqx.field(static=True)
    ignore_self_contact: bool = eqx.field(static=True)
    effort: Effort = eqx.field(static=True)
    reentrant: ClassVar[bool] = True

    def __init__(
        self, robot: Robot, timestep: float = 0.005, ignore_self_contact: bool = False, effort: Effort = EFFORT
    ):
        self.robot = robot
        self.model, self.n_substeps = control_model(robot, timestep)
        self.ignore_self_contact, self.effort = ignore_self_contact, effort
        check_class(self.model, ignore_self_contact)
        check_compiler()

    def compiler_options(self, quick_compile: bool = False) -> dict[str, bool | int]:
        return compiler_options(quick_compile)

    def init(self, params: PhysicsParams, qpos: Float[Array, " nq"], qvel: Float[Array, " nv"]) -> PhysicsState:
        zero = jnp.zeros((), qpos.dtype)
        return self._run(0, params, qpos, qvel, zero, jnp.zeros_like(qvel), nominal_ctrl(self.robot))

    def step(self, params: PhysicsParams, state: PhysicsState, ctrl: Float[Array, " nu"]) -> PhysicsState:
        return self._run(self.n_substeps, params, state.qpos, state.qvel, state.time, state.carry, ctrl)

    def _run(self, n_steps: int, params: PhysicsParams, *state: Array) -> PhysicsState:
        dtype = state[0].dtype
        inputs = jnp.concatenate([jnp.atleast_1d(a).astype(dtype) for a in state])
        run = control_step(self.model, self.effort, n_steps, not self.ignore_self_contact)
        out = unpack(self.model, run(pack_params(params, dtype), inputs))
        carry = out.pop("qacc_warmstart")
        return PhysicsState(**out, foot_force=foot_forces(self.robot, out["sensordata"]), carry=carry)


@functools.lru_cache(maxsize=64)
def control_step(
    model: Model, effort: Effort, n_steps: int, self_contact: bool = True
) -> Callable[..., Float[Array, " o"]]:
    """`n_steps` steps of one env, or forward dynamics alone when 0, from packed to packed arrays."""
    engine = Engine(model, effort, self_contact)

    mj = model.mj
    sizes = (params_size(model), mj.nq + 2 * mj.nv + 1 + mj.nu)

    def program(*entries: jax.Array) -> list[jax.Array]:
        values: list[Scalar] = [Num(a) for a in entries]
        params, state = values[: sizes[0]], values[sizes[0] :]
        ends = [mj.nq, mj.nq + mj.nv, mj.nq + mj.nv + 1, mj.nq + 2 * mj.nv + 1]
        qpos, qvel, warm, ctrl = state[: ends[0]], state[ends[0] : ends[1]], state[ends[2] : ends[3]], state[ends[3] :]
        like = entries[-1]
        out = engine.run(constants(model, params), qpos, qvel, state[ends[1]], warm, ctrl, n_steps, like)
        return [array(x, like) for name in shapes(model) for x in out[name]]

    outputs = sum(math.prod(shape) for shape in shapes(model).values())
    return batched(program, sizes, outputs, TILE)
