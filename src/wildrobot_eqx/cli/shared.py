"""What every command shares: its usual arguments, notices on standard error, results on standard output."""

import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import WildRobotError

PROGRAM = "wildrobot-eqx"

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else.")]
Trust = Annotated[bool, typer.Option("--trust", help="Run the folder's recipe copy even if its hash has changed.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", show_default=False)]


class _Notices(logging.Handler):
    """Messages of the package as lines on standard error: standard output is for results."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(record.getMessage(), err=True)


@contextlib.contextmanager
def notices() -> Iterator[None]:
    """Meanwhile the package's messages, those of the level INFO included, are shown."""
    log, handler = logging.getLogger(__name__.partition(".")[0]), _Notices()
    level, spread = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = spread


def verbatim(text: str) -> str:
    """Text of a user's for a help page, which Rich reads as markup: brackets and emoji names come out as they are."""
    from rich.markup import escape

    return escape(text).replace(":", ":[none][/none]")


def refuse(mode: str, given: dict[str, bool], hint: str = "leave one of the two away") -> None:
    """Refuse options that would mean nothing to `mode`: by name, whether each was given.

    Raises:
        WildRobotError: one of them was.
    """
    for option, is_given in given.items():
        if is_given:
            raise WildRobotError(f"{mode} takes no {option}.", where=option, hint=hint)


@contextlib.contextmanager
def results(as_json: bool) -> Iterator[Callable[[Any, Sequence[Any]], None]]:
    """A function that prints a result: its JSON document, or its tables and lines.

    Meanwhile, with --json, whatever others print on standard output goes to standard error.
    """
    out = sys.stdout

    def show(document: Any, pages: Sequence[Any]) -> None:
        if as_json:
            print(json.dumps(document, indent=2), file=out)
            return
        from rich.console import Console

        console = Console(file=out, markup=False, emoji=False, highlight=False)  # names and paths are not markup
        for page in pages:
            console.print(page, soft_wrap=isinstance(page, str))

    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield show
