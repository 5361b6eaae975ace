"""The orientation of a sensor, against MuJoCo's."""

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from helpers import shifted

from wildrobot_eqx import WildRobotError, load_robot
from wildrobot_eqx.physics.mujoco_tools.kinematics import sensor_quat
from wildrobot_eqx.robots import Model, Sensor

TREE = """
<mujoco>
  <worldbody>
    <body name="free" quat="1 2 3 4"><freejoint/><geom size=".1"/>
      <body name="ball" pos="0 0 1" quat="4 3 2 1"><joint type="ball"/><geom size=".1" pos=".1 .2 0"/>
        <body name="leg" quat="1 0 1 0"><joint axis="1 1 0" ref="0.3"/><joint axis="0 0 1"/><joint type="slide"/>
          <geom type="box" size=".1 .2 .3" euler="10 20 30"/><site name="tip" quat="0 1 2 3"/>
        </body>
      </body>
    </body>
  </worldbody>
  <sensor>
    <framequat name="site" objtype="site" objname="tip"/>
    <framequat name="xbody" objtype="xbody" objname="leg"/>
    <framequat name="body" objtype="body" objname="leg"/>
    <framequat name="relative" objtype="site" objname="tip" reftype="site" refname="tip"/>
    <framepos name="position" objtype="site" objname="tip"/>
  </sensor>
</mujoco>
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    file = tmp_path_factory.mktemp("tree") / "tree.xml"
    file.write_text(TREE)
    return Model(mujoco.MjModel.from_xml_path(str(file)))


def _readings(mj, seed):
    """A random pose, and what each sensor reads in it."""
    data, rng = mujoco.MjData(mj), np.random.default_rng(shifted(seed))
    data.qpos[:] = rng.normal(size=mj.nq)
    mujoco.mj_normalizeQuat(mj, data.qpos)
    mujoco.mj_forward(mj, data)
    return jnp.asarray(data.qpos, jnp.float32), {
        mj.sensor(i).name: data.sensor(i).data.copy() for i in range(mj.nsensor)
    }


def _sensor(mj, name):
    return Sensor(name, int(mj.sensor(name).adr[0]), int(mj.sensor(name).dim[0]))


@pytest.mark.parametrize("name", ["site", "xbody", "body"])
def test_every_kind_of_joint(model, name):
    for seed in range(5):
        qpos, read = _readings(model.mj, seed)
        quat = np.asarray(sensor_quat(model, _sensor(model.mj, name), qpos))
        np.testing.assert_allclose(quat * np.sign(quat @ read[name]), read[name], atol=2e-6)


@pytest.mark.parametrize("name", ["wildrobot", "hopper", "microduck", "solo12", "wildrobot17"])
def test_every_imu_of_our_robots(name):
    robot = load_robot(name)
    for seed in range(3):
        qpos, read = _readings(robot.model.mj, seed)
        for imu in robot.imus:
            quat = np.asarray(sensor_quat(robot.model, imu.quat, qpos))
            wanted = read[imu.quat.name]
            np.testing.assert_allclose(quat * np.sign(quat @ wanted), wanted, atol=2e-6)


@pytest.mark.parametrize("name", ["relative", "position"])
def test_another_sensor_is_refused(model, name):
    with pytest.raises(WildRobotError, match=f"'{name}' does not read the orientation"):
        sensor_quat(model, _sensor(model.mj, name), jnp.zeros(model.mj.nq, jnp.float32))
