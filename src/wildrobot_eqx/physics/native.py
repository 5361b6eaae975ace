"""MuJoCo's C engine as a JAX function: the CPU default and the reference for every engine."""

import functools
import logging
import threading
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float
from mujoco.batch import Batch

from ..robots import Model, Robot, feed, starved
from .base import AbstractPhysics, PhysicsState, control_model, foot_forces, nominal_ctrl, usable_cpus
from .params import MODEL_FIELDS, PhysicsParams, subtree_mass

_log = logging.getLogger(__name__)
_STAGE_VEL = int(mujoco.mjtStage.mjSTAGE_VEL)
_STAGE_ACC = int(mujoco.mjtStage.mjSTAGE_ACC)


class NativePhysics(AbstractPhysics):
    """MuJoCo's C engine through `mujoco.batch.Batch`, one batched host call under `vmap`.

    Works under jit, vmap and scan on CPU; it has no gradient. What the engine needs to go
    on (the solver's warm start) is in `state.carry`, so equal inputs give equal outputs.

    Solver settings that are meant for MJX (`iterations="1"`) are replaced by MuJoCo's defaults, and a warning says so.

    Args:
        robot: the robot to simulate.
        timestep: simulation step, s; must divide the robot's control period.
        threads: worker threads; 0 takes all CPUs.
    """

    robot: Robot
    model: Model = eqx.field(static=True)
    n_substeps: int = eqx.field(static=True)
    threads: int = eqx.field(static=True)

    def __init__(self, robot: Robot, timestep: float = 0.005, threads: int = 0):
        self.robot = robot
        model, self.n_substeps = control_model(robot, timestep)
        self.model = _converging(model, robot.name) if starved(model.mj) else model
        self.threads = threads or usable_cpus()

    def init(self, params: PhysicsParams, qpos: Float[Array, " nq"], qvel: Float[Array, " nv"]) -> PhysicsState:
        zero = jnp.zeros((), jnp.float32)
        warmstart = jnp.zeros((self.robot.nv,), jnp.float32)
        return self._call(0, params, qpos, qvel, zero, warmstart, nominal_ctrl(self.robot))

    def step(self, params: PhysicsParams, state: PhysicsState, ctrl: Float[Array, " nu"]) -> PhysicsState:
        return self._call(self.n_substeps, params, state.qpos, state.qvel, state.time, state.carry, ctrl)

    def _call(self, n_steps: int, params: PhysicsParams, *state: Array) -> PhysicsState:
        layout = _Layout.of(self.model)
        inputs = jnp.concatenate([jnp.atleast_1d(a) for a in state])
        packed = jnp.concatenate([getattr(params, name).ravel() for name in MODEL_FIELDS])
        engine = functools.partial(_run, self.model, self.threads, n_steps)
        result = jax.ShapeDtypeStruct((layout.size,), jnp.float32)
        out = layout.unpack(jax.pure_callback(engine, result, packed, inputs, vmap_method="expand_dims"))
        carry = out.pop("qacc_warmstart")
        return PhysicsState(**out, foot_force=foot_forces(self.robot, out["sensordata"]), carry=carry)


@functools.lru_cache(maxsize=32)  # so that it is said once
def _converging(model: Model, name: str) -> Model:
    """The model with iterations enough for this engine's solver to converge."""
    fed, opt = model.edit(feed), model.mj.opt
    _log.warning(
        f"Robot {name!r}: iterations={opt.iterations} and ls_iterations={opt.ls_iterations} are MJX's; the native "
        f"engine takes {fed.mj.opt.iterations} and {fed.mj.opt.ls_iterations}, with which its solver converges."
    )
    return fed


class _Layout:
    """How the engine's outputs lie in one packed row: a callback costs by the array, not by the byte."""

    def __init__(self, model: Model):
        mj = model.mj
        self.shapes: dict[str, tuple[int, ...]] = {
            "qpos": (mj.nq,),
            "qvel": (mj.nv,),
            "time": (),
            "xpos": (mj.nbody, 3),
            "xquat": (mj.nbody, 4),
            "site_xpos": (mj.nsite, 3),
            "sensordata": (mj.nsensordata,),
            "actuator_force": (mj.nu,),
            "qacc_warmstart": (mj.nv,),
        }
        sizes = [int(np.prod(shape)) for shape in self.shapes.values()]
        self.ends = np.cumsum(sizes)
        self.starts = self.ends - sizes
        self.size = int(self.ends[-1])

    @staticmethod
    @functools.lru_cache(maxsize=32)
    def of(model: Model) -> "_Layout":
        return _Layout(model)

    def unpack(self, row: Float[Array, " n"]) -> dict[str, Array]:
        parts = zip(self.shapes.items(), self.starts, self.ends)
        return {name: row[a:b].reshape(shape) for (name, shape), a, b in parts}


