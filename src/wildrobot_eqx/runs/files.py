"""Writing files: whole or not at all, and a full disk is a `WildRobotError`."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..atomic import replace_bytes
from ..errors import WildRobotError


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an `OSError` raised while `path` is written into a `WildRobotError`, exit code 1."""
    try:
        yield
    except OSError as error:
        raise WildRobotError(
            f"{path.name} could not be written: {error.strerror or error}",
            where=str(path),
            hint="free some space, see that its folder may be written to, and try again; a training by --resume",
            exit_code=1,
        ) from error


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: a reader never sees half of it, nor does a power cut leave that.

    Raises:
        WildRobotError: it cannot be written; what was there before is untouched.
    """
    with writing(path):
        replace_bytes(path, text.encode("utf-8"))


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
