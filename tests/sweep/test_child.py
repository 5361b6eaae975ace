"""A trial's process keeps to processors of its own, and ends with the process that started it."""

import os
import subprocess
import sys

import pytest

from wildrobot_eqx.cli import child


@pytest.fixture
def held(monkeypatch):
    """What this process would be held to, on a machine of four processors."""
    found = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: found.append(set(cores)), raising=False)
    monkeypatch.setattr(child, "_HELD", [])
    yield found
    for handle in child._HELD:
        handle.close()


def test_processes_share_no_processor(held, tmp_path):
    for count in (1, 2, 1):
        child.hold_cores(count, tmp_path)
    assert held == [{0}, {1, 2}, {3}]


def test_where_too_few_are_free_nothing_changes(held, tmp_path):
    child.hold_cores(3, tmp_path)
    child.hold_cores(2, tmp_path)
    assert held == [{0, 1, 2}]
    for handle in child._HELD:
        handle.close()
    child._HELD.clear()
    child.hold_cores(2, tmp_path)  # what ended holds nothing
    assert held[-1] == {0, 1}


@pytest.mark.parametrize("count", [0, 4, 9])
def test_all_or_none_is_no_share(held, tmp_path, count):
    child.hold_cores(count, tmp_path)
    assert held == []


def test_a_system_without_affinity_runs_on_all(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    child.hold_cores(1, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_is_run_and_gives_its_status():
    program = [sys.executable, "-m", "wildrobot_eqx.cli.child", str(os.getpid()), "0"]
    done = subprocess.run([*program, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


ORPHAN = """
import os, subprocess, sys
environment = dict(os.environ, BOSS=str(os.getpid()))
subprocess.Popen([sys.executable, "-c", {child!r}], stdin=subprocess.DEVNULL, env=environment)
"""
CHILD = """
import os, signal, sys, threading, time
from wildrobot_eqx.cli import child
signal.signal(signal.SIGTERM, lambda *_: (print("asked to stop", flush=True), os._exit(0)))
threading.Thread(target=child._watch, args=(int(os.environ["BOSS"]),), daemon=True).start()
while True:
    time.sleep(0.05)
"""


def test_a_process_whose_parent_is_gone_is_asked_to_stop():
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN.format(child=CHILD)], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "asked to stop\n"  # the pipe closes with the orphan
