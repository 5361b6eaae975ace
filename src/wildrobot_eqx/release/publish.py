"""Bundles given to others: a bundle, its model card and its film, in a folder, a zip or on the Hugging Face Hub."""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..atomic import replace_bytes, replacing, writing
from ..deploy.bundle.archive import MAX_FILE, read_files, write_zip
from ..deploy.bundle.bundle import Bundle
from ..deploy.bundle.contract import FILE
from ..errors import WildRobotError
from . import hub
from .card import VIDEO, model_card
from .verify import Verified, verify_bundle

CARD, BUNDLE = "README.md", "bundle.zip"
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


def publish(
    source: Path, target: str, licence: str, video: Path | None, private: bool = False, force: bool = False
) -> str:
    """Publish a bundle.

    Args:
        source: the bundle, a folder or a zip; it is held against its contract first.
        target: a folder, a path that ends with .zip, or `hf:OWNER/NAME`.
        licence: of the policy, as the Hub writes licences: `apache-2.0`, `mit`, `cc-by-4.0`.
        video: an MP4 to show on the card; None: no film.
        private: on the Hub: a repository that only its owner sees.
        force: replace what a publication left at `target`, and nothing else.

    Returns:
        Where it lies.

    Raises:
        WildRobotError: the bundle is damaged, the target is taken or cannot be written, or the Hub refuses.
    """
    licence = licence.lower()
    if not _LICENCE.fullmatch(licence):
        raise WildRobotError(
            f"{licence!r} names no licence.", where="--license", hint="as the Hub writes it: apache-2.0, mit, cc-by-4.0"
        )
    remote = hub.is_address(target)
    if remote:
        hub.parse(target)
    else:
        _check_target(Path(target), force)
    with tempfile.TemporaryDirectory() as folder:
        packed, bundle = _pack(source, Path(folder))
        files = {BUNDLE: packed.read_bytes()}
    if video is not None:
        files[VIDEO] = _film(video)
    address = target if remote else BUNDLE
    files[CARD] = model_card(bundle, licence, video is not None, address).encode()
    if remote:
        return hub.upload(target, files, private, force)
    _write(Path(target), files)
    return target


def load(
    source: str, out: Path, episodes: int, signer: str | os.PathLike[str] | None = None
) -> tuple[Bundle, Verified]:
    """Fetch a bundle, verify it as `bundle verify` does, and keep it as a zip if it passes. It is data throughout.

    Args:
        source: a bundle, what `publish` wrote, or `hf:OWNER/NAME[@REVISION]`, of which `bundle.zip` alone is fetched.
        out: the zip to write; it must not be there.
        episodes: of each case of its gate in closed loop; 0: golden vectors and their rollout only.
        signer: who must have signed it, as `Bundle.open` takes it.

    Returns:
        The bundle, and what was found; where that has not passed, nothing was written.

    Raises:
        WildRobotError: it cannot be had, is damaged or not signed, or `out` is taken.
    """
    if os.path.lexists(out):
        raise WildRobotError(f"{str(out)!r} exists already.", where="--out", hint="name another file")
    with tempfile.TemporaryDirectory() as folder:
        packed, bundle = _pack(_fetch(source, Path(folder)), Path(folder), signer)
        found = verify_bundle(bundle, episodes)
        if found.passed:
            with writing(out), replacing(out) as partial:
                partial.write_bytes(packed.read_bytes())
    return bundle, found


def _fetch(source: str, folder: Path) -> Path:
    """A bundle, be it inside of what was published."""
    if hub.is_address(source):
        return hub.download(source, BUNDLE).resolve()  # the library's cache holds links to its files
    path = Path(source)
    if path.is_dir():
        inside = path / BUNDLE
        return inside if inside.is_file() and not inside.is_symlink() and not (path / FILE).is_file() else path
    files = read_files(path)
    if FILE in files or BUNDLE not in files:
        return path
    (folder / "inside.zip").write_bytes(files[BUNDLE])
    return folder / "inside.zip"


def _pack(source: Path, folder: Path, signer: str | os.PathLike[str] | None = None) -> tuple[Path, Bundle]:
    """A bundle's files, read once, as a zip in `folder`; what is checked is that zip."""
    packed = folder / BUNDLE
    write_zip(read_files(source), packed)
    try:
        return packed, Bundle.open(packed, signer)
    except WildRobotError as error:
        raise WildRobotError(
            error.what, where=error.where.replace(str(packed), str(source)), hint=error.hint, exit_code=error.exit_code
        ) from error


def _film(video: Path) -> bytes:
    try:
        with video.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise WildRobotError(
            f"The film cannot be read: {error.strerror or error}", where=str(video), hint="name an .mp4"
        ) from error
    if data[4:8] != b"ftyp" or len(data) > MAX_FILE:
        hint = f"name an .mp4 of at most {MAX_FILE >> 20} MiB"
        raise WildRobotError("The film is no MP4, or too large.", where=str(video), hint=hint)
    return data


def _check_target(target: Path, force: bool) -> None:
    """Only what a publication wrote may be replaced, and only with `force`."""
    if not os.path.lexists(target):
        return
    ours = (CARD, BUNDLE, VIDEO)
    if target.suffix == ".zip":
        replaceable = target.is_file() and set(read_files(target)) <= set(ours)
    else:
        names = {path.name for path in target.iterdir()} if target.is_dir() else {""}
        if target.is_dir() and not names:
            return
        replaceable = names <= set(ours)
    if not (replaceable and force):
        hint = "say --force to replace it" if replaceable else "name another place"
        raise WildRobotError(f"{str(target)!r} exists already.", where="publish", hint=hint)


def _write(target: Path, files: Mapping[str, bytes]) -> None:
    with writing(target):
        if target.suffix == ".zip":
            with replacing(target) as partial:
                write_zip(files, partial)
            return
        target.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            replace_bytes(target / name, data)
        if VIDEO not in files:
            (target / VIDEO).unlink(missing_ok=True)
