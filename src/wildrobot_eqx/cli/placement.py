"""Where a training runs: on how many devices, in how many processes. JAX has to know it before a recipe is loaded."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..train.placement import Placement

PANEL = "Several devices or processes"
Devices = Annotated[int | None, typer.Option(min=1, help="Devices of this process to train on.", rich_help_panel=PANEL)]
Distributed = Annotated[bool, typer.Option("--distributed", help="As one process of several.", rich_help_panel=PANEL)]
Coordinator = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help="Where process 0 listens.", show_default="the cluster's", rich_help_panel=PANEL
    ),
]
Count = Annotated[
    int | None,
    typer.Option("--processes", min=1, help="How many there are.", show_default="the cluster's", rich_help_panel=PANEL),
]
Process = Annotated[
    int | None,
    typer.Option(
        "--process", min=0, help="Which of them this is.", show_default="the cluster's", rich_help_panel=PANEL
    ),
]


def begin(arguments: Sequence[str]) -> None:
    """Give JAX the devices and processes that `run` asks for; nothing is imported where it asks for none.

    Raises:
        WildRobotError: options do not fit together, or the processes do not find each other.
    """
    if arguments[:1] != ["run"] or "--help" in arguments:
        return
    names = {argument.partition("=")[0] for argument in arguments}
    if names.isdisjoint({"--devices", "--distributed"}):
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # JAX's runtime warns of what this package wants
    if (placement := _read(arguments)) is not None:
        if placement.distributed:
            _keep_standard_output()
        placement.start()


def _keep_standard_output() -> None:
    """Leave standard output to results: Gloo, which connects processes on CPUs, writes to it past Python."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # one of them is closed
        return
    sys.stdout = os.fdopen(kept, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)


def _read(arguments: Sequence[str]) -> "Placement | None":
    """The placement that arguments ask for; None where a value is none, which the command itself will say."""
    from ..train.placement import Placement

    found: dict[str, str] = {}
    for argument, following in zip(arguments, [*arguments[1:], ""]):
        name, equals, value = argument.partition("=")
        found[name] = value if equals else following
    numbers = {name: found.get(f"--{name}") for name in ("devices", "processes", "process")}
    if any(text is not None and not text.isdecimal() for text in numbers.values()):
        return None
    counts = {name: None if text is None else int(text) for name, text in numbers.items()}
    return Placement(distributed="--distributed" in arguments, coordinator=found.get("--coordinator"), **counts)
