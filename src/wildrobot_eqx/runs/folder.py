"""The run folder: everything needed to trust a run and to repeat it."""

import contextlib
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from .. import __version__
from ..atomic import writing
from ..errors import WildRobotError, nearest
from .checkpoint import Checkpoints
from .files import replace_text
from .lock import lock

SCHEMA = 1
STATE_VERSION = 2
"""Of the trees in a run's checkpoints, and of what a recipe is made of; version 0.1.0 wrote 1, and did not say so."""
_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "name": (str, "text"),
    "trainer": (str, "text"),
    "status": (str, "text"),
    "wandb_id": (str, "text"),
    "recipe": (dict, "an object"),
    "options": (dict, "an object"),
    "overrides": (list, "a list of texts"),
    "versions": (dict, "an object"),
    "robot": ((dict, type(None)), "an object"),
    "seed": (int, "a whole number"),
}
_NEEDED = ("name", "recipe", "options", "overrides", "versions", "seed")  # to build the recipe again
_PACKAGES = ("jax", "jaxlib", "mujoco", "mujoco-mjx", "equinox", "optax", "orbax-checkpoint", "jaxtyping", "numpy")


class RunFolder:
    """One run's files by name; the constructor neither makes nor reads anything."""

    path: Path

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)

    @property
    def recipe(self) -> Path:
        """The copy of the recipe."""
        return self.path / "recipe.py"

    @property
    def identified(self) -> Path:
        """What was identified of the robot, of a run with `--identified`."""
        return self.path / "identified.toml"

    @property
    def metrics(self) -> Path:
        """One JSON object per line and iteration."""
        return self.path / "metrics.jsonl"

    @property
    def manifest_path(self) -> Path:
        """What was run, with what, where, and how it ended."""
        return self.path / "manifest.json"

    @property
    def verdict(self) -> Path:
        """The gate's verdict on one iteration's policy."""
        return self.path / "eval.json"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.path / "tb"

    @property
    def checkpoints(self) -> Checkpoints:
        """The saved training states."""
        return Checkpoints(self.path / "checkpoints")

    @staticmethod
    def create(out: str | os.PathLike[str] | None, name: str, seed: int) -> "RunFolder":
        """Make a new folder: `out`, which must be empty or absent, or one named by recipe, time and seed.

        Raises:
            WildRobotError: `out` already holds something, or cannot be made.
        """
        if out is not None:
            RunFolder.check_new(out)
            return RunFolder(_new_folder(Path(out), fresh=False))
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        return RunFolder(_new_folder(Path("runs") / f"{name}-{stamp}-seed{seed}", fresh=True))

    @staticmethod
    def check_new(out: str | os.PathLike[str]) -> None:
        """Whether a new run can be put there: `out` is empty or absent.

        Raises:
            WildRobotError: it already holds something.
        """
        path = Path(out)
        if os.path.isfile(path):  # also of a name that no file can have
            raise WildRobotError(f"{path} is a file.", where="--out", hint="name a folder")
        try:
            holds = os.path.isdir(path) and any(path.iterdir())
        except OSError as error:
            raise WildRobotError(
                f"The folder {str(path)!r} cannot be read: {error.strerror}", where="--out", hint="name another folder"
            ) from error
        if holds:
            run = os.path.isfile(path / "manifest.json")
            raise WildRobotError(
                f"The folder {str(path)!r} already holds " + ("a run." if run else "files."),
                where="--out",
                hint=f"go on with it by `--resume {path}`, or name an empty folder" if run else "name an empty folder",
            )

    @staticmethod
    def open(path: str | os.PathLike[str]) -> "RunFolder":
        """An existing run.

        Raises:
            WildRobotError: there is no run in that folder.
        """
        folder = RunFolder(path)
        if not os.path.isfile(folder.manifest_path):
            known = [str(found.parent) for found in Path("runs").glob("*/manifest.json")]
            hint = nearest(str(path), known) if known else "start one: wildrobot-eqx run walk"
            raise WildRobotError(f"There is no run in {str(path)!r}.", where=str(folder.manifest_path), hint=hint)
        return folder

    def manifest(self, *, any_state: bool = False) -> dict[str, Any]:
        """The manifest; with `any_state` also that of a run whose checkpoints another version made, to be read only.

        Raises:
            WildRobotError: it is not readable, or of an unknown schema.
        """
        try:
            manifest = json.loads(self.manifest_path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise WildRobotError(
                f"The manifest cannot be read: {error}", where=str(self.manifest_path), hint="restore it"
            ) from error
        if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
            found = manifest.get("schema") if isinstance(manifest, dict) else None
            raise WildRobotError(
                f"The manifest has schema {found!r}, this version reads {SCHEMA}.",
                where=str(self.manifest_path),
                hint="use the version of wildrobot-eqx that made the run",
            )
        if not any_state:
            self._check_state_version(manifest)
        for name, (kind, words) in _KINDS.items():
            value = manifest.get(name)
            texts = name != "overrides" or not isinstance(value, list) or all(isinstance(v, str) for v in value)
            if name in manifest and (not isinstance(value, kind) or isinstance(value, bool) or not texts):
                raise WildRobotError(
                    f"The manifest's {name!r} must be {words}, got {str(value)[:60]!r}.",
                    where=f"{self.manifest_path}, {name}",
                    hint="restore the manifest",
                )
        return manifest

    def whole_manifest(self) -> dict[str, Any]:
        """The manifest of a run whose recipe can be built again.

        Raises:
            WildRobotError: as `manifest`, or it lacks an entry that this takes.
        """
        manifest = self.manifest()
        for name in _NEEDED:
            if name not in manifest:
                raise WildRobotError(
                    f"The manifest lacks {name!r}.", where=str(self.manifest_path), hint="restore the manifest"
                )
        return manifest

    def _check_state_version(self, manifest: dict[str, Any]) -> None:
        found = manifest.get("state_version", 1)
        if found == STATE_VERSION and not isinstance(found, bool):
            return
        versions = manifest.get("versions")
        maker = versions.get("wildrobot-eqx") if isinstance(versions, dict) else None
        maker = maker if isinstance(maker, str) else "0.1.0" if found == 1 else None
        raise WildRobotError(
            f"The run was made by wildrobot-eqx {maker or 'of another version'}, whose training states are of "
            f"version {str(found)[:20]}; this one, {__version__}, reads version {STATE_VERSION}.",
            where=f"{self.manifest_path}, state_version",
            hint="start the training anew into another folder"
            + (f", or install what made the run: pip install wildrobot-eqx=={maker}" if maker else ""),
        )

    def update_manifest(self, **changes: Any) -> dict[str, Any]:
        """Change some entries of the manifest, atomically; returns all of it."""
        manifest = (
            self.manifest() if self.manifest_path.exists() else {"schema": SCHEMA, "state_version": STATE_VERSION}
        )
        manifest |= changes
        write_json(self.manifest_path, manifest)
        return manifest

    def drop_verdict_after(self, iteration: int) -> None:
        """Remove the verdict on a later iteration's policy: that iteration is trained anew."""
        with contextlib.suppress(OSError, ValueError, AttributeError, TypeError, RecursionError):
            if json.loads(self.verdict.read_text(encoding="utf-8")).get("iteration", 0) > iteration:
                self.verdict.unlink()

    def adopt_recipe(self, source: Path) -> str:
        """Copy the recipe here; returns the copy's SHA-256."""
        with writing(self.recipe):
            shutil.copyfile(source, self.recipe)
        return sha256(self.recipe)

    def trusted_recipe(self, trust: bool) -> Path:
        """The recipe copy, if it is the file that the manifest vouches for.

        A run folder holds code. It is run only when its hash matches, or on `trust`.

        Raises:
            WildRobotError: the copy is missing, or was changed and `trust` is false.
        """
        expected = self.manifest().get("recipe", {}).get("sha256")
        if not self.recipe.is_file():
            raise WildRobotError("The run's copy of its recipe is missing.", where=str(self.recipe), hint="restore it")
        if sha256(self.recipe) != expected and not trust:
            raise WildRobotError(
                "The recipe copy is not the one that the run was made with: its hash differs from the manifest's.",
                where=str(self.recipe),
                hint="read it; if you trust it, say --trust",
            )
        return self.recipe

    def lock(self) -> IO[bytes]:
        """Hold the folder for one training process, until the returned file is closed.

        Raises:
            WildRobotError: another process trains into this folder, or the system locks no files.
        """
        try:
            return lock(self.path / ".lock")
        except BlockingIOError as error:
            raise WildRobotError(
                "Another process is training into this folder.", where=str(self.path), hint="wait for it, or stop it"
            ) from error


def _new_folder(path: Path, fresh: bool) -> Path:
    """Make `path`; with `fresh`, under a number if another process has just made one of that name."""
    names = [path, *(path.with_name(f"{path.name}-{n}") for n in range(2, 100))] if fresh else [path]
    for name in names:
        try:
            name.parent.mkdir(parents=True, exist_ok=True)
            name.mkdir(exist_ok=not fresh)
        except FileExistsError:
            continue
        except OSError as error:
            raise WildRobotError(f"The folder cannot be made: {error}", where=str(path), hint="choose --out") from error
        return name
    raise WildRobotError("The folder cannot be made: its name is taken.", where=str(path), hint="choose --out")


def write_json(path: Path, value: Any) -> None:
    """Write JSON, whole or not at all.

    Raises:
        WildRobotError: it cannot be written.
    """
    replace_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """A file's SHA-256, in hexadecimal.

    Raises:
        WildRobotError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise WildRobotError(
            f"{path.name} cannot be read: {error.strerror}", where=str(path), hint="see that it may be read"
        ) from error


def environment() -> dict[str, Any]:
    """Versions, device, git state and command of this process."""
    import jax

    device = jax.devices()[0]
    return {
        "versions": {
            "wildrobot-eqx": __version__,
            "python": platform.python_version(),
            **{package: package_version(package) for package in _PACKAGES},
        },
        "device": {
            "platform": device.platform,
            "kind": device.device_kind,
            "count": jax.device_count(),
            "cpus": _cpus(),
            "system": platform.platform(),
        },
        "git": _git(),
        "command": ["wildrobot-eqx", *sys.argv[1:]],
    }


def now() -> str:
    """The time, ISO 8601 with its zone."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def package_version(package: str) -> str | None:
    """The version of an installed package; None where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpus() -> int | None:
    """Processors that this process may use, where the system says; else all."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count()


def _git() -> dict[str, Any] | None:
    """The commit of the current folder and whether it has changes; None outside a repository."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
