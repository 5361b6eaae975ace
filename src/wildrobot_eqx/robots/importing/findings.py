"""What an import found out, where from, and how sure it is."""

import dataclasses
from collections.abc import Iterator
from typing import Literal

Confidence = Literal["sure", "likely", "guess"]
"""How sure a finding is: said by the file or by the user, followed from geometry, or assumed."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that the importer decided."""

    what: str  # such as "feet"
    value: str
    why: str  # where it comes from
    confidence: Confidence
    check: bool = False  # a person should look

    def line(self) -> str:
        """The finding as one line of text."""
        return f"{self.what}: {self.value} ({self.confidence}: {self.why})" + (" # check" if self.check else "")


class Findings:
    """A growing list of findings, in the order in which they were made."""

    def __init__(self) -> None:
        self._found: list[Finding] = []

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found)

    def add(self, what: str, value: str, why: str, confidence: Confidence, check: bool = False) -> None:
        """Note a decision; the same one is noted once."""
        finding = Finding(what, value, why, confidence, check)
        if finding not in self._found:
            self._found.append(finding)

    def of(self, what: str) -> Finding:
        """The last finding about `what`."""
        return [finding for finding in self._found if finding.what == what][-1]
