"""Files that are valid, but unusual: what they say is kept, or its loss is told."""

import math
import re

import makers
import mujoco
import numpy as np
import pytest

from wildrobot_eqx.errors import WildRobotError
from wildrobot_eqx.physics.tree.pairs import contact_pairs, pair_of
from wildrobot_eqx.robots import load_robot
from wildrobot_eqx.robots.importing import DATASHEETS, ImportOptions, import_robot, write_robot

LEGS = " ".join(["0 0.6 -1.2"] * 4)
AXES = ("1 0 0", "0 1 0", "0 0 1")
SIX = "".join(f'<joint type="{kind}" axis="{axis}"/>' for kind in ("slide", "hinge") for axis in AXES)


def finding(imported, what):
    """The last finding about something."""
    return [found for found in imported.findings if found.what == what][-1]


def imported(tmp_path, text, options=None, name="four.xml"):
    """The robot of a text."""
    return import_robot(makers.write(tmp_path, name, text), options)


@pytest.mark.parametrize(("root", "place"), [("", ""), (SIX, "0 0 .3 0 0 0")])
def test_a_keyframe_of_a_robot_that_gets_a_free_joint_keeps_its_angles(tmp_path, root, place):
    """A ball that lies before the robot has numbers of its own in it."""
    keys = f'<keyframe><key name="stand" qpos="1 0 0 1 0 0 0 {place} {LEGS}"/></keyframe>'
    ball = '<body name="ball" pos="1 0 0"><freejoint/><geom size="0.05"/></body><body name="trunk"'
    text = (
        makers.quadruped(keys).replace('<body name="trunk"', ball).replace("<freejoint/><inertial", f"{root}<inertial")
    )
    robot = imported(tmp_path, text)
    assert finding(robot, "home").value == "'stand'"
    np.testing.assert_allclose(robot.model.key_qpos[0][7:], [0.0, 0.6, -1.2] * 4)


def test_an_inertia_that_breaks_the_triangle_inequality_is_raised_by_what_it_lacks(tmp_path):
    """Not made the mean of its moments, as MuJoCo would: 0.32 is 0.01 more than 0.3 and 0.01 together."""
    text = makers.quadruped().replace("3e-4 3e-4 2e-5", "3e-4 3.2e-4 1e-5")
    robot = imported(tmp_path, text)
    mj = robot.model
    np.testing.assert_allclose(mj.body_inertia[mj.body("FL_calf").id], [3.2e-4, 3.05e-4, 1.5e-5], rtol=2e-3)
    assert finding(robot, "inertia of FR_calf, FL_calf, RR_calf, RL_calf").check


def test_an_inertia_is_not_told_of_for_its_last_digit(tmp_path):
    robot = imported(tmp_path, makers.quadruped().replace("3e-4 3e-4 2e-5", "3e-4 3.2005e-4 2e-5"))
    mj = robot.model
    np.testing.assert_allclose(mj.body_inertia[mj.body("FL_calf").id], [3.2e-4, 3e-4, 2e-5], rtol=5e-3)
    assert not [found for found in robot.findings if found.what.startswith("inertia")]


def test_bodies_and_joints_without_names_get_some(tmp_path):
    """They are told apart, and an inertia that one body's file gives is not taken for another's."""
    text = re.sub(r'<body name="[FR][RL]_\w+"', "<body", makers.quadruped(actuators=""))
    text = re.sub(r'<joint name="\w+"', "<joint", text).replace('<body name="trunk"', "<body")
    mj = imported(tmp_path, text).model
    assert mj.nu == 12
    assert mj.body(1).name == "base"
    assert len({mj.joint(j).name for j in range(mj.njnt)}) == 13
    np.testing.assert_allclose(mj.body_mass[1:], [4.0, *[0.3, 0.4, 0.1] * 4])


def test_a_leg_whose_knee_is_counted_from_another_turn_stands(tmp_path):
    """Its range is 200 to 310 degrees, which is what -160 to -50 is."""
    robot = imported(tmp_path, makers.quadruped().replace('range="-150 -40"', 'range="200 310"'))
    assert robot.trial.stands
    knees = robot.model.key_qpos[0][[9, 12, 15, 18]]
    assert (np.radians(200.0) < knees).all()
    assert (knees < np.radians(310.0)).all()


