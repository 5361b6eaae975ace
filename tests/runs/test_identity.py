"""A run knows its robot: one whose files have changed is refused."""

import shutil

import equinox as eqx
import pytest
from tiny import TINY

from wildrobot_eqx import WildRobotError, load_robot
from wildrobot_eqx.cli import main
from wildrobot_eqx.paths import data_dir
from wildrobot_eqx.runs.folder import RunFolder
from wildrobot_eqx.runs.identity import check_robot, robot_identity


@pytest.fixture
def files(tmp_path):
    """A copy of the hopper's files, to change."""
    return shutil.copytree(data_dir("robots") / "hopper", tmp_path / "robot")


def _edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_same_files_are_the_same_robot(files, hopper):
    assert robot_identity(load_robot(files)) == robot_identity(hopper)
    check_robot(load_robot(files), robot_identity(hopper), False)
    check_robot(hopper, None, False)  # a run of before


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("hopper.xml", "<worldbody>", '<worldbody><geom name="step" size=".1 .1 .1" type="box" pos="9 0 0"/>', "model"),
        ("robot.toml", "knee_pitch = 0.", "knee_pitch = 0.0", "what robot.toml says"),
        ("robot.toml", 'name = "hopper"', 'name = "other"', "its name, what robot.toml"),
    ],
)
def test_changed_files_are_another_robot(file, old, new, message, files, hopper, heard):
    made_with = robot_identity(hopper)
    _edit(files / file, old, new)
    with pytest.raises(WildRobotError, match=message) as caught:
        check_robot(load_robot(files), made_with, False)
    assert "--trust" in caught.value.hint
    assert not heard.messages
    check_robot(load_robot(files), made_with, True)
    assert len(heard.messages) == 1


def test_another_mujoco_is_reported_and_not_refused(hopper, heard):
    made_with = {**robot_identity(hopper), "mujoco": "3.0.0", "model": "other"}
    check_robot(hopper, made_with, False)
    assert "MuJoCo 3.0.0" in heard.messages[0]
    with pytest.raises(WildRobotError, match=r"what robot\.toml says"):
        check_robot(hopper, {**made_with, "data": "other"}, False)


def test_every_figure_counts(hopper):
    one = robot_identity(hopper)["data"]
    assert robot_identity(eqx.tree_at(lambda r: r.home_qpos, hopper, hopper.home_qpos + 1e-3))["data"] != one
    assert robot_identity(eqx.tree_at(lambda r: r.servo, hopper, None))["data"] != one


def test_a_run_refuses_a_changed_robot(files, tmp_path, cli):
    folder = RunFolder(tmp_path / "run")
    short = [*TINY, "--steps=256", "--no-eval", f"--robot={files}", f"--out={folder.path}"]
    assert main(["run", "hop", *short]) == 0
    before = folder.manifest_path.read_bytes()
    _edit(files / "robot.toml", 'name = "hopper"', 'name = "other"')
    for command in (["eval", folder.path], ["render", folder.path], ["run", f"--resume={folder.path}", "--no-eval"]):
        done = cli(*command)
        assert done.status == 2
        assert "is not the one that the run was made with" in done.err
    assert folder.manifest_path.read_bytes() == before
    done = cli("run", f"--resume={folder.path}", "--no-eval", "--trust")
    assert done.status == 0
    assert "is not the one that the run was made with" in done.err
    assert cli("run", f"--resume={folder.path}", "--no-eval").status == 0  # it is the run's robot now
