"""The cart and its pole against the formulas of a cart and a pole."""

import mujoco
import numpy as np
import pytest

import wildrobot_eqx as we


@pytest.fixture(scope="module")
def cartpole():
    return we.load_robot("cartpole")


def test_what_it_is(cartpole):
    mj = cartpole.model.mj
    assert (mj.nq, mj.nv, mj.nu) == (2, 2, 1)
    assert cartpole.actuator_kind == ("motor",)
    np.testing.assert_allclose(cartpole.joint_range, [[-1.8, 1.8]])
    np.testing.assert_allclose(cartpole.torque_limit, [10.0])
    assert not mj.joint("pole").limited[0]
    np.testing.assert_allclose(cartpole.home_qpos, [0.0, np.pi], rtol=1e-6)


@pytest.mark.parametrize("angle", [np.pi, 0.4, 2.5])
def test_accelerations_follow_the_textbook(cartpole, angle):
    """Lagrange's equations of a cart M and a rod (m, centre at l, inertia I about it), angle from upright."""
    mj = mujoco.MjModel.__copy__(cartpole.model.mj)
    mj.dof_damping[:] = 0.0
    data = mujoco.MjData(mj)
    rate, force = 0.7, 3.0
    data.qpos[:], data.qvel[:], data.ctrl[:] = [0.2, angle], [0.1, rate], force / 10.0
    mujoco.mj_forward(mj, data)
    cart, rod, centre, inertia, g = 1.0, 0.1, 0.25, 0.0021, 9.81
    c, s = np.cos(angle), np.sin(angle)
    mass = [[cart + rod, rod * centre * c], [rod * centre * c, inertia + rod * centre**2]]
    expected = np.linalg.solve(mass, [force + rod * centre * rate**2 * s, rod * g * centre * s])
    np.testing.assert_allclose(data.qacc, expected, rtol=1e-9)


def test_the_rail_ends(cartpole):
    mj, data = cartpole.model.mj, mujoco.MjData(cartpole.model.mj)
    data.ctrl[:] = 1.0
    for _ in range(1500):
        mujoco.mj_step(mj, data)
    assert data.qpos[0] == pytest.approx(1.8, abs=0.02)
