"""The doctor: a well-made dog has nothing, and each fault planted in it is found, with its place, and alone."""

import json
import shutil

import mujoco
import numpy as np
import pytest

from wildrobot_eqx import WildRobotError, load_robot, robot_names
from wildrobot_eqx.cli import main
from wildrobot_eqx.paths import data_dir
from wildrobot_eqx.robots.doctor import examine
from wildrobot_eqx.robots.doctor.statics import holding_torques, squat
from wildrobot_eqx.robots.doctor.torque import torque_limits


def leg(name: str, x: float, y: float) -> str:
    """A leg of two links with a ball for a foot; the hip swings in the x-z plane."""
    return f"""
      <body name="{name}_thigh" pos="{x} {y} 0">
        <inertial pos="0 0 -0.06" mass="0.25" diaginertia="4e-4 4e-4 8e-5"/>
        <joint name="{name}_hip" class="servo" range="-1.5 1.5"/>
        <geom class="seen" type="capsule" size="0.02" fromto="0 0 0 0 0 -0.13"/>
        <body name="{name}_shank" pos="0 0 -0.15">
          <inertial pos="0 0 -0.07" mass="0.15" diaginertia="3e-4 3e-4 3e-5"/>
          <joint name="{name}_knee" class="servo" range="-2.4 0"/>
          <geom class="seen" type="capsule" size="0.012" fromto="0 0 0 0 0 -0.15"/>
          <geom name="{name}_foot" class="hard" type="sphere" size="0.02" pos="0 0 -0.15"/>
        </body>
      </body>"""


NAMES = {"fl": (0.2, 0.1), "fr": (0.2, -0.1), "hl": (-0.2, 0.1), "hr": (-0.2, -0.1)}
JOINTS = [f"{name}_{joint}" for name in NAMES for joint in ("hip", "knee")]
DOG = f"""<mujoco model="dog">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.002"/>
  <default>
    <default class="servo">
      <joint axis="0 1 0" damping="0.1" armature="0.01"/>
      <position kp="30" kv="0.5" forcerange="-12 12" inheritrange="1"/>
    </default>
    <default class="seen"><geom contype="0" conaffinity="0" group="2"/></default>
    <default class="open"><geom contype="0" conaffinity="1" group="3"/></default>
    <default class="hard"><geom contype="1" conaffinity="0" group="3"/></default>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="5 5 0.1" contype="1" conaffinity="1"/>
    <body name="trunk" pos="0 0 0.3">
      <freejoint/>
      <inertial pos="0 0 0" mass="4" diaginertia="0.016 0.06 0.07"/>
      <geom class="seen" type="box" size="0.2 0.08 0.05"/>
      <site name="imu"/>{"".join(leg(name, *at) for name, at in NAMES.items())}
    </body>
  </worldbody>
  <actuator>{"".join(f'<position class="servo" name="{j}" joint="{j}"/>' for j in JOINTS)}</actuator>
  <sensor>
    <gyro name="gyro" site="imu"/>
    <accelerometer name="accel" site="imu"/>
    <framequat name="quat" objtype="site" objname="imu"/>
  </sensor>
  <keyframe><key name="home" qpos="0 0 0.26 1 0 0 0 {" ".join(["0.5 -1"] * 4)}"/></keyframe>
</mujoco>"""


def shank(name: str, inertial: str) -> tuple[str, str]:
    """A change of one shank's inertial."""
    old = '<inertial pos="0 0 -0.07" mass="0.15" diaginertia="3e-4 3e-4 3e-5"/>'
    start = DOG.index(f'name="{name}_shank"')
    end = DOG.index(old, start) + len(old)
    return DOG[start:end], DOG[start:end].replace(old, inertial)


def write(tmp_path, *changes: tuple[str, str], name: str = "dog.xml"):
    text = DOG
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / name
    path.write_text(text)
    return path


WELL = ("cartpole", "hopper", "reacher", "wildrobot")


@pytest.mark.parametrize("name", WELL)
def test_robots_that_ship_have_nothing(name):
    assert examine(name)[1] == ()


