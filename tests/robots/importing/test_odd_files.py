"""Files that are valid, but unusual: what they say is kept, or its loss is told."""

import makers
import numpy as np
import pytest

from wildrobot_eqx.robots.importing import import_robot

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
