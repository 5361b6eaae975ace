"""What an import makes of a maker's file: joints, feet, home, gains, IMU and mirror, against the file's figures."""

import math

import makers
import mujoco
import numpy as np
import pytest

from wildrobot_eqx.errors import WildRobotError
from wildrobot_eqx.robots import load_robot
from wildrobot_eqx.robots.importing import ImportOptions, decorated, import_robot, write_robot


@pytest.fixture(scope="module")
def biped(tmp_path_factory):
    """The URDF imported, and the robot loaded from the folder."""
    folder = tmp_path_factory.mktemp("biped")
    imported = import_robot(makers.write(folder / "src", "two.urdf", makers.biped()))
    write_robot(imported, folder / "robot")
    return imported, load_robot(folder / "robot")


@pytest.fixture(scope="module")
def quadruped(tmp_path_factory):
    """The MJCF imported, and the robot loaded from the folder."""
    folder = tmp_path_factory.mktemp("quadruped")
    imported = import_robot(makers.write(folder / "src", "four.xml", makers.quadruped()))
    write_robot(imported, folder / "robot")
    return imported, load_robot(folder / "robot")


def _finding(imported, what):
    return [finding for finding in imported.findings if finding.what == what][-1]


def test_a_urdf_gets_a_free_root_and_keeps_its_mass(biped):
    _, robot = biped
    assert robot.base is not None
    assert robot.base.floating
    assert robot.weight == pytest.approx(2.0 * 9.81, rel=1e-4)  # 0.8 + 2 * (0.3 + 0.2 + 0.1) kg
    assert robot.actuator_kind == ("position",) * 10
    assert set(robot.joint_names) >= {"left_hip_roll", "right_ankle_roll"}


def test_a_biped_stands_on_level_soles(biped):
    imported, robot = biped
    assert [foot.name for foot in robot.feet] == ["left", "right"]
    mj, data = robot.model.mj, mujoco.MjData(robot.model.mj)
    data.qpos[:] = robot.home_qpos
    mujoco.mj_forward(mj, data)
    for foot in robot.feet:
        geom = data.geom(f"{foot.name}_foot")
        assert mj.geom(geom.id).type[0] == mujoco.mjtGeom.mjGEOM_BOX
        np.testing.assert_allclose(mj.geom(geom.id).size, [0.06, 0.03, 0.01], atol=1e-6)
        assert abs(geom.xmat.reshape(3, 3)[2, 2]) > math.cos(2e-3)  # level
        assert data.site_xpos[foot.site, 2] == pytest.approx(0.0, abs=1e-3)
    middle = np.mean([data.site_xpos[foot.site] for foot in robot.feet], axis=0)
    np.testing.assert_allclose(data.subtree_com[1][:2], middle[:2], atol=5e-3)
    knees = [float(robot.home_qpos[robot.joint_qpos[robot.joint_names.index(f"{s}_knee")]]) for s in ("left", "right")]
    assert min(knees) > 0.2
    assert imported.trial.stands, imported.trial.wrong
    assert imported.trial.carried == pytest.approx(1.0, abs=0.05)


def test_the_mirror_heeds_axes_that_differ(biped):
    """Of a biped whose right hip pitches about -y, the home pose is mirrored with its sign."""
    _, robot = biped
    mirror = robot.mirror
    assert mirror is not None
    names = robot.joint_names
    left, right = names.index("left_hip_pitch"), names.index("right_hip_pitch")
    assert (mirror.source[left], mirror.sign[left]) == (right, -1.0)
    home = np.asarray(robot.home_joints)
    assert abs(home[left]) > 0.05
    np.testing.assert_allclose(np.asarray(mirror(robot.home_joints)), home, atol=1e-6)


def test_the_imu_lies_where_its_link_lies(biped):
    imported, robot = biped
    site = robot.model.mj.site("imu")
    np.testing.assert_allclose(site.pos, [0.02, 0.0, 0.1], atol=1e-6)
    assert _finding(imported, "imu").confidence == "likely"


