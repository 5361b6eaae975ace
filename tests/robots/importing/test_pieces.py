"""Pieces of an import against figures that are known: datasheets, fits, meshes' places, files, the command line."""

import dataclasses
import io
import json
import sys
import tracemalloc
from pathlib import Path

import makers
import numpy as np
import pytest
import trimesh
from PIL import Image

from wildrobot_eqx.cli import main
from wildrobot_eqx.errors import WildRobotError
from wildrobot_eqx.robots import load_robot
from wildrobot_eqx.robots.importing import DATASHEETS, fit, import_robot, meshes, write_robot
from wildrobot_eqx.robots.importing.datasheets import datasheet
from wildrobot_eqx.robots.importing.files import PICTURE
from wildrobot_eqx.robots.importing.legs import foot_names
from wildrobot_eqx.robots.importing.picture import as_png
from wildrobot_eqx.robots.importing.place import find_file
from wildrobot_eqx.robots.importing.shapes import surface


@pytest.mark.parametrize("name", DATASHEETS)
def test_datasheets_are_servos_that_can_be_simulated(name):
    """A hobby servo: its stall torque within a radian of error, damped, and stable at steps of 5 ms upon its rotor."""
    sheet = datasheet(name)
    assert 0.02 < sheet.stall_torque / sheet.kp < 1.0
    assert 3.0 < sheet.no_load_speed < 15.0
    assert sheet.kv * 0.005 / sheet.armature < 1.0
    assert 0.1 < sheet.kv / (2.0 * np.sqrt(sheet.kp * sheet.armature)) < 3.0


def test_a_brushless_joint_is_seen_through_its_gear():
    sheet = datasheet("brushless(0.3, 300, 4e-6, 9)")
    assert (sheet.stall_torque, sheet.no_load_speed) == pytest.approx((2.7, 300 / 9))
    assert sheet.armature == pytest.approx(4e-6 * 81)
    with pytest.raises(WildRobotError):
        datasheet("brushless(0.3, 300, 0, 9)")


def test_a_ball_is_fitted_to_the_end_of_a_leg():
    """A rod with a ball of 20 mm at its end, 0.4 m long."""
    ball = 0.02 * surface(2, np.ones(3))
    points = np.concatenate([ball, 0.3 * np.array([[0.0, 0.0, 1.0], [0.03, 0.0, 1.0]])])
    found = fit.fit_sphere(points, 0.4)
    assert found.radius == pytest.approx(0.02, rel=0.05)
    np.testing.assert_allclose(found.center, 0.0, atol=1e-3)


@pytest.mark.parametrize("tilt", [0.0, 0.2])
def test_a_box_is_fitted_under_a_sole(tilt):
    """A plate of 200 by 80 mm with a post on it, as it is and nose down."""
    plate = np.array([0.1, 0.04, 0.01]) * surface(6, np.ones(3))
    turn = np.array([[np.cos(tilt), 0, np.sin(tilt)], [0, 1, 0], [-np.sin(tilt), 0, np.cos(tilt)]])
    points = np.concatenate([plate, [[0.0, 0.0, 0.1]]]) @ turn.T
    face = fit.flat_face(points, 0.7)
    assert face is not None
    np.testing.assert_allclose(face[:3], turn @ [0, 0, -1], atol=1e-9)
    box = fit.fit_box(points, face, 0.7)
    np.testing.assert_allclose(box.size[:2], [0.1, 0.04], rtol=1e-6)
    bottom = box.center - box.mat[:, 2] * box.size[2]
    np.testing.assert_allclose(bottom, turn @ [0, 0, -0.01], atol=1e-9)
    np.testing.assert_allclose(box.mat, turn, atol=1e-9)


def test_a_ball_is_no_flat_sole():
    assert fit.flat_face(0.03 * surface(2, np.ones(3)), 0.4) is None


