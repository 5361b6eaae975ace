"""One trial: a process that runs `wildrobot-eqx run` into the trial's folder, watched by what it writes there.

Nothing here loads JAX: a cluster's worker that waits for a training takes little memory.
"""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ..runs.files import read_object
from ..runs.lock import lock
from .folder import SweepFolder, Trial, figures_in, last_figure

_POLL = 0.25  # s
_TOLD_EVERY = 2.0  # s between two reports of a figure that every iteration has
_PATIENCE = 120.0  # s for a training to save and end
_LONGEST = 2000  # characters of a message


class TrialProcess:
    """A trial's process and its progress.

    Args:
        folder: the sweep's.
        number: the trial's.
        metric: the figure of metrics.jsonl that is reported.
        extra: further arguments of `run`, which change nothing that is learned.
        cores: processors to keep to; 0: any.
        gpus: of one GPU's memory, the share that it may take; 0: as JAX does.
        cwd: where its relative paths begin; None: here.
        program: what takes the arguments of `run`; None: `program_of`.
    """

    def __init__(
        self,
        folder: SweepFolder,
        number: int,
        metric: str,
        extra: list[str],
        cores: int = 0,
        gpus: float = 0.0,
        cwd: str | None = None,
        program: list[str] | None = None,
    ):
        self.folder, self.number, self.metric = folder, number, metric
        self.extra, self.cores, self.gpus, self.cwd = extra, cores, gpus, cwd
        self.program = program
        self.run = folder.run(number)
        self.process: subprocess.Popen[bytes] | None = None
        self._told, self._told_at, self._seen = -1, 0.0, (0, 0)

    def start(self) -> None:
        """Start the training, or go on with it from its last checkpoint; a trial that has ended is left alone."""
        trial = self.folder.trial(self.number)
        if trial.status not in ("planned", "running", "interrupted"):
            return
        self.run.parent.mkdir(parents=True, exist_ok=True)
        if (self.run / "manifest.json").is_file():
            self._wait_for_lock()
            arguments = ["run", f"--resume={self.run}", *self.extra]
        else:
            remove_beginning(self.run)
            arguments = [*trial.arguments, f"--out={self.run}", *self.extra]
        self.folder.change(self.number, status="running", message="")
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if 0.0 < self.gpus < 1.0:
            environment["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 * self.gpus:.3f}"
        with self.folder.log(self.number).open("ab") as log:
            self.process = subprocess.Popen(
                [*(self.program or program_of(self.cores)), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self.cwd,
                start_new_session=True,  # a terminal's Ctrl-C goes to the sweep, which stops its trials
            )

    def next(self) -> dict[str, Any]:
        """Wait for something new, for some seconds at most: `{metric, steps}`, with `done` true at the end.

        Where there is nothing new, only `done` is there.
        """
        began = time.monotonic()
        while True:
            code = None if self.process is None else self.process.poll()
            ended = self.process is None or code is not None
            found = self._newest(ended)
            new = found is not None and found[0] > self._told
            if ended:
                return {**self._report(found), "done": True}
            if new and time.monotonic() - self._told_at > _TOLD_EVERY:
                return {**self._report(found), "done": False}
            if time.monotonic() - began > _TOLD_EVERY:
                return {"done": False}
            time.sleep(_POLL)

    def outcome(self) -> Trial:
        """Record how the process that has ended did: the trial as it is now."""
        trial = self.folder.trial(self.number)
        if self.process is None or trial.status != "running":
            return trial
        code = self.process.wait()
        manifest = read_object(self.run / "manifest.json")
        if manifest.get("status") == "trained" and code in (0, 1):
            return self.folder.change(self.number, status="finished", message="")
        if code == 130:
            return self.folder.change(self.number, status="interrupted", message="stopped before its end")
        told = manifest.get("error") if isinstance(manifest.get("error"), str) else ""
        message = _last_error(self.folder.log(self.number)) or told or f"it ended with exit status {code}"
        return self.folder.change(self.number, status="failed", message=message[:_LONGEST])

    def stop(self) -> None:
        """Ask a training that still runs to save and end, and wait; one that does not is killed."""
        if self.process is None:
            return
        for patience in (_PATIENCE, 15.0):
            if self.process.poll() is None:
                self.process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(patience)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.folder.trial(self.number).status == "running":
            code = self.process.returncode
            if code in (0, 1):
                self.outcome()
            else:  # whatever it was doing: its folder says how far it came
                self.folder.change(self.number, status="interrupted", message="stopped before its end")

    def _newest(self, ended: bool) -> tuple[int, float] | None:
        with contextlib.suppress(OSError):
            status = (self.run / "metrics.jsonl").stat()
            mark = (status.st_size, status.st_mtime_ns)
            if mark == self._seen and not ended:
                return None
            self._seen = mark
            return last_figure(figures_in(self.run), self.metric)
        return None

    def _report(self, found: tuple[int, float] | None) -> dict[str, Any]:
        if found is None:
            return {}
        self._told, self._told_at = found[0], time.monotonic()
        return {"steps": found[0], self.metric: found[1]}

    def _wait_for_lock(self) -> None:
        """Until a training of a sweep that was killed has saved and ended."""
        for _ in range(int(_PATIENCE / _POLL)):
            try:
                lock(self.run / ".lock").close()
            except BlockingIOError:
                time.sleep(_POLL)
            else:
                return


def program_of(cores: int) -> list[str]:
    """What runs a command's arguments, and ends with this process."""
    return [sys.executable, "-m", "wildrobot_eqx.cli.child", str(os.getpid()), str(cores)]


def remove_beginning(run: Path) -> None:
    """Remove what a run leaves that was killed before it had a manifest: its recipe copy, and the folder."""
    with contextlib.suppress(OSError):
        for path in run.iterdir():
            if path.name == "recipe.py" or path.name.startswith("."):
                path.unlink()
        run.rmdir()


def _last_error(log: Path) -> str:
    """What a command printed of its last error: from its `error:` line on, or the last line of a traceback."""
    try:
        text = log.read_bytes()[-20_000:].decode("utf-8", errors="replace")
    except OSError:
        return ""
    _, found, after = text.rpartition("\nerror: ")
    if not found and text.startswith("error: "):
        found, after = "error: ", text.removeprefix("error: ")
    if found:
        return after.strip()
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines and "Traceback" in text else ""
