"""Small robots as makers write them: a URDF biped without a free joint, an MJCF quadruped of motors."""

from pathlib import Path

import trimesh

_LEG = """
  <joint name="{s}_hip_roll" type="revolute"><parent link="trunk"/><child link="{s}_hip"/>
    <origin xyz="0 {y} -0.02"/><axis xyz="1 0 0"/><limit lower="-0.6" upper="0.6" effort="6" velocity="9"/></joint>
  <link name="{s}_hip"/>
  <joint name="{s}_hip_pitch" type="revolute"><parent link="{s}_hip"/><child link="{s}_thigh"/>
    <axis xyz="0 {a} 0"/><limit lower="-1.4" upper="1.4" effort="6" velocity="9"/></joint>
  <link name="{s}_thigh"><inertial><origin xyz="0 0 -0.07"/><mass value="0.3"/>
    <inertia ixx="8e-4" iyy="8e-4" izz="1e-4" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="{s}_knee" type="revolute"><parent link="{s}_thigh"/><child link="{s}_shank"/>
    <origin xyz="0 0 -0.15"/><axis xyz="0 1 0"/><limit lower="0" upper="2" effort="6" velocity="9"/></joint>
  <link name="{s}_shank"><inertial><origin xyz="0 0 -0.07"/><mass value="0.2"/>
    <inertia ixx="5e-4" iyy="5e-4" izz="6e-5" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="{s}_ankle" type="revolute"><parent link="{s}_shank"/><child link="{s}_foot"/>
    <origin xyz="0 0 -0.15"/><axis xyz="0 1 0"/><limit lower="-1" upper="1" effort="6" velocity="9"/></joint>
  <joint name="{s}_ankle_roll" type="revolute"><parent link="{s}_foot"/><child link="{s}_sole"/>
    <axis xyz="1 0 0"/><limit lower="-0.6" upper="0.6" effort="6" velocity="9"/></joint>
  <link name="{s}_foot"/>
  <link name="{s}_sole"><inertial><origin xyz="0.01 0 -0.02"/><mass value="0.1"/>
    <inertia ixx="4e-5" iyy="9e-5" izz="9e-5" ixy="0" ixz="0" iyz="0"/></inertial>
    <collision><origin xyz="0.015 0 -0.02"/><geometry>{shape}</geometry></collision></link>
"""
BOX = '<box size="0.12 0.06 0.02"/>'
MESH = '<mesh filename="package://two_legs/meshes/sole.stl" scale="0.001 0.001 0.001"/>'


def biped(shape: str = BOX, more: str = "") -> str:
    """A URDF of 2 kg, with masses of links, virtual links and an IMU link; `more` is added to it."""
    legs = "".join(_LEG.format(s=s, y=y, a=a, shape=shape) for s, y, a in (("left", 0.06, 1), ("right", -0.06, -1)))
    return f"""<robot name="two legs">
  <link name="base_link"/>
  <joint name="fixed" type="fixed"><parent link="base_link"/><child link="trunk"/></joint>
  <link name="trunk"><inertial><origin xyz="0 0 0.05"/><mass value="0.8"/>
    <inertia ixx="2e-3" iyy="2e-3" izz="2e-3" ixy="0" ixz="0" iyz="0"/></inertial>
    <visual><origin xyz="0 0 0.05"/><geometry><box size="0.1 0.14 0.12"/></geometry></visual></link>
  <joint name="imu_fixed" type="fixed"><parent link="trunk"/><child link="imu_link"/><origin xyz="0.02 0 0.1"/></joint>
  <link name="imu_link"/>{legs}{more}
</robot>"""


_SHANK = """
      <body name="{n}_hip" pos="{x} {y} 0"><inertial pos="0 0 0" mass="0.3" diaginertia="2e-4 2e-4 2e-4"/>
        <joint name="{n}_abduction" axis="1 0 0" range="-50 50"/>
        <body name="{n}_thigh" pos="0 {o} 0"><inertial pos="0 0 -0.05" mass="0.4" diaginertia="1e-3 1e-3 2e-4"/>
          <joint name="{n}_thigh" axis="0 1 0" range="-60 170"/>
          <body name="{n}_calf" pos="0 0 -0.15"><inertial pos="0 0 -0.06" mass="0.1" diaginertia="3e-4 3e-4 2e-5"/>
            <joint name="{n}_calf" axis="0 1 0" range="-150 -40"/>
            <geom type="capsule" size="0.01" fromto="0 0 0 0 0 -0.14" class="drawn"/>
            <geom type="sphere" size="0.018" pos="0 0 -0.15" mass="0"/>
          </body></body></body>"""
_MOTORS = """
    <motor name="{n}_m1" joint="{n}_abduction" gear="6" ctrlrange="-2 2"/>
    <motor name="{n}_m2" joint="{n}_thigh" gear="6" ctrlrange="-2 2"/>
    <motor name="{n}_m3" joint="{n}_calf" gear="9" ctrlrange="-2 2"/>"""
_CORNERS = (
    ("FR", 0.15, -0.05, -0.05),
    ("FL", 0.15, 0.05, 0.05),
    ("RR", -0.15, -0.05, -0.05),
    ("RL", -0.15, 0.05, 0.05),
)


def quadruped(keys: str = "", actuators: str | None = None, more: str = "") -> str:
    """An MJCF of 7 kg with geared motors, an IMU site, and no home pose."""
    legs = "".join(_SHANK.format(n=n, x=x, y=y, o=o) for n, x, y, o in _CORNERS)
    motors = "".join(_MOTORS.format(n=n) for n, *_ in _CORNERS) if actuators is None else actuators
    return f"""<mujoco model="four legs">
  <option iterations="1" ls_iterations="5" timestep="0.004"/>
  <default><joint damping="0.1" armature="0.005"/>
    <default class="drawn"><geom contype="0" conaffinity="0" mass="0"/></default></default>
  <worldbody><geom name="floor" type="plane" size="1 1 1"/>
    <body name="trunk" pos="0 0 0.4"><freejoint/><inertial pos="0 0 0" mass="4" diaginertia="0.02 0.05 0.06"/>
      <geom type="box" size="0.18 0.06 0.04" mass="0"/><site name="imu_site" pos="0.01 0 0.02"/>{legs}
    </body>{more}
  </worldbody>
  <actuator>{motors}
  </actuator>
  <sensor><gyro site="imu_site"/></sensor>{keys}
</mujoco>"""


def write(folder: Path, name: str, text: str) -> str:
    """Write a file; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def write_sole(folder: Path) -> None:
    """A sole's mesh in mm: a plate with its corners cut off."""
    outline = [(-60, -20), (-50, -30), (50, -30), (60, -20), (60, 20), (50, 30), (-50, 30), (-60, 20)]
    corners = [(x, y, z) for x, y in outline for z in (-10, 10)]
    folder.mkdir(parents=True, exist_ok=True)
    trimesh.convex.convex_hull(corners).export(folder / "sole.stl")
