"""Gradients against central differences, under every nesting of `grad` and `vmap`, on the floor and in the air."""

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from wildrobot_eqx import TreePhysics, load_robot
from wildrobot_eqx.robots import Model

SCALED = ("body_mass", "geom_friction", "dof_damping", "dof_frictionloss", "dof_armature", "actuator_gainprm")
NAMES = (*SCALED, "actuator_biasprm", "gravity")
EPS = 1e-6


class Case:
    """A scalar of the state some control steps later, of one row: qpos, qvel and a factor on each parameter."""

    def __init__(self, name: str, steps: int, lift: float):
        self.physics, self.steps = TreePhysics(load_robot(name)), steps
        self.mj = self.physics.model.mj
        self.start = settled(self.physics.model, self.physics.robot, lift)
        self.weights = np.random.default_rng(1).normal(0.0, 1.0, self.mj.nq + self.mj.nv)

    def row(self, dtype) -> jax.Array:
        qvel = np.random.default_rng(0).normal(0.0, 0.02, self.mj.nv)
        return jnp.asarray(np.concatenate([self.start, qvel, np.ones(len(NAMES))]), dtype)

    def __call__(self, row: jax.Array) -> jax.Array:
        physics, dtype, nq, nv = self.physics, row.dtype, self.mj.nq, self.mj.nv
        params = jax.tree.map(lambda a: a.astype(dtype), physics.params())
        factors = dict(zip(NAMES, row[nq + nv :]))
        params = dataclasses.replace(params, **{n: getattr(params, n) * factors[n] for n in NAMES})
        ctrl = physics.robot.home_joints.astype(dtype) + jnp.asarray(0.05, dtype)
        state = physics.init(params, row[:nq], row[nq : nq + nv])
        for _ in range(self.steps):
            state = physics.step(params, state, ctrl)
        return jnp.dot(jnp.concatenate([state.qpos, state.qvel]), jnp.asarray(self.weights, dtype))

    def rows(self) -> jax.Array:
        """The row with every entry moved to both sides, and the row itself."""
        row = self.row(jnp.float64)
        moved = EPS * jnp.eye(len(row))
        return row + jnp.concatenate([moved, -moved, jnp.zeros((1, len(row)))])


def settled(model: Model, robot, lift: float) -> np.ndarray:
    """The pose of a robot that has stood for a second, by MuJoCo, so many metres higher."""
    mj = model.mj
    data = mujoco.MjData(mj)
    data.qpos[:], data.ctrl[:] = np.asarray(robot.home_qpos), np.asarray(robot.home_joints)
    for _ in range(round(1.0 / mj.opt.timestep)):
        mujoco.mj_step(mj, data)
    height = 1 if mj.jnt_type[0] == mujoco.mjtJoint.mjJNT_SLIDE else 2
    data.qpos[height] += lift
    return data.qpos.copy()


@pytest.mark.parametrize(
    ("name", "steps", "lift"),
    [
        pytest.param("hopper", 1, 0.0, id="hopper on the floor", marks=pytest.mark.slow),
        pytest.param("hopper", 4, 0.0, id="hopper, 4 control steps", marks=pytest.mark.slow),
        pytest.param("hopper", 4, 0.5, id="hopper in the air", marks=pytest.mark.slow),
        pytest.param("wildrobot", 1, 0.0, id="wildrobot on the floor", marks=pytest.mark.slow),
        pytest.param("wildrobot", 1, 0.5, id="wildrobot in the air", marks=pytest.mark.slow),
    ],
)
def test_gradients_are_central_differences(name, steps, lift):
    """By state and parameters, float64: alone, `vmap(grad)` and `grad(vmap)`; float32 is near."""
    with jax.enable_x64(True):
        case = Case(name, steps, lift)
        rows = case.rows()
        n = rows.shape[1]
        values = jax.jit(jax.vmap(case))(rows)
        ahead, back, here = np.asarray(values[:n]), np.asarray(values[n : 2 * n]), float(values[-1])
        wanted = (ahead - back) / (2.0 * EPS)
        # A corner that just touches the floor has a force on one side alone: there is no derivative.
        smooth = np.abs(ahead + back - 2.0 * here) < EPS
        assert smooth.mean() > 0.75 if name == "wildrobot" and not lift else smooth.all()
        pair = jnp.stack([case.row(jnp.float64), rows[0]])
        found = np.asarray(jax.jit(jax.vmap(jax.grad(case)))(pair))
        size = np.linalg.norm(wanted[smooth])
        error = np.abs(found[0] - wanted)[smooth]
        print(f"{name}, {steps} steps: |gradient| {size:.2g}, worst entry off by {error.max() / size:.1e}", end="")
        assert np.isfinite(found).all()
        assert (wanted[-len(NAMES) :] != 0.0).sum() >= (7 if lift else 8), "every parameter counts"
        np.testing.assert_allclose(found[0][smooth], wanted[smooth], rtol=1e-4, atol=1e-4)
        if name != "hopper":  # a program of 11 joints takes minutes and gigabytes to compile
            return
        together = jax.jit(jax.grad(lambda rows: jnp.sum(jax.vmap(case)(rows))))(pair)
        np.testing.assert_allclose(together, found, rtol=1e-9, atol=1e-12 * size)
        alone = jax.jit(jax.grad(case))(pair[0])
        np.testing.assert_allclose(alone, found[0], rtol=1e-9, atol=1e-12 * size)
    print()


@pytest.mark.slow
@pytest.mark.parametrize("gravity", [1.0, 0.0], ids=["standing", "weightless at rest"])
def test_gradients_in_float32_are_near(gravity):
    """Finite even where the solver starts at its answer, and float64's within a percent."""
    case, found = Case("hopper", 1, 0.0 if gravity else 0.5), []
    for double in (True, False):
        with jax.enable_x64(double):
            dtype = jnp.float64 if double else jnp.float32
            row = case.row(dtype).at[-1].set(gravity)
            row = row if gravity else row.at[case.mj.nq : case.mj.nq + case.mj.nv].set(0.0)
            found.append(np.asarray(jax.jit(jax.grad(case))(row)))
            assert found[-1].dtype == dtype
    wanted, single = found
    off = np.linalg.norm(single - wanted) / np.linalg.norm(wanted)
    print(f"float32 off by {off:.1e}")
    assert off < 1e-2
