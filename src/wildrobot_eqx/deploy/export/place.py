"""A bundle put on the disk: its own files are replaced, all others stay, and an interrupted one is marked."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...atomic import flush, replace_bytes, replacing, write_new, writing
from ...errors import WildRobotError
from ..bundle.archive import STAGING, read_files, write_zip
from ..bundle.contract import FILE, FORMAT, contract_digest
from ..bundle.signature import SIGNATURE, is_signature

_JOURNAL = "journal.json"
_SIGNATURE_SIZE = 2**16  # bytes, at most


def check_place(folder: Path, archive: Path, force: bool) -> None:
    """Whether a bundle may be written there, before the work that it takes.

    The folder is absent, empty, or holds a bundle whose files are as they were exported, and whatever
    else beside them; the zip is absent or such a bundle. With `force` any folder will do.

    Raises:
        WildRobotError: a file would be lost; it is named.
    """
    if folder.exists() and not folder.is_dir():
        raise WildRobotError(f"{str(folder)!r} is a file.", where="--out", hint="name a folder")
    if os.path.lexists(archive) and not archive.is_file():
        raise WildRobotError(f"{str(archive)!r} is no file.", where="--out", hint="name another folder, or move it")
    if force:
        return
    if folder.is_dir() and _visible(folder) and not (owned := _owned(folder)):
        raise _lost(f"{str(folder)!r} exists and is no bundle of this program", "name another folder, or move it")
    if folder.is_dir():
        for name in sorted(_listed(folder)):
            if os.path.lexists(folder / name) and name not in owned:
                raise _lost(f"{str(folder / name)!r} was changed since it was exported")
    if archive.exists() and not _packed_by_us(archive):
        raise _lost(f"{str(archive)!r} is no bundle of this program, or was changed since it was exported")


def place(files: Mapping[str, bytes], folder: Path, archive: Path, force: bool) -> list[str]:
    """Write a bundle's folder and its zip.

    Everything is written beside first. Then file takes the place of file, the contract last, then the
    zip; until all is done, a journal in the folder marks it as unfinished, for a reader and for the next export.
    Files of an older bundle that this one lacks are removed. No other file is touched.

    Returns:
        Other people's files in the folder, which stay.

    Raises:
        WildRobotError: a file would be lost, or something cannot be written.
    """
    new_folder = not folder.exists()
    staging = folder / STAGING
    replacing_began = False
    with writing(folder, "The bundle", "free some space, or name another folder by --out"):
        check_place(folder, archive, force)
        owned = _owned(folder)
        for name in files:
            _check_target(folder, name, name in owned or force)
        try:
            staging.mkdir(parents=True, exist_ok=True)
            known = {**owned, **{name: [*owned.get(name, []), _sha256(data)] for name, data in files.items()}}
            replace_bytes(staging / _JOURNAL, json.dumps(known).encode())
            for left in staging.iterdir():  # of an export that was killed; what its journal said is in `owned`
                if left.name != _JOURNAL:
                    left.unlink()
            places = {name: staging / str(i) for i, name in enumerate(sorted(files, key=lambda n: (n == FILE, n)))}
            for name, beside in places.items():
                write_new(beside, files[name])
                flush(beside)
            with replacing(archive) as packed:
                write_zip(files, packed)
                replacing_began = True
                for name, beside in places.items():
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    os.replace(beside, folder / name)
                for name in owned.keys() - files.keys():
                    _remove(folder, name)
                flush(folder)
            shutil.rmtree(staging)
        except BaseException:
            if not replacing_began:  # nothing was replaced: all is as it was
                shutil.rmtree(staging, ignore_errors=True)
                if new_folder:
                    with contextlib.suppress(OSError):
                        folder.rmdir()
            raise
    return sorted(set(_visible(folder)) - set(files))


def _lost(what: str, hint: str = "keep a copy of it elsewhere") -> WildRobotError:
    return WildRobotError(f"{what}; it is not overwritten.", where="--out", hint=f"{hint}; or say --force")


def _check_target(folder: Path, name: str, may_replace: bool) -> None:
    """A file of that name may be written, and lies in the folder itself and not behind a link."""
    target = folder / name
    for parent in (*target.parents,)[: name.count("/")]:
        if parent.is_symlink() or (parent.exists() and not parent.is_dir()):
            raise WildRobotError(
                f"{str(parent)!r} is no folder of the bundle's own.", where="--out", hint="move it, or name another"
            )
    if target.is_dir() and not target.is_symlink():
        raise WildRobotError(f"{str(target)!r} is a folder.", where="--out", hint="move it, or name another")
    if os.path.lexists(target) and not may_replace:
        raise _lost(f"{str(target)!r} is no file of a bundle")


def _owned(folder: Path) -> dict[str, list[str]]:
    """The unchanged files that an export wrote into the folder, by name: hashes that they may have."""
    found = {}
    for name, digests in _listed(folder).items():
        path = folder / name
        behind = any(parent.is_symlink() for parent in (*path.parents,)[: name.count("/")])
        if path.is_symlink() or behind or not path.is_file():
            continue
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() in digests:
                found[name] = digests
    return found


def _listed(folder: Path) -> dict[str, list[str]]:
    """What exports wrote into the folder, by name, as its contract and the journal of a killed one say."""
    try:
        text = (folder / FILE).read_bytes()
    except OSError:
        text = b""
    found = _of_contract(text)
    if found and (signature := folder / SIGNATURE).is_file() and signature.stat().st_size < _SIGNATURE_SIZE:
        data = signature.read_bytes()
        found[SIGNATURE] = [_sha256(data)] if is_signature(data) else []
    try:
        journal = json.loads((folder / STAGING / _JOURNAL).read_bytes())
    except (OSError, ValueError, RecursionError):
        journal = {}
    for name, digests in journal.items() if isinstance(journal, dict) else ():
        found.setdefault(name, []).extend(digest for digest in digests if isinstance(digest, str))
    return {name: digests for name, digests in found.items() if _relative(name)}


def _of_contract(text: bytes) -> dict[str, list[str]]:
    """The files that a contract of whatever version lists, itself included; none where it was changed."""
    try:
        document: Any = json.loads(text)
        if document["format"] != FORMAT or document["digest"] != contract_digest(document):
            return {}
        return {FILE: [_sha256(text)], **{name: [entry["sha256"]] for name, entry in document["files"].items()}}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _packed_by_us(archive: Path) -> bool:
    """A zip of a bundle, of whatever version, unchanged since it was written."""
    try:
        files = read_files(archive)
    except WildRobotError:
        return False
    listed = _of_contract(files.get(FILE, b""))
    if is_signature(files.get(SIGNATURE, b"")):
        files.pop(SIGNATURE)
    return bool(listed) and all(_sha256(data) in listed.get(name, ()) for name, data in files.items())


def _relative(name: str) -> bool:
    return not name.startswith("/") and "\\" not in name and ":" not in name and ".." not in name.split("/")


def _visible(folder: Path) -> list[str]:
    """Names of the files in a folder, hidden ones apart."""
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    return [path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts)]


def _remove(folder: Path, name: str) -> None:
    """Remove a file, and the folders that it leaves empty."""
    path = folder / name
    path.unlink()
    for parent in (*path.parents,)[: name.count("/")]:
        with contextlib.suppress(OSError):
            parent.rmdir()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