@pytest.mark.parametrize(
    "name",
    [
        "package://dog/meshes/a.stl",
        "model://dog/meshes/a.stl",
        "../meshes/a.stl",
        "file:///home/maker/ws/dog/meshes/a.stl",
        "package://another_name/meshes/a.stl",
        "C:\\work\\meshes\\a.stl",
    ],
)
def test_meshes_are_found(tmp_path, name):
    (tmp_path / "dog_ws" / "urdf").mkdir(parents=True)
    (tmp_path / "dog_ws" / "package.xml").write_text("<package><name>dog</name></package>")
    file = tmp_path / "dog_ws" / "meshes" / "a.stl"
    file.parent.mkdir()
    file.touch()
    found = meshes.find_mesh(name, tmp_path / "dog_ws" / "urdf")
    assert found is not None
    assert found.resolve() == file


def test_a_mesh_that_is_nowhere_is_not_found(tmp_path):
    assert meshes.find_mesh("package://dog/meshes/nowhere_to_be_seen.stl", tmp_path) is None


def test_a_mesh_that_is_none_is_refused(tmp_path):
    (tmp_path / "a.stl").write_text("no mesh")
    with pytest.raises(WildRobotError):
        meshes.mesh_points(tmp_path / "a.stl")


def test_feet_are_named_by_their_places():
    assert foot_names([0.2, -0.2, -0.2, 0.2], [0.1, 0.1, -0.1, -0.1]) == (
        *("front_left", "hind_left", "hind_right", "front_right"),
    )
    assert foot_names([0.0, 0.01], [0.1, -0.1]) == ("left", "right")
    assert foot_names([0.2, 0.0, -0.2], [0.1, 0.1, 0.1])[1] == "middle_left"


def test_a_folder_is_searched_for_its_robot(tmp_path):
    makers.write(tmp_path, "scene.xml", "<mujoco/>")
    file = makers.write(tmp_path, "dog.xml", "<mujoco/>")
    assert str(find_file(str(tmp_path))) == file
    makers.write(tmp_path, "cat.xml", "<mujoco/>")
    with pytest.raises(WildRobotError):
        find_file(str(tmp_path))
    favourite = makers.write(tmp_path, "robot.urdf", "<robot/>")
    assert str(find_file(str(tmp_path))) == favourite


def test_the_command_writes_a_robot_and_nothing_over_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "disable")
    monkeypatch.chdir(tmp_path)
    file = makers.write(tmp_path / "src", "four.xml", makers.quadruped())
    assert main(["robots", "import", file, "--name", "dog", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert sorted(document["files"]) == ["README.md", "dog.xml", "robot.toml"]  # no picture without OpenGL
    assert document["trial"]["stands"]
    assert document["refused"] == {}
    robot = load_robot(tmp_path / "dog")
    assert document["weight"] == pytest.approx(robot.weight)
    before = {path.name: path.read_bytes() for path in (tmp_path / "dog").iterdir()}
    (tmp_path / "dog" / "notes.txt").write_text("mine")
    assert main(["robots", "import", file, "--name", "dog"]) == 2
    assert main(["robots", "import", file, "--name", "dog", "--force"]) == 0
    (tmp_path / "dog" / "notes.txt").unlink()
    assert {path.name: path.read_bytes() for path in (tmp_path / "dog").iterdir()} == before
    (tmp_path / "dog" / "README.md").write_text("my own words")
    assert main(["robots", "import", file, "--name", "dog", "--force"]) == 2
    assert (tmp_path / "dog" / "README.md").read_text() == "my own words"


COLLECTIONS = {
    "robot_descriptions/__init__.py": "",
    "robot_descriptions/dog_description.py": "URDF_PATH = None\nMJCF_PATH = {file!r}",
    "robot_descriptions/far_description.py": "raise OSError('no network')",
    "mujoco_menagerie/__init__.py": """
class Robot:
    default_model = "plain"
    def xml(self, entry):
        assert entry == "plain"
        return {file!r}
def names():
    return ["far_cat", "dog"]
def get(name):
    if name == "far_cat":
        raise OSError("no network")
    return Robot()
""",
}


@pytest.fixture
def collections(tmp_path, monkeypatch):
    """Packages of robots by the names of real ones; the file that both give."""
    file = makers.write(tmp_path / "src", "four.xml", makers.quadruped())
    for name, text in COLLECTIONS.items():
        path = tmp_path / "packages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{file!r}", repr(str(file))))
    monkeypatch.syspath_prepend(tmp_path / "packages")
    yield file
    for name in [name for name in sys.modules if name.split(".")[0] in ("robot_descriptions", "mujoco_menagerie")]:
        del sys.modules[name]


