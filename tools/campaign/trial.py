"""One trial of the campaign: its draws, its folder, and the commands that it runs as a user does, as processes."""

import contextlib
import dataclasses
import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = Path(__file__).with_name("launch.py")
HANG = 300.0  # s of its own processor time after which a command that should have ended hangs
IDLE = 120.0  # s without any processor time, likewise; a busy machine gives little, but some
_LITTLE = 0.05  # s of processor time that a command takes that does something
TRACEBACK = "Traceback (most recent call last)"
ENDINGS = (0, 1, 2, 130)
"""What a command may end with: success, a run or a gate that failed, wrong usage, stopped."""


class FailedError(Exception):
    """What was lost, or came out as it must not."""


@dataclasses.dataclass(frozen=True)
class Finished:
    """A command that has ended; `status` is None where it had to be killed as it hung."""

    text: str
    status: int | None
    out: str
    err: str


class Command:
    """A command that runs; its output goes to files, so that nothing waits for a reader."""

    def __init__(self, text: str, process: subprocess.Popen[bytes], out: Path, err: Path):
        self.text, self.process, self.out, self.err = text, process, out, err

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def send(self, number: int) -> None:
        """Send a signal to it, if it still runs."""
        if self.running:
            self.process.send_signal(number)

    def finish(self, patience: float = 1.0) -> Finished:
        """Wait for its end; what hangs is killed, with all that it started. `patience` multiplies the limits."""
        status: int | None = None
        spent, since = 0.0, time.monotonic()
        while spent < HANG * patience and time.monotonic() - since < IDLE * patience:
            try:
                status = self.process.wait(1.0)
                break
            except subprocess.TimeoutExpired:
                now = self._spent()
            if now > spent + _LITTLE:
                spent, since = now, time.monotonic()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        return Finished(self.text, status, _text(self.out), _text(self.err))

    def _spent(self) -> float:
        """Seconds of processor time of its process and of children that have ended; of the clock where none is told."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return time.monotonic()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class Trial:
    """A trial's draws follow from the campaign's seed, its kind and its number.

    Args:
        kind: which kind of trial it is.
        number: of the trial, among those of its kind.
        seed: of the campaign.
        folder: an empty folder of its own.
        shared: what all trials use: trainings that nobody disturbed, and the like.
    """

    def __init__(self, kind: str, number: int, seed: int, folder: Path, shared: Any):
        self.kind, self.number, self.folder, self.shared = kind, number, folder, shared
        self.rng = random.Random(f"{seed} {kind} {number}")
        self.commands: list[str] = []
        self.started: list[Command] = []
        self.ended = False
        folder.mkdir(parents=True, exist_ok=True)

    def start(
        self,
        *arguments: str | Path,
        faults: Mapping[str, Any] | None = None,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        **streams: Any,
    ) -> Command:
        """Start a command of `wildrobot-eqx`.

        Args:
            arguments: its arguments.
            faults: what is done to it from within, as `launch.py` knows it.
            env: changes of its environment; None removes a variable.
            cwd: where it runs; the trial's folder if None.
            streams: of `subprocess.Popen`, in place of files.
        """
        told = [str(argument) for argument in arguments]
        runner = ["-m", "wildrobot_eqx"] if not faults else [str(LAUNCH), json.dumps(dict(faults))]
        return self.start_program([sys.executable, *runner, *told], env=env, cwd=cwd, **streams)

    def start_program(
        self,
        program: list[str],
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        **streams: Any,
    ) -> Command:
        """Start any program in the same way.

        Raises:
            FailedError: the trial has been ended.
        """
        if self.ended:
            raise FailedError("the campaign was stopped")
        changed = {**os.environ, "PYTHONPATH": _path(), **(env or {})}
        out, err = (self.folder / f"{len(self.commands)}.{name}" for name in ("out", "err"))
        shown = [f"{name}={shlex.quote(value)}" for name, value in (env or {}).items() if value is not None]
        text = " ".join([*shown, *map(shlex.quote, program)]).replace(shlex.quote(sys.executable), "python")
        self.commands.append(text)
        with out.open("wb") as first, err.open("wb") as second:
            process = subprocess.Popen(
                program,
                env={name: value for name, value in changed.items() if value is not None},
                cwd=cwd or self.folder,
                start_new_session=True,
                **{"stdin": subprocess.DEVNULL, "stdout": first, "stderr": second, **streams},
            )
        self.started.append(Command(text, process, out, err))
        return self.started[-1]

    def run(self, *arguments: str | Path, expect: tuple[int, ...] = ENDINGS, **how: Any) -> Finished:
        """Run a command to its end.

        Raises:
            FailedError: it hung, printed a traceback, or ended otherwise than expected.
        """
        return sound(self.start(*arguments, **how).finish(), expect)

    def end(self) -> None:
        """Kill what still runs, and start no more."""
        self.ended = True
        for command in self.started:
            if command.running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(command.process.pid, signal.SIGKILL)
                command.process.wait()


def sound(done: Finished, expect: tuple[int, ...] = ENDINGS) -> Finished:
    """The command, if it ended as it may.

    Raises:
        FailedError: it did not.
    """
    last = "; ".join(done.err.strip().splitlines()[-3:])[-600:]
    if done.status is None:
        raise FailedError(f"it hung: {last}")
    if TRACEBACK in done.err or TRACEBACK in done.out:
        raise FailedError(f"a traceback: {last}")
    if re.search(r"^(Exception ignored|Fatal Python error|Segmentation fault)", done.err, re.MULTILINE):
        raise FailedError(f"noise of the interpreter: {last}")
    if done.status not in expect:
        raise FailedError(f"status {done.status}, expected {' or '.join(map(str, expect))}: {last}")
    if done.status == 2 and "error" not in done.err.lower():
        raise FailedError(f"status 2 without a message: {last}")
    return done


def need(holds: object, what: str) -> None:
    """Say what was lost where something does not hold.

    Raises:
        FailedError: it does not.
    """
    if not holds:
        raise FailedError(what)


def wait_until(ready: Any, command: Command, seconds: float = 10.0 * HANG, pause: float = 0.002) -> bool:
    """Wait until something holds; False where the command ended before, or time ran out."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ready():
            return True
        if not command.running:
            return False
        time.sleep(pause)
    return False


def _path() -> str:
    return os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace") if path.exists() else ""
