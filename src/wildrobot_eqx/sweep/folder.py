"""A sweep's folder: sweep.json says what is tried, trials/N.json what became of each, trials/N is its run folder."""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from ..atomic import writing
from ..errors import WildRobotError
from ..runs.files import json_lines, read_object, replace_text
from ..runs.lock import lock

SCHEMA = 1
UNFINISHED = ("planned", "running", "interrupted")
ENDED = ("finished", "stopped", "failed")


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training of a sweep, as its file has it.

    `status` is planned, running, interrupted, stopped (early, by the scheduler), failed or finished.
    """

    number: int
    seed: int | None  # None: the recipe's own
    values: dict[str, str]  # of what is varied, by key
    arguments: tuple[str, ...]  # of `wildrobot-eqx`, without the run's folder
    status: str = "planned"
    message: str = ""  # why it failed, or was stopped

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """What it shares with the trials that differ from it by their seed only."""
        return tuple(sorted(self.values.items()))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dataclasses.asdict(self)


class SweepFolder:
    """A sweep's files by name; the constructor neither makes nor reads anything."""

    path: Path

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)

    @property
    def document_path(self) -> Path:
        """What the sweep tries, judges by and may spend."""
        return self.path / "sweep.json"

    @property
    def recipe(self) -> Path:
        """The copy of the recipe."""
        return self.path / "recipe.py"

    def run(self, number: int) -> Path:
        """The run folder of a trial."""
        return self.path / "trials" / f"{number:04d}"

    def log(self, number: int) -> Path:
        """What a trial printed."""
        return self.path / "trials" / f"{number:04d}.log"

    def _file(self, number: int) -> Path:
        return self.path / "trials" / f"{number:04d}.json"

    def _stop_note(self, number: int) -> Path:
        return self.path / "trials" / f"{number:04d}.stop"

    @staticmethod
    def open(path: str | os.PathLike[str]) -> "SweepFolder":
        """An existing sweep.

        Raises:
            WildRobotError: there is none in that folder.
        """
        folder = SweepFolder(path)
        if not os.path.isfile(folder.document_path):
            raise WildRobotError(
                f"There is no sweep in {str(path)!r}.",
                where=str(folder.document_path),
                hint="start one: wildrobot-eqx sweep RECIPE --seeds 0:4",
            )
        return folder

    def document(self) -> dict[str, Any]:
        """What sweep.json holds.

        Raises:
            WildRobotError: it cannot be read, or is of another schema.
        """
        document = read_object(self.document_path)
        if document.get("schema") != SCHEMA:
            found = document.get("schema") if document else "nothing that can be read"
            raise WildRobotError(
                f"The sweep has schema {found!r}, this version reads {SCHEMA}.",
                where=str(self.document_path),
                hint="restore the file, or use the version of wildrobot-eqx that made it",
            )
        return document

    def update_document(self, **changes: Any) -> dict[str, Any]:
        """Change some entries of sweep.json, whole or not at all; returns all of it."""
        document = {"schema": SCHEMA, **read_object(self.document_path), **changes}
        replace_text(self.document_path, json.dumps(document, indent=2, allow_nan=False) + "\n")
        return document

    def lock(self) -> IO[bytes]:
        """Hold the folder for one sweep, until the returned file is closed.

        Raises:
            WildRobotError: another process runs this sweep, or the system locks no files.
        """
        try:
            return lock(self.path / ".lock")
        except BlockingIOError as error:
            raise WildRobotError(
                "Another process runs this sweep.", where=str(self.path), hint="wait for it, or stop it"
            ) from error

    def write(self, trial: Trial) -> None:
        """Write a trial's file.

        Raises:
            WildRobotError: it cannot be written.
        """
        with writing(self.path / "trials"):
            (self.path / "trials").mkdir(exist_ok=True)
        replace_text(self._file(trial.number), json.dumps(trial.to_json(), indent=2, allow_nan=False) + "\n")

    def change(self, number: int, **changes: Any) -> Trial:
        """Change some fields of a trial's file; returns the trial.

        Raises:
            WildRobotError: there is no such trial, or it cannot be written.
        """
        trial = dataclasses.replace(self.trial(number), **changes)
        self.write(trial)
        return trial

    def trial(self, number: int) -> Trial:
        """One trial; one that a scheduler stopped says so.

        Raises:
            WildRobotError: there is no such trial, or its file is spoilt.
        """
        path = self._file(number)
        stored = read_object(path)
        names = {field.name for field in dataclasses.fields(Trial)}
        values, arguments, seed = stored.get("values"), stored.get("arguments"), stored.get("seed")
        if (
            set(stored) != names
            or stored["number"] != number
            or not isinstance(values, dict)
            or not isinstance(arguments, list)
            or not all(isinstance(one, str) for one in (*arguments, *values, *values.values(), stored["message"]))
            or not (seed is None or type(seed) is int)
            or stored["status"] not in (*UNFINISHED, *ENDED)
        ):
            raise WildRobotError(
                f"The file of trial {number} cannot be read.", where=str(path), hint="restore it, or start a new sweep"
            )
        trial = Trial(**{**stored, "arguments": tuple(arguments)})
        note = self._stop_note(number)
        if trial.status in UNFINISHED and note.is_file():
            return dataclasses.replace(trial, status="stopped", message=note.read_text(encoding="utf-8").strip())
        return trial

    def trials(self) -> list[Trial]:
        """Every trial that was planned so far, in order.

        Raises:
            WildRobotError: a file is spoilt.
        """
        names = (path.stem for path in (self.path / "trials").glob("*.json"))
        return [self.trial(number) for number in sorted(int(name) for name in names if name.isdigit())]

    def note_stop(self, number: int, why: str) -> None:
        """Record that the scheduler stops a trial before its end; the trial itself ends afterwards."""
        replace_text(self._stop_note(number), why + "\n")

    def figures(self, number: int) -> list[dict[str, Any]]:
        """The whole lines of a trial's metrics.jsonl, in order; none where there is none yet."""
        return figures_in(self.run(number))


def figures_in(run: Path) -> list[dict[str, Any]]:
    """The whole lines of a run's metrics.jsonl, in order; none where there is none yet."""
    try:
        text = (run / "metrics.jsonl").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line for _, line in json_lines(text) if isinstance(line, dict)]


def last_figure(lines: Sequence[dict[str, Any]], name: str) -> tuple[int, float] | None:
    """The control steps and the value of the newest line that has a figure; None where none has."""
    for line in reversed(lines):
        value, steps = line.get(name), line.get("steps")
        if isinstance(value, (int, float)) and isinstance(steps, int) and not isinstance(value, bool):
            return steps, float(value)
    return None
