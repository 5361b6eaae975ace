"""Loading robots: what a user gets wrong is told in three parts, and reloading changes nothing."""

import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wildrobot_eqx import WildRobotError, load_robot, robot_names
from wildrobot_eqx.controllers import JointPosition
from wildrobot_eqx.errors import MistakesError
from wildrobot_eqx.paths import data_dir
from wildrobot_eqx.robots import Mirror
from wildrobot_eqx.robots.keys import TABLES, key_rows


@pytest.fixture
def folder(tmp_path):
    """A private copy of the hopper's folder."""
    return shutil.copytree(data_dir("robots") / "hopper", tmp_path / "hopper")


@pytest.fixture
def biped(tmp_path):
    """A private copy of the biped's folder."""
    return shutil.copytree(data_dir("robots") / "wildrobot", tmp_path / "wildrobot")


def edit(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def refusal(robot) -> WildRobotError:
    with pytest.raises(WildRobotError) as caught:
        load_robot(robot)
    error = caught.value
    assert error.what
    assert error.where
    assert error.hint
    assert len(str(error).splitlines()) == 3
    return error


def told(error: WildRobotError, what: str) -> WildRobotError:
    """The one mistake, of several perhaps, that says so."""
    found = [one for one in getattr(error, "errors", (error,)) if what in one.what]
    assert len(found) == 1
    return found[0]


def test_unknown_robot():
    error = refusal("wildrobt")
    assert "'wildrobt'" in error.what
    assert "did you mean 'wildrobot'" in error.hint


def test_missing_mjcf(folder):
    (folder / "hopper.xml").unlink()
    error = refusal(folder)
    assert "'hopper.xml' is missing" in error.what
    assert str(folder / "hopper.xml") in error.where


def test_mjcf_that_does_not_compile(folder):
    edit(folder / "hopper.xml", 'joint="knee_pitch"/>', 'joint="elbow"/>')
    error = refusal(folder)
    assert "cannot compile hopper.xml" in error.what
    assert "elbow" in error.what
    assert str(folder / "hopper.xml") in error.where


def test_mjcf_that_is_no_xml(folder):
    (folder / "hopper.xml").write_text("<mujoco><worldbody>")
    assert "cannot compile hopper.xml" in refusal(folder).what


def test_invalid_toml(folder):
    (folder / "robot.toml").write_text("name = hopper\n")
    error = refusal(folder)
    assert "not valid TOML" in error.what
    assert "line 1" in error.what
    assert "robot.toml" in error.where


@pytest.mark.parametrize(
    ("old", "new", "kind", "near"),
    [
        ("knee_pitch = 0.80", "knee_pich = 0.80", "joint 'knee_pich'", "knee_pitch"),
        ('site = "foot"', 'site = "fot"', "site 'fot'", "foot"),
        ('force = "foot_force"', 'force = "foot_forse"', "sensor 'foot_forse'", "foot_force"),
        ('gyro = "torso_imu_gyro"', 'gyro = "torso_gyro"', "sensor 'torso_gyro'", "torso_imu_gyro"),
        (
            'linvel = "torso_global_linvel"',
            'linvel = "torso_globl_linvel"',
            "sensor 'torso_globl_linvel'",
            "torso_global_linvel",
        ),
        ("mirror_pairs = []", 'mirror_pairs = [["hip_pitch", "hip_pich"]]', "joint 'hip_pich'", "hip_pitch"),
    ],
)
def test_name_that_the_model_lacks(folder, old, new, kind, near):
    edit(folder / "robot.toml", old, new)
    error = refusal(folder)
    assert kind in error.what
    assert "hopper.xml" in error.what
    assert f"did you mean {near!r}" in error.hint


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("control_dt = 0.02", "", "control_dt"),
        ("control_dt = 0.02", 'control_dt = "fast"', "control_dt"),
        ('model = "hopper.xml"', "", "model"),
        ('gyro = "torso_imu_gyro"', "", "gyro"),
        ('force = "foot_force"', "", "force"),
    ],
)
def test_key_that_is_missing_or_of_the_wrong_kind(folder, old, new, key):
    edit(folder / "robot.toml", old, new)
    error = refusal(folder)
    assert repr(key) in error.what
    assert "robot.toml" in error.where


