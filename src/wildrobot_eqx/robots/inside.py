"""What a robot's MJCF reads, proved to lie inside of the robot's own folder before MuJoCo reads it."""

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path, PurePath

import mujoco

from ..errors import WildRobotError

_MAX_XML = 64 * 2**20  # bytes of one file
_READ_WHILE_PARSING = ("include", "model", "flexcomp")  # elements whose file MuJoCo opens before anybody can ask
_FOLDERS = ("assetdir", "meshdir", "texturedir")


def check_inside(folder: Path, path: Path, where: str) -> None:
    """A file lies inside a folder, links followed; `where` names it.

    Raises:
        WildRobotError: it does not; the path is told.
    """
    root, real = folder.resolve(), _real(path)
    if real != root and root not in real.parents:
        raise WildRobotError(
            f"The robot refers to {str(path)!r}, which lies outside of its folder.",
            where=where,
            hint="keep all of a robot's files in the folder of its robot.toml; a link out of it leads outside",
        )


def check_model(folder: Path, model: Path, where: str) -> None:
    """All that an MJCF reads lies inside a folder: what it includes and attaches, meshes, textures, heightfields.

    Included files are looked through first, so that MuJoCo never opens one from outside; MuJoCo's own parser then
    says which assets the model has.

    Args:
        folder: the robot's folder.
        model: the MJCF.
        where: what names it.

    Raises:
        WildRobotError: something does not, or is no XML; the path is told.
    """
    check_inside(folder, model, where)
    if not os.path.isfile(model):
        return  # whoever loads it says so
    _check_parsed(folder, model)
    try:
        spec = mujoco.MjSpec.from_file(str(model))
    except ValueError:
        return  # whoever compiles it tells what is wrong
    for element, directory, name in _assets(spec):
        check_inside(folder, model.parent / directory / name, f"{model}, <{element}>")


def _check_parsed(folder: Path, model: Path) -> None:
    """What is opened while the MJCF is parsed, and what is included by that.

    MuJoCo looks for a file beside the model first, then beside the file that names it; and for some in a folder
    that any of the files may set. All of these places lie inside.
    """
    waiting, seen, folders = [model], set[Path](), {Path()}
    named: list[tuple[Path, str, str]] = []
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for element in _elements(file):
            folders |= {Path(element.attrib[key]) for key in _FOLDERS if key in element.attrib}
            name = element.attrib.get("file", "")
            if element.tag not in _READ_WHILE_PARSING or not name:
                continue
            where = f"{file}, <{element.tag}>"
            for near in {model.parent, file.parent}:
                check_inside(folder, near / name, where)
                if element.tag == "include" and os.path.isfile(near / name):
                    waiting.append(near / name)
                elif element.tag == "model" and (near / name) not in seen:
                    seen.add(near / name)
                    check_model(folder, near / name, where)
            named.append((file, name, where))
    for file, name, where in named:
        for near in {model.parent, file.parent}:
            for directory in folders:
                check_inside(folder, near / directory / name, where)


def _elements(file: Path) -> list[ElementTree.Element]:
    """Every element of an XML file.

    Raises:
        WildRobotError: it is none, is too large, or defines entities, by which XML refers to other files.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(_MAX_XML + 1)
        if len(text) > _MAX_XML:
            raise ValueError(f"it is larger than {_MAX_XML >> 20} MiB")
        if b"<!ENTITY" in text.upper():
            raise ValueError("it defines entities, which no MJCF needs")
        return list(ElementTree.fromstring(text).iter())
    except (OSError, ValueError, LookupError, ElementTree.ParseError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise WildRobotError(
            f"MuJoCo cannot compile {file.name}: {why}", where=str(file), hint="mend or restore that file"
        ) from error


def _assets(spec: mujoco.MjSpec) -> Iterator[tuple[str, str, str]]:
    """Element, directory and name of every file that compiling the model reads."""
    meshes, textures = spec.meshdir or "", spec.texturedir or ""
    named: list[tuple[str, str, str]] = [("mesh", meshes, mesh.file) for mesh in spec.meshes]
    named += [("hfield", meshes, field.file) for field in spec.hfields]
    named += [("skin", meshes, skin.file) for skin in spec.skins]
    for texture in spec.textures:
        named += [("texture", textures, name) for name in (texture.file, *texture.cubefiles)]
    if spec.strippath:
        named = [(element, directory, PurePath(name).name) for element, directory, name in named]
    return ((element, directory, name) for element, directory, name in named if name)


def _real(path: Path) -> Path:
    """The path without links; of one that runs in a circle, as it is."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return Path(os.path.abspath(path))