def test_a_range_in_degrees_is_refused(tmp_path):
    with pytest.raises(WildRobotError, match="degrees"):
        imported(tmp_path, makers.biped().replace('lower="0" upper="2"', 'lower="20" upper="114"'), name="two.urdf")


def test_a_range_that_may_be_in_degrees_is_told_of(tmp_path):
    text = makers.biped().replace('lower="-1.4" upper="1.4"', 'lower="-80" upper="80"')
    robot = imported(tmp_path, text, name="two.urdf")
    assert finding(robot, "wide ranges").value == "left_hip_pitch, right_hip_pitch"
    assert finding(robot, "wide ranges").check


@pytest.mark.parametrize("limit", ['lower="2" upper="0"', 'lower="0" upper="nan"', ""])
def test_limits_of_a_urdf_that_mujoco_drops_are_told_of(tmp_path, limit):
    robot = imported(tmp_path, makers.biped().replace('lower="0" upper="2"', limit), name="two.urdf")
    assert finding(robot, "ranges left out").value == "left_knee, right_knee"
    assert finding(robot, "ranges left out").check


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (ImportOptions(home="FL_calf=nan"), "beyond its range"),
        (ImportOptions(home="FL_calf=-inf"), "beyond its range"),
        (ImportOptions(home="FL_calf=-5"), "beyond its range of -2.618 to -0.6981"),
        (ImportOptions(feet=("FL_calf", "FL_thigh")), "'FL_thigh' has no joint of its own"),
        (ImportOptions(feet=("trunk", "FL_calf")), "'trunk' has no joint of its own"),
        (ImportOptions(ignore=("*",)), "No joint is left"),
        (ImportOptions(name="n" * 300), "longer than"),
    ],
)
def test_options_that_leave_no_robot_are_refused(tmp_path, options, told):
    with pytest.raises(WildRobotError, match=told):
        imported(tmp_path, makers.quadruped(), options)


def test_a_file_whose_name_is_too_long_is_not_there():
    with pytest.raises(WildRobotError, match="no file"):
        import_robot("n" * 300)


HEAD = """<site name="imu_site" pos="0.01 0 0.02"/>
  <body name="head" pos="0.2 0 0.05"><inertial pos="0 0 0" mass="0.2" diaginertia="1e-4 1e-4 1e-4"/>
    <joint name="neck" axis="0 1 0" range="-60 60" ref="10"/>
    <body name="jaw" pos="0.05 0 0"><inertial pos="0 0 0" mass="0.1" diaginertia="1e-5 1e-5 1e-5"/>
      <joint name="jaw" axis="0 1 0" range="-60 60"/></body></body>"""


def with_head(equality):
    """The quadruped with a head and a jaw."""
    text = makers.quadruped(keys=f"<equality>{equality}</equality>")
    return text.replace('<site name="imu_site" pos="0.01 0 0.02"/>', HEAD)


FOLLOWS = '<joint joint1="jaw" joint2="neck" polycoef="0.1 0.5 0 0 0"/>'
HOLDS = '<joint joint1="neck" polycoef="0.2 0 0 0 0"/>'
CHAIN = '<weld body1="FL_calf" body2="FR_calf"/>'


def test_a_joint_that_follows_does_so_from_where_its_leader_counts(tmp_path):
    """MuJoCo counts both from their ref, which is 10 degrees of the neck."""
    mj = imported(tmp_path, with_head(FOLLOWS)).model
    neck, jaw = (mj.key_qpos[0][mj.jnt_qposadr[mj.joint(name).id]] for name in ("neck", "jaw"))
    assert jaw == pytest.approx(0.1 + 0.5 * (neck - math.radians(10.0)))
    data = mujoco.MjData(mj)
    mujoco.mj_resetDataKeyframe(mj, data, 0)
    mujoco.mj_forward(mj, data)
    assert abs(data.efc_pos[data.efc_type == mujoco.mjtConstraint.mjCNSTR_EQUALITY]).max() < 1e-6