def test_derived_gains_hold_the_robot_and_heed_effort_and_speed(biped):
    imported, robot = biped
    np.testing.assert_allclose(robot.torque_limit, 6.0)
    np.testing.assert_allclose(robot.servo.no_load_speed, 9.0)
    mj = robot.model.mj
    kp, kv = mj.actuator_gainprm[:, 0], -mj.actuator_biasprm[:, 2]
    assert (kp > 0.0).all()
    assert (kv > 0.0).all()
    ankles = [robot.joint_names.index(f"{side}_ankle") for side in ("left", "right")]
    assert kp[ankles].sum() > robot.weight * robot.leg_length  # as a pendulum upside down it does not tip
    assert imported.trial.torque < 0.8


def test_motors_become_position_servos_with_their_gear(quadruped):
    imported, robot = quadruped
    assert robot.actuator_kind == ("position",) * 12
    assert robot.joint_names[:4] == ("FR_abduction", "FR_thigh", "FR_calf", "FL_abduction")
    np.testing.assert_allclose(robot.torque_limit, [12.0, 12.0, 18.0] * 4)
    assert "motor" in _finding(imported, "motors").why
    assert robot.model.mj.opt.iterations > 10  # the file's single iteration is meant for MJX


def test_a_quadruped_gets_four_feet_in_order_and_a_home(quadruped):
    imported, robot = quadruped
    assert [foot.name for foot in robot.feet] == ["front_left", "hind_left", "hind_right", "front_right"]
    mj = robot.model.mj
    for foot in robot.feet:
        assert mj.geom(f"{foot.name}_foot").size[0] == pytest.approx(0.018)
    assert imported.trial.stands, imported.trial.wrong
    assert 0.5 < robot.leg_length / 0.3 < 1.0
    data = mujoco.MjData(mj)
    data.qpos[:] = robot.home_qpos
    mujoco.mj_forward(mj, data)
    knee, hip, foot = (data.body(f"FL_{name}").xpos[0] for name in ("calf", "thigh", "calf"))
    assert knee < hip  # knees of four legs bend to the rear
    assert robot.mirror is not None
    touching = [g for g in range(mj.ngeom) if mj.geom_contype[g] and mj.geom_bodyid[g]]
    assert len(touching) == 4
    np.testing.assert_allclose(mj.site("imu").pos, [0.01, 0.0, 0.02], atol=1e-6)


def test_a_second_import_has_the_same_bytes(tmp_path, quadruped):
    again = import_robot(makers.write(tmp_path, "four.xml", makers.quadruped()))
    assert again.files == quadruped[0].files


def test_a_keyframe_that_stands_is_home(tmp_path):
    legs = " ".join(["0 0.6 -1.2"] * 4)
    keys = f'<keyframe><key name="down" qpos="0 0 .1 1 0 0 0 {" ".join(["0 1.3 -2.6"] * 4)}"/>'
    keys += f'<key name="stand" qpos="0 0 .3 1 0 0 0 {legs}"/></keyframe>'
    file = makers.write(tmp_path, "four.xml", makers.quadruped(keys))
    imported = import_robot(file)
    assert _finding(imported, "home").value == "'stand'"
    write_robot(imported, tmp_path / "robot")
    np.testing.assert_allclose(load_robot(tmp_path / "robot").home_joints, [0.0, 0.6, -1.2] * 4)


def test_a_state_of_an_srdf_is_home(tmp_path):
    angles = {"hip_roll": 0.0, "hip_pitch": -0.3, "knee": 0.6, "ankle": -0.3, "ankle_roll": 0.0}
    joints = [f'<joint name="left_{j}" value="{a}"/>' for j, a in angles.items()]
    joints += [f'<joint name="right_{j}" value="{-a if j == "hip_pitch" else a}"/>' for j, a in angles.items()]
    state = f'<robot name="two legs"><group_state name="standing" group="all">{"".join(joints)}</group_state></robot>'
    makers.write(tmp_path / "srdf", "two.srdf", state)
    imported = import_robot(makers.write(tmp_path / "urdf", "two.urdf", makers.biped()))
    assert "standing" in _finding(imported, "home").value


