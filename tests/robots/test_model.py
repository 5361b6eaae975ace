"""A compiled model as a value: equal wherever its files lie, another with any number changed."""

import shutil

import equinox as eqx
import numpy as np
import pytest
import trimesh

from wildrobot_eqx import load_robot
from wildrobot_eqx.deploy.export.robot_files import pack_robot, unpack_robot
from wildrobot_eqx.paths import data_dir

DRAWN = '<geom class="visual" type="box" size="0.05 0.04 0.06" pos="0 0 0.05" material="chassis"/>'


@pytest.fixture
def meshed(tmp_path):
    """The hopper with a mesh for its torso, in a folder."""
    folder = shutil.copytree(data_dir("robots") / "hopper", tmp_path / "hopper")
    (folder / "assets").mkdir()
    trimesh.creation.box((0.1, 0.08, 0.12)).export(folder / "assets" / "torso.stl")
    text = (folder / "hopper.xml").read_text()
    for old, new in (
        (DRAWN, DRAWN.replace('type="box" size="0.05 0.04 0.06"', 'type="mesh" mesh="torso"')),
        ("<compiler ", '<compiler meshdir="assets" '),
        ("<asset>", '<asset><mesh name="torso" file="torso.stl"/>'),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "hopper.xml").write_text(text)
    return folder


def test_a_copy_of_a_robot_with_meshes_is_equal_and_travels_in_a_bundle(meshed, tmp_path):
    robot = load_robot(meshed)
    assert robot.model.mj.nmesh == 1
    copy = load_robot(shutil.copytree(meshed, tmp_path / "a" / "longer" / "way" / "hopper"))
    assert copy.model.mj.paths != robot.model.mj.paths
    assert copy.model == robot.model
    assert hash(copy.model) == hash(robot.model)
    files, _ = pack_robot(robot)
    assert "robot/assets/torso.stl" in files
    assert eqx.tree_equal(unpack_robot(files, "here"), robot)


def test_any_number_changed_is_another_model(hopper):
    """In each array of the model, and in its options, statistics and view."""
    model, tried = hopper.model, 0
    for part in ("", "opt", "stat", "vis.global_", "vis.map"):

        def at(mj, part=part):
            for name in part.split(".") if part else ():
                mj = getattr(mj, name)
            return mj

        for name in dir(at(model.mj)):
            value = None if name.startswith("_") or name.endswith("_pathadr") else getattr(at(model.mj), name)
            if isinstance(value, np.ndarray) and value.size:

                def change(mj, name=name, at=at):
                    array = getattr(at(mj), name)
                    array.flat[-1] = array.flat[-1] + 1 if array.dtype != bool else not array.flat[-1]

                assert model.edit(change) != model, name
                tried += 1
    assert model.edit(lambda mj: setattr(mj.opt, "timestep", 0.004)) != model
    assert model.edit(lambda mj: setattr(mj.vis.global_, "fovy", 50.0)) != model
    assert tried > 200
