"""A tiny hopper run, trained once for all tests of the run folder."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import TINY

from wildrobot_eqx.cli import main
from wildrobot_eqx.runs.folder import RunFolder


@dataclasses.dataclass(frozen=True)
class Done:
    """What one command printed, and its exit status."""

    status: int
    out: str
    err: str


@pytest.fixture
def cli(capsys) -> Callable[..., Done]:
    """Runs one command in this process."""

    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Done(status, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> RunFolder:
    """A finished run of 40 iterations; read it only."""
    path = tmp_path_factory.mktemp("trained") / "run"
    assert main(["run", "hop", *TINY, "--no-eval", f"--out={path}"]) == 0
    return RunFolder(path)


@pytest.fixture
def copied(trained, tmp_path) -> RunFolder:
    """A copy of the finished run, to spoil."""
    shutil.copytree(trained.path, tmp_path / "copied")
    return RunFolder(tmp_path / "copied")
