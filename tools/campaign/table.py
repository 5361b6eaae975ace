"""What a campaign found, as a table for the terminal and for docs/reliability.md."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

BEGIN, END = "<!-- campaign: begin -->", "<!-- campaign: end -->"


@dataclasses.dataclass
class Tally:
    """The trials of a kind."""

    about: str
    trials: int = 0
    tried: int = 0
    failures: dict[int, tuple[str, list[str]]] = dataclasses.field(default_factory=dict)  # by number of the trial

    def note(self, number: int, tried: int, wrong: str, commands: list[str]) -> None:
        """Count a trial, and keep what went wrong with its commands."""
        self.trials += 1
        self.tried += tried
        if wrong:
            self.failures[number] = wrong, commands


def table(tallies: Mapping[str, Tally], seed: int) -> str:
    """Markdown: a row for each kind, and below each failure with what repeats it."""
    rows = ["| kind | what is done | tried | trials | survived |", "|---|---|---|---|---|"]
    for name, tally in tallies.items():
        if tally.trials:
            survived = tally.trials - len(tally.failures)
            rows.append(f"| `{name}` | {tally.about} | {tally.tried} | {tally.trials} | {survived} |")
    trials = sum(tally.trials for tally in tallies.values())
    lost = sum(len(tally.failures) for tally in tallies.values())
    rows.append(f"| all | | {sum(t.tried for t in tallies.values())} | {trials} | {trials - lost} |")
    for name, tally in tallies.items():
        for number, (wrong, commands) in sorted(tally.failures.items()):
            rows += ["", f"`python tools/campaign --seed {seed} --only {name} --trial {number}`: {wrong}"]
            rows += [f"    {command}" for command in commands]
    return "\n".join(rows)


def write(page: Path, text: str) -> None:
    """Put a text between the two marks of a page.

    Raises:
        ValueError: the page has no marks.
    """
    before, found, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"{page} has no {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
