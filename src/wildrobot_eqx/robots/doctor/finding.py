"""What the doctor finds: one fault or note each, with its place, its figure and its cure."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

Severity = Literal["fault", "note"]
"""A fault would break training; a note is worth a look, and a good robot may have some."""

_LISTED = 4  # names told before the rest are counted


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that MuJoCo accepts in silence."""

    check: str  # which of the doctor's checks found it
    severity: Severity
    what: str
    where: str  # a body, a joint, a pair of geoms, a key of robot.toml
    figure: str  # with its unit, and what it is held against
    cure: str

    def __str__(self) -> str:
        return f"{self.severity:5}  {self.what}\n  where: {self.where}\n  seen:  {self.figure}\n  try:   {self.cure}"


def listed(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
