"""Feet of several geoms, whose force a contact sensor by body or subtree gives, on every engine."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

import wildrobot_eqx as we
from wildrobot_eqx.physics.base import jit_for
from wildrobot_eqx.physics.tree.contact_sensors import directions, sides
from wildrobot_eqx.robots import load_robot

# Heel and toe of the left foot are one body, of the right one two; a cylinder is the toe there.
BIPED = """<mujoco model="biped">
  <option timestep="0.005" iterations="100" tolerance="1e-12"/>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1"/>
    <body name="base" pos="0 0 0.21">
      <freejoint/><geom type="box" size="0.05 0.1 0.03" mass="1" contype="0" conaffinity="0"/>
      <body name="left" pos="0 0.06 -0.1">
        <joint name="left" axis="0 1 0" damping="0.1" armature="0.01"/>
        <geom name="left_heel" type="box" size="0.03 0.02 0.01" pos="-0.04 0 -0.1" mass="0.1"/>
        <geom name="left_toe" type="box" size="0.03 0.02 0.01" pos="0.04 0 -0.1" mass="0.1"/>
        <site name="left_foot" pos="0 0 -0.11"/>
      </body>
      <body name="right" pos="0 -0.06 -0.1">
        <joint name="right" axis="0 1 0" damping="0.1" armature="0.01"/>
        <geom name="right_heel" type="box" size="0.03 0.02 0.01" pos="-0.04 0 -0.1" mass="0.1"/>
        <site name="right_foot" pos="0 0 -0.11"/>
        <body name="right_toe" pos="0.04 0 -0.1">
          <joint name="toe" axis="0 1 0" damping="0.1" stiffness="5" armature="0.01"/>
          <geom name="right_toe" type="{toe}" size="0.02 0.01" mass="0.1"/>
        </body>
      </body>
    </body>
  </worldbody>
  <contact><exclude body1="left" body2="right"/><exclude body1="left" body2="right_toe"/></contact>
  <actuator>
    <position name="left" joint="left" kp="20" ctrlrange="-1 1" forcerange="-5 5"/>
    <position name="right" joint="right" kp="20" ctrlrange="-1 1" forcerange="-5 5"/>
  </actuator>
  <sensor>
    <contact name="left_force" geom1="floor" body2="left" data="force" reduce="netforce"/>
    <contact name="right_force" subtree2="right" data="force" reduce="netforce"/>
    <framelinvel name="left_velocity" objtype="site" objname="left_foot"/>
    <framelinvel name="right_velocity" objtype="site" objname="right_foot"/>
  </sensor>
</mujoco>"""
TOML = """name = "biped"
model = "biped.xml"
control_dt = 0.02
[feet.left]
site = "left_foot"
force = "left_force"
linvel = "left_velocity"
[feet.right]
site = "right_foot"
force = "right_force"
linvel = "right_velocity"
"""
ENGINES = {"native": we.NativePhysics, "tree": we.TreePhysics, "mjx": we.MjxPhysics}


@pytest.fixture
def biped(tmp_path):
    def made(toe: str):
        (tmp_path / "biped.xml").write_text(BIPED.format(toe=toe))
        (tmp_path / "robot.toml").write_text(TOML)
        return load_robot(tmp_path)

    return made


def _stand(physics, params):
    """After a second on its feet, swaying."""
    robot = physics.robot

    def step(state, t):
        return physics.step(params, state, 0.1 * jnp.sin(jnp.array([3.0, 5.0]) * t)), None

    qpos = jnp.asarray(robot.home_qpos)
    state = physics.init(params, qpos, jnp.zeros(robot.nv))
    return jax.lax.scan(step, state, 0.02 * jnp.arange(50))[0]


@pytest.mark.parametrize(
    ("engine", "toe"),
    [pytest.param(engine, toe, marks=pytest.mark.slow) for engine in ("tree", "mjx") for toe in ("sphere", "cylinder")],
)
def test_the_force_on_a_foot_is_natives(biped, engine, toe):
    robot = biped(toe)
    expected, found = (
        jit_for(physics, _stand, quick_compile=True)(physics, physics.params())
        for physics in (ENGINES[name](robot) for name in ("native", engine))
    )
    weight = 9.81 * robot.model.mj.body_mass.sum()
    assert (np.asarray(expected.foot_force)[:, 2] > 0.2 * weight).all()
    near = 0.02 if (engine, toe) == ("mjx", "cylinder") else 2e-3  # of a cylinder, MJX has three points, not four
    np.testing.assert_allclose(found.foot_force, expected.foot_force, atol=near * weight)
    np.testing.assert_allclose(found.qpos, expected.qpos, atol=near * 0.1)


SIDES = ['geom1="floor"', 'body1="left"', 'body2="right_toe"', 'subtree1="right"', 'subtree2="base"', 'geom2="a"', ""]
MATCHES = [f"{a} {b}" for a in SIDES for b in SIDES if not a or not b or a.split("=")[0][-1] < b.split("=")[0][-1]]


def test_sensors_match_contacts_as_mujocos(biped):
    """Every two of a geom, a body and a subtree, in both orders: the sum of contacts, signed, is what MuJoCo reads."""
    sensors = "".join(f'<contact {sides} data="force" reduce="netforce"/>' for sides in MATCHES)
    text = BIPED.format(toe="sphere").replace("<sensor>", f"<sensor>{sensors}")
    ball = '<body pos="0.04 0.06 0.17"><freejoint/><geom name="a" size="0.03"/></body></worldbody>'
    mj = mujoco.MjModel.from_xml_string(text.replace("</worldbody>", ball))
    data = mujoco.MjData(mj)
    for _ in range(60):
        mujoco.mj_step(mj, data)
    mujoco.mj_forward(mj, data)
    geoms, world = data.contact.geom, np.zeros((data.ncon, 3))
    for i in range(data.ncon):
        force = np.zeros(6)
        mujoco.mj_contactForce(mj, data, i, force)
        world[i] = data.contact.frame[i].reshape(3, 3).T @ force[:3]
    assert len({tuple(pair) for pair in geoms.tolist()}) > 3, "the floor, both feet, the ball on one of them"
    seen = set()
    for i in range(len(MATCHES)):
        sign = directions(mj, sides(mj, i))[geoms[:, 0], geoms[:, 1]]
        seen |= set(sign.tolist())
        np.testing.assert_allclose(sign @ world, data.sensordata[3 * i : 3 * i + 3], atol=1e-9, err_msg=MATCHES[i])
    assert seen == {-1, 0, 1}


def test_the_sum_is_mujocos(biped):
    """What native reads is the sum of MuJoCo's contacts with the floor."""
    mj = biped("sphere").model.mj
    data = mujoco.MjData(mj)
    for _ in range(100):
        mujoco.mj_step(mj, data)
    mujoco.mj_forward(mj, data)
    up = np.zeros(2)
    for i, pair in enumerate(data.contact.geom):
        force = np.zeros(6)
        mujoco.mj_contactForce(mj, data, i, force)
        up[int("left" not in mj.geom(pair[1]).name)] += force[0]
    np.testing.assert_allclose(data.sensordata[[2, 5]], up, rtol=1e-6)
