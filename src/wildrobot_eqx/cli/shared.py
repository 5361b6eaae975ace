"""What every command shares: its usual arguments, notices on standard error, results on standard output."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

PROGRAM = "wildrobot-eqx"

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else.")]
Trust = Annotated[bool, typer.Option("--trust", help="Run the folder's recipe copy even if its hash has changed.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", show_default=False)]


def say(text: str) -> None:
    """A notice for the user; standard output is for results."""
    typer.echo(text, err=True)


def verbatim(text: str) -> str:
    """Text of a user's for a help page, which Rich reads as markup: brackets and emoji names come out as they are."""
    from rich.markup import escape

    return escape(text).replace(":", ":[none][/none]")


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
