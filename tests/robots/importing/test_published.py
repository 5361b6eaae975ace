"""Habits of published files that would lose a robot: each is taken, or told, in a robot made by hand."""

import makers
import mujoco
import numpy as np
import pytest

from wildrobot_eqx.errors import WildRobotError
from wildrobot_eqx.robots.importing import ImportOptions, fit, import_robot
from wildrobot_eqx.robots.importing.drives import Drive
from wildrobot_eqx.robots.importing.mirror import find_reflection
from wildrobot_eqx.robots.importing.plausible import swinging, too_stiff, torque_limit
from wildrobot_eqx.robots.importing.shapes import surface

HEAD = """<mujoco><worldbody><body><freejoint/><geom size="0.1"/>
  <body pos="0.05 0.1 0"><joint name="left" axis="0 1 0"/><geom size="0.02" pos="0 0 -0.4"/></body>
  <body pos="0.05 -0.1 0"><joint name="right" axis="0 1 0"/><geom size="0.02" pos="0 0 -0.4"/></body>
  <body pos="0 0 0.15"><joint name="nod" pos="0 {joint} 0" axis="0 1 0"/><geom size="0.03" pos="0 {mass} 0.05"/></body>
</body></worldbody></mujoco>"""
STAND = " ".join(["0 0.6 -1.2"] * 4)
POSITION = """
    <position joint="{n}_abduction" {own}/><position joint="{n}_thigh" {own}/><position joint="{n}_calf" {own}/>"""


def imported(tmp_path, text, name="four.xml"):
    """The robot of a text."""
    return import_robot(makers.write(tmp_path, name, text))


def finding(robot, what):
    """The last finding about something."""
    return [found for found in robot.findings if found.what == what][-1]


def servos(own: str) -> str:
    """Position actuators of the quadruped, all alike."""
    return "".join(POSITION.format(n=n, own=own) for n in ("FR", "FL", "RR", "RL"))


@pytest.mark.parametrize(
    ("joint", "mass", "whole"), [(0.02, 0.0, True), (0.02, 0.03, False), (0.08, 0.0, False), (0.0, 0.0, True)]
)
def test_a_hinge_in_the_middle_may_be_drawn_along_its_axis(joint, mass, whole):
    """The place of its joint along the axis changes nothing; a mass or a joint that is far to one side does."""
    found = find_reflection(mujoco.MjModel.from_xml_string(HEAD.format(joint=joint, mass=mass)), 0.5)
    assert found.whole is whole
    assert found.pairs == (("left", "right"),)
    assert not whole or (found.image["nod"], found.sign["nod"]) == ("nod", 1.0)


def test_a_urdf_is_taken_as_ros_takes_it(tmp_path):
    """A comment before the declaration, an element that stands twice, a shape without a size, a byte at the end."""
    odd = '<link name="tag"><collision><geometry><sphere radius="0"/></geometry></collision></link>'
    odd += '<joint name="tie" type="fixed"><parent link="trunk"/><child link="tag"/></joint>'
    text = makers.biped(more=odd).replace('<axis xyz="0 -1 0"/>', '<axis xyz="0 -1 0"/><axis xyz="1 0 0"/>')
    robot = imported(tmp_path, f'<!-- made -->\n<?xml version="1.0"?>\n{text}\0', "two.urdf")
    assert finding(robot, "said twice").value == "<axis> of right_hip_pitch"
    assert finding(robot, "shapes left out").value == "tag"
    np.testing.assert_allclose(robot.model.joint("right_hip_pitch").axis, [0.0, -1.0, 0.0], atol=1e-9)


def test_a_mass_without_inertia_gets_that_of_its_shape(tmp_path):
    """A box of 0.1 x 0.14 x 0.12 m and 0.8 kg."""
    text = makers.biped().replace('ixx="2e-3" iyy="2e-3" izz="2e-3"', 'ixx="0" iyy="0" izz="0"')
    robot = imported(tmp_path, text, "two.urdf")
    x, y, z = 0.1**2, 0.14**2, 0.12**2
    moments = np.sort(robot.model.body("base_link").inertia)
    np.testing.assert_allclose(moments, np.sort(0.8 / 12.0 * np.array([y + z, x + z, x + y])), rtol=2e-3)
    assert finding(robot, "inertia of trunk").check


FOLDED = (
    ('range="-60 170"', 'range="-180 180"'),
    ('range="-150 -40"', 'range="0 178"'),
    ('pos="0 0 -0.15"><inertial', 'pos="-0.15 0 0"><inertial'),
    ('fromto="0 0 0 0 0 -0.14"', 'fromto="0 0 0 0.14 0 0"'),
    ('pos="0 0 -0.15"', 'pos="0.15 0 0"'),
)


