"""From what a user names to the file of a robot: a path, a folder, or a robot of an installed collection."""

import importlib
import importlib.util
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Literal

from ...errors import WildRobotError

Kind = Literal["mjcf", "urdf"]
"""The two languages that robots are described in."""

_LARGEST = 64 * 2**20  # bytes of an XML file
_ROOTS: dict[str, Kind] = {"mujoco": "mjcf", "robot": "urdf"}
_FAVOURITES = ("robot.urdf", "robot.xml")  # of a folder that onshape-to-robot has written


def find_file(named: str) -> Path:
    """The file of a robot.

    Args:
        named: an MJCF or a URDF; a folder with one robot in it, such as onshape-to-robot writes; or the name of a
            description in the package `robot_descriptions`, or of a robot in `mujoco_menagerie`, where these are
            installed.

    Raises:
        WildRobotError: there is no such file, the folder holds several, or a collection does not give the file.
    """
    path = Path(named)
    if os.path.isdir(path):
        return _in_folder(path)
    if os.path.isfile(path):  # of a name that is too long, too, this is False and no error
        return path
    found = _in_collection(named)
    if found is not None and os.path.isfile(found):
        return found
    raise WildRobotError(
        f"There is no file {named if len(named) < 300 else named[:50] + '...'!r}.",
        where="robots import",
        hint="name an MJCF, a URDF or a folder with one; or a robot of robot_descriptions or mujoco_menagerie, "
        "where that package is installed",
    )


def read_xml(path: Path) -> tuple[ElementTree.Element, Kind]:
    """The root element of a robot's file, and its language.

    Raises:
        WildRobotError: it is no XML, defines entities, or describes no robot.
    """
    try:
        text = path.read_bytes()
        if len(text) > _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST >> 20} MiB")
        if b"<!ENTITY" in text.upper():
            raise ValueError("it defines entities")
        root = ElementTree.fromstring(_lenient(text))
    except (OSError, ValueError, LookupError, ElementTree.ParseError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise WildRobotError(
            f"{path.name} cannot be read as a robot: {why}.", where=str(path), hint="name an MJCF or a URDF"
        ) from error
    kind = _ROOTS.get(root.tag)
    if kind is None or (kind == "urdf" and root.find("link") is None):
        what = f"the element <{root.tag}>" if kind is None else "<robot> without links"
        xacro = "expand it first: xacro FILE > robot.urdf" if "xacro" in text.decode("utf-8", "replace") else ""
        raise WildRobotError(
            f"{path.name} describes no robot: it holds {what}.",
            where=str(path),
            hint=xacro or "name an MJCF (<mujoco>) or a URDF (<robot>)",
        )
    return root, kind


def _lenient(text: bytes) -> bytes:
    """XML without what stands before its declaration and after its end, as MuJoCo's and ROS's readers take it."""
    return text[max(text.find(b"<?xml"), 0) :].rstrip(b"\0") if b"\0" not in text.rstrip(b"\0") else text


def _in_folder(folder: Path) -> Path:
    for name in _FAVOURITES:
        if (folder / name).is_file():
            return folder / name
    found = sorted(path for path in folder.iterdir() if path.suffix in (".urdf", ".xml", ".mjcf"))
    found = [path for path in found if not path.name.startswith("scene")] or found
    if len(found) == 1:
        return found[0]
    raise WildRobotError(
        f"The folder {folder.name!r} holds {len(found)} files that may be the robot"
        + (f": {', '.join(path.name for path in found[:8])}." if found else "."),
        where=str(folder),
        hint="name the file",
    )


def _in_collection(name: str) -> Path | None:
    """The file of a robot in an installed collection, which may fetch it."""
    if not name.replace("_", "").replace("-", "").isalnum():
        return None
    for package, find in (("robot_descriptions", _described), ("mujoco_menagerie", _of_menagerie)):
        try:
            found = find(name)
        except Exception as error:  # whatever another's package raises where it fetches or reads
            raise WildRobotError(
                f"The package {package} could not be asked for a robot {name!r}: "
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'without a word'}",
                where="robots import",
                hint="it may fetch files when they are first asked for; or name a file of your own",
            ) from error
        if found is not None:
            return found
    return None


def _described(name: str) -> Path | None:
    if not _installed(f"robot_descriptions.{name}"):
        return None
    module = importlib.import_module(f"robot_descriptions.{name}")
    return Path(str(vars(module).get("MJCF_PATH") or vars(module).get("URDF_PATH")))


def _of_menagerie(name: str) -> Path | None:
    if not _installed("mujoco_menagerie"):
        return None
    menagerie = importlib.import_module("mujoco_menagerie")
    if name not in menagerie.names():
        return None
    robot = menagerie.get(name)
    return Path(robot.xml(robot.default_model))


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
