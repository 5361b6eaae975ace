"""A bundle's files, from a folder or a zip into memory: nothing is ever extracted, nothing outside is reached."""

import os
import stat
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from ...errors import WildRobotError

MAX_FILES = 256
MAX_FILE = 64 * 2**20  # bytes
MAX_TOTAL = 128 * 2**20  # bytes
MAX_ENTRIES = 4 * MAX_FILES  # with folders and hidden files
STAGING = ".wildrobot-eqx-export"  # in a bundle's folder while an export writes into it
_MAX_DIRECTORY = 2**20  # bytes of a zip's list of members, which is parsed as a whole
_CHUNK = 2**20
_END = struct.Struct("<4s4H2LH")  # the end of a zip: signature, ..., size and place of the list, length of a comment
_END64 = b"PK\x06\x07"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unfold a whole chunk at once, however large
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of every member: equal contents make equal zips


def damaged(what: str, where: str, hint: str = "export the bundle anew") -> WildRobotError:
    """A bundle that is refused, and why."""
    return WildRobotError(what, where=where, hint=hint, exit_code=1)


def read_files(path: str | os.PathLike[str]) -> dict[str, bytes]:
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
        with path.open("rb") as file:
            return read_zip(file, str(path))
    except OSError as error:
        raise damaged(f"The bundle cannot be read: {error.strerror or error}", str(path)) from error


def read_zip(file: IO[bytes], where: str) -> dict[str, bytes]:
    """Every file of a zip by its name, unfolded into bounded memory.

    Raises:
        WildRobotError: it is damaged, holds a link, a twin or a name that points outside, or is larger than a
            bundle may be.
    """
    try:
        _check_end(file, where)
        with zipfile.ZipFile(file) as archive:
            return _read_members(archive, where)
    except WildRobotError:
        raise
    except Exception as error:  # what is spoilt raises errors of many types, such as zlib's own
        raise damaged(f"The bundle cannot be read: {str(error) or type(error).__name__}", where) from error


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
        raise _too_large(name, where)


def _too_large(name: str, where: str) -> WildRobotError:
    return damaged(
        f"The bundle is larger than a bundle may be ({name!r} is where it gets too large).",
        where,
        f"at most {MAX_FILES} files of {MAX_FILE >> 20} MiB each, {MAX_TOTAL >> 20} MiB in all",
    )


def _read_folder(folder: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    total = 0
    try:
        if (folder / STAGING).exists():
            raise damaged("An export into this folder has not come to its end.", str(folder), "wait, or export anew")
        for path in _walk(folder):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink() or not path.is_file():
                raise damaged(f"The bundle holds {name!r}, which is no plain file.", str(folder))
            _check_name(name, str(folder))
            _check_size(name, path.stat().st_size, total + path.stat().st_size, len(files) + 1, str(folder))
            with path.open("rb") as file:
                files[name] = file.read(MAX_FILE + 1)
            total += len(files[name])
            _check_size(name, len(files[name]), total, len(files), str(folder))
    except OSError as error:
        raise damaged(f"The bundle cannot be read: {error}", str(folder), "see that it may be read") from error
    return files


def _walk(folder: Path) -> Iterator[Path]:
    """What is no folder, in order, hidden files and folders apart; no more entries than a bundle may have."""
    waiting, count = [folder], 0
    while waiting:
        entries = []
        with os.scandir(waiting.pop()) as found:
            for entry in found:
                count += 1
                if count > MAX_ENTRIES:
                    raise _too_large(entry.name, str(folder))
                if not entry.name.startswith("."):
                    entries.append(entry)
        waiting += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
        yield from (Path(entry.path) for entry in entries if not entry.is_dir(follow_symlinks=False))


def _check_end(file: IO[bytes], where: str) -> None:
    """The zip's own end says that its list of members is short: the library would parse any, at 1 kB a member."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size - 20))
    tail = file.read()
    end = tail[-_END.size :]
    if len(end) < _END.size or end[:4] != b"PK\x05\x06" or end[-2:] != b"\0\0":
        raise damaged("The bundle cannot be read: it does not end as a zip does.", where)
    _, _, _, _, count, directory, _, _ = _END.unpack(end)
    if count > MAX_ENTRIES or directory > _MAX_DIRECTORY or tail[: -_END.size].startswith(_END64):
        raise _too_large("its list of files", where)
    file.seek(0)


def _read_members(archive: zipfile.ZipFile, where: str) -> dict[str, bytes]:
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
        if member.compress_type not in _METHODS:
            raise damaged(f"The bundle holds {name!r}, packed in a way that no export packs.", where)
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