def test_a_robot_of_an_installed_collection_is_found_by_its_name(collections):
    for name in ("dog_description", "dog"):
        assert find_file(name) == Path(collections)


def test_a_collection_that_does_not_give_its_file_is_no_traceback(collections):
    for name in ("far_description", "far_cat"):
        with pytest.raises(WildRobotError, match=f"could not be asked for a robot .{name}.*OSError: no network"):
            find_file(name)
    with pytest.raises(WildRobotError, match="There is no file 'cat'"):
        find_file("cat")


def test_the_command_says_which_engines_do_not_take_the_robot_and_why(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "disable")
    monkeypatch.setattr("wildrobot_eqx.physics.engine_refusals", lambda robot: {"tree": "It has a tendon."})
    file = makers.write(tmp_path / "src", "four.xml", makers.quadruped())
    assert main(["robots", "import", file, "--out", str(tmp_path / "dog")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  engines: native, mjx" in lines
    assert "  not tree: It has a tendon." in lines


def test_a_picture_is_replaced_only_where_an_import_drew_it(tmp_path):
    """It is known by its mark, as each of the other files is."""
    robot = import_robot(makers.write(tmp_path / "src", "four.xml", makers.quadruped()))
    drawn = as_png(np.zeros((4, 4, 3), np.uint8))
    robot = dataclasses.replace(robot, files={**robot.files, PICTURE: drawn})
    write_robot(robot, tmp_path / "dog")
    write_robot(robot, tmp_path / "dog", force=True)
    photo = io.BytesIO()
    Image.new("RGB", (4, 4)).save(photo, "PNG")
    (tmp_path / "dog" / PICTURE).write_bytes(photo.getvalue())
    with pytest.raises(WildRobotError, match="no import wrote it"):
        write_robot(robot, tmp_path / "dog", force=True)
    assert (tmp_path / "dog" / PICTURE).read_bytes() == photo.getvalue()


def test_nothing_is_written_of_what_is_refused(tmp_path, capsys):
    file = makers.write(tmp_path / "src", "two.urdf", makers.biped(makers.MESH))
    assert main(["robots", "import", file, "--out", str(tmp_path / "robot")]) == 2
    assert not (tmp_path / "robot").exists()
    assert "sole.stl" in capsys.readouterr().err


def test_a_mesh_of_many_points_needs_no_more_memory_than_them(tmp_path):
    """A mesh that MuJoCo reads itself may have 50,000 points, whose square would be 20 GB."""
    ball = trimesh.creation.icosphere(subdivisions=5)
    ball.apply_scale(0.05)
    ball.export(tmp_path / "ball.obj")
    head = '<body pos="0 0 0.1"><joint name="neck"/><geom type="mesh" mesh="ball" contype="0" conaffinity="0"/></body>'
    text = makers.quadruped().replace('<site name="imu_site"', f'{head}<site name="imu_site"')
    text = text.replace("<worldbody>", '<asset><mesh name="ball" file="ball.obj"/></asset><worldbody>')
    tracemalloc.start()
    robot = import_robot(makers.write(tmp_path, "four.xml", text))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(robot.model.body("link").mass, 4.0 / 3.0 * np.pi * 0.05**3 * 1000.0, rtol=0.01)
    assert peak < 100e6  # bytes; the square of 10,242 points is 839e6
