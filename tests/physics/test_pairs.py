"""Friction of a contact <pair>: a parameter like that of the geoms, on every engine."""

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

import wildrobot_eqx as we
from wildrobot_eqx.physics.base import jit_for
from wildrobot_eqx.robots import load_robot

SLED = """<mujoco model="sled">
  <option timestep="0.002" iterations="100"/>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1" contype="0" conaffinity="0"/>
    <body name="sled" pos="0 0 0.05">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="z" type="slide" axis="0 0 1"/>
      <geom name="sled" type="box" size="0.2 0.2 0.05" mass="1" contype="0" conaffinity="0"/>
    </body>
  </worldbody>
  <contact><pair geom1="floor" geom2="sled" friction="0.8 0.8 0.005 0.0001 0.0001"/></contact>
  <actuator><motor name="x" joint="x" ctrlrange="-1 1" forcerange="-1 1"/></actuator>
</mujoco>"""
ENGINES = {"native": we.NativePhysics, "tree": we.TreePhysics, "mjx": we.MjxPhysics}


@pytest.fixture(scope="module")
def sled(tmp_path_factory):
    """A box that slides on the floor, which it touches by a <pair> alone; it cannot pitch."""
    folder = tmp_path_factory.mktemp("sled")
    (folder / "sled.xml").write_text(SLED)
    (folder / "robot.toml").write_text('name = "sled"\nmodel = "sled.xml"\ncontrol_dt = 0.02\n')
    return load_robot(folder)


def mujoco_speed(robot, physics, scale) -> float:
    """Speed of a sled that had 2 m/s, one control period later, by plain MuJoCo with its <pair> edited."""
    mj = mujoco.MjModel.__copy__(physics.model.mj)
    mj.pair_friction[:, :2] *= scale
    data = mujoco.MjData(mj)
    data.qpos[:], data.qvel[0] = robot.home_qpos, 2.0
    for _ in range(physics.n_substeps):
        mujoco.mj_step(mj, data)
    return float(data.qvel[0])


def _slide(physics, params):
    """The same by one of the engines."""
    robot = physics.robot
    state = physics.init(params, robot.home_qpos, jnp.zeros(robot.nv).at[0].set(2.0))
    return physics.step(params, state, jnp.zeros(1)).qvel[0]


@pytest.mark.parametrize("engine", ["native", "tree", pytest.param("mjx", marks=pytest.mark.slow)])
def test_scaling_friction_scales_that_of_pairs(sled, engine):
    """Once it changed nothing, and a sweep over it said that the robot holds."""
    physics = ENGINES[engine](sled)
    scales = (0.25, 0.6, 1.0)
    expected = [mujoco_speed(sled, physics, scale) for scale in scales]
    assert np.ptp(expected) > 0.02
    for scale, speed in zip(scales, expected):
        params = we.randomise.ScaleFriction((scale, scale))(jax.random.key(0), physics.params())
        assert float(jit_for(physics, _slide, quick_compile=True)(physics, params)) == pytest.approx(speed, abs=2e-4)


def test_within_a_batch_each_env_has_its_own(sled):
    physics = we.NativePhysics(sled)
    keys = jax.random.split(jax.random.key(1), 3)
    params = jax.vmap(we.randomise.ScaleFriction((0.2, 1.0)), in_axes=(0, None))(keys, physics.params())
    speeds = jax.vmap(_slide, in_axes=(None, 0))(physics, params)
    expected = [mujoco_speed(sled, physics, float(mu) / 0.8) for mu in params.pair_friction[:, 0, 0]]
    np.testing.assert_allclose(speeds, expected, atol=1e-4)
    assert np.ptp(speeds) > 0.01


def test_only_the_sliding_parts_are_scaled(sled):
    nominal = we.NativePhysics(sled).params()
    drawn = we.randomise.ScaleFriction((0.5, 0.5))(jax.random.key(0), nominal)
    np.testing.assert_allclose(drawn.pair_friction, nominal.pair_friction * jnp.array([0.5, 0.5, 1.0, 1.0, 1.0]))
    names = {f.name for f in dataclasses.fields(nominal)} - {"pair_friction", "geom_friction"}
    assert all(np.array_equal(getattr(drawn, name), getattr(nominal, name)) for name in names)


def test_a_model_without_pairs_has_none(hopper):
    assert we.NativePhysics(hopper).params().pair_friction.shape == (0, 5)
