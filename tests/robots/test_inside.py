"""A robot that comes from elsewhere reads nothing outside of its folder: not by name, not by link, not by include."""

import os
import shutil

import pytest

from wildrobot_eqx import WildRobotError, load_robot
from wildrobot_eqx.paths import data_dir

MESH = """v 0 0 0
v 1 0 0
v 0 1 0
v 0 0 1
f 1 3 2
f 1 2 4
f 2 3 4
f 1 4 3
"""
GEOM = (
    '<mujoco><worldbody><geom name="{name}" size="0.1" pos="0 0 5" contype="0" conaffinity="0"/></worldbody></mujoco>'
)


@pytest.fixture
def folder(tmp_path):
    """A private copy of the hopper's folder, and beside it what it must not read."""
    (tmp_path / "outside.xml").write_text(GEOM.format(name="stolen"))
    (tmp_path / "outside.obj").write_text(MESH)
    (tmp_path / "model.xml").write_text((data_dir("robots") / "hopper" / "hopper.xml").read_text())
    return shutil.copytree(data_dir("robots") / "hopper", tmp_path / "hopper")


def _insert(folder, text: str) -> None:
    path = folder / "hopper.xml"
    path.write_text(path.read_text().replace("<worldbody>", f"{text}<worldbody>", 1))


def _model(folder, name: str) -> None:
    path = folder / "robot.toml"
    path.write_text(path.read_text().replace('"hopper.xml"', f'"{name}"'))


def _linked_model(folder, name):
    (folder / "hopper.xml").unlink()
    (folder / "hopper.xml").symlink_to(folder.parent / "model.xml")


def _linked_toml(folder, name):
    os.replace(folder / "robot.toml", folder.parent / "robot.toml")
    (folder / "robot.toml").symlink_to(folder.parent / "robot.toml")


def _linked_folder(folder, name):
    (folder / "parts").symlink_to(folder.parent)
    _insert(folder, '<include file="parts/outside.xml"/>')


def _nested(folder, name):
    (folder / "parts").mkdir()
    (folder / "parts" / "a.inc").write_text(f'<mujoco><include file="{name}/outside.xml"/></mujoco>')
    _insert(folder, '<include file="parts/a.inc"/>')


def _asset(element):
    def spoil(folder, name):
        _insert(folder, f"<asset>{element.format(name)}</asset>")

    return spoil


def _meshdir(folder, name):
    _insert(folder, f'<compiler meshdir="{name}"/><asset><mesh name="m" file="outside.obj"/></asset>')


def _included_meshdir(folder, name):
    (folder / "a.xml").write_text(f'<mujoco><compiler assetdir="{name}"/></mujoco>')
    _insert(folder, '<include file="a.xml"/><asset><mesh name="m" file="outside.obj"/></asset>')


def _linked_mesh(folder, name):
    (folder / "m.obj").symlink_to(folder.parent / "outside.obj")
    _insert(folder, '<asset><mesh name="m" file="m.obj"/></asset>')


def _attached(folder, name):
    (folder / "child.xml").write_text(f'<mujoco><include file="{name}/outside.xml"/></mujoco>')
    _insert(folder, '<asset><model name="c" file="child.xml"/></asset>')


def _attached_mesh(folder, name):
    (folder / "child.xml").write_text(f'<mujoco><asset><mesh name="m" file="{name}/outside.obj"/></asset></mujoco>')
    _insert(folder, '<asset><model name="c" file="child.xml"/></asset>')


def _flexcomp(folder, name):
    comp = f'<body><flexcomp name="f" type="mesh" file="{name}/outside.obj"/></body>'
    path = folder / "hopper.xml"
    path.write_text(path.read_text().replace("<worldbody>", f"<worldbody>{comp}", 1))


SPOILT = {
    "model": lambda folder, name: _model(folder, f"{name}/model.xml"),
    "linked model": _linked_model,
    "linked robot.toml": _linked_toml,
    "include": lambda folder, name: _insert(folder, f'<include file="{name}/outside.xml"/>'),
    "linked folder": _linked_folder,
    "include of an included file": _nested,
    "mesh": _asset('<mesh name="m" file="{}/outside.obj"/>'),
    "texture": _asset('<texture name="t" type="2d" file="{}/outside.png"/>'),
    "side of a texture": _asset('<texture name="t" type="cube" fileright="{}/outside.png"/>'),
    "heightfield": _asset('<hfield name="h" size="1 1 1 1" file="{}/outside.png"/>'),
    "skin": _asset('<skin name="s" file="{}/outside.skn"/>'),
    "attached model": _asset('<model name="m" file="{}/model.xml"/>'),
    "meshdir": _meshdir,
    "meshdir of an included file": _included_meshdir,
    "linked mesh": _linked_mesh,
    "include of an attached model": _attached,
    "mesh of an attached model": _attached_mesh,
    "mesh of a flexcomp": _flexcomp,
}


@pytest.mark.parametrize("way", ["..", "absolute"])
@pytest.mark.parametrize("what", SPOILT)
def test_what_lies_outside_is_never_read(what, way, folder):
    SPOILT[what](folder, ".." if way == ".." else str(folder.parent))
    with pytest.raises(WildRobotError, match="lies outside of its folder") as caught:
        load_robot(folder)
    assert str(folder) in caught.value.where
    told = caught.value.what
    assert any(name in told for name in ("outside", "model.xml", "hopper.xml", "robot.toml", "m.obj"))


def test_what_lies_inside_is_read(folder):
    """Through includes, upwards within the folder, and by links that stay inside."""
    for name in ("mjcf", "parts", "meshes"):
        (folder / name).mkdir()
    (folder / "meshes" / "m.obj").write_text(MESH)
    (folder / "meshes" / "link.obj").symlink_to("m.obj")
    _insert(
        folder,
        '<include file="../parts/a.inc"/><compiler meshdir="../meshes"/>'
        '<asset><mesh name="m" file="m.obj"/><mesh name="n" file="link.obj"/></asset>',
    )
    (folder / "parts" / "a.inc").write_text('<mujoco><include file="b.inc"/></mujoco>')
    (folder / "parts" / "b.inc").write_text(GEOM.format(name="own"))
    os.replace(folder / "hopper.xml", folder / "mjcf" / "hopper.xml")
    _model(folder, "mjcf/hopper.xml")
    mj = load_robot(folder).model.mj
    assert mj.nmesh == 2
    assert mj.geom("own").id >= 0


def test_a_robot_is_loaded_through_a_link_to_its_folder(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    assert load_robot(tmp_path / "link").name == "hopper"


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><mujoco><worldbody/></mujoco>',
        "<mujoco><worldbody>",
        "",
        "\x00\x01",
    ],
)
def test_what_is_no_mjcf_is_told(text, folder):
    (folder / "hopper.xml").write_text(text)
    with pytest.raises(WildRobotError, match=r"hopper.xml") as caught:
        load_robot(folder)
    assert caught.value.where == str(folder / "hopper.xml")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("control_dt = 0.02", f"control_dt = {10**400}"),
        ("control_dt = 0.02", "control_dt = 1e39"),
        ('model = "hopper.xml"', 'model = "\\u0000"'),
        ('model = "hopper.xml"', f'model = "{"x" * 5000}"'),
        ("control_dt = 0.02", f"control_dt = {'[' * 3000}"),
    ],
)
def test_a_spoilt_robot_toml_is_told(old, new, folder):
    path = folder / "robot.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(WildRobotError) as caught:
        load_robot(folder)
    assert str(folder) in caught.value.where
