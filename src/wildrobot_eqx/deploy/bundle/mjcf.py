"""The robot's own files in a bundle, put where MuJoCo can read them: data only, nothing from outside."""

import contextlib
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from .archive import damaged

FOLDER = "robot"
_FOREIGN = {
    "extension": "loads code",
    "plugin": "loads code",
    "include": "reads another file",
    "model": "reads another model",
}
"""Elements that no bundle's model has, and why: `export` writes one file that includes none."""
_SUFFIXES = (".xml", ".mjcf")
_FOLDERS = ("assetdir", "meshdir", "texturedir")


@contextlib.contextmanager
def unpacked(files: Mapping[str, bytes], where: str) -> Iterator[Path]:
    """The robot's files in a folder that is removed again; each model is looked through first.

    Raises:
        WildRobotError: a model reaches outside of its folder, or loads code.
    """
    with tempfile.TemporaryDirectory(prefix="wildrobot-eqx-robot-") as scratch:
        for name, data in files.items():
            if not name.startswith(f"{FOLDER}/"):
                continue
            if name.endswith(_SUFFIXES) or data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):  # whatever its name
                check_mjcf(data, f"{where}, {name}")
            target = Path(scratch) / PurePosixPath(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        yield Path(scratch)


def check_mjcf(text: bytes, where: str) -> None:
    """A model that reaches for nothing outside of its folder and loads no code.

    Raises:
        WildRobotError: it does; the element is named.
    """
    if b"<!DOCTYPE" in text.upper() or b"<!ENTITY" in text.upper():
        raise damaged("The robot's MJCF defines entities, which no MJCF needs.", where, "take them out")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise damaged(f"The robot's MJCF is no XML: {error}", where) from error
    for element in root.iter():
        for name, value in element.attrib.items():
            path = PurePosixPath(value.replace("\\", "/"))
            outside = path.is_absolute() or ".." in path.parts or ":" in value
            if outside and (name.startswith("file") or name in _FOLDERS):
                raise damaged(
                    f"The robot's MJCF refers to {value!r}, outside of its folder.", where, "keep files beside it"
                )
        if element.tag in _FOREIGN:
            name = f" of {element.attrib['file']!r}" if "file" in element.attrib else ""
            why = _FOREIGN[element.tag]
            raise damaged(f"The robot's MJCF has a <{element.tag}>{name}, which {why}.", where, "take it out")