@pytest.mark.parametrize(
    ("old", "new", "what", "where"),
    [
        (
            "mirror_pairs = []",
            'mirror_pairs = [["hip_pitch"]]',
            "pairs of joint names, got ['hip_pitch']",
            "robot.toml",
        ),
        ("mirror_pairs = []", 'mirror_pairs = "hip_pitch"', "pairs of joint names, got 'hip_pitch'", "robot.toml"),
        ("mirror_pairs = []", 'mirror_pairs = [["hip_pitch", "hip_pitch"]]', "'hip_pitch' twice", "robot.toml"),
        ("mirror_pairs = []", 'mirror_pairs = [["hip_pitch", "root_x"]]', "'root_x', which no actuator", "robot.toml"),
        ("[feet.foot]", "[feet]", "[feet] holds the key 'site'", "[feet]"),
        ('site = "foot"', "", "[feet.foot] lacks the key 'site'", "[feet.foot]"),
        ('site = "foot"', "site = 3", "'site' of [feet.foot] must be a name, got 3", "[feet.foot]"),
        (
            "stall_torque = 8.0",
            'stall_torque = "big"',
            "'stall_torque' must be a positive number, got 'big'",
            "[servo]",
        ),
        ("stall_torque = 8.0", "stall_torque = 0", "'stall_torque' must be a positive number", "[servo]"),
        ("stall_torque = 8.0", "stall_torqe = 8.0", "no key 'stall_torqe'", "[servo]"),
        ("min_root_height = 0.2", 'min_root_height = "low"', "'min_root_height' must be a number", "robot.toml"),
        ("min_root_height = 0.2", "min_root_height = nan", "'min_root_height' must be a number", "robot.toml"),
        ("control_dt = 0.02", "control_dt = 0.0", "'control_dt' must be a positive number, got 0.0", "robot.toml"),
        ("control_dt = 0.02", "control_dt = inf", "'control_dt' must be a positive number, got inf", "robot.toml"),
        ("[imu.torso]", "[imu]\n[other]", "[imu] is empty", "[imu]"),
        ("[feet.foot]", "[feet]\n[other]", "[feet] is empty", "[feet]"),
        ('gyro = "torso_imu_gyro"', 'gyro = "torso_imu_quat"', "takes a sensor of 3 numbers", "[imu.torso]"),
        ('quat = "torso_imu_quat"', 'quat = "torso_imu_gyro"', "takes a sensor of 4 numbers", "[imu.torso]"),
    ],
)
def test_a_wrong_value_is_told_with_its_table(folder, old, new, what, where):
    edit(folder / "robot.toml", old, new)
    with pytest.raises(WildRobotError) as caught:
        load_robot(folder)
    assert told(caught.value, what).where.endswith(where)


def test_all_mistakes_are_told_at_once(folder):
    """Of every kind: keys, names in the MJCF, sensors of the wrong kind, actuators, angles and figures."""
    edit(folder / "robot.toml", "control_dt = 0.02", "control_dt = -1")
    edit(folder / "robot.toml", "min_root_height", "min_root_hight")
    edit(folder / "robot.toml", "knee_pitch = 0.80", "knee_pich = 0.80")
    edit(folder / "robot.toml", 'site = "foot"', 'site = "fot"')
    edit(folder / "robot.toml", 'quat = "torso_imu_quat"', 'quat = "torso_quat"')
    edit(folder / "robot.toml", "[imu.torso]", '[imu.spare]\ngyro = "foot_linvel"\n\n[imu.torso]')
    edit(folder / "robot.toml", 'linvel = "torso_global_linvel"', 'linvel = "foot_linvel"')
    edit(folder / "robot.toml", "stall_torque = 8.0", "stall_torque = 8.0\n[servo.knee]\nstall_torque = 1.0")
    with pytest.raises(MistakesError) as caught:
        load_robot(folder)
    error = caught.value
    for what, where in (
        ("'control_dt' must be a positive number", "robot.toml"),
        ("no key 'min_root_hight'", "robot.toml"),
        ("joint 'knee_pich'", "[home]"),
        ("site 'fot'", "[feet.foot]"),
        ("sensor 'torso_quat'", "[imu.torso]"),
        ("lacks the key 'accel'", "[imu.spare]"),
        ("lacks the key 'quat'", "[imu.spare]"),
        ("not of 'torso'", "[base]"),
        ("[servo.knee] is of the joint 'knee'", "[servo.knee]"),
    ):
        assert told(error, what).where.endswith(where)
        assert told(error, what).hint
    assert len(error.errors) == 9
    text = str(error)
    assert text.startswith("robot.toml has 9 mistakes")
    assert all(one.what in text and one.hint in text for one in error.errors)