def test_a_sole_is_fitted_to_its_mesh(tmp_path):
    """The mesh lies in a package beside the URDF, in mm; the box has the area of its outline."""
    makers.write_sole(tmp_path / "two_legs" / "meshes")
    file = makers.write(tmp_path / "two_legs" / "urdf", "two.urdf", makers.biped(makers.MESH))
    imported = import_robot(file)
    mj = imported.model
    x, y, z = mj.geom("left_foot").size
    assert 4.0 * x * y == pytest.approx(0.12 * 0.06 - 4 * 0.5 * 0.01 * 0.01, rel=1e-3)
    assert x / y == pytest.approx(2.0, rel=0.05)
    bottom = mj.geom("left_foot").pos[2] - z
    assert bottom == pytest.approx(-0.03, abs=1e-4)
    np.testing.assert_allclose(mj.geom("right_foot").size, [x, y, z])


def test_a_robot_that_faces_another_way_is_turned(tmp_path, quadruped):
    """One that faces y in its file is the same robot once it is imported."""
    turned = makers.quadruped().replace('pos="0 0 0.4"', 'pos="0 0 0.4" euler="0 0 90"')
    imported = import_robot(makers.write(tmp_path, "four.xml", turned))
    assert _finding(imported, "forward").check
    np.testing.assert_allclose(imported.feet, quadruped[0].feet, atol=1e-4)


def test_a_robot_whose_file_has_another_axis_up_is_raised(tmp_path, quadruped):
    """One that lies on its side in its file, with y up, stands once it is imported."""
    lying = makers.quadruped().replace('pos="0 0 0.4"', 'pos="0 0 0.4" euler="-90 0 0"')
    imported = import_robot(makers.write(tmp_path, "four.xml", lying))
    assert "up is its y" in _finding(imported, "forward").value
    np.testing.assert_allclose(imported.feet, quadruped[0].feet, atol=1e-4)
    assert imported.trial.stands


def test_joints_that_follow_others_have_no_motor(tmp_path):
    more = """<joint name="left_toe" type="revolute"><parent link="trunk"/><child link="fin"/><origin xyz="0 0 0.2"/>
      <axis xyz="0 0 1"/><limit lower="-1" upper="1" effort="1" velocity="1"/></joint>
      <link name="fin"><inertial><mass value="0.01"/>
        <inertia ixx="1e-6" iyy="1e-6" izz="1e-6" ixy="0" ixz="0" iyz="0"/></inertial></link>
      <joint name="tail" type="revolute"><parent link="trunk"/><child link="end"/><origin xyz="-0.1 0 0.1"/>
      <axis xyz="0 0 1"/><limit lower="-1" upper="1" effort="1" velocity="1"/>
      <mimic joint="left_toe" multiplier="-0.5" offset="0.1"/></joint>
      <link name="end"><inertial><mass value="0.01"/>
        <inertia ixx="1e-6" iyy="1e-6" izz="1e-6" ixy="0" ixz="0" iyz="0"/></inertial></link>"""
    imported = import_robot(makers.write(tmp_path, "two.urdf", makers.biped(more=more)))
    mj = imported.model
    assert mj.neq == 1
    np.testing.assert_allclose(mj.eq_data[0, :2], [0.1, -0.5])
    assert "tail" not in [mj.actuator(i).name for i in range(mj.nu)]
    assert mj.key_qpos[0][mj.jnt_qposadr[mj.joint("tail").id]] == pytest.approx(0.1)


