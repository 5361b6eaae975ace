"""The files of an imported robot, written all or none, over nothing but an earlier import."""

import os
import tempfile
from pathlib import Path

from ...atomic import replace_bytes
from ...errors import WildRobotError
from ..load import load_robot
from ..robot import Robot
from .importer import ImportedRobot
from .toml import MARK

PICTURE = "home.png"
_SIGN = MARK.removeprefix("# ").encode()


def check_loads(robot: ImportedRobot) -> Robot:
    """The robot as `load_robot` takes it, from a folder that is gone again.

    Raises:
        WildRobotError: it refuses what was made.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, data in robot.files.items():
            (Path(folder) / name).write_bytes(data)
        return load_robot(folder)


def _is_ours(path: Path) -> bool:
    """Whether an import wrote a file, by the mark near its head; a file that cannot be read is not known to be."""
    try:
        return path.is_file() and _SIGN in path.read_bytes()[:4096]
    except OSError:
        return False


def write_robot(robot: ImportedRobot, folder: Path, force: bool = False) -> list[Path]:
    """Write the files of an import.

    Args:
        robot: whose files they are.
        folder: where they go; made where it is missing.
        force: whether files of an earlier import are replaced. Files that no import wrote never are.

    Returns:
        The paths.

    Raises:
        WildRobotError: a file is there already, or cannot be written.
    """
    paths = {name: folder / name for name in robot.files}
    for path in paths.values():
        if not os.path.lexists(path):
            continue
        ours = _is_ours(path)
        if not (force and ours):
            what = f"{path} exists already" + ("." if ours else ", and no import wrote it.")
            hint = "--force replaces the files of an earlier import; or --out with another folder"
            raise WildRobotError(what, where="robots import, --out", hint=hint if ours else "--out with another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in paths.items():
            replace_bytes(path, robot.files[name])
    except OSError as error:
        raise WildRobotError(
            f"{folder} cannot be written: {error.strerror}.", where="robots import, --out", exit_code=1
        ) from error
    return list(paths.values())
