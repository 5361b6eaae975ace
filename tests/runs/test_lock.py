"""One process trains into a folder, on every system that locks files; where none does, that is said."""

import ast
import os
import sys
import types
from pathlib import Path

import pytest

import wildrobot_eqx
from wildrobot_eqx import WildRobotError
from wildrobot_eqx.runs import folder
from wildrobot_eqx.runs import lock as locks
from wildrobot_eqx.runs.folder import RunFolder


def _lacking(monkeypatch, *names, **others):
    """This process sees these modules as missing, and others as given."""
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)
    for name, module in others.items():
        monkeypatch.setitem(sys.modules, name, module)


def test_windows_locks_by_its_own_means(tmp_path, monkeypatch):
    held = set()

    def locking(handle, mode, size):
        assert (mode, size) == (2, 1)
        if held:
            raise PermissionError(13, "Permission denied")
        held.add(handle)

    windows = types.SimpleNamespace(locking=locking, LK_NBLCK=2)
    _lacking(monkeypatch, "fcntl", msvcrt=windows)
    with RunFolder(tmp_path).lock():
        assert held
        with pytest.raises(WildRobotError, match="Another process is training"):
            RunFolder(tmp_path).lock()


def test_a_system_without_locks_is_reported_so(tmp_path, monkeypatch):
    _lacking(monkeypatch, "fcntl", "msvcrt")
    with pytest.raises(WildRobotError) as caught:
        locks.lock(tmp_path / ".lock")
    assert "Linux or macOS" in caught.value.hint
    assert len(str(caught.value).splitlines()) == 3


def test_nothing_needs_a_module_that_only_some_systems_have_to_be_imported():
    """Such as `check`, which writes no run: who needs one asks for it where it is needed."""
    some = {"fcntl", "termios", "resource", "pwd", "grp", "tty", "pty", "msvcrt", "winreg"}
    found = []
    for path in Path(wildrobot_eqx.__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path.name}: {name}" for name in names if name in some]
    assert found == []


def test_processors_are_counted_where_the_system_does_not_say_which(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert folder._cpus() == os.cpu_count()
