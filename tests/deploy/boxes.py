"""A small robot for hidden robots and drivers: a block that stands by itself, with three servos and an IMU."""

import dataclasses

import mujoco
import numpy as np

from wildrobot_eqx.deploy.hardware.servo_robot import ServoMount
from wildrobot_eqx.deploy.hidden.parameters import Hidden
from wildrobot_eqx.deploy.hidden.plan import Plan
from wildrobot_eqx.deploy.hidden.robot import HiddenRobot

XML = """
<mujoco>
  <compiler angle="radian"/>
  <option timestep="0.002"/>
  <worldbody>
    <geom name="floor" type="plane" size="5 5 0.1"/>
    <body name="block" pos="0 0 0.1">
      <freejoint/>
      <geom type="box" size="0.1 0.1 0.1" mass="2"/>
      <site name="imu" pos="0 0 0.05"/>
      <body name="arm_0" pos="0.1 0 0.1"><joint name="front" axis="0 1 0" range="-1.5 1.5" damping="0.05"
        frictionloss="0.02" armature="0.01"/><geom type="capsule" fromto="0 0 0 0.1 0 0" size="0.01" mass="0.1"/></body>
      <body name="arm_1" pos="0 0.1 0.1"><joint name="left" axis="1 0 0" range="-1.5 1.5" damping="0.05"
        frictionloss="0.02" armature="0.01"/><geom type="capsule" fromto="0 0 0 0 0.1 0" size="0.01" mass="0.1"/></body>
      <body name="arm_2" pos="0 0 0.1"><joint name="top" axis="0 0 1" range="-1.5 1.5" damping="0.05"
        frictionloss="0.02" armature="0.01"/><geom type="capsule" fromto="0 0 0 0 0 0.1" size="0.01" mass="0.1"/></body>
    </body>
  </worldbody>
  <actuator>
    <position joint="front" kp="20" kv="0.5" forcerange="-4 4"/>
    <position joint="left" kp="20" kv="0.5" forcerange="-4 4"/>
    <position joint="top" kp="20" kv="0.5" forcerange="-4 4"/>
  </actuator>
  <sensor>
    <framequat name="quat" objtype="site" objname="imu"/>
    <gyro name="gyro" site="imu"/>
    <accelerometer name="accel" site="imu"/>
  </sensor>
</mujoco>
"""
JOINTS = ("front", "left", "top")
SENSORS = {"orientation": "quat", "gyro": "gyro", "accelerometer": "accel"}


def plan() -> Plan:
    """The block's."""
    model = mujoco.MjModel.from_xml_string(XML)
    data = mujoco.MjData(model)
    return Plan(model, JOINTS, np.arange(3), data.qpos.copy(), model.body("block").id, SENSORS)


def hidden(changes: Hidden | None = None, **how) -> HiddenRobot:
    """A hidden block, in time of its own."""
    return HiddenRobot(plan(), Hidden() if changes is None else changes, **how)


def mounts(middle: int) -> list[ServoMount]:
    """The block's servos as they are wired by default."""
    return [ServoMount(name, i + 1, zero=middle) for i, name in enumerate(JOINTS)]


def spoilt(changes: Hidden, **more) -> Hidden:
    """The same, with other changes."""
    return dataclasses.replace(changes, **more)