@pytest.mark.parametrize(
    ("table", "near"),
    [(name, keys[0].name) for name, keys, _ in TABLES if name not in ("home", "")] + [("", "control_dt")],
)
def test_every_table_refuses_an_unknown_key_with_the_nearest_right_one(folder, table, near):
    text = (folder / "robot.toml").read_text()
    head, line = table.replace("NAME", "foot").replace("JOINT", "knee_pitch"), f"{near}x = 1\n"
    if not table:
        text = line + text
    elif f"[{head}]" in text:
        text = text.replace(f"[{head}]", f"[{head}]\n{line}")
    else:
        text += f"\n[{head}]\n{line}"
    (folder / "robot.toml").write_text(text)
    with pytest.raises(WildRobotError) as caught:
        load_robot(folder)
    found = [one for one in getattr(caught.value, "errors", (caught.value,)) if f"did you mean '{near}" in one.hint]
    assert len(found) == 1


def test_every_key_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "robots.md").read_text(encoding="utf-8")
    assert "\n".join(key_rows()) in page


def test_a_foot_may_have_several_force_sensors(folder):
    """A foot of two geoms: the toe's contact counts, too."""
    edit(
        folder / "hopper.xml",
        '<geom name="foot"',
        '<geom name="toe" class="sole" size="0.01 0.04 0.012" pos="0.2 0 0"/><geom name="foot"',
    )
    toe = '<contact name="toe_force" geom1="floor" geom2="toe" data="force" reduce="netforce"/>'
    edit(folder / "hopper.xml", "</sensor>", f"{toe}</sensor>")
    edit(folder / "robot.toml", 'force = "foot_force"', 'force = ["foot_force", "toe_force"]')
    foot = load_robot(folder).feet[0]
    assert [part.name for part in foot.force.parts] == ["foot_force", "toe_force"]
    assert foot.force.size == 3
    data = np.arange(40.0, dtype=np.float32)
    each = [data[part.address : part.address + 3] for part in foot.force.parts]
    np.testing.assert_array_equal(foot.force.read(jnp.asarray(data)), each[0] + each[1])


def test_a_foot_whose_sensor_misses_a_geom_is_refused(folder):
    toe = '<geom name="toe" class="sole" size="0.02 0.04 0.01" pos="0.12 0 -0.04"/>'
    edit(folder / "hopper.xml", '<geom name="foot"', toe + '<geom name="foot"')
    error = refusal(folder)
    assert "'foot_force' reads" in error.what
    assert error.where.endswith("[feet.foot]")


@pytest.mark.parametrize("force", ["[]", '["foot_force", "foot_force"]', '["foot_force", 3]', "true"])
def test_force_sensors_that_are_no_names_are_refused(folder, force):
    edit(folder / "robot.toml", 'force = "foot_force"', f"force = {force}")
    assert "'force' of [feet.foot] must be" in refusal(folder).what


def test_contacts_are_not_counted_twice(folder):
    again = '<contact name="again" geom1="floor" geom2="foot" data="force" reduce="netforce"/>'
    edit(folder / "hopper.xml", "</sensor>", f"{again}</sensor>")
    edit(folder / "robot.toml", 'force = "foot_force"', 'force = ["foot_force", "again"]')
    assert "counts them twice" in refusal(folder).what


def test_action_scales_are_given_joint_by_joint(folder):
    assert load_robot(folder).action_scale is None
    text = (folder / "robot.toml").read_text()
    (folder / "robot.toml").write_text(
        text + "\n[control]\naction_scale = 0.3\n[control.knee_pitch]\naction_scale = 0.6\n"
    )
    robot = load_robot(folder)
    np.testing.assert_allclose(robot.action_scale, [0.3, 0.6, 0.3])
    np.testing.assert_allclose(JointPosition(robot).scale, [0.3, 0.6, 0.3])
    np.testing.assert_allclose(JointPosition(robot, scale=0.5).scale, [0.5, 0.5, 0.5])
    np.testing.assert_allclose(JointPosition(load_robot("hopper")).scale, [0.4, 0.4, 0.4])


def test_home_angle_out_of_range(folder):
    edit(folder / "robot.toml", "knee_pitch = 0.80", "knee_pitch = 2.80")
    error = refusal(folder)
    assert "'knee_pitch' at 2.800 rad" in error.what
    assert "[0.000, 2.269]" in error.what


def test_home_angle_that_is_no_number(folder):
    edit(folder / "robot.toml", "knee_pitch = 0.80", 'knee_pitch = "bent"')
    assert "joint 'knee_pitch' an angle in rad, got 'bent'" in refusal(folder).what


def test_actuator_without_a_range(folder):
    edit(folder / "hopper.xml", 'inheritrange="1"', "")
    assert "hip_pitch" in refusal(folder).what


def test_actuator_without_a_torque_limit(folder):
    edit(folder / "hopper.xml", 'forcerange="-8 8" ', "")
    error = refusal(folder)
    assert "without a forcerange: ['hip_pitch', 'knee_pitch', 'ankle_pitch']" in error.what
    assert error.where.endswith("<actuator>")


