"""What a check says: findings, each with what came in, what came out, who made it and what to change."""

import dataclasses
import re

_PART = re.compile(r"\.(?P<field>\w+)|\['(?P<key>[^']*)'\]|\[(?P<index>\d+)\]")
_ROOTS = {"state": "the env state", "timestep": "the timestep", "env": "the env"}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing wrong with an env: the leaf, what went in and what came out, and what to change.

    `before` is what came in: of a state's leaf, what `reset` gave, which goes into a step;
    of a term, what it was given. `after` is what came out. `source` names the class and the
    file and line that made the leaf, where they are known.
    """

    leaf: str
    before: str
    after: str
    fix: str
    source: str = ""

    @property
    def words(self) -> str:
        """The leaf's path in words: `state.command.speed` is "speed of command of the env state"."""
        return in_words(self.leaf)

    def __str__(self) -> str:
        lines = [self.leaf if self.words == self.leaf else f"{self.words}: {self.leaf}"]
        lines += [f"in:   {self.before}", f"out:  {self.after}"]
        lines += [f"from: {self.source}"] if self.source else []
        return "\n    ".join([*lines, f"try:  {self.fix}"])


@dataclasses.dataclass(frozen=True)
class Report:
    """What `check` found, most basic first, and how long it took."""

    findings: tuple[Finding, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Nothing was found."""
        return not self.findings


def in_words(path: str) -> str:
    """A path such as `env.rewards['track']` read aloud: "rewards 'track' of the env"."""
    path, _, result = path.partition(" ") if path.startswith("env.") else (path, "", "")
    if result:  # such as "env.controller target"
        return f"{result} of {in_words(path)}"
    root = re.match(r"\w*", path)
    name = root.group() if root else ""
    if name not in _ROOTS or not re.fullmatch(rf"{name}(?:{_PART.pattern.replace('?P<', '?P<_')})*", path):
        return path
    parts: list[str] = []
    for match in _PART.finditer(path):
        if match["field"] is not None:
            parts.append(match["field"].replace("_", " "))
        else:
            word = f"'{match['key']}'" if match["key"] is not None else f"item {match['index']}"
            parts.append(f"{parts.pop()} {word}" if parts else word)
    return " of ".join([*reversed(parts), _ROOTS[name]])