@pytest.mark.parametrize("options", [None, ImportOptions(ignore=("neck",))])
def test_a_joint_that_is_held_is_rigid_and_what_follows_it_too(tmp_path, options):
    """The file holds the neck 0.2 rad from its ref; or the user locks it."""
    robot = imported(tmp_path, with_head((HOLDS if options is None else "") + FOLLOWS), options)
    mj = robot.model
    assert not mj.neq
    assert mj.nu == mj.njnt - 1 == 12
    assert mj.body_mass[1] == pytest.approx(4.3)
    locked = [found.value for found in robot.findings if found.what == "locked"]
    assert locked == ["neck", "jaw"]
    assert "without a motor" not in [found.what for found in robot.findings]


def test_a_joint_that_follows_two_others_is_refused(tmp_path):
    with pytest.raises(WildRobotError, match="follows two others"):
        imported(tmp_path, with_head(FOLLOWS + FOLLOWS.replace("neck", "FL_thigh")))


def test_constraints_that_are_not_active_do_nothing(tmp_path):
    text = with_head((FOLLOWS + HOLDS + CHAIN).replace("/>", ' active="false"/>'))
    robot = imported(tmp_path, text)
    assert not robot.model.neq
    assert finding(robot, "without a motor").value == "neck, jaw"


def test_a_root_that_hangs_on_the_world_is_let_go(tmp_path):
    robot = imported(tmp_path, with_head('<weld body1="trunk"/>'))
    assert not robot.model.neq
    assert finding(robot, "held root").check


def test_tendons_that_do_something_are_told_of(tmp_path):
    tendon = '<tendon><fixed name="{n}" {more}><joint joint="FL_thigh" coef="1"/></fixed></tendon>'
    text = makers.quadruped(keys=tendon.format(n="spring", more='stiffness="50"') + tendon.format(n="idle", more=""))
    found = finding(imported(tmp_path, text), "tendons left out")
    assert (found.value, found.check) == ("spring", True)


BALL = '<geom type="sphere" size="0.018"'


@pytest.mark.parametrize(("more", "friction"), [('friction="0.5"', 0.5), ('friction="1.4" priority="2"', 1.4)])
def test_the_friction_of_feet_holds_on_the_floor(tmp_path, more, friction):
    """In MuJoCo and in the tree engine; at equal priority both take the greater of foot and floor."""
    robot = imported(tmp_path, makers.quadruped().replace(BALL, f"{BALL} {more}"))
    mj = robot.model
    data = mujoco.MjData(mj)
    mujoco.mj_resetDataKeyframe(mj, data, 0)
    data.qpos[2] -= 1e-3
    mujoco.mj_forward(mj, data)
    np.testing.assert_allclose(data.contact.friction[:, 0], [friction] * 4)
    feet = contact_pairs(mj).planes
    assert [pair_of(mj, *pair).friction_of for pair in feet] == [(pair[1],) for pair in feet]
    assert finding(robot, "friction").value == f"{friction:g}"


def test_feet_without_a_friction_of_their_own_mix_theirs_with_the_floors(tmp_path):
    mj = imported(tmp_path, makers.quadruped()).model
    assert not mj.geom_priority.any()


@pytest.mark.parametrize("shape", [makers.BOX, None])
def test_a_sole_that_no_file_shows_is_to_be_checked(tmp_path, shape):
    """And its fall is not explained away as that of two points."""
    text = makers.biped() if shape else re.sub("<collision>.*?</collision>", "", makers.biped(), flags=re.S)
    robot = imported(tmp_path, text, name="two.urdf")
    checks = [line for line in robot.files["robot.toml"].decode().splitlines() if line.startswith("# check: sphere")]
    assert len(checks) == (0 if shape else 2)
    assert [found.check for found in robot.findings if found.what == "soles"] == ([] if shape else [True])
    assert "anything" not in finding(robot, "trial").value


NAMES = [f"{n}_{j}" for n in ("FR", "FL", "RR", "RL") for j in ("abduction", "thigh", "calf")]


def position(more):
    """A position actuator on every joint."""
    return "".join(f'<position joint="{name}" {more}/>' for name in NAMES)


@pytest.mark.parametrize(
    ("more", "joint", "value"),
    [
        ('kp="20" kv="0.5"', "armature", "as they are"),
        ('kp="100" kv="50"', "armature", "adjusted for 12 joints: damping "),
        ('kp="300" kv="3"', "damping", "adjusted for 12 joints: armature "),
        ('kp="20"', "armature", "adjusted for 12 joints: damping "),
    ],
)
def test_gains_that_are_not_as_they_are_in_the_file_are_to_be_checked(tmp_path, more, joint, value):
    text = makers.quadruped(actuators=position(f'{more} forcerange="-20 20"'))
    text = text.replace('<joint damping="0.1" armature="0.005"/>', f'<joint {joint}="0.01"/>')
    found = [f for f in imported(tmp_path, text).findings if f.what == "gains"]
    assert len(found) == 1
    assert found[0].value.startswith(value)
    assert found[0].check == (value != "as they are")


