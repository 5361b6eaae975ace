"""Closed streams, characters that a terminal lacks, readers that go away, and what a system refuses."""

import errno
import os
import subprocess
import sys

import pytest

from wildrobot_eqx.cli.failures import refusal

PROGRAM = """
import os, sys
from wildrobot_eqx.cli import streams
streams.prepare()
with open(sys.argv[1], "w") as file:
    os.write(1, b"noise of a library")
    print("noise"); print("noise", file=sys.stderr); sys.stdin.read()
    file.write("figures")
"""


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path):
    path = tmp_path / "metrics"
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    done = subprocess.run([*shell, sys.executable, "-c", PROGRAM, str(path)], timeout=600, check=False)
    assert done.returncode == 0
    assert path.read_text() == "figures"


def _run(code: str, **how) -> subprocess.CompletedProcess:
    program = f"import sys; from wildrobot_eqx.cli import streams; streams.prepare(); {code}"
    return subprocess.run([sys.executable, "-c", program], timeout=600, check=False, **how)


def test_what_a_terminal_lacks_is_an_escape():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = _run("print('a \\u2013 b')", capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, "a \\u2013 b\n")


def test_a_reader_that_has_gone_is_no_noise():
    read, write = os.pipe()
    os.close(read)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    how = {"stdout": write, "stderr": subprocess.PIPE, "text": True, "env": buffered}
    done = _run("print('x'); sys.exit(streams.close(0))", **how)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("error", "where", "what"),
    [
        (OSError(errno.ENAMETOOLONG, "File name too long", "/a/b"), "/a/b", "File name too long"),
        (PermissionError(errno.EACCES, "Permission denied", b"/a"), "/a", "Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "standard output", "No space left"),
        (RuntimeError("Unknown backend: 'x' requested"), "JAX_PLATFORMS=x", "Unknown backend"),
    ],
)
def test_what_the_surroundings_refuse_has_a_place(error, where, what, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "x")
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    found = refusal(error)
    assert found is not None
    assert (found.where, what in found.what) == (where, True)


@pytest.mark.parametrize(
    "error", [BrokenPipeError(errno.EPIPE, "Broken pipe"), KeyError("x"), RuntimeError("x"), OSError()]
)
def test_a_mistake_of_the_program_stays_one(error, monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    assert refusal(error) is None