def test_legs_that_are_folded_level_in_the_zero_pose_are_turned_down(tmp_path):
    text = makers.quadruped()
    for old, new in FOLDED:
        text = text.replace(old, new)
    robot = imported(tmp_path, text)
    assert "turned down" in finding(robot, "feet").why
    assert robot.trial.stands
    assert robot.leg_length > 0.15


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ('kp="0.8" forcerange="-9 9"', "would sag"),
        ('kp="30000" forcerange="-9 9"', "all of the torque"),
        ('kp="20" kv="0.5" forcerange="-9 9"', ""),
    ],
)
def test_gains_that_are_placeholders_are_not_taken(tmp_path, own, told):
    found = finding(imported(tmp_path, makers.quadruped(actuators=servos(own))), "gains")
    assert told in found.why
    assert found.value.startswith("derived for 12 joints") is bool(told)


def test_a_gain_that_asks_for_all_of_the_torque_at_a_hundredth_of_a_radian_is_none():
    assert too_stiff(1000.0, 9.0)
    assert not too_stiff(1000.0, 11.0)


def test_a_torque_limit_counts_as_one_where_a_heavy_rotor_needs_it():
    """Gymnasium's ant weighs 0.9 kg and has rotors of 1 kg m^2: with the torque of its weight it could not move."""
    drive = Drive("hip", "motor", 0.0, 0.0, 150.0, (-np.inf, np.inf), 0.0)
    swing = swinging(armature=1.0, height=0.6)
    assert torque_limit(drive, 5.4, 0.0, 0.5)[0] == pytest.approx(0.35 * 5.4)
    assert torque_limit(drive, 5.4, 2.0 * swing, 0.5)[0] == 150.0
    assert torque_limit(drive, 5.4, swing, 0.5)[0] == pytest.approx(0.35 * 5.4 + 2.0 * swing)


def test_a_keyframe_in_which_the_robot_lies_is_no_home(tmp_path):
    keys = f'<key name="home" qpos="0 0 .1 .707 .707 0 0 {STAND}"/><key name="up" qpos="0 0 .3 1 0 0 0 {STAND}"/>'
    assert finding(imported(tmp_path, makers.quadruped(f"<keyframe>{keys}</keyframe>")), "home").value == "'up'"


def test_a_root_whose_frame_lies_on_the_floor_is_seen_from_its_middle(tmp_path):
    """All that hangs on the trunk, and its own mass, lie 0.3 m above its origin; the robot is the same."""
    text = makers.quadruped()
    for _, x, y, _ in makers._CORNERS:
        text = text.replace(f'pos="{x} {y} 0"><inertial', f'pos="{x} {y} 0.3"><inertial')
    text = text.replace('<freejoint/><inertial pos="0 0 0"', '<freejoint/><inertial pos="0 0 0.3"')
    text = text.replace('<geom type="box" size="0.18', '<geom type="box" pos="0 0 0.3" size="0.18')
    robot, other = imported(tmp_path, text), imported(tmp_path, makers.quadruped(), "dog.xml")
    assert robot.leg_length == pytest.approx(other.leg_length, abs=1e-3)
    assert robot.trial.stands


def test_a_file_called_robot_gets_the_name_of_its_model(tmp_path):
    assert imported(tmp_path, makers.quadruped(), "robot.xml").name == "four_legs"


def test_a_sole_of_capsules_is_flat():
    """A heel and a bar across the toes, as H1's foot has them."""
    capsule = int(mujoco.mjtGeom.mjGEOM_CAPSULE)
    along = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    across = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    heel = surface(capsule, np.array([0.014, 0.03, 0.0])) @ along.T
    toes = surface(capsule, np.array([0.014, 0.03, 0.0])) @ across.T + [0.14, 0.0, 0.0]
    points = np.concatenate([heel, toes])
    face = fit.flat_face(points, 0.8)
    assert face is not None
    box = fit.fit_box(points, face, 0.8)
    assert 0.06 < box.size[0] < 0.1
    assert 0.02 < box.size[1] < 0.05
    assert box.center[2] - box.size[2] == pytest.approx(-0.014, abs=1e-3)


def test_a_robot_that_finds_no_stance_is_refused(tmp_path):
    """Its legs reach up from the trunk, whatever is asked of them."""
    text = makers.quadruped().replace('pos="0 0 -0.15"', 'pos="0 0 0.15"').replace("0 0 -0.14", "0 0 0.14")
    text = text.replace('range="-60 170"', 'range="-20 20"').replace('range="-150 -40"', 'range="-10 10"')
    file = makers.write(tmp_path, "four.xml", text)
    with pytest.raises(WildRobotError, match="No standing pose"):
        import_robot(file, ImportOptions(feet=("FL_calf", "FR_calf", "RL_calf", "RR_calf")))