KNOWN = {
    "microduck": [("feet", "note")],  # its makers' home rolls the hips by 5 degrees, and its ankles do not roll
    "wildrobot17": [("actuators", "note")],  # its actuators stand in the order of its servos
}


@pytest.mark.parametrize("name", sorted({*robot_names()} - {*WELL}))
def test_no_robot_that_ships_has_a_fault(name):
    """A note may tell of what its makers chose, such as the order of its actuators."""
    assert [(finding.check, finding.severity) for finding in examine(name)[1]] == KNOWN.get(name, [])


def test_a_well_made_robot_has_nothing(tmp_path):
    subject, found = examine(write(tmp_path))
    assert found == ()
    assert [foot.body for foot in subject.feet] == [subject.mj.body(f"{name}_shank").id for name in NAMES]
    assert subject.mirrored == {
        subject.mj.body(f"{a}_{part}").id: subject.mj.body(f"{b}_{part}").id
        for a, b in (("fl", "fr"), ("hl", "hr"))
        for part in ("thigh", "shank")
    }
    assert subject.home_from == "keyframe 'home'"


ALL_SHANKS = ('mass="0.15" diaginertia="3e-4 3e-4 3e-5"', "{}")
IMU = '<gyro name="gyro" site="imu"/>'
ORDER = f'<position class="servo" name="{JOINTS[0]}" joint="{JOINTS[0]}"/>'
SECOND = ORDER.replace(JOINTS[0], JOINTS[1])
KEY = "0 0 0.26 1 0 0 0 " + " ".join(["0.5 -1"] * 4)
FAULTS = {
    # name: changes, check, severity, a part of the place, a part of the figure
    "inertia in g m^2": (
        [(ALL_SHANKS[0], 'mass="0.15" diaginertia="0.3 0.3 0.03"')],
        *("inertia", "fault", "body 'fl_shank', body 'fr_shank'", "0.15 kg"),
    ),
    "inertia in kg mm^2": (
        [(ALL_SHANKS[0], 'mass="0.15" diaginertia="300 300 30"')],
        *("inertia", "fault", "body 'fl_shank'", "mm from its centre"),
    ),
    "inertia in t m^2": (
        [(ALL_SHANKS[0], 'mass="0.15" diaginertia="3e-7 3e-7 3e-8"')],
        *("inertia", "fault", "body 'fl_shank'", "osmium: 22600"),
    ),
    "inertia too small by 10^6": (
        [(ALL_SHANKS[0], 'mass="0.15" diaginertia="3e-10 3e-10 3e-11"')],
        *("inertia", "fault", "body 'fl_shank'", "osmium: 22600"),
    ),
    "masses in g": (
        [
            (ALL_SHANKS[0], 'mass="150" diaginertia="3e-4 3e-4 3e-5"'),
            ('mass="0.25"', 'mass="250"'),
            ('kp="30"', 'kp="3e4"'),
            ('"-12 12"', '"-1e4 1e4"'),
            ('armature="0.01"', 'armature="5"'),
        ],
        *(["inertia", "units"], "fault", "body 'fl_thigh'", "kg/m^3"),
    ),
    "no mass": (
        [(ALL_SHANKS[0], 'mass="1e-10" diaginertia="1e-9 1e-9 1e-9"')],
        *("inertia", "fault", "body 'fl_shank'", "kg"),
    ),
    "no inertia at all": (
        [(ALL_SHANKS[0], 'mass="0.15" diaginertia="0 3e-4 3e-4"')],
        *("inertia", "fault", "body 'fl_shank'", "principal moments 0, 0.0003"),
    ),
    "impossible inertia": (
        [(ALL_SHANKS[0], 'mass="0.15" diaginertia="1e-4 1e-4 3e-4"')],
        *("inertia", "fault", "body 'fl_shank'", "0.0003 kg m^2"),
    ),
    "flat inertia": (
        [(ALL_SHANKS[0], 'mass="0.15" diaginertia="1.5e-4 1.500001e-4 3e-4"')],
        *("inertia", "note", "body 'fl_shank'", "%"),
    ),
    "gravity in mm": (
        [
            ('timestep="0.002"', 'gravity="0 0 -9810"'),
            ('kp="30"', 'kp="3e4"'),
            ('"-12 12"', '"-1e6 1e6"'),
            ('armature="0.01"', 'armature="5"'),
        ],
        "units",
        "fault",
        "gravity",
        "-9.81e+03",
    ),
    "gravity along y": ([('timestep="0.002"', 'gravity="0 -9.81 0"')], "units", "fault", "gravity", "-9.81, 0 m/s^2"),
    "left heavier than right": (
        [shank("fl", '<inertial pos="0 0 -0.07" mass="0.17" diaginertia="3e-4 3e-4 3e-5"/>')],
        *("sides", "note", "'fl_shank' and 'fr_shank'", "0.17 and 0.15 kg"),
    ),
    "left twice as heavy": (
        [shank("fl", '<inertial pos="0 0 -0.07" mass="0.3" diaginertia="6e-4 6e-4 6e-5"/>')],
        *("sides", "fault", "'fl_shank' and 'fr_shank'", "0.3 and 0.15 kg"),
    ),
    "centre of mass on the wrong side": (
        [
            shank("fl", '<inertial pos="0 0.02 -0.07" mass="0.15" diaginertia="3e-4 3e-4 3e-5"/>'),
            shank("fr", '<inertial pos="0 0.02 -0.07" mass="0.15" diaginertia="3e-4 3e-4 3e-5"/>'),
        ],
        *("sides", "note", "'fl_shank' and 'fr_shank'", "40 mm apart"),
    ),
    "product of inertia on the wrong side": (
        [
            shank(side, '<inertial pos="0 0 -0.07" mass="0.15" fullinertia="3e-4 3e-4 2.4e-4 5e-5 0 0"/>')
            for side in ("fl", "fr")
        ],
        *("sides", "note", "'fl_shank' and 'fr_shank'", "33.3%"),
    ),
    "ranges that differ": (
        [('name="fl_knee" class="servo" range="-2.4 0"', 'name="fl_knee" class="servo" range="-2 0"')],
        *("sides", "note", "'fl_knee' and 'fr_knee'", "[-2, 0] and [-2.4, 0]"),
    ),
    "gains that differ": (
        [(ORDER, ORDER.replace("/>", ' kp="40"/>'))],
        *("sides", "note", "'fl_hip' and 'fr_hip'", "40 and 30"),
    ),
    "parts in each other at home": (
        [
            (
                '<site name="imu"/>',
                '<site name="imu"/><geom name="belly" type="box" size="0.2 0.12 0.03" pos="0 0 -0.26" class="open"/>',
            )
        ],
        *("contacts", "fault", "'trunk' and 'fl_shank'", "mm deep"),
    ),
    "parts that always touch": (
        [
            ('<geom name="fl_foot"', '<geom name="calf" class="hard" type="sphere" size="0.09"/><geom name="fl_foot"'),
            (
                '<site name="imu"/>',
                '<site name="imu"/><geom name="side" type="sphere" size="0.13" pos="0.2 0.1 0" class="open"/>',
            ),
        ],
        *("contacts", "fault", "'trunk' and 'fl_shank'", "100 of 100 poses"),
    ),
    "feet that no floor holds": (
        [('<default class="hard"><geom contype="1"', '<default class="hard"><geom contype="2"')],
        *("contacts", "fault", "foot 'fl_shank'", "against 1 that stand still"),
    ),
    "a contact sensor between parts that cannot touch": (
        [("<sensor>", '<sensor><contact name="kick" geom1="fl_foot" geom2="fr_foot" data="force" reduce="netforce"/>')],
        *("contacts", "fault", "sensor 'kick'", "contype 1, 1"),
    ),
    "a pair on one body": (
        [
            ("<actuator>", '<contact><pair geom1="fl_foot" geom2="toe"/></contact><actuator>'),
            ('<geom name="fl_foot"', '<geom name="toe" class="seen" type="sphere" size="0.01"/><geom name="fl_foot"'),
        ],
        *("contacts", "note", "'fl_foot' and 'toe'", "both on 'fl_shank'"),
    ),
    "a leg in the air": (
        [(KEY, "0 0 0.26 1 0 0 0 0.6 -1.2 0.5 -1 0.5 -1 0.5 -1")],
        *("feet", "fault", "'fl_shank'", "mm above the lowest one"),
    ),
    "a centre of mass beyond the feet": (
        [('<inertial pos="0 0 0" mass="4"', '<inertial pos="0.4 0 0" mass="4"')],
        *("feet", "fault", "keyframe 'home'", "mm beyond the feet"),
    ),
    "a motor that cannot hold": ([('"-12 12"', '"-0.8 0.8"')], "torque", "fault", "_knee'", "of 0.8 N m, standing"),
    "a motor with little to spare": ([('"-12 12"', '"-1.6 1.6"')], "torque", "note", "_knee'", "of 1.6 N m"),
    "a gain that cannot hold": (
        [('kp="30"', 'kp="1.5"')],
        "torque",
        "fault",
        "joint 'fl_knee'",
        "rad behind its target",
    ),
    "a position servo without a range": (
        [('inheritrange="1"', "")],
        *("actuators", "note", "joint 'fl_hip'", "8 of 8 without a ctrlrange, 0 of them"),
    ),
    "a position servo and a joint without a range": (
        [('inheritrange="1"', ""), (' range="-1.5 1.5"', "")],
        *("actuators", "fault", "joint 'fl_hip'", "4 of them without a joint's range"),
    ),
    "a command in degrees": (
        [(ORDER, ORDER.replace("/>", ' inheritrange="0" ctrlrange="-86 86"/>'))],
        *("actuators", "fault", "joint 'fl_hip'", "[-86, 86] rad"),
    ),
    "a command in degrees behind a gear": (
        [(ORDER, ORDER.replace("/>", ' inheritrange="0" ctrlrange="-57 57" gear="0.5"/>'))],
        *("actuators", "fault", "joint 'fl_hip'", "[-114, 114] rad"),
    ),
    "another order of actuators": (
        [(ORDER + SECOND, SECOND + ORDER)],
        *("actuators", "note", "<actuator>", "actuator 0 drives 'fl_knee'"),
    ),
    "a range in degrees": (
        [(' range="-1.5 1.5"', ' range="-86 86"'), ('inheritrange="1"', 'ctrlrange="-1.5 1.5"')],
        *("limits", "fault", "joint 'fl_hip'", "[-86, 86] rad"),
    ),
    "a range without the home pose": (
        [(' range="-2.4 0"', ' range="-0.8 0"')],
        *("limits", "fault", "joint 'fl_knee', keyframe 'home'", "-1.000, its range is [-0.800, 0.000]"),
    ),
    "a gyro in another frame": (
        [
            ('<site name="imu"/>', '<site name="imu"/><site name="turned" euler="0 0 1.57"/>'),
            (IMU, IMU.replace('"imu"', '"turned"')),
        ],
        *(["sensors", "sensors"], "note", "'gyro' and 'accel' of 'trunk'", "90 degrees"),
    ),
    "an accelerometer that is clipped": (
        [('<accelerometer name="accel" site="imu"/>', '<accelerometer name="accel" site="imu" cutoff="5"/>')],
        *("sensors", "fault", "sensor 'accel'", "5, a walking robot reads 20"),
    ),
    "a step that explodes": ([('kv="0.5"', 'kv="8"')], "stiffness", "fault", "joint '", "grows"),
    "a step that rings": ([('kv="0.5"', 'kv="4"')], "stiffness", "note", "joint '", "of its swing"),
    "a solver for MJX": (
        [('timestep="0.002"', 'iterations="1" ls_iterations="5"')],
        *("solver", "note", "<option", "1 and 5"),
    ),
    "no contacts": (
        [('timestep="0.002"/>', '><flag contact="disable"/></option>')],
        "solver",
        "fault",
        "<flag>",
        "contact",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_no_other(tmp_path, fault):
    changes, check, severity, where, figure = FAULTS[fault]
    _, found = examine(write(tmp_path, *changes))
    checks = [check] if isinstance(check, str) else check
    assert [(one.check, one.severity) for one in found] == [(one, severity) for one in checks], [*map(str, found)]
    assert where in found[0].where
    assert figure in found[0].figure
    assert found[0].cure


LEAST = 2e-15  # kg m^2; less MuJoCo itself refuses


@pytest.mark.parametrize("factor", [1e-9, 1e-6, 1e-3, 1e3, 1e6])
@pytest.mark.parametrize("name", WELL)
def test_an_inertia_of_another_unit_is_found_on_every_robot(tmp_path, name, factor):
    """Of each body that ships, whatever its shape: g for kg, mm for m."""
    subject, _ = examine(name)
    spec = subject.spec
    for body in spec.bodies[1:]:
        own = subject.mj.body(body.name)
        body.explicitinertial, body.mass, body.ipos, body.iquat = True, own.mass[0], own.ipos, own.iquat
        body.fullinertia, body.inertia = np.full(6, np.nan), np.maximum(own.inertia * factor, LEAST)
        body.iquat = own.iquat
    spec.compiler.boundinertia = 1e-30
    path = tmp_path / "unit.xml"
    path.write_text(spec.to_xml())
    wrong = [one for one in examine(path)[1] if one.check == "inertia" and one.severity == "fault"]
    assert sum(_places(one.where) for one in wrong) == len(subject.bodies), [*map(str, wrong)]


def _places(where: str) -> int:
    """How many bodies a finding names, those that it only counts included."""
    more = where.rpartition(" and ")[2].removesuffix(" more")
    return where.count("body '") + (int(more) if more.isdigit() else 0)


CUBE = '<asset><mesh name="cube" vertex="{}"/></asset><worldbody>'
CORNERS = " ".join(f"{x} {y} {z}" for x in (-0.2, 0.2) for y in (-0.08, 0.08) for z in (-0.05, 0.05))


def test_a_mesh_that_collides_beside_its_primitive_is_found(tmp_path):
    box = '<geom class="seen" type="box" size="0.2 0.08 0.05"/>'
    hard = '<geom type="mesh" mesh="cube" contype="1" conaffinity="0"/>' + box.replace('class="seen"', 'class="hard"')
    path = write(tmp_path, ("<worldbody>", CUBE.format(CORNERS)), (box, hard))
    assert [one.check for one in examine(path)[1]] == ["visuals"]
    twice = 2 * '<geom type="mesh" mesh="cube" contype="1" conaffinity="0"/>'
    path = write(tmp_path, ("<worldbody>", CUBE.format(CORNERS)), (box, twice))
    assert [one.check for one in examine(path)[1]] == ["visuals"]
    seen = '<geom class="seen" type="mesh" mesh="cube"/>' + box.replace('class="seen"', 'class="hard"')
    assert examine(write(tmp_path, ("<worldbody>", CUBE.format(CORNERS)), (box, seen)))[1] == ()


def test_a_mesh_in_millimetres_is_found(tmp_path):
    corners = " ".join(f"{1e3 * float(number):g}" for number in CORNERS.split())
    box = '<geom class="seen" type="box" size="0.2 0.08 0.05"/>'
    mesh = '<geom class="seen" type="mesh" mesh="cube"/>'
    found = examine(write(tmp_path, ("<worldbody>", CUBE.format(corners)), (box, mesh)))[1]
    assert ("units", "fault") in [(one.check, one.severity) for one in found]
    assert any("400 m wide" in one.figure for one in found)


@pytest.fixture
def biped(tmp_path):
    """A private copy of the biped's folder."""
    return shutil.copytree(data_dir("robots") / "wildrobot", tmp_path / "wildrobot")


def edit(path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def test_soles_that_are_not_level_are_found(biped):
    for side in ("left", "right"):
        edit(biped / "robot.toml", (f"{side}_ankle_pitch = -0.35", f"{side}_ankle_pitch = -0.1"))
    found = [one for one in examine(biped)[1] if "tilted by" in one.figure]
    assert [(one.check, one.severity) for one in found] == [("feet", "fault")]
    assert "foot 'left'" in found[0].where
    assert "14.3 degrees" in found[0].figure


def test_a_squat_is_harder_than_standing(biped):
    """The knees hold at home, and in the squat they have less to spare."""
    edit(biped / "wildrobot.xml", ('forcerange="-4 4"', 'forcerange="-0.9 0.9"'))
    found = [one for one in examine(biped)[1] if one.check == "torque"]
    assert any("squat" in one.figure and "knee" in one.where for one in found), [*map(str, found)]


def test_static_torques_are_those_of_a_simulation_at_rest():
    """Least squares against MuJoCo, which holds the biped by its servos for a second and a half."""
    subject, _ = examine("wildrobot")
    mj = subject.mj
    limits = torque_limits(subject)
    np.testing.assert_allclose(limits, 4.0)
    for qpos in (subject.home, squat(subject, 0.05 * subject.leg_length)):
        data = mujoco.MjData(mj)
        data.qpos[:] = qpos
        data.ctrl[:] = qpos[mj.jnt_qposadr[list(subject.joints)]]
        mujoco.mj_step(mj, data, 750)
        np.testing.assert_allclose(holding_torques(subject, qpos, limits), data.actuator_force, atol=0.07)
        assert np.abs(data.actuator_force).max() > 0.5


def test_a_site_that_is_not_on_its_sole_is_found(biped):
    edit(biped / "wildrobot.xml", ('pos="0.01995 -0.001 -0.0338"', 'pos="0.01995 -0.001 -0.0538"'))
    edit(biped / "wildrobot.xml", ('pos="0.01995 0.001 -0.0338"', 'pos="0.01995 0.001 -0.0538"'))
    found = examine(biped)[1]
    assert ("feet", "foot 'left'") in [(one.check, one.where.split(",")[0]) for one in found], [*map(str, found)]


def test_mistakes_of_robot_toml_are_findings_beside_those_of_the_model(biped):
    edit(biped / "robot.toml", ('site = "left_foot"', 'site = "left_fot"'), ("control_dt", "controll_dt"))
    edit(biped / "wildrobot.xml", ('mass="0.413618"', 'mass="413.618"'))
    subject, found = examine(biped)
    assert subject.robot is None
    told = [one.what for one in found if one.check == "robot.toml"]
    assert len(told) == 3  # the key that is missing and the one that is not known are two
    assert any("left_fot" in what for what in told)
    assert "inertia" in {one.check for one in found}


URDF = """<robot name="hopper">
  <link name="trunk">
    <inertial><mass value="2"/><inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial>
    <collision><origin xyz="-0.1 0 0"/><geometry><box size="0.1 0.1 0.1"/></geometry></collision>
    <collision><geometry><mesh filename="package://hopper/meshes/trunk.obj"/></geometry></collision>
  </link>
  <link name="sensor"/>
  <joint name="fixed" type="fixed"><parent link="trunk"/><child link="sensor"/></joint>
  <link name="leg">
    <inertial><origin xyz="0 0 -0.1"/><mass value="0.3"/>
      <inertia ixx="1e-3" iyy="1e-3" izz="1e-4" ixy="0" ixz="0" iyz="0"/></inertial>
    <collision><origin xyz="0 0 -0.2"/><geometry><sphere radius="0.02"/></geometry></collision>
  </link>
  <joint name="hip" type="revolute"><parent link="trunk"/><child link="leg"/><origin xyz="0 0 -0.1"/>
    <axis xyz="0 1 0"/><limit lower="-1" upper="1" effort="10" velocity="10"/></joint>
</robot>"""
LIGHT = ('<mass value="0.3"/>', '<mass value="0"/>')
OBJ = "v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nv 0 0 0.1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"


def urdf(tmp_path, *changes: tuple[str, str]):
    folder = tmp_path / "hopper"
    (folder / "meshes").mkdir(parents=True, exist_ok=True)
    (folder / "urdf").mkdir(exist_ok=True)
    (folder / "meshes" / "trunk.obj").write_text(OBJ)
    path = folder / "urdf" / "hopper.urdf"
    path.write_text(URDF)
    edit(path, *changes)
    return path


def test_a_urdf_is_read_with_its_meshes_and_its_roots_mass(tmp_path):
    subject, found = examine(urdf(tmp_path))
    assert found == ()
    assert subject.floating
    assert subject.mass == pytest.approx(2.3)
    assert [subject.joint_name(j) for j in subject.joints] == ["hip"]


@pytest.mark.parametrize(
    ("changes", "check", "severity", "figure"),
    [
        ([("trunk.obj", "torso.obj")], "meshes", "fault", "torso.obj"),
        ([("trunk.obj", "trunk.dae")], "meshes", "fault", "trunk.dae"),
        ([('ixx="1e-3" iyy="1e-3" izz="1e-4"', 'ixx="1" iyy="1" izz="1"')], "inertia", "fault", "0.3 kg"),
        ([('iyy="1e-3" izz="1e-4"', 'iyy="1e-4" izz="1e-4"')], "inertia", "fault", "0.0001, 0.0001, 0.001"),
        ([('lower="-1" upper="1"', 'lower="1" upper="-1"')], "limits", "fault", "lower 1, upper -1"),
        ([('lower="-1" upper="1"', 'upper="nan"')], "limits", "fault", "upper nan"),
        ([('lower="-1" upper="1"', "")], "limits", "note", "lower 0, upper 0"),
        ([LIGHT, ('ixx="1e-3" iyy="1e-3" izz="1e-4"', 'ixx="0" iyy="0" izz="0"')], "inertia", "fault", "kg"),
    ],
)  # fmt: skip
def test_a_fault_of_a_urdf_is_found_where_mujoco_would_refuse_or_be_silent(tmp_path, changes, check, severity, figure):
    found = examine(urdf(tmp_path, *changes))[1]
    assert [(one.check, one.severity) for one in found] == [(check, severity)], [*map(str, found)]
    assert figure in found[0].figure


def test_a_position_servo_that_is_commanded_in_degrees_through_a_gear_has_nothing(tmp_path):
    """Its command of 86 asks for 1.5 rad; so does one whose gain turns degrees into torque."""
    geared = 'kp="0.009" kv="1.5e-4" gear="57.2958" inheritrange="0" ctrlrange="-86 86"/>'
    found = examine(write(tmp_path, (ORDER, ORDER.replace("/>", f" {geared}"))))[1]
    assert [one for one in found if one.check == "actuators"] == []


def test_a_mesh_of_a_kind_that_mujoco_does_not_read_is_a_note(tmp_path):
    path = urdf(tmp_path, ("trunk.obj", "trunk.dae"))
    (path.parent.parent / "meshes" / "trunk.dae").write_text("<COLLADA/>")
    assert [(one.check, one.severity) for one in examine(path)[1]] == [("meshes", "note")]


def test_a_mesh_that_mujoco_cannot_take_hides_nothing_else(tmp_path):
    path = urdf(tmp_path, ('ixx="1e-3" iyy="1e-3" izz="1e-4"', 'ixx="1" iyy="1" izz="1"'))
    (path.parent.parent / "meshes" / "trunk.obj").write_text(OBJ.replace("v 0 0 0.1", "v 0.1 0.1 0"))
    assert {one.check for one in examine(path)[1]} == {"meshes", "inertia"}


def test_a_range_without_end_is_not_one_in_degrees(tmp_path):
    assert examine(urdf(tmp_path, ('lower="-1" upper="1"', 'lower="-1e16" upper="1e16"')))[1] == ()


def test_a_mass_without_inertia_is_told_once(tmp_path):
    """Of a link, and of the root, which has no joint in a URDF."""
    nothing = 'ixx="0" iyy="0" izz="0"'
    changes = (('ixx="1e-3" iyy="1e-3" izz="1e-4"', nothing), ('ixx="0.01" iyy="0.01" izz="0.01"', nothing))
    found = examine(urdf(tmp_path, *changes))[1]
    assert [(one.check, one.severity) for one in found] == [("inertia", "fault")]
    assert "trunk" in found[0].where
    assert "leg" in found[0].where


def test_what_mujoco_refuses_hides_nothing_else(tmp_path):
    """A pair with a floor that another file has, a material that none has, and a shape without a size."""
    path = write(
        tmp_path,
        ("</worldbody>", '</worldbody><contact><pair geom1="ground" geom2="fl_foot"/></contact>'),
        (
            '<site name="imu"/>',
            '<site name="imu"/><geom class="seen" size="0"/><geom class="seen" material="oak" size="1e-2"/>',
        ),
    )
    found = examine(path)[1]
    assert [(one.check, one.severity) for one in found] == [("references", "note")] * 2
    assert found[0].where == "body 'trunk'"
    assert set(found[1].where.split(", ")) == {"geom 'ground' (1 times)", "material 'oak' (1 times)"}


def test_a_keyframe_without_a_name_is_no_home(tmp_path):
    subject, _ = examine(write(tmp_path, ('<key name="home"', "<key")))
    assert subject.home is None


def test_a_point_mass_on_a_link_is_no_fault(tmp_path):
    mass = '<inertial><mass value="0.1"/><inertia ixx="0" iyy="0" izz="0" ixy="0" ixz="0" iyz="0"/></inertial>'
    subject, found = examine(urdf(tmp_path, ('<link name="sensor"/>', f'<link name="sensor">{mass}</link>')))
    assert found == ()
    assert subject.mass == pytest.approx(2.4)


@pytest.mark.parametrize("text", ["", "no robot", "<mujoco>", "<mujoco><worldbody/></mujoco>", "<robot/>"])
@pytest.mark.parametrize("name", ["made.xml", "made.urdf"])
def test_a_file_that_is_no_robot_is_refused(tmp_path, text, name):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(WildRobotError) as caught:
        examine(path)
    assert str(path) in caught.value.where


def test_the_command_tells_by_its_exit_status(tmp_path, capsys):
    assert main(["robots", "doctor", "wildrobot"]) == 0
    assert "wildrobot: 0 faults, 0 notes." in capsys.readouterr().out
    path = write(tmp_path, (' range="-2.4 0"', ' range="-0.8 0"'))
    assert main(["robots", "doctor", str(path)]) == 1
    assert "its range is [-0.800, 0.000]" in capsys.readouterr().out
    assert main(["robots", "doctor", str(path), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["passed"] is False
    assert [(one["check"], one["severity"]) for one in document["findings"]] == [("limits", "fault")]
    assert set(document["findings"][0]) == {"check", "severity", "what", "where", "figure", "cure"}
    notes = write(tmp_path, ('timestep="0.002"', 'iterations="1" ls_iterations="5"'))
    assert main(["robots", "doctor", str(notes)]) == 0
    assert main(["robots", "doctor", str(tmp_path / "none.xml")]) == 2


@pytest.mark.parametrize("number", ["1e39", "-1e300"])
def test_a_number_that_no_simulation_can_hold_is_refused(tmp_path, number):
    folder = tmp_path / "hopper"
    shutil.copytree(data_dir("robots") / "hopper", folder)
    path = folder / "hopper.xml"
    text = path.read_text()
    assert text.count('"0.01 0 -0.05"') == 1
    path.write_text(text.replace('"0.01 0 -0.05"', f'"0.01 0 {number}"'))
    for read in (load_robot, examine):
        with pytest.raises(WildRobotError, match="far too large: site_pos") as caught:
            read(folder)
        assert caught.value.where == str(path)
    with pytest.raises(WildRobotError, match="far too large: site_pos"):
        examine(path)
