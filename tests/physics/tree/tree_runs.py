"""Trajectories of the tree engine and of MuJoCo from the same states, with what MuJoCo reads from each."""

import functools

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from tree_models import exact, mujoco_data, params, tree_outputs

from wildrobot_eqx.physics.params import MODEL_FIELDS, subtree_mass
from wildrobot_eqx.physics.tree.packing import shapes
from wildrobot_eqx.physics.tree.physics import control_step
from wildrobot_eqx.physics.tree.solver import Effort
from wildrobot_eqx.robots import Model

PATIENT = Effort(steps=12, line=6)


def at_rest(model: Model, qpos, qvel=None):
    """(qpos, qvel, warm start, ctrl) of robots without command; `qpos` (n, nq)."""
    mj, qpos = model.mj, np.atleast_2d(np.asarray(qpos, float))
    qvel = np.zeros((len(qpos), mj.nv)) if qvel is None else np.broadcast_to(qvel, (len(qpos), mj.nv))
    return [qpos, qvel, np.zeros((len(qpos), mj.nv)), np.zeros((len(qpos), mj.nu))]


@functools.lru_cache(maxsize=8)
def _compiled(model: Model, effort, chunks: int, n_steps: int):
    step = jax.vmap(control_step(model, effort, n_steps))

    @jax.jit
    def run(packed, state, ctrl):
        def body(state, _):
            out = step(packed, jnp.concatenate([state, ctrl], axis=1))
            return out[:, : state.shape[1]], out

        return jax.lax.scan(body, state, None, chunks)[1]

    return run


def tree_run(model: Model, effort, states, chunks: int, n_steps: int, dtype, changes=None) -> dict[str, np.ndarray]:
    """What the engine packs, by name, (chunks, n, ...), after every `n_steps` steps.

    `changes` are parameters (n, ...) by name that differ from the model's. Compiled once for every length and batch.
    """
    n = len(states[0])
    with jax.enable_x64(dtype == jnp.float64):
        fields = {name: np.broadcast_to(a, (n, *a.shape)) for name, a in vars(params(model, dtype)).items()}
        fields |= changes or {}
        packed = jnp.asarray(np.concatenate([np.reshape(fields[f], (n, -1)) for f in MODEL_FIELDS], axis=1), dtype)
        qpos, qvel, warm, ctrl = states
        state = jnp.asarray(np.concatenate([qpos, qvel, np.zeros((n, 1)), warm], axis=1), dtype)
        out = np.asarray(_compiled(model, effort, chunks, n_steps)(packed, state, jnp.asarray(ctrl, dtype)))
    found, first = {}, 0
    for name, shape in shapes(model).items():
        size = int(np.prod(shape))
        found[name], first = out[..., first : first + size].reshape(chunks, n, *shape), first + size
    return found


def mujoco_run(model: Model, states, chunks: int, n_steps: int, changes=None, limits=None) -> dict[str, np.ndarray]:
    """The same of MuJoCo, its solver run to the end or as `limits` has it; sensors belong to the last step's start."""
    names = ("qpos", "qvel", "sensordata")
    found = {name: np.zeros((chunks, len(states[0]), getattr(mujoco.MjData(model.mj), name).size)) for name in names}
    for i, state in enumerate(zip(*states)):
        mj = limits or exact(model)
        for name, values in (changes or {}).items():
            (mj.opt if name == "gravity" else mj).__getattribute__(name)[...] = values[i]
        mj.body_subtreemass[:] = subtree_mass(mj.body_parentid, mj.body_mass[None])[0]
        data = mujoco.MjData(mj)
        data.qpos[:], data.qvel[:], data.qacc_warmstart[:], data.ctrl[:] = state
        for k in range(chunks):
            for _ in range(n_steps):
                mujoco.mj_step(mj, data)
            for name in names:
                found[name][k, i] = getattr(data, name)
    return found


def worst(found, expected) -> float:
    error = np.linalg.norm(found - expected, axis=1) / np.maximum(np.linalg.norm(expected, axis=1), 1.0)
    return float(error.max())


def agree(chosen: Model, states, n_steps: int, bound: float) -> list[mujoco.MjData]:
    """Hold `n_steps` steps, or the accelerations when 0, with all sensors, against MuJoCo's own from the same states.

    Both solvers run to the end, in float64. Returns MuJoCo's data.
    """
    with jax.enable_x64(True):
        found = tree_outputs(chosen, PATIENT, states, n_steps, jnp.float64)
    mj, rows = exact(chosen), list(zip(*states))
    data = [mujoco_data(mj, s, n_steps) for s in rows]
    assert max(d.nefc for d in data) > 3, "something must touch"
    if n_steps:
        assert worst(found["qpos"], np.array([d.qpos for d in data])) < bound
        assert worst(found["qvel"], np.array([d.qvel for d in data])) < bound
    else:
        assert worst(found["qacc_warmstart"], np.array([d.qacc for d in data])) < bound
        assert worst(found["sensordata"], np.array([d.sensordata for d in data])) < bound
        assert worst(found["actuator_force"], np.array([d.actuator_force for d in data])) < bound
    return data


def energy(model: Model, qpos, qvel) -> np.ndarray:
    """Potential and kinetic energy, J, of states (..., nq), (..., nv), as MuJoCo counts them."""
    return _each(model, qpos, qvel, lambda mj, data: data.energy.sum())


def momentum(model: Model, qpos, qvel) -> np.ndarray:
    """Linear, kg m/s, and angular momentum about the centre of mass, kg m^2/s, of all bodies, (..., 6)."""

    def read(mj, data):
        mujoco.mj_subtreeVel(mj, data)
        return np.concatenate([data.subtree_linvel[0] * mj.body_mass.sum(), data.subtree_angmom[0]])

    return _each(model, qpos, qvel, read)


def _each(model: Model, qpos, qvel, read) -> np.ndarray:
    mj = mujoco.MjModel.__copy__(model.mj)
    mj.opt.enableflags |= int(mujoco.mjtEnableBit.mjENBL_ENERGY)
    data = mujoco.MjData(mj)
    qpos, qvel = np.asarray(qpos, float), np.asarray(qvel, float)
    out = []
    for q, v in zip(qpos.reshape(-1, mj.nq), qvel.reshape(-1, mj.nv)):
        data.qpos[:], data.qvel[:] = q, v
        mujoco.mj_fwdPosition(mj, data)
        mujoco.mj_fwdVelocity(mj, data)
        mujoco.mj_energyPos(mj, data)
        mujoco.mj_energyVel(mj, data)
        out.append(read(mj, data))
    return np.array(out).reshape(*qpos.shape[:-1], *np.shape(out[0]))
