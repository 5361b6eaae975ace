"""What every physics engine provides."""

import abc
import copy
import functools
import math
import os
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import WildRobotError
from ..module import AbstractModule
from ..robots import Model, Robot
from .params import PhysicsParams, nominal_params

_SOME_FRICTION = 1e-6  # N m, in a model whose parameters say how much there is


class PhysicsState(eqx.Module):
    """One robot at one moment, the same tree, shapes and dtypes on every engine.

    Positions, velocities, poses and the sensors of those stages belong to the new state;
    forces, accelerations and their sensors to the last substep. World frame unless the
    sensor says otherwise; quaternions are (w, x, y, z).
    """

    qpos: Float[Array, " nq"]
    qvel: Float[Array, " nv"]
    time: Float[Array, ""]  # s
    xpos: Float[Array, "nbody 3"]  # m
    xquat: Float[Array, "nbody 4"]
    site_xpos: Float[Array, "nsite 3"]  # m
    sensordata: Float[Array, " nsensordata"]
    foot_force: Float[Array, "nfoot 3"]  # N, of the floor on each foot
    actuator_force: Float[Array, " nu"]  # N m
    carry: Any  # what one engine keeps to itself


class AbstractPhysics(AbstractModule):
    """Steps one robot for one control period (`n_substeps` simulation steps)."""

    robot: eqx.AbstractVar[Robot]
    model: eqx.AbstractVar[Model]
    n_substeps: eqx.AbstractVar[int]
    reentrant: ClassVar[bool] = False  # whether XLA runs two programs with its step in them at once, on a CPU

    @property
    def timestep(self) -> float:
        """Duration of one simulation step, s."""
        return float(self.model.mj.opt.timestep)

    @property
    def control_dt(self) -> float:
        """Duration of one control period, s."""
        return self.timestep * self.n_substeps

    def params(self) -> PhysicsParams:
        """The nominal parameters, which randomisers start from."""
        return nominal_params(self.model)

    def compiler_options(self, quick_compile: bool = False) -> dict[str, bool | int]:
        """XLA's options for a function that holds this engine's step or reset, for `jit_for`.

        Args:
            quick_compile: the function runs so rarely that it costs more to compile than to run.
        """
        return {}

    @abc.abstractmethod
    def init(self, params: PhysicsParams, qpos: Float[Array, " nq"], qvel: Float[Array, " nv"]) -> PhysicsState:
        """The state at `qpos`, `qvel` at time 0, forces and accelerations included (ctrl: `nominal_ctrl`)."""

    @abc.abstractmethod
    def step(self, params: PhysicsParams, state: PhysicsState, ctrl: Float[Array, " nu"]) -> PhysicsState:
        """The state one control period later, under constant `ctrl` (rad for position servos)."""


FEWEST = 32
"""Shards of fewer envs cost a core more in starts of kernels than they gain."""


