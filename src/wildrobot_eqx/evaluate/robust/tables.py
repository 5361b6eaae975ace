"""What the tables of robust evaluations have in common."""

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text


def table(title: str, columns: Sequence[str]) -> Table:
    """A table for a terminal of 80 columns, figures to the right."""
    made = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for i, name in enumerate(columns):
        made.add_column(name, justify="right" if i else "left", no_wrap=True)
    return made


def marked(text: str, good: bool) -> Text:
    """Green where it is good, else red."""
    return Text(text, style="green" if good else "bold red")


def span(low: float, high: float, scale: float) -> str:
    """A range in the shown unit."""
    return f"{low * scale:g}..{high * scale:g}"


def source_summary(sources: Mapping[str, str]) -> str:
    """Where the errors of a wrong world come from."""
    own = [name for name, source in sources.items() if source == "recipe"]
    standard = [name for name, source in sources.items() if source == "standard"]
    parts = [f"the recipe's own {', '.join(own)}, a fifth wider"] if own else []
    parts += [f"standard {', '.join(standard)}"] if standard else []
    return "; ".join(parts)


def left_out_lines(left_out: Mapping[str, str]) -> list[str]:
    """What the robot cannot have wrong, one sentence for each reason."""
    whys = dict.fromkeys(left_out.values())
    return [f"Without {', '.join(n for n, why in left_out.items() if why == reason)}: {reason}" for reason in whys]
