"""Where figures go: metrics.jsonl, TensorBoard, optionally Weights & Biases, and the terminal."""

import contextlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ..atomic import writing
from ..errors import WildRobotError
from ..runs.files import json_lines, replace_text

_log = logging.getLogger(__name__)

_LONGEST = 1e10  # s, of any training
_FLUSH_EVERY = 10.0  # s between TensorBoard's flushes

_SHOWN = (
    ("steps_per_second", "steps/s", "6.0f"),
    ("episode_return", "return", "6.2f"),
    ("terminations_per_minute", "terminations/min", "5.1f"),
)

Figures = dict[str, float]
Progress = Callable[[int, Figures], None]


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Every whole line of a metrics.jsonl, in order; a line cut short by a kill is left out.

    Raises:
        WildRobotError: the file cannot be read, or a line is whole and holds no iteration's figures.
    """
    if not os.path.lexists(path):
        return []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise WildRobotError(
            f"The figures cannot be read: {error.strerror}",
            where=str(path),
            hint="restore metrics.jsonl, or move it away",
        ) from error
    lines = []
    for n, value in json_lines(text):
        iteration = value.get("iteration") if isinstance(value, dict) else None
        if not isinstance(iteration, int) or isinstance(iteration, bool):
            raise WildRobotError(
                f"Line {n} of {path.name} holds no iteration's figures.",
                where=f"{path}:{n}",
                hint="remove that line, or restore the file",
            )
        lines.append(value)
    return lines


def wall_clock(lines: list[dict[str, Any]]) -> float:
    """Seconds that the iterations of a metrics.jsonl took; 0 where the last line does not say."""
    seconds = lines[-1].get("wall_clock_s") if lines else None
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0.0 <= seconds < _LONGEST:
        return float(seconds)
    return 0.0


def keep_metrics_until(path: Path, iteration: int) -> list[dict[str, Any]]:
    """Drop the lines after `iteration`, atomically; returns those kept."""
    kept = [line for line in read_metrics(path) if line["iteration"] <= iteration]
    replace_text(path, "".join(json.dumps(line) + "\n" for line in kept))
    return kept


class MetricsFile:
    """Appends one JSON object per iteration, flushed at once, so that a kill loses nothing written."""

    path: Path

    def __init__(self, path: Path):
        self.path = path
        with writing(path):
            self._file = path.open("a", encoding="utf-8")

    def write(self, line: dict[str, Any]) -> None:
        """Append one line.

        Raises:
            WildRobotError: it cannot be written, as on a full disk.
        """
        try:
            self._file.write(json.dumps(line, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise WildRobotError(
                f"The figures of iteration {line['iteration']} could not be written: {error}",
                where=str(self.path),
                hint="free some space and go on with --resume",
                exit_code=1,
            ) from error

    def close(self) -> None:
        """Close the file; what a full disk refused stays refused."""
        with contextlib.suppress(OSError):
            self._file.close()


class TensorBoard:
    """TensorBoard events; those after `start` from an earlier attempt are purged.

    It writes by tensorboardX's file writer, without the thread of its SummaryWriter: a full
    disk kills that thread, and who writes then waits for ever. Here it is logged, once,
    and training goes on without.
    """

    def __init__(self, folder: Path, start: int):
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self._folder, self._flushed = folder, 0.0
        self._writer: Any = None
        with self._giving_up():
            folder.mkdir(parents=True, exist_ok=True)
            self._writer = EventsWriter(str(folder / "events"))
            if start:
                restart = SessionLog(status=SessionLog.START)
                self._writer.write_event(Event(step=start + 1, wall_time=time.time(), session_log=restart))

    def write(self, iteration: int, figures: Figures) -> None:
        """Add one scalar per figure."""
        if self._writer is None:
            return
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        with self._giving_up():
            for name, value in figures.items():
                event = Event(step=iteration, wall_time=time.time(), summary=scalar(name, value))
                self._writer.write_event(event)
            if time.monotonic() - self._flushed > _FLUSH_EVERY:
                self._writer.flush()
                self._flushed = time.monotonic()

    def close(self) -> None:
        """Write what is left and close the file."""
        if self._writer is not None:
            with self._giving_up():
                self._writer.close()

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._writer = None
            why = error.strerror or error
            _log.warning(f"no more TensorBoard events: {why} ({self._folder}); training goes on without them")


class WandB:
    """Weights & Biases, only where asked for; the run's id there is the manifest's `wandb_id`.

    Raises:
        WildRobotError: the package is not installed.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any], start: int):
        try:
            import wandb
        except ImportError as error:
            raise WildRobotError(
                "--wandb needs the package wandb.", where="--wandb", hint='pip install "wildrobot-eqx[wandb]"'
            ) from error
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or "wildrobot-eqx",
            name=folder.name,
            id=manifest["wandb_id"],
            dir=str(folder),
            config=manifest,
            resume="allow" if start else None,
        )

    def write(self, iteration: int, figures: Figures) -> None:
        """Log one iteration."""
        self._run.log(figures, step=iteration)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


@contextlib.contextmanager
def progress(total: int, start: int) -> Iterator[Progress]:
    """A function to call with each iteration and its figures: a bar on a terminal, else a line now and then.

    A thread beside the main one, of several trainings in one process, has lines that begin with its name.
    """
    alone = threading.current_thread() is threading.main_thread()
    if alone and sys.stderr.isatty():
        with _bar(total, start) as report:
            yield report
    else:
        yield _lines(total, "" if alone else f"{threading.current_thread().name} ")


def summary(figures: Figures) -> str:
    """The figures that matter, on one line: speed, return, terminations, and how far each commanded value is off."""
    parts = [
        f"{figures[name]:{width}} {label}" if label == "steps/s" else f"{label} {figures[name]:{width}}"
        for name, label, width in _SHOWN
        if name in figures
    ]
    parts += [f"{name.replace('_', ' ')} {figures[name]:.3f}" for name in error_names(figures)]
    if figures.get("diverged", 0.0):
        parts.append(f"diverged {figures['diverged']:.0f}")
    return "  ".join(parts)


def error_names(figures: Iterable[str]) -> list[str]:
    """The figures `NAME_error` of whatever is commanded: those with a `NAME` and a `commanded_NAME` beside them."""
    names = set(figures)
    commanded = sorted(name.removeprefix("commanded_") for name in names if name.startswith("commanded_"))
    return [f"{name}_error" for name in commanded if name in names and f"{name}_error" in names]


@contextlib.contextmanager
def _bar(total: int, start: int) -> Iterator[Progress]:
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("{task.completed}/{task.total}"),
        rich_progress.BarColumn(bar_width=None),
        rich_progress.TextColumn("{task.fields[figures]}", markup=False),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns, console=Console(stderr=True, markup=False, emoji=False)) as bar:
        task = bar.add_task("train", total=total, completed=start, figures="compiling ...")
        yield lambda iteration, figures: bar.update(task, completed=iteration, figures=summary(figures))


def _lines(total: int, name: str = "", every: float = 10.0) -> Progress:
    last = -every

    def report(iteration: int, figures: Figures) -> None:
        nonlocal last
        if time.monotonic() - last >= every or iteration == total:
            last = time.monotonic()
            print(f"{name}{iteration:6d}/{total}  {summary(figures)}", file=sys.stderr, flush=True)

    return report
