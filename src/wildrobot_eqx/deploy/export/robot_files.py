"""The robot in a bundle: packed on the way out, loaded again as training had it."""

import equinox as eqx

from ...errors import WildRobotError
from ...robots import Robot, load_robot
from ..bundle.archive import MAX_FILE, damaged
from ..bundle.bundle import Bundle
from ..bundle.mjcf import FOLDER, unpacked

_SUFFIXES = {".xml", ".mjcf", ".toml", ".stl", ".obj", ".msh", ".png"}


def pack_robot(robot: Robot) -> tuple[dict[str, bytes], dict[str, str]]:
    """The files that the robot is loaded from, by their names in a bundle, and which of them is what.

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
