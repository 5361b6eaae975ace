"""Loading robots: what a user gets wrong is told in three parts, and reloading changes nothing."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wildrobot_eqx import WildRobotError, load_robot, robot_names
from wildrobot_eqx.paths import data_dir
from wildrobot_eqx.robots import Mirror


@pytest.fixture
def folder(tmp_path):
    """A private copy of the hopper's folder."""
    return shutil.copytree(data_dir("robots") / "hopper", tmp_path / "hopper")


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
    assert float(robot.min_root_height) < float(robot.home_height)
    assert (np.asarray(robot.torque_limit) <= robot.servo.stall_torque).all()
    assert [foot.force.size for foot in robot.feet] == [3] * len(robot.feet)
    assert robot.imu().quat.size == 4
    assert {leaf.dtype for leaf in jax.tree.leaves(robot)} == {jnp.dtype(jnp.float32)}


def test_hopper_mirrors_onto_itself(hopper):
    assert hopper.joint_mirror == Mirror((0, 1, 2), (1.0, 1.0, 1.0))
    assert not hopper.base.floating


def test_lookups_by_name_suggest_the_nearest(robot):
    assert robot.sensor("chest_imu_gyro") == robot.imu("chest").gyro
    with pytest.raises(WildRobotError, match="did you mean 'chest_imu_gyro'"):
        robot.sensor("chest_gyro")
    with pytest.raises(WildRobotError, match="has no IMU 'head'"):
        robot.imu("head")
