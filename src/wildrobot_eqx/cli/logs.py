"""`log show` and `log compare`: what a robot or a simulation wrote down."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .shared import Json, results

LOG = typer.Typer(no_args_is_help=True, help="Look at logs of robots and simulations.")
LogArgument = Annotated[Path, typer.Argument(metavar="LOG", help="An .mcap that --log wrote.", show_default=False)]
_WORDS = {
    "failed_reads": "readings lost",
    "failed_writes": "targets not sent",
    "timeouts": "questions without an answer",
    "damaged": "answers damaged",
    "strays": "answers to another question",
}


@LOG.command("show")
def log_show(log: LogArgument, json: Json = False) -> None:
    """Sum up a log: timing, joints, slopes of the base, the bus, faults. One that was cut off is read up to there."""
    from ..deploy.log.figures import figures
    from ..deploy.log.recording import read_log

    with results(json) as show:
        found = figures(read_log(log))
        show({"log": str(log), **found}, _pages(found))


@LOG.command("compare")
def log_compare(
    log: LogArgument,
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="Another one.", show_default=False)],
    json: Json = False,
) -> None:
    """Put two logs side by side, such as a home hold and a policy's, or a robot's and a simulation's."""
    from ..deploy.log.figures import compare
    from ..deploy.log.recording import read_log

    with results(json) as show:
        found = compare(read_log(log), read_log(other))
        rows = [
            (
                row["figure"],
                row["unit"],
                *(text(value) for value in row["values"]),
                text(row["difference"]) + (f" ± {text(row['error'])}" if row["error"] is not None else ""),
            )
            for row in found["rows"]
            if row["values"] != [None, None]
        ]
        columns = ("figure", "unit", log.name, other.name, "difference")
        show({"files": [str(log), str(other)], **found}, [table("", columns, rows)])


def _pages(found: dict[str, Any]) -> list[Any]:
    modes = ", ".join(f"{mode} {seconds:g} s" for mode, seconds in found["modes"].items())
    lines: list[Any] = [
        f"{found['robot']}, {found['source']}, {found['started']}: {found['seconds']:.2f} s in "
        f"{found['steps']} control steps ({modes})"
    ]
    if found["cut"] is not None:
        lines.append(f"the file was cut off: {found['cut']}")
    if found["lacking"]:
        lines.append(f"{found['lacking']} control steps are not in it")
    if found["fault"] is not None:
        lines.append(f"fault: {found['fault']}")
    rows = [
        (name, *(text(spread[key], 2) for key in ("least", "p50", "p99", "most")))
        for name, spread in found["timing_ms"].items()
        if spread is not None
    ]
    lines.append(table("Timing, ms", ("", "least", "median", "99%", "most"), rows))
    coasting, bus = found["coasting"], found["bus"]
    lines.append(
        f"control periods missed: {found['missed']}; coasted over lost readings in {coasting['steps']} steps, "
        f"for {text(coasting['longest_ms'], 0)} ms at most"
    )
    lines.append("; ".join(f"{_WORDS.get(name, name)}: {text(value, 0)}" for name, value in bus.items()))
    if found["voltage"] is not None:
        spread = found["voltage"]
        lines.append(f"battery: {text(spread['least'], 2)} to {text(spread['most'], 2)} V")
    rows = [
        (
            name,
            text(joint["error_deg"], 2),
            text(joint["error_rms_deg"], 2),
            *(text((joint["age_ms"] or {}).get(key), 1) for key in ("p50", "p99")),
            text(joint["temperature"], 0),
        )
        for name, joint in found["joints"].items()
    ]
    columns = ("joint", "target - position, deg", "RMS", "age, ms", "99%", "deg C")
    lines.append(table("Joints, while the robot stood on its own", columns, rows))
    if found["base"] is not None:
        rows = [
            (axis, *(text(one[key], 2) for key in ("first", "mean", "last")), _slope(one))
            for axis, one in found["base"].items()
        ]
        lines.append(table("Base, deg (pitch: nose down)", ("", "first", "mean", "last", "slope, deg/s"), rows))
    return lines + [f"{event['time']:8.2f} s  {event['message']}" for event in found["events"]]


def _slope(one: dict[str, Any]) -> str:
    return f"{text(one['slope'], 4)} ± {text(one['slope_error'], 4)}"


def text(value: Any, digits: int = 3) -> str:
    """A figure for people; a dash where it is not known."""
    return "–" if value is None else f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def table(title: str, columns: tuple[str, ...], rows: list[Any]) -> Any:
    """A table for a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    wide = min(len(title), 78)  # or a long title is folded to the width of a small table
    table = Table(
        title=title or None,
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        min_width=wide,
    )
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=i == 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
