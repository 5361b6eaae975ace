"""Writing files: whole or not at all, and a full disk is told like any other mistake."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

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
