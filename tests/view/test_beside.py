"""`run --view`: a process beside the training, started with the first checkpoint and ended with the training."""

import sys
import threading
from pathlib import Path

import pytest

from wildrobot_eqx.cli import view as command


class _Process:
    """Stands for the view's process."""

    started: list["_Process"] = []  # noqa: RUF012

    def __init__(self, arguments: list[str]):
        self.arguments, self.done = arguments, []
        self.started.append(self)

    def terminate(self) -> None:
        self.done.append("terminate")

    def wait(self) -> None:
        self.done.append("wait")


@pytest.fixture
def started(monkeypatch) -> list[_Process]:
    monkeypatch.setattr(command.subprocess, "Popen", _Process)
    monkeypatch.setattr(command, "_LOOK", 0.001)
    _Process.started.clear()
    return _Process.started


def test_it_starts_when_there_is_something_to_see_and_ends_with_the_training(started):
    looks, seen = iter([False, False, True]), threading.Event()

    def ready() -> bool:
        found = next(looks)
        if found:
            seen.set()
        return found

    with command.beside(Path("runs/a"), ready):
        assert seen.wait(60.0)
    (one,) = started
    assert one.arguments == [sys.executable, "-m", "wildrobot_eqx.cli", "view", "run:runs/a"]
    assert one.done == ["terminate", "wait"]


def test_a_training_that_ends_before_starts_none(started):
    with pytest.raises(KeyboardInterrupt), command.beside(Path("runs/a"), lambda: False):
        raise KeyboardInterrupt
    assert started == []
