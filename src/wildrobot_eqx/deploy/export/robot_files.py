"""The robot in a bundle: packed on the way out, loaded again as training had it."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import equinox as eqx

from ...errors import WildRobotError
from ...robots import Robot, load_robot
from ..bundle.archive import MAX_FILE, damaged
from ..bundle.bundle import Bundle
from ..bundle.mjcf import FOLDER, unpacked

_SUFFIXES = {".toml", ".stl", ".obj", ".msh", ".png"}  # beside the model itself


def pack_robot(robot: Robot) -> tuple[dict[str, bytes], dict[str, str]]:
    """The files that the robot is loaded from, by their names in a bundle, and which of them is what.

    A model that includes others travels as one file.

    Raises:
        WildRobotError: they are gone, have changed since the robot was loaded, or cannot travel.
    """
    path = robot.model.path
    folder = None if path is None else next((f for f in path.parents[:2] if (f / "robot.toml").is_file()), None)
    if path is None or folder is None:
        raise WildRobotError(
            f"The robot {robot.name!r} was not loaded from a folder with a robot.toml.",
            where="env.physics.robot",
            hint="load it by load_robot",
        )
    files = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink() and file.suffix.lower() in _SUFFIXES:
            if file.stat().st_size > MAX_FILE:
                raise WildRobotError(
                    f"{file.name} is too large for a bundle.", where=str(file), hint=f"at most {MAX_FILE >> 20} MiB"
                )
            files[f"{FOLDER}/{file.relative_to(folder).as_posix()}"] = file.read_bytes()
    files[f"{FOLDER}/{path.relative_to(folder).as_posix()}"] = _one_file(path)
    named = {"model": f"{FOLDER}/{path.relative_to(folder).as_posix()}", "robot": f"{FOLDER}/robot.toml"}
    again = unpack_robot(files, str(folder))
    if not eqx.tree_equal(again, robot):
        raise WildRobotError(
            f"The files of the robot {robot.name!r} are no longer those that it was loaded from.",
            where=str(folder),
            hint="restore them",
        )
    return files, named


def bundled_robot(bundle: Bundle) -> Robot:
    """The robot that a bundle carries.

    Raises:
        WildRobotError: it carries none, or its files refer to something outside.
    """
    if bundle.contract.document["simulation"] is None:
        raise damaged("The bundle carries no robot.", bundle.path, "its README.md says why")
    return unpack_robot(bundle.files, bundle.path)


def unpack_robot(files: dict[str, bytes], where: str) -> Robot:
    """Load the robot from files in memory, by way of a folder that is removed again.

    Raises:
        WildRobotError: they refer to something outside, or do not fit together.
    """
    with unpacked(files, where) as scratch:
        return load_robot(scratch / FOLDER)


def _one_file(path: Path) -> bytes:
    """An MJCF with what it includes put in its place, as MuJoCo reads it; its very bytes where it includes nothing."""
    root = ElementTree.fromstring(path.read_bytes())
    if root.find(".//include") is None:
        return path.read_bytes()
    _expand(root, path.parent, path.parent, {path})
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _expand(element: ElementTree.Element, beside: Path, nearer: Path, above: set[Path]) -> None:
    """Replace every include within: its file lies beside the model, or else beside the file that names it."""
    for i, child in reversed(list(enumerate(element))):
        if child.tag != "include":
            _expand(child, beside, nearer, above)
            continue
        name = child.attrib["file"]
        file = beside / name if (beside / name).is_file() else nearer / name
        if file in above:
            raise WildRobotError(f"{file.name} includes itself.", where=str(file), hint="take the include out")
        included = ElementTree.fromstring(file.read_bytes())
        _expand(included, beside, file.parent, above | {file})
        element[i : i + 1] = list(included)
