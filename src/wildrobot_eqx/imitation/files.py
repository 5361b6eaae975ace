"""Clips as files: JSON, which holds numbers and nothing that could be executed."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import replace_bytes
from ..errors import WildRobotError, nearest
from ..robots import Robot
from .clip import Columns, MotionClip, check_columns

VERSION = 1
FOLDER = "clips"
"""In a robot's folder: where a clip is found by its name."""
_KEYS = ("version", "rate", "loop", "joints", "base")
_LARGEST = 64 * 2**20  # bytes
_DIGITS = 5  # after the point, rad and m


def load_clip(clip: str | os.PathLike[str], robot: Robot) -> MotionClip:
    """Read a motion clip from a file, or one of a name from the folder `clips` beside the robot's robot.toml.

    The file is a JSON object: `version` (1), `rate` (frames per second), `loop` (true or false),
    `joints` (by name, the position in each frame, rad or m) and perhaps `base` (any of x, y, z,
    in m, and roll, pitch, yaw, in rad). It is read as data; nothing in it is executed.

    Args:
        clip: a path that ends in .json, or a name.
        robot: whose joints the clip names.

    Raises:
        WildRobotError: there is no such clip, it is malformed, or the robot cannot do it.
    """
    path = _find(clip, robot)
    content = _read(path)
    for key in content:
        if key not in _KEYS:
            raise WildRobotError(f"A clip has no key {key!r}.", where=str(path), hint=nearest(key, _KEYS))
    if content.get("version") != VERSION or isinstance(content["version"], bool):
        raise _error(
            path, "version", f"must be {VERSION}, got {_short(content.get('version'))}", f'"version": {VERSION}'
        )
    rate, loop = content.get("rate"), content.get("loop", False)
    if rate is None or not _is_number(rate):
        raise _error(path, "rate", f"must be a number, got {_short(rate)}", "frames per second, such as 50")
    if not isinstance(loop, bool):
        raise _error(path, "loop", f"must be true or false, got {_short(loop)}", '"loop": false')
    joints, base = _columns(path, content, "joints"), _columns(path, content, "base")
    return MotionClip.make(robot, float(rate), joints, base, loop, where=str(path))


def write_clip(
    path: str | os.PathLike[str], rate: float, joints: Columns, base: Columns | None = None, loop: bool = False
) -> None:
    """Write a clip as `load_clip` reads it, rounded to five digits after the point.

    Args:
        path: the file, which ends in .json.
        rate: frames per second.
        joints: by name, the position in each frame, rad or m.
        base: any of x, y, z (m) and roll, pitch, yaw (rad), likewise.
        loop: whether the first frame follows the last one.

    Raises:
        WildRobotError: the columns are no clip, or the file cannot be written.
    """
    path, base = Path(path), base or {}
    check_columns(rate, joints, base, str(path))
    tables = [f'  "{key}": {_table(columns)}' for key, columns in (("joints", joints), ("base", base)) if columns]
    head = [f'  "version": {VERSION}', f'  "rate": {json.dumps(float(rate))}', f'  "loop": {json.dumps(bool(loop))}']
    text = "{\n" + ",\n".join([*head, *tables]) + "\n}\n"
    try:
        replace_bytes(path, text.encode("utf-8"))
    except OSError as error:
        raise WildRobotError(
            f"The clip cannot be written: {error.strerror or error}", where=str(path), hint="name another file"
        ) from error


def _table(columns: Columns) -> str:
    """A JSON object with one line for each column; 0 has no sign."""
    lines = []
    for name, column in columns.items():
        rounded = np.round(np.asarray(column, float), _DIGITS) + 0.0
        lines.append(f"    {json.dumps(name)}: {json.dumps(rounded.tolist(), separators=(', ', ': '))}")
    return "{\n" + ",\n".join(lines) + "\n  }"


def _find(clip: str | os.PathLike[str], robot: Robot) -> Path:
    path = Path(clip)
    if path.suffix == ".json" or path.is_file():
        if not path.is_file():
            raise WildRobotError(f"There is no clip {str(clip)!r}.", where=str(path), hint="see where the file lies")
        return path
    model = robot.model.path
    folder = None if model is None else model.parent / FOLDER
    known = [] if folder is None else sorted(found.stem for found in folder.glob("*.json"))
    if folder is None or str(clip) not in known:
        raise WildRobotError(
            f"Robot {robot.name!r} has no clip {str(clip)!r}.",
            where="load_clip" if folder is None else str(folder),
            hint=f"{nearest(str(clip), known)}; or give the path of a .json file",
        )
    return folder / f"{clip}.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST >> 20} MiB")
        content = json.loads(data.decode("utf-8"))
    except OSError as error:
        raise WildRobotError(
            f"The clip cannot be read: {error.strerror}", where=str(path), hint="see that it may be read"
        ) from error
    except (ValueError, RecursionError) as error:
        raise WildRobotError(
            f"The clip is no JSON: {error}", where=str(path), hint="write it by `we.write_clip`"
        ) from error
    if not isinstance(content, dict):
        raise WildRobotError(
            f"A clip is a JSON object, got {_short(content)}.", where=str(path), hint="write it by `we.write_clip`"
        )
    return content


def _columns(path: Path, content: dict[str, Any], key: str) -> dict[str, list[float]]:
    """The columns of `joints` or `base`, lists of numbers."""
    table = content.get(key, {})
    if not isinstance(table, dict):
        raise _error(path, key, f"must be an object of lists, got {_short(table)}", "a list of numbers for each name")
    for name, column in table.items():
        if not isinstance(column, list) or not all(map(_is_number, column)):
            wrong = column if not isinstance(column, list) else next(v for v in column if not _is_number(v))
            raise _error(path, f"{key}.{name}", f"must be a list of numbers, got {_short(wrong)}", "mend that column")
    return table


def _error(path: Path, key: str, what: str, hint: str) -> WildRobotError:
    return WildRobotError(f"The clip's {key!r} {what}.", where=f"{path}, {key}", hint=hint)


def _is_number(value: Any) -> bool:
    """A number that a float32 holds; one that is not finite passes here; a later check names its frame."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not 1e30 < abs(value) < np.inf


def _short(value: Any) -> str:
    return repr(value)[:60]
