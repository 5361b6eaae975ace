"""The curves of a run, read while it grows: the lines of metrics.jsonl that are new."""

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_MOST = 400  # points that are kept of each curve


class Curves:
    """A run's figures by control steps.

    Args:
        path: the run's metrics.jsonl, which may not exist yet.
        names: the figures.
    """

    def __init__(self, path: Path, names: tuple[str, ...]):
        self._path, self.names = path, names
        self._rows: list[list[float]] = []
        self._read = 0  # bytes, of whole lines

    def poll(self) -> bool:
        """Whether there were new lines; one that is not whole yet is left for the next time."""
        try:
            with self._path.open("rb") as file:
                file.seek(0, 2)
                if file.tell() < self._read:  # a training that was resumed from an earlier checkpoint
                    self._rows, self._read = [], 0
                file.seek(self._read)
                text = file.read()
        except OSError:
            return False
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        self._rows += [row for line in whole.splitlines() if (row := self._row(line)) is not None]
        return bool(whole)

    def _row(self, line: bytes) -> list[float] | None:
        try:
            found = json.loads(line)
            return [float(found["steps"]), *(float(found.get(name, math.nan)) for name in self.names)]
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def series(self) -> tuple[NDArray[np.float64], ...]:
        """Millions of control steps, and each figure; means over neighbours where there are many points."""
        rows = np.array(self._rows or [[0.0] + [math.nan] * len(self.names)])
        group = -(-len(rows) // _MOST)
        starts = np.arange(0, len(rows), group)
        means = np.add.reduceat(rows, starts, axis=0) / np.diff(np.append(starts, len(rows)))[:, None]
        return means[:, 0] / 1e6, *means[:, 1:].T