def test_options_overrule(tmp_path):
    file = makers.write(tmp_path, "four.xml", makers.quadruped())
    options = ImportOptions(
        name="my dog",
        ignore=("*_abduction",),
        servo=("sts3215-12v", "*_calf=brushless(0.3,300,1e-5,9)"),
        imu="FL_thigh",
        home=",".join(f"{n}_thigh=0.5,{n}_calf=-1.1" for n in ("FR", "FL", "RR", "RL")),
    )
    imported = import_robot(file, options)
    assert imported.name == "my_dog"
    mj = imported.model
    assert [mj.actuator(i).name for i in range(mj.nu)] == [
        f"{n}_{j}" for n in ("FR", "FL", "RR", "RL") for j in ("thigh", "calf")
    ]
    np.testing.assert_allclose(mj.actuator_forcerange[:2, 1], [2.94, 2.7])
    calf = mj.jnt_dofadr[mj.joint("FR_calf").id]
    assert mj.dof_armature[calf] == pytest.approx(1e-5 * 81)
    assert mj.body(mj.site("imu").bodyid[0]).name == "FL_thigh"
    np.testing.assert_allclose(mj.key_qpos[0][7:], [0.5, -1.1] * 4)


def test_a_position_servo_keeps_its_gains(tmp_path):
    """Two actuators of a joint, a position and a velocity servo, are one PD; a gear counts twice."""
    servos = "".join(
        f'<position joint="{n}_{j}" kp="10" gear="2" forcerange="-5 5"/><velocity joint="{n}_{j}" kv="0.7"/>'
        for n in ("FR", "FL", "RR", "RL")
        for j in ("abduction", "thigh", "calf")
    )
    mj = import_robot(makers.write(tmp_path, "four.xml", makers.quadruped(actuators=servos))).model
    np.testing.assert_allclose(mj.actuator_gainprm[:, 0], 40.0)
    np.testing.assert_allclose(mj.actuator_biasprm[:, 2], -0.7)


def test_gains_that_are_stiff_at_the_step_of_training_are_eased(tmp_path):
    """Damping of 50 N m s/rad on joints that move 3e-3 kg m^2 is for steps of some microseconds."""
    servos = "".join(
        f'<position joint="{n}_{j}" kp="100" kv="50" forcerange="-20 20"/>'
        for n in ("FR", "FL", "RR", "RL")
        for j in ("abduction", "thigh", "calf")
    )
    imported = import_robot(makers.write(tmp_path, "four.xml", makers.quadruped(actuators=servos)))
    mj = imported.model
    np.testing.assert_allclose(mj.actuator_gainprm[:, 0], 100.0)
    assert (-mj.actuator_biasprm[:, 2] < 20.0).all()
    assert b"damping lowered from 50" in imported.files["README.md"]
    assert imported.trial.stands


PACK = f"""<joint name="pack_fixed" type="fixed"><parent link="trunk"/><child link="pack"/></joint>
  <link name="pack"><visual><geometry>{makers.MESH}</geometry></visual>
    <collision><origin xyz="-0.07 0 0.05"/><geometry><box size="0.04 0.1 0.08"/></geometry></collision></link>"""


def test_a_link_whose_mesh_is_not_read_is_drawn_as_what_touches(tmp_path):
    """Beside a part of it that has only a primitive to be drawn, and none twice."""
    makers.write_sole(tmp_path / "two_legs" / "meshes")
    imported = import_robot(makers.write(tmp_path / "two_legs" / "urdf", "two.urdf", makers.biped(more=PACK)))
    mj = imported.model
    drawn = [g for g in range(mj.ngeom) if mj.geom_bodyid[g] == 1 and mj.geom_contype[g] == 0]
    np.testing.assert_allclose(sorted(mj.geom_size[drawn].tolist()), [[0.02, 0.05, 0.04], [0.05, 0.07, 0.06]])


def test_the_picture_has_marks_that_stand_in_the_world(quadruped):
    imported, robot = quadruped
    model, pose = decorated(imported)
    assert model.mj.ngeom == robot.model.mj.ngeom + 3 + 4 + 1
    np.testing.assert_allclose(pose, robot.home_qpos, atol=1e-5)
    assert model.mj.body_geomnum[0] == robot.model.mj.body_geomnum[0] + 8