def usable_cpus() -> int:
    """CPUs that this process may run on; all of the machine's where the system cannot say (macOS, Windows)."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def cpu_shards(physics: AbstractPhysics, num_envs: int) -> int:
    """In how many equal shards to step `num_envs` envs, each from a thread of its own.

    XLA leaves most of a program on a CPU to one core, but two calls of it run side by side: one shard for each core.
    1 on other devices, and for engines that cannot be called so: `native` has threads of its own, and two calls of a
    large batch of `mjx` were seen to wait for each other for ever.
    """
    if not physics.reentrant or jax.default_backend() != "cpu":
        return 1
    most = min(usable_cpus(), num_envs // FEWEST)
    return max((n for n in range(1, most + 1) if num_envs % n == 0), default=1)


def jit_for(physics: AbstractPhysics, function: Callable[..., Any], quick_compile: bool = False) -> Callable[..., Any]:
    """`function` compiled as suits the engine that it holds; a top-level function, jitted once for each engine."""
    return _jitted(function, tuple(sorted(physics.compiler_options(quick_compile).items())))


@functools.cache
def _jitted(function: Callable[..., Any], options: tuple[tuple[str, bool | int], ...]) -> Callable[..., Any]:
    jit: Any = eqx.filter_jit  # which hands further options on to `jax.jit`
    if not options:
        return jit(function)
    compiled = jit(function, compiler_options=dict(options))

    def call(*args: Any) -> Any:
        # Options belong to a whole program: within another one, `function` is a part of that.
        inside = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(args))
        return function(*args) if inside else compiled(*args)

    return call


def control_model(robot: Robot, timestep: float) -> tuple[Model, int]:
    """The robot's model at `timestep` (s), and how many such steps make one control period.

    Raises:
        WildRobotError: the timestep is no positive number, or the control period no whole number of steps.
    """
    if not (math.isfinite(timestep) and timestep > 0.0):
        raise WildRobotError(
            f"A physics timestep must be a positive number of seconds, got {timestep}.",
            where=f"the physics of robot {robot.name!r}, timestep",
            hint=f"such as {robot.control_dt / 4:g}",
        )
    n = round(robot.control_dt / timestep)
    if n < 1 or abs(n * timestep - robot.control_dt) > 1e-9:
        raise WildRobotError(
            f"A physics timestep of {timestep} s does not divide the control period of {robot.control_dt} s.",
            where=f"robot {robot.name!r}, control_dt",
            hint=f"take {robot.control_dt} s over a whole number, such as {robot.control_dt / 4:g}",
        )
    return robot.model.edit(lambda mj: setattr(mj.opt, "timestep", timestep)), n


def fraction(physics: AbstractPhysics, parts: int) -> AbstractPhysics:
    """The same engine with a step that is one `parts`-th of the control period.

    Raises:
        WildRobotError: the control period's substeps do not divide into so many parts.
    """
    if parts == 1:
        return physics
    if parts < 1 or physics.n_substeps % parts:
        raise WildRobotError(
            f"A control period of {physics.n_substeps} substeps does not divide into {parts} parts.",
            where=f"the servos of robot {physics.robot.name!r}, updates",
            hint=f"take a divisor of {physics.n_substeps}, or a shorter physics timestep",
        )
    part = copy.copy(physics)
    # A static field: no `tree_at` reaches it, and each engine's constructor takes other arguments.
    object.__setattr__(part, "n_substeps", physics.n_substeps // parts)
    return part


def with_friction(physics: AbstractPhysics, dofs: tuple[int, ...] | None = None) -> AbstractPhysics:
    """The same engine with room for dry friction at `dofs`, or at all, also where the MJCF gives none.

    `mjx` and `tree` lay out their constraints before any parameter is known, one for each
    degree of freedom whose `dof_frictionloss` is positive in the model; without this, what a
    servo or a randomiser adds elsewhere would be left out. Its size is in the parameters alone.
    """
    frictionloss = physics.model.mj.dof_frictionloss
    lacking = [i for i in (range(len(frictionloss)) if dofs is None else dofs) if frictionloss[i] <= 0.0]
    if not lacking:
        return physics

    def change(mj: Any) -> None:
        mj.dof_frictionloss[lacking] = _SOME_FRICTION

    ready = copy.copy(physics)
    object.__setattr__(ready, "model", physics.model.edit(change))
    return ready


def foot_forces(robot: Robot, sensordata: Float[Array, " nsensordata"]) -> Float[Array, "nfoot 3"]:
    """Force of the floor on each foot, N, world frame, from the robot's contact sensors."""
    if not robot.feet:
        return jnp.zeros((0, 3), sensordata.dtype)
    return jnp.stack([foot.force.read(sensordata) for foot in robot.feet])


def nominal_ctrl(robot: Robot) -> Float[Array, " nu"]:
    """The command under which `init` evaluates forces: position servos hold the home pose, all else rests at 0."""
    home = jax.lax.stop_gradient(robot.home_joints)
    position = np.array([kind == "position" for kind in robot.actuator_kind])
    return home if position.all() else jnp.where(position, home, 0.0)
