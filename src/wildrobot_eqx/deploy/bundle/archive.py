"""A bundle's files, from a folder or a zip into memory: nothing is ever extracted, nothing outside is reached."""

import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ...errors import WildRobotError

MAX_FILES = 256
MAX_FILE = 64 * 2**20  # bytes
MAX_TOTAL = 128 * 2**20  # bytes
_CHUNK = 2**20
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of every member: equal contents make equal zips


def damaged(what: str, where: str, hint: str = "export the bundle anew") -> WildRobotError:
    """A bundle that is refused, and why."""
    return WildRobotError(what, where=where, hint=hint, exit_code=1)


def read_files(path: str | os.PathLike) -> dict[str, bytes]:
    """Every file of a bundle by its name, from a folder or a zip.

    Names are relative, with forward slashes. Hidden files of a folder are passed over.

    Raises:
        WildRobotError: there is no bundle, it cannot be read, it holds a link or a name that
            points outside, or it is larger than a bundle may be.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise WildRobotError(
            f"There is no bundle {str(path)!r}.",
            where="a folder or a .zip that `export` wrote",
            hint="make one by: wildrobot-eqx export RUN",
        )
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_zip(archive, str(path))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, OSError, ValueError) as error:
        raise damaged(f"The bundle cannot be read: {error}", str(path)) from error
    except Exception as error:
        if isinstance(error, WildRobotError):
            raise
        raise damaged(f"The bundle cannot be read: {type(error).__name__}: {error}", str(path)) from error


def write_zip(files: Mapping[str, bytes], path: Path) -> None:
    """Write the files as a zip whose bytes depend on nothing but their names and contents."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3  # Unix, wherever it is written
            member.external_attr = 0o100644 << 16
            archive.writestr(member, files[name], compresslevel=9)


def _check_name(name: str, where: str) -> None:
    """A plain relative name: no drive, no root, no way up."""
    parts = PurePosixPath(name).parts
    plain = bool(parts) and not name.startswith("/") and "\\" not in name and ":" not in name and "\0" not in name
    if not plain or any(part in ("..", ".") for part in name.split("/")) or name != "/".join(parts):
        raise damaged(f"The bundle holds a file with the name {name!r}, which points elsewhere.", where)


def _check_size(name: str, size: int, total: int, count: int, where: str) -> None:
    if size > MAX_FILE or total > MAX_TOTAL or count > MAX_FILES:
        raise damaged(
            f"The bundle is larger than a bundle may be ({name!r} is where it gets too large).",
            where,
            f"at most {MAX_FILES} files of {MAX_FILE >> 20} MiB each, {MAX_TOTAL >> 20} MiB in all",
        )


def _read_folder(folder: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    total = 0
    try:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if any(part.startswith(".") for part in name.split("/")):
                continue
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise damaged(f"The bundle holds {name!r}, which is no plain file.", str(folder))
            if path.is_dir():
                continue
            _check_name(name, str(folder))
            total += path.stat().st_size
            _check_size(name, path.stat().st_size, total, len(files) + 1, str(folder))
            files[name] = path.read_bytes()
    except OSError as error:
        raise damaged(f"The bundle cannot be read: {error}", str(folder), "see that it may be read") from error
    return files


def _read_zip(archive: zipfile.ZipFile, where: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    total = 0
    for member in archive.infolist():
        if member.is_dir():
            continue
        name = member.filename
        _check_name(name, where)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise damaged(f"The bundle holds {name!r}, which is no plain file.", where)
        if name in files:
            raise damaged(f"The bundle holds two files of the name {name!r}.", where)
        _check_size(name, 0, total, len(files) + 1, where)
        data = bytearray()
        with archive.open(member) as stream:  # what the directory says of its size is not to be trusted
            while chunk := stream.read(_CHUNK):
                data += chunk
                total += len(chunk)
                _check_size(name, len(data), total, len(files) + 1, where)
        files[name] = bytes(data)
    return files
