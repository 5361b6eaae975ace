"""Runs, looked at: `runs list`, `runs show` and `compare`. Run folders are data here: no recipe is executed."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import WildRobotError
from .bundles import free
from .shared import Json, Run, results

RUNS = typer.Typer(no_args_is_help=True, help="Run folders: list them, show one.")


@RUNS.command("list")
def runs_list(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder that holds them.")] = Path("runs"),
    json: Json = False,
) -> None:
    """Name the runs in a folder, the oldest first, with what became of each."""
    from ..report.run_summary import read_runs, runs_table

    with results(json) as show:
        runs, errors = read_runs(folder)
        pages = [runs_table(runs)] if runs else [f"There are no runs in {str(folder)!r}."]
        unread = [f"not read: {error.what} ({error.where})" for error in errors]
        document = {"runs": [run.to_json() for run in runs], "not_read": unread}
        show(document, [*pages, *unread])


@RUNS.command("show")
def runs_show(run: Run, json: Json = False) -> None:
    """Show one run: what it was made with, its last figures, its verdict and the lines that fail."""
    from ..report.run_summary import RunSummary, run_tables

    with results(json) as show:
        summary = RunSummary.read(run)
        show({**summary.to_json(), "manifest": summary.manifest}, run_tables(summary))


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("comparison.html"),
    force: Annotated[bool, typer.Option("--force", help="Write over a page that is there.")] = False,
    json: Json = False,
) -> None:
    """Put runs beside each other: curves, gates, films, and what differs in recipe, options and versions."""
    from ..report.compare_page import write_comparison
    from ..report.comparison import Comparison

    with results(json) as show:
        comparison = Comparison.read(runs)
        if out.is_file() and not _is_page(out):
            raise WildRobotError(f"{str(out)!r} is no page.", where="--out", hint="name another file, such as c.html")
        free(out, force, "--out")
        if not out.resolve().parent.is_dir():
            raise WildRobotError(f"There is no folder {str(out.parent)!r}.", where="--out", hint="make it first")
        write_comparison(comparison, out)
        show({**comparison.to_json(), "page": str(out)}, [*comparison.tables(), f"page: {out}"])


def _is_page(path: Path) -> bool:
    """Whether a file is an HTML page; no other is written over."""
    try:
        with path.open("rb") as file:
            return file.read(15).lower() == b"<!doctype html>"
    except OSError:
        return False
