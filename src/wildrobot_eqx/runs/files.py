"""Writing files: whole or not at all, and a full disk is told like any other mistake."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    """Write a file under a temporary name, then rename it: a reader never sees half of it.

    Raises:
        WildRobotError: it cannot be written; what was there before is untouched.
    """
    partial = path.with_name(path.name + ".partial")
    with writing(path):
        try:
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, path)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
