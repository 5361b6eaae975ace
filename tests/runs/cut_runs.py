"""Tiny trainings in processes of their own, on several devices or as several processes, for test_devices.py."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from tiny import TINY_BRAX

ITERATIONS = 20
TINY = [option for option in TINY_BRAX if not option.startswith("--steps")]
TASK = "cartpole"
"""Without contacts: what rounds differently stays as small as it is. A hopper's differs by 1% after 16 iterations."""


def command(*options: str) -> list[str]:
    """`run` with these options, as a process of its own."""
    return [sys.executable, "-m", "wildrobot_eqx.cli", "run", *options]


def started(*options: str) -> subprocess.Popen:
    """A process of `run`, whose messages are kept."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command(*options), env=environment, **pipes)


def new_run(out: Path, iterations: int = ITERATIONS) -> list[str]:
    """The options of a new training into `out`."""
    return [TASK, *TINY, f"--steps={16 * 8 * iterations}", "--physics=native", "--no-eval", f"--out={out}"]


def together(count: int, *options: str) -> list[subprocess.Popen]:
    """So many processes of one training, which find each other over loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = ["--distributed", f"--coordinator=127.0.0.1:{port}", f"--processes={count}"]
    return [started(*options, *where, f"--process={i}") for i in range(count)]


def ended(processes: list[subprocess.Popen], timeout: float = 900.0) -> list[tuple[int, str, str]]:
    """Status, standard output and standard error of each, once all have ended."""
    told = [process.communicate(timeout=timeout) for process in processes]
    return [(process.returncode, *texts) for process, texts in zip(processes, told, strict=True)]
