"""Sensors of the right size and the wrong kind: case by case, and in the end by what the feet carry."""

import shutil

import pytest

from wildrobot_eqx import WildRobotError, load_robot
from wildrobot_eqx.paths import data_dir

GEOMS = 'geom1="floor" geom2="foot"'
FORCE = '<contact name="foot_force" geom1="floor" geom2="foot" data="force" reduce="netforce"/>'
LINVEL = '<framelinvel name="torso_global_linvel" objtype="site" objname="torso_imu"/>'
ANGVEL = '<frameangvel name="torso_global_angvel" objtype="site" objname="torso_imu"/>'
FOOT = '<framelinvel name="foot_linvel" objtype="site" objname="foot"/>'
GYRO = '<gyro name="torso_imu_gyro" site="torso_imu" noise="0.0002" cutoff="100"/>'
ACCEL = '<accelerometer name="torso_imu_accel" site="torso_imu" noise="0.0015" cutoff="100"/>'
QUAT = '<framequat name="torso_imu_quat" objtype="site" objname="torso_imu"/>'
SITE = '<site name="torso_imu" pos="0 0 0.05" class="imu"/>'


@pytest.fixture
def variant(tmp_path):
    """The hopper with a change of its MJCF."""

    def make(*changes: tuple[str, str]):
        folder = shutil.copytree(data_dir("robots") / "hopper", tmp_path / "hopper")
        text = (folder / "hopper.xml").read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (folder / "hopper.xml").write_text(text)
        return folder

    return make


@pytest.mark.parametrize(
    ("old", "new", "what", "table"),
    [
        (
            FORCE,
            FORCE.replace(GEOMS, 'geom1="foot" geom2="floor"'),
            "of the foot on",
            "feet.foot",
        ),
        (FORCE, FORCE.replace(GEOMS, 'body1="thigh" geom2="floor"'), "body 'foot'", "feet.foot"),
        (FORCE, FORCE.replace('reduce="netforce"', 'reduce="maxforce"'), "net force", "feet.foot"),
        (
            FORCE,
            '<force name="foot_force" site="foot"/>',
            "(force), 'force' of [feet.foot], is no ",
            "feet.foot",
        ),
        (FORCE, '<accelerometer name="foot_force" site="foot"/>', "is no <contact>", "feet.foot"),
        (FOOT, '<velocimeter name="foot_linvel" site="foot"/>', "is no <framelinvel>", "feet.foot"),
        (FOOT, FOOT.replace('objname="foot"', 'objname="torso_imu"'), "body 'torso', not of 'foot'", "feet.foot"),
        (LINVEL, '<velocimeter name="torso_global_linvel" site="torso_imu"/>', "is no <framelinvel>", "base"),
        (LINVEL, LINVEL.replace("/>", ' reftype="site" refname="foot"/>'), "world's frame", "base"),
        (LINVEL, LINVEL.replace('objname="torso_imu"', 'objname="foot"'), "body 'foot', not of 'torso'", "base"),
        (ANGVEL, '<gyro name="torso_global_angvel" site="torso_imu"/>', "is no <frameangvel>", "base"),
        (QUAT, '<framequat name="torso_imu_quat" objtype="body" objname="thigh"/>', "body 'thigh'", "imu.torso"),
        (QUAT, QUAT.replace("/>", ' reftype="site" refname="foot"/>'), "world's frame", "imu.torso"),
        (ACCEL, ACCEL.replace('site="torso_imu"', 'site="foot"'), "on the body 'foot'", "imu.torso"),
        (ACCEL, '<gyro name="torso_imu_accel" site="torso_imu"/>', "is no <accelerometer>", "imu.torso"),
        (GYRO, '<velocimeter name="torso_imu_gyro" site="torso_imu"/>', "is no <gyro>", "imu.torso"),
    ],
)
def test_a_sensor_of_the_wrong_kind_is_refused(variant, old, new, what, table):
    with pytest.raises(WildRobotError) as caught:
        load_robot(variant((old, new)))
    assert what in caught.value.what
    assert caught.value.where.endswith(f"robot.toml, [{table}]")


def test_an_imu_has_one_frame(variant):
    turned = SITE + SITE.replace('name="torso_imu"', 'name="turned" euler="0 0 90"')
    with pytest.raises(WildRobotError, match="another frame") as caught:
        load_robot(variant((SITE, turned), (QUAT, QUAT.replace('objname="torso_imu"', 'objname="turned"'))))
    assert caught.value.where.endswith("[imu.torso]")


@pytest.mark.parametrize("second", ['body2="foot"', 'geom2="foot"'])
def test_a_foot_may_be_a_body(variant, second):
    robot = load_robot(variant((FORCE, f'<contact name="foot_force" {second} data="force" reduce="netforce"/>')))
    assert robot.feet[0].force.name == "foot_force"


def test_feet_that_do_not_touch_the_floor_are_refused(variant):
    sole = 'type="box" contype="1" conaffinity="0" condim="3"'
    with pytest.raises(WildRobotError, match="foot 0 N upwards") as caught:
        load_robot(variant((sole, sole.replace('contype="1"', 'contype="0"'))))
    assert caught.value.where.endswith("[feet]")
