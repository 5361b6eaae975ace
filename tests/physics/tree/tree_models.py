"""Models, states and MuJoCo's own answers that the tree engine is held against."""

import functools
from pathlib import Path

import brax
import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from helpers import shifted

from wildrobot_eqx.paths import data_dir
from wildrobot_eqx.physics.params import MODEL_FIELDS, PhysicsParams
from wildrobot_eqx.physics.tree.packing import shapes
from wildrobot_eqx.physics.tree.physics import control_step
from wildrobot_eqx.robots import Model

BRAX = Path(brax.__file__).parent
MUJOCO = Path(mujoco.__file__).parent
FILES = {
    "wildrobot": data_dir("robots") / "wildrobot" / "wildrobot.xml",
    "hopper": data_dir("robots") / "hopper" / "hopper.xml",
    # nobody here wrote these
    "ant": BRAX / "envs/assets/ant.xml",
    "brax_hopper": BRAX / "envs/assets/hopper.xml",
    "humanoid": BRAX / "envs/assets/humanoid.xml",
    "walker2d": BRAX / "envs/assets/walker2d.xml",
    "double_pendulum": BRAX / "envs/assets/inverted_double_pendulum.xml",
    "joint_ref": BRAX / "test_data/nonzero_joint_ref.xml",
    "capsule": BRAX / "test_data/capsule.xml",
    "mujoco_humanoid": MUJOCO / "mjx/test_data/humanoid/humanoid.xml",
}


@functools.cache
def model(name: str) -> Model:
    mj = mujoco.MjModel.from_xml_path(str(FILES[name]))
    if name == "wildrobot":
        mj.opt.timestep = 0.005
    return Model(mj)


def compile_text(xml: str) -> Model:
    return Model(mujoco.MjModel.from_xml_string(xml))


def params(model: Model, dtype) -> PhysicsParams:
    fields = {n: model.mj.opt.gravity if n == "gravity" else getattr(model.mj, n) for n in MODEL_FIELDS}
    return PhysicsParams(**{n: jnp.asarray(a, dtype) for n, a in fields.items()})


def random_states(model: Model, n: int, seed: int = 0):
    mj, rng = model.mj, np.random.default_rng(shifted(seed))
    qpos = mj.qpos0 + rng.normal(0.0, 0.6, (n, mj.nq))
    for q in qpos:
        mujoco.mj_normalizeQuat(mj, q)
    return qpos, rng.normal(0.0, 1.0, (n, mj.nv))


def restless_states(model: Model, n: int, seed: int = 0, start=None, amplitude=0.5):
    """(qpos, qvel, warm start, ctrl) of robots that follow random commands from `start` on, contacts included."""
    mj, rng, found = model.mj, np.random.default_rng(shifted(seed)), []
    start = mj.qpos0 if start is None else start
    low, high = mj.actuator_ctrlrange.T
    middle, span = (low + high) / 2, np.where(mj.actuator_ctrllimited, (high - low) / 2, 1.0)
    while len(found) < n:
        data, wish = mujoco.MjData(mj), np.zeros(mj.nu)
        data.qpos[:] = start
        data.qvel[:] = rng.normal(0.0, 0.1, mj.nv)
        for t in range(300):
            if t % 10 == 0:
                wish = 0.9 * wish + rng.normal(0.0, amplitude, mj.nu)
                data.ctrl[:] = middle + np.clip(wish, -1, 1) * span * 0.5
            if t > 20 and t % 7 == 0:
                found.append([a.copy() for a in (data.qpos, data.qvel, data.qacc_warmstart, data.ctrl)])
            mujoco.mj_step(mj, data)
    return [np.array(a) for a in zip(*(found[i] for i in rng.permutation(len(found))[:n]))]


def exact(model: Model) -> mujoco.MjModel:
    """The model with MuJoCo's solver run to the end."""
    mj = mujoco.MjModel.__copy__(model.mj)
    mj.opt.iterations, mj.opt.ls_iterations, mj.opt.tolerance, mj.opt.ls_tolerance = 100, 100, 1e-14, 1e-6
    return mj


def mujoco_data(mj: mujoco.MjModel, state, n_steps: int = 0, time: float = 0.0) -> mujoco.MjData:
    data = mujoco.MjData(mj)
    data.time = time
    data.qpos[:], data.qvel[:], data.qacc_warmstart[:], data.ctrl[:] = state
    if not n_steps:
        mujoco.mj_forward(mj, data)
    for _ in range(n_steps):
        mujoco.mj_step(mj, data)
    return data


def tree_outputs(model: Model, effort, states, n_steps: int, dtype, time: float = 0.0) -> dict[str, np.ndarray]:
    """What the engine packs, by name, for a batch of states at one time."""
    qpos, qvel, warm, ctrl = states
    rows = jnp.asarray(np.concatenate([qpos, qvel, np.full((len(qpos), 1), time), warm, ctrl], axis=1), dtype)
    packed = jnp.concatenate([getattr(params(model, dtype), n).ravel() for n in MODEL_FIELDS])
    out = np.asarray(jax.jit(jax.vmap(control_step(model, effort, n_steps), (None, 0)))(packed, rows))
    found, first = {}, 0
    for name, shape in shapes(model).items():
        size = int(np.prod(shape))
        found[name], first = out[:, first : first + size].reshape(len(out), *shape), first + size
    return found


def relative(found, expected) -> float:
    """Norm-wise relative error of a whole batch."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected)
    return float(np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-12))