def _run(model: Model, threads: int, n_steps: int, params: Any, state: Any) -> np.ndarray:
    """Advance a batch of simulations; each leading axis of params and state is full or 1."""
    params, state = np.asarray(params), np.asarray(state)
    lead = np.broadcast_shapes(params.shape[:-1], state.shape[:-1])
    engine = _engine(model, threads, int(np.prod(lead)))
    rows = np.broadcast_to(state, lead + state.shape[-1:]).reshape(engine.n, -1)
    if params.size > params.shape[-1]:
        params = np.broadcast_to(params, lead + params.shape[-1:])
    return engine.run(n_steps, params.reshape(-1, params.shape[-1]), rows).reshape((*lead, -1))


@functools.lru_cache(maxsize=8)
def _engine(model: Model, threads: int, n: int) -> "_Engine":
    return _Engine(model, threads, n)


class _Quiet:
    """Keeps MuJoCo from writing MUJOCO_log.TXT where the user works: a NaN is seen in the state itself.

    The handler belongs to the process, engines run on threads of their own: the first that
    enters replaces it, the last that leaves puts it back.
    """

    def __init__(self) -> None:
        self.lock, self.inside, self.handler = threading.Lock(), 0, None

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                self.handler = mujoco.get_mju_user_warning()
                mujoco.set_mju_user_warning(_ignore)
            self.inside += 1

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                mujoco.set_mju_user_warning(self.handler)


_QUIET = _Quiet()


def _ignore(message: str) -> None:
    """A handler of MuJoCo's warnings that does nothing."""


class _Engine:
    """One `Batch` of `n` simulations behind a lock (a Batch is not thread-safe).

    It remembers which parameters it last wrote, only to skip writing them again.
    """

    def __init__(self, model: Model, threads: int, n: int):
        mj = mujoco.MjModel.__copy__(model.mj)
        # A diverging simulation must end in NaN, which the env reports, not silently start anew.
        mj.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        self.n, self.nominal, self.layout = n, mj, _Layout.of(model)
        self.defaults = {f: getattr(mj.opt if f == "gravity" else mj, f) for f in MODEL_FIELDS}
        for array in self.defaults.values():
            array[...] = array.astype(np.float32)  # so that "nominal" is one value, shared or expanded
        mj.body_subtreemass[:] = subtree_mass(mj.body_parentid, mj.body_mass)
        self.lock = threading.Lock()
        self.batch = Batch(mj, n, min(threads, n))
        self.inputs = [self._rows(name) for name in ("qpos", "qvel", "time", "qacc_warmstart", "ctrl")]
        self.outputs = [self._rows(name) for name in self.layout.shapes]
        self.written = np.concatenate([a.ravel() for a in self.defaults.values()]).astype(np.float32)[None]

    def _rows(self, name: str) -> np.ndarray:
        return self.batch.bind(name).reshape(self.n, -1)

    def run(self, n_steps: int, params: np.ndarray, state: np.ndarray) -> np.ndarray:
        """New rows after `n_steps` steps, or of a forward pass at the given state when it is 0."""
        with self.lock:
            if params.shape != self.written.shape or not np.array_equal(params, self.written):
                self.write_params(params)
            start = 0
            for target in self.inputs:
                target[:] = state[:, start : start + target.shape[1]]
                start += target.shape[1]
            with _QUIET:
                if n_steps:
                    self.batch.step(nstep=n_steps, stage=_STAGE_VEL)
                else:
                    self.batch.forward(stage=_STAGE_ACC)
            out = np.empty((self.n, self.layout.size), np.float32)
            with np.errstate(over="ignore"):  # a simulation that blows up passes through infinity
                for source, a, b in zip(self.outputs, self.layout.starts, self.layout.ends):
                    out[:, a:b] = source
            # MuJoCo takes a command that is not finite for zero; NaN must come out as NaN.
            out[~np.isfinite(state).all(axis=1)] = np.nan
            return out

    def write_params(self, params: np.ndarray) -> None:
        """Give each simulation its row of parameters; fields that equal the model's stay shared."""
        start = 0
        for name, default in self.defaults.items():
            values = params[:, start : start + default.size]
            start += default.size
            target = f"opt.{name}" if name == "gravity" else name
            if self.batch.expanded(target) is None and (values == default.ravel()).all():
                continue
            full = values.reshape((-1, *default.shape))
            self.batch.expand(target)[:] = full
            if name == "body_mass":
                total = subtree_mass(self.nominal.body_parentid, full.astype(np.float64))
                self.batch.expand("body_subtreemass")[:] = total
        self.written = params.copy()
