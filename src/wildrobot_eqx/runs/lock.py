"""A file held by one process at a time, by whatever the system locks files with."""

import importlib
from pathlib import Path
from typing import IO, Any

from ..atomic import writing
from ..errors import WildRobotError


def lock(path: Path) -> IO[bytes]:
    """Hold a file until the returned handle is closed; it is made where there is none.

    Raises:
        BlockingIOError: another process holds it.
        WildRobotError: it cannot be opened, or this system locks no files.
    """
    with writing(path):
        handle = path.open("ab")
    try:
        _hold(handle)
    except BaseException:
        handle.close()
        raise
    return handle


def _hold(handle: IO[bytes]) -> None:
    if (posix := _module("fcntl")) is not None:
        posix.flock(handle, posix.LOCK_EX | posix.LOCK_NB)
    elif (windows := _module("msvcrt")) is not None:
        handle.seek(0)
        try:
            windows.locking(handle.fileno(), windows.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(error.errno, error.strerror) from error
    else:
        raise WildRobotError(
            "This system locks no files, so that two trainings could write into one folder.",
            where="run",
            hint="train on Linux or macOS; check, play and the player run here",
        )


def _module(name: str) -> Any:
    """A module of the standard library that some systems lack; None there."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
