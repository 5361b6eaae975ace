"""Text and JSON files of a run: written whole or not at all, and read as far as they can be read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..atomic import replace_bytes, writing


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: a reader never sees half of it, nor does a power cut leave that.

    Raises:
        WildRobotError: it cannot be written; what was there before is untouched.
    """
    with writing(path):
        replace_bytes(path, text.encode("utf-8"))


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def json_lines(text: str) -> Iterator[tuple[int, Any]]:
    """The values of JSON lines, with their numbers from 1; a line that is no JSON, or was cut short, is left out."""
    for number, line in enumerate(text.splitlines(), 1):
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError):
            continue
