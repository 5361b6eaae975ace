"""What `export` does: the bundle of a run's newest policy, judged first where it has not been."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..deploy.bundle.extra import INSTALL, missing
from ..errors import WildRobotError
from ..release.bundle import check, export, newest, verdict, write_microduck, write_network
from ..runs.folder import RunFolder
from ..train.session import reopen
from ..train.startup import enable_compilation_cache
from .finish import QUICK_EPISODES, evaluate

if TYPE_CHECKING:
    from ..deploy.bundle.signature import Signer

_log = logging.getLogger(__name__)


def export_run(
    run: Path,
    out: Path | None,
    judge: bool,
    trust: bool,
    force: bool = False,
    key: Path | None = None,
    passphrase: Callable[[], str] | None = None,
) -> tuple[Path, Path]:
    """Write the bundle of a run's newest policy; judge it first, where it has not been.

    With `force` it overwrites what no export has written; with a `key`, an SSH key that may have a `passphrase`,
    it signs the bundle.

    Returns:
        The folder and the zip.

    Raises:
        WildRobotError: there is no run or no checkpoint, the `deploy` extra is missing, or
            the recipe holds what a bundle cannot describe.
    """
    if missing():
        raise WildRobotError(
            f"Bundles need {', '.join(missing())}, which are not installed.", where="export", hint=INSTALL
        )
    signer = None if key is None else _signer(key, passphrase)  # it may refuse: before the work
    enable_compilation_cache()
    folder = RunFolder.open(run)
    check(folder, out, force)
    recipe, _ = reopen(folder, trust)
    if judge and recipe.gate is not None and verdict(folder, newest(folder)) is None:
        _log.info(
            f"this policy has not been judged yet: {QUICK_EPISODES} episodes per command (--no-eval goes without)"
        )
        evaluate(recipe, folder, QUICK_EPISODES)
    return export(recipe, folder, out, force, signer)


def _signer(key: Path, passphrase: Callable[[], str] | None) -> "Signer":
    from ..deploy.bundle.signature import Signer

    return Signer(key, passphrase)


def export_network(run: Path, out: Path, trust: bool) -> None:
    """Write the network of a run's newest policy alone: an ONNX file from observation to action.

    Raises:
        WildRobotError: there is no run or no checkpoint, or it computes with what an exported policy cannot.
    """
    folder = RunFolder.open(run)
    recipe, _ = reopen(folder, trust)
    write_network(recipe, folder, out)


def export_microduck(run: Path, out: Path | None, trust: bool) -> Path:
    """Write a run's newest policy as Microduck's own program runs it; RUN/microduck.onnx by default.

    Returns:
        The file.

    Raises:
        WildRobotError: there is no run or no checkpoint, the `deploy` extra is missing, or the recipe differs from
            the robot's contract.
    """
    if missing():
        raise WildRobotError(
            f"A policy file needs {', '.join(missing())}, which are not installed.", where="export", hint=INSTALL
        )
    folder = RunFolder.open(run)
    recipe, _ = reopen(folder, trust)
    file = folder.path / "microduck.onnx" if out is None else out
    write_microduck(recipe, folder, file)
    return file