def test_home_angle_of_a_free_joint(biped):
    edit(biped / "robot.toml", "left_hip_pitch = 0.35", "left_hip_pitch = 0.35\nroot = 0.1")
    assert "joint 'root' one angle" in refusal(biped).what


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        # the hips' axes point to opposite sides, so equal angles are no mirror images
        ("right_hip_pitch = -0.35", "right_hip_pitch = 0.05", "'right_hip_pitch' is at 0.050 rad"),
        ("right_knee_pitch = 0.70", "right_knee_pitch = 0.60", "'right_knee_pitch' is at 0.600 rad"),
        ("left_hip_pitch = 0.35", "left_hip_pitch = 0.35\nwaist_yaw = 0.1", "'waist_yaw' is at 0.100 rad"),
    ],
)
def test_a_home_pose_is_its_own_mirror_image(biped, old, new, what):
    edit(biped / "robot.toml", old, new)
    error = refusal(biped)
    assert what in error.what
    assert error.where.endswith("[home]")


def test_mirror_pairs_have_mirrored_axes(biped):
    text = (biped / "robot.toml").read_text()
    text = text.replace('"right_hip_pitch"]', '"right_hip_roll"]').replace('["left_hip_roll", "right_hip_roll"],', "")
    (biped / "robot.toml").write_text(text)
    assert "no mirror images" in refusal(biped).what


def test_feet_stand_from_left_to_right(biped):
    text = (biped / "robot.toml").read_text()
    mixed = text.replace('site = "left_foot"', 'site = "L"').replace('site = "right_foot"', 'site = "left_foot"')
    (biped / "robot.toml").write_text(mixed.replace('site = "L"', 'site = "right_foot"'))
    with pytest.raises(WildRobotError) as caught:
        load_robot(biped)
    assert told(caught.value, "'left' lies at y = -0.0").where.endswith("[feet.left]")
    assert told(caught.value, "'right' lies at y = +0.0").where.endswith("[feet.right]")
    left, right = text.index("[feet.left]"), text.index("[feet.right]")
    end = text.index("[imu.chest]")
    (biped / "robot.toml").write_text(text[:left] + text[right:end] + text[left:right] + text[end:])
    assert "'right' stands before 'left'" in refusal(biped).what


def test_a_folder_loads_as_the_name_does(folder):
    assert load_robot(folder).model == load_robot("hopper").model


@pytest.mark.parametrize("name", robot_names())
def test_reloading_changes_no_tree(name):
    first, second = load_robot(name), load_robot(name)
    assert first.model is not second.model
    assert first.model == second.model
    assert hash(first.model) == hash(second.model)
    assert jax.tree.structure(first) == jax.tree.structure(second)
    traces = []

    @jax.jit
    def home(robot):
        traces.append(robot.name)
        return robot.home_joints

    home(first)
    home(second)
    assert len(traces) == 1


def test_an_edited_model_is_another_model(hopper):
    slower = hopper.model.edit(lambda mj: setattr(mj.opt, "timestep", 0.004))
    assert slower != hopper.model
    assert hopper.model.mj.opt.timestep == 0.002


@pytest.mark.parametrize("name", robot_names())
def test_what_every_robot_owes(name):
    robot = load_robot(name)
    mj = robot.model.mj
    assert robot.nu == len(robot.joint_names) == len(set(robot.joint_names))
    for i, joint in enumerate(robot.joint_names):
        assert mj.joint(joint).qposadr[0] == robot.joint_qpos[i]
        assert mj.joint(joint).dofadr[0] == robot.joint_dof[i]
    assert robot.min_root_height is None or float(robot.min_root_height) < float(robot.home_height)
    assert (np.asarray(robot.torque_limit) <= robot.servo.stall_torque * (1 + 1e-6)).all()
    assert [foot.force.size for foot in robot.feet] == [3] * len(robot.feet)
    assert [imu.quat.size for imu in robot.imus] == [4] * len(robot.imus)
    assert {leaf.dtype for leaf in jax.tree.leaves(robot)} == {jnp.dtype(jnp.float32)}


def test_hopper_mirrors_onto_itself(hopper):
    assert hopper.mirror == Mirror((0, 1, 2), (1.0, 1.0, 1.0))
    assert not hopper.base.floating


def test_lookups_by_name_suggest_the_nearest(robot):
    assert robot.sensor("chest_imu_gyro") == robot.imu("chest").gyro
    with pytest.raises(WildRobotError, match="did you mean 'chest_imu_gyro'"):
        robot.sensor("chest_gyro")
    with pytest.raises(WildRobotError, match="has no IMU 'head'"):
        robot.imu("head")
