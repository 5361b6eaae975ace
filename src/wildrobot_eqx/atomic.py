"""Files written whole or not at all: under a name of their own beside the target, flushed, then renamed.

A full disk and the like are `WildRobotError`s where the block is `writing`.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from .errors import WildRobotError

_HINT = "free some space, see that its folder may be written to, and try again; a training by --resume"


@contextlib.contextmanager
def writing(path: Path, what: str = "", hint: str = _HINT) -> Iterator[None]:
    """Turns an `OSError` raised while `path` is written into a `WildRobotError`, exit code 1.

    `what` is written, in the error's words; the name of the file if empty.
    """
    try:
        yield
    except OSError as error:
        raise WildRobotError(
            f"{what or path.name} could not be written: {error.strerror or error}",
            where=str(path),
            hint=hint,
            exit_code=1,
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The path of a temporary file beside `path`, which takes its place once the block ends without an error.

    Its name is new and hidden, with the suffix of `path`. The bytes are on the disk before the
    rename, so that not even a power cut leaves an empty file. After an error `path` is as it was.
    """
    partial = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield partial
        flush(partial)
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    flush(path.parent)


def replace_bytes(path: Path, data: bytes) -> None:
    """Write a file whole; what was there before stays if that fails."""
    with replacing(path) as partial:
        write_new(partial, data)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that does not exist yet.

    Raises:
        FileExistsError: something of that name exists, be it a link to nowhere.
    """
    with path.open("xb") as file:
        file.write(data)


def flush(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk; a folder only where the system can."""
    folder = path.is_dir()
    if folder and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if folder or os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError:
        if not folder:  # some file systems cannot do it for a folder
            raise
    finally:
        os.close(handle)
