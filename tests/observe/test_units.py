"""Units of terms follow the joints that they read: rad of hinges, m of slides."""

import pytest

import wildrobot_eqx as we
from wildrobot_eqx.observe import EncoderOffsets, GearPlay


@pytest.mark.parametrize(
    ("name", "position", "velocity"),
    [("cartpole", "m", "m/s"), ("reacher", "rad", "rad/s"), ("hopper", "rad", "rad/s")],
)
def test_the_unit_of_driven_joints_is_that_of_their_kind(name, position, velocity):
    robot = we.load_robot(name)
    assert we.terms.JointPositions(robot).unit == position
    assert EncoderOffsets(robot).unit == GearPlay(robot).unit == position
    assert we.terms.JointVelocities(robot).unit == velocity


def test_joints_of_two_kinds_have_a_unit_each():
    robot = we.load_robot("cartpole")
    speeds = {
        ("slider",): "m/s",
        ("pole",): "rad/s",
        ("slider", "pole"): "m/s, rad/s",
        ("pole", "slider"): "rad/s, m/s",
    }
    for joints, unit in speeds.items():
        assert we.terms.NamedJointVelocities(robot, joints).unit == unit
    stack = we.ObservationStack({"speeds": we.terms.NamedJointVelocities(robot, ("pole",))})
    assert [part.unit for part in stack.layout] == ["rad/s"]
    assert we.terms.HingeAngles(robot, ("pole",)).unit == "1"
