"""Arguments that a docstring describes together, `low, high: bounds`, as an entry each, as mkdocstrings wants them."""

import re
from typing import Any

import griffe

_TOGETHER = re.compile(r"^(\s+)(\w+(?:, \w+)+): (.*)$")


class ArgumentsTogether(griffe.Extension):
    """Rewrites docstrings as they are read; mkdocs.yml names this file."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Give every argument a line of its own, and its description to each."""
        if obj.docstring is None or "Args:\n" not in obj.docstring.value:
            return
        lines: list[str] = []
        for line in obj.docstring.value.split("\n"):
            found = _TOGETHER.match(line)
            lines += [f"{found[1]}{name}: {found[3]}" for name in found[2].split(", ")] if found else [line]
        obj.docstring.value = "\n".join(lines)