def test_armatures_of_the_file_stay_where_a_joint_and_its_image_differ(tmp_path):
    """As figures that were measured on each joint do; what is chosen is the same on both."""
    text = makers.quadruped().replace('name="FL_thigh" axis', 'name="FL_thigh" armature="0.02" axis')
    mj = imported(tmp_path, text).model
    left, right = (mj.joint(f"{n}_thigh") for n in ("FL", "FR"))
    assert (left.armature[0], right.armature[0]) == pytest.approx((0.02, 0.005))
    gains = [(mj.actuator(f"{n}_thigh").gainprm[0], mj.actuator(f"{n}_thigh").biasprm[2]) for n in ("FL", "FR")]
    assert gains[0] == pytest.approx(gains[1])


def test_a_servo_brings_its_dry_friction_and_its_rotor(tmp_path):
    """One whose datasheet has no friction leaves the joint's own."""
    options = ImportOptions(servo=("sts3215-12v", "*_calf=brushless(0.3,300,1e-5,9)"))
    text = makers.quadruped().replace('<joint damping="0.1"', '<joint damping="0.1" frictionloss="0.3"')
    mj = imported(tmp_path, text, options).model
    sheet = DATASHEETS["sts3215-12v"]
    hip, calf = mj.joint("FR_abduction"), mj.joint("FR_calf")
    assert hip.frictionloss[0] == pytest.approx(sheet.frictionloss)
    assert (hip.armature[0], hip.damping[0]) == pytest.approx((sheet.armature, 0.0))
    assert (calf.frictionloss[0], calf.damping[0]) == pytest.approx((0.3, 0.1))


def angles(robot):
    """The home pose by joint."""
    mj = robot.model
    return {mj.joint(j).name: mj.key_qpos[0][mj.jnt_qposadr[j]] for j in range(1, mj.njnt)}


def test_a_home_that_the_user_gives_is_written_as_it_is(tmp_path):
    """What it leaves out is the mirror image of what it says, or the rest pose."""
    robot = imported(tmp_path, makers.quadruped(), ImportOptions(home="FL_abduction=0.3,FL_thigh=0.8,FR_thigh=0.7"))
    home = angles(robot)
    assert [home[f"{n}_abduction"] for n in ("FL", "FR", "RL", "RR")] == pytest.approx([0.3, -0.3, 0.0, 0.0])
    assert [home["FL_thigh"], home["FR_thigh"]] == pytest.approx([0.8, 0.7])
    assert finding(robot, "mirror").check


def test_a_lopsided_keyframe_that_the_user_names_stays_lopsided(tmp_path):
    one = "0.1 0.7 -1.2 " + " ".join(["0 0.6 -1.2"] * 3)
    even = "0.001 0.6 -1.2 " + " ".join(["0 0.6 -1.2"] * 3)
    keys = "".join(f'<key name="{n}" qpos="0 0 .3 1 0 0 0 {q}"/>' for n, q in (("odd", one), ("even", even)))
    text = makers.quadruped(f"<keyframe>{keys}</keyframe>")
    np.testing.assert_allclose(
        imported(tmp_path, text, ImportOptions(home="odd")).model.key_qpos[0][7:10], [0.1, 0.7, -1.2]
    )
    robot = imported(tmp_path, text, ImportOptions(home="even"))
    assert robot.model.key_qpos[0][7] == pytest.approx(5e-4)  # as good as even, and made so
    assert not finding(robot, "mirror").check


def test_a_file_with_two_dashes_in_its_name_can_be_loaded(tmp_path):
    """XML has no two dashes in a comment, and TOML no line break."""
    robot = imported(tmp_path, makers.quadruped(), name="four---legs\n.xml")
    write_robot(robot, tmp_path / "robot")
    assert load_robot(tmp_path / "robot").weight == pytest.approx(robot.weight, rel=1e-5)