ARM = """<robot name="arm"><link name="base"/>
  <joint name="a" type="revolute"><parent link="base"/><child link="l1"/><origin xyz="0 0 0.1"/><axis xyz="0 1 0"/>
    <limit lower="-1" upper="1" effort="1" velocity="1"/></joint>
  <link name="l1"><inertial><mass value="1"/>
    <inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="b" type="revolute"><parent link="l1"/><child link="l2"/><origin xyz="0 0 0.4"/><axis xyz="0 1 0"/>
    <limit lower="-1" upper="1" effort="1" velocity="1"/></joint>
  <link name="l2"><inertial><mass value="1"/>
    <inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial></link>
</robot>"""
WELD = '<equality><connect body1="FL_calf" body2="FR_calf" anchor="0 0 0"/></equality><keyframe/>'
_WHEEL = """<body pos="{x} {y} -0.1"><inertial pos="0 0 0" mass="0.2" diaginertia="1e-3 1e-3 1e-3"/>
  <joint name="{n}" axis="0 1 0"/><geom type="cylinder" size="0.05 0.01" euler="90 0 0" mass="0"/></body>"""
_PLACES = ((n, x, y) for n, x, y in (("a", 0.1, 0.1), ("b", 0.1, -0.1), ("c", -0.1, 0.1), ("d", -0.1, -0.1)))
CART = f"""<mujoco><worldbody><body name="cart"><freejoint/><inertial pos="0 0 0" mass="2" diaginertia="1 1 1"/>
  {"".join(_WHEEL.format(n=n, x=x, y=y) for n, x, y in _PLACES)}</body></worldbody></mujoco>"""
BAD = {
    "no file": (None, "no file"),
    "no xml": ("name = 3", "cannot be read"),
    "entities": ('<!DOCTYPE a [<!ENTITY b "c">]><robot name="x"><link name="y"/></robot>', "entities"),
    "another language": ("<sdf/>", "no robot"),
    "xacro": ('<robot xmlns:xacro="http://ros.org/xacro" name="x"/>', "no robot"),
    "no joints": ("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>", "no joints"),
    "broken": (makers.quadruped(actuators="<motor/>"), "compile"),
    "an arm": (ARM, "No feet"),
    "wheels": (CART, "wheels"),
    "a plane": (makers.quadruped().replace("<freejoint/>", '<joint type="slide" axis="1 0 0"/>'), "float"),
    "a missing mesh": (makers.biped(makers.MESH), "missing"),
    "a closed chain": (makers.quadruped(keys=WELD), "closes a chain"),
    "a muscle": (makers.quadruped(actuators='<muscle joint="FL_calf"/>'), "muscle"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(tmp_path, case):
    text, told = BAD[case]
    file = str(tmp_path / "no.xml") if text is None else makers.write(tmp_path, "robot.xml", text)
    with pytest.raises(WildRobotError) as caught:
        import_robot(file)
    assert told in caught.value.what
    assert len(caught.value.what) < 500


@pytest.mark.parametrize(
    ("options", "where"),
    [
        (ImportOptions(feet=("paw",)), "--foot"),
        (ImportOptions(ignore=("finger*",)), "--ignore"),
        (ImportOptions(actuated=("knee",)), "--actuated"),
        (ImportOptions(home="crouch"), "--home"),
        (ImportOptions(imu="imu"), "--imu"),
        (ImportOptions(servo=("sg90",)), "--servo"),
        (ImportOptions(servo=("*_paw=xl330",)), "--servo"),
    ],
)
def test_options_that_fit_nothing_are_refused(tmp_path, options, where):
    file = makers.write(tmp_path, "four.xml", makers.quadruped())
    with pytest.raises(WildRobotError) as caught:
        import_robot(file, options)
    assert caught.value.where == where
    assert caught.value.hint
