"""Plain MuJoCo in float64, one robot at a time: what every engine is held against."""

import mujoco
import numpy as np

from wildrobot_eqx.physics.params import MODEL_FIELDS


def reference_model(physics, params) -> mujoco.MjModel:
    """The engine's model with one env's parameters written into it."""
    mj = mujoco.MjModel.__copy__(physics.model.mj)
    for name in MODEL_FIELDS:
        (mj.opt if name == "gravity" else mj).__getattribute__(name)[...] = np.asarray(getattr(params, name))
    for body in range(mj.nbody):
        inside = [b for b in range(mj.nbody) if is_inside(mj, b, body)]
        mj.body_subtreemass[body] = mj.body_mass[inside].sum()
    return mj


def is_inside(mj: mujoco.MjModel, body: int, root: int) -> bool:
    while body != root and body:
        body = mj.body_parentid[body]
    return body == root


def reference(physics, params, qpos, qvel, warmstart, ctrl, n_steps: int) -> dict[str, np.ndarray]:
    """The fields of `PhysicsState` after `n_steps` steps, or of a forward pass when 0."""
    mj = reference_model(physics, params)
    data = mujoco.MjData(mj)
    data.qpos[:], data.qvel[:], data.ctrl[:] = np.asarray(qpos), np.asarray(qvel), np.asarray(ctrl)
    data.qacc_warmstart[:] = np.asarray(warmstart)
    for _ in range(n_steps):
        mujoco.mj_step(mj, data)
    if not n_steps:
        mujoco.mj_forward(mj, data)
    # mj_step leaves poses and sensors at the last substep's start; a fresh pass gives the new state's.
    fresh = mujoco.MjData(mj)
    fresh.qpos[:], fresh.qvel[:], fresh.ctrl[:] = data.qpos, data.qvel, data.ctrl
    mujoco.mj_forward(mj, fresh)
    late = np.repeat(mj.sensor_needstage == mujoco.mjtStage.mjSTAGE_ACC, mj.sensor_dim)
    return {
        "qpos": data.qpos.copy(),
        "qvel": data.qvel.copy(),
        "xpos": fresh.xpos.copy(),
        "xquat": fresh.xquat.copy(),
        "site_xpos": fresh.site_xpos.copy(),
        "sensordata": np.where(late, data.sensordata, fresh.sensordata),
        "actuator_force": data.actuator_force.copy(),
    }
