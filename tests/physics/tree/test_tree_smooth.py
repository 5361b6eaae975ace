"""Mass matrix, bias forces, poses, Jacobians and sensors against MuJoCo, over models that nobody here wrote too."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from tree_models import FILES, model, params, random_states, relative, tree_outputs

from wildrobot_eqx.physics.tree.quantities import smooth_quantities
from wildrobot_eqx.physics.tree.solver import Effort

N = 1000
QUICK = ("hopper", "joint_ref", "capsule")
ALL = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FILES]


def reference(mj, qpos, qvel):
    """MuJoCo's answers for a batch of states, and its sensors of positions and velocities."""
    data, found = mujoco.MjData(mj), []
    for q, v in zip(qpos, qvel):
        data.qpos[:], data.qvel[:] = q, v
        mujoco.mj_forward(mj, data)
        full = np.zeros((mj.nv, mj.nv))
        mujoco.mj_fullM(mj, data, full)
        jac = np.zeros((2, mj.nbody, 3, mj.nv))
        for b in range(mj.nbody):
            mujoco.mj_jacBody(mj, data, jac[0, b], jac[1, b], b)
        found.append((full, data.qfrc_bias, data.xpos, data.xquat, *jac, data.sensordata, data.site_xpos))
        found[-1] = tuple(a.copy() for a in found[-1])
    return [np.array(a) for a in zip(*found)]


@pytest.mark.parametrize("name", ALL)
def test_smooth_dynamics_are_mujocos(name):
    chosen = model(name)
    qpos, qvel = random_states(chosen, N)
    expected = reference(chosen.mj, qpos, qvel)
    for double, bound in ((False, 1e-5), (True, 1e-10)):
        with jax.enable_x64(double):
            dtype = jnp.float64 if double else jnp.float32
            run = jax.jit(jax.vmap(smooth_quantities(chosen), (None, 0, 0)))
            found = run(params(chosen, dtype), jnp.asarray(qpos, dtype), jnp.asarray(qvel, dtype))
            assert found["mass_matrix"].dtype == dtype
            for i, key in enumerate(("mass_matrix", "bias", "xpos", "xquat", "jacp", "jacr")):
                assert relative(found[key], expected[i]) < bound, (key, dtype)


@pytest.mark.parametrize("name", ["hopper", pytest.param("wildrobot", marks=pytest.mark.slow)])
@pytest.mark.parametrize("double", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_sensors_of_positions_and_velocities_are_mujocos(name, double):
    chosen = model(name)
    mj = chosen.mj
    qpos, qvel = random_states(chosen, N, seed=1)
    sensors, sites = reference(mj, qpos, qvel)[6:]
    early = np.repeat(mj.sensor_needstage != mujoco.mjtStage.mjSTAGE_ACC, mj.sensor_dim)
    states = [qpos, qvel, np.zeros_like(qvel), np.zeros((N, mj.nu))]
    with jax.enable_x64(double):
        found = tree_outputs(chosen, Effort(1, 1), states, 0, jnp.float64 if double else jnp.float32)
    bound = 1e-10 if double else 1e-5
    assert relative(found["sensordata"][:, early], sensors[:, early]) < bound
    assert relative(found["site_xpos"], sites) < bound
