"""The page of a comparison: one plain HTML file that holds everything, made from run folders' files alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..runs.files import replace_text
from .compare_plots import GRIDS, compare_plots
from .comparison import Comparison, GateRow, recipe_diff
from .html import data, encoded, page
from .html import text as _text
from .run_summary import figure, line_text

_MOST = 400  # lines of a recipe's diff


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write the page, self-contained; everything read is escaped, and a recipe is shown, not executed.

    Raises:
        WildRobotError: it cannot be written.
    """
    body = (
        *_runs(comparison),
        *_films(comparison),
        "<h2>Learning</h2>",
        *_plots(comparison),
        "<h2>The gates</h2>",
        *_gates(comparison),
        "<h2>What differs</h2>",
        *_differences(comparison),
        *_recipes(comparison),
    )
    replace_text(path, page(f"comparison of {len(comparison.runs)} runs", body))


def _runs(comparison: Comparison) -> Iterator[str]:
    heads = ["run", "gate", "recipe", "robot", "seed", "steps", "status", "return*", "terminations/min*", "training, s"]
    yield f'<div class="scroll"><table><tr>{"".join(f"<th>{_text(head)}</th>" for head in heads)}</tr>'
    for name, run in zip(comparison.names, comparison.runs):
        facts = run.to_json()
        seed = "" if facts["seed"] is None else facts["seed"]
        steps = "" if facts["steps_done"] is None else f"{facts['steps_done']:,}"
        cells = [facts["recipe"] or "", facts["robot"] or "", seed, steps, facts["status"] or ""]
        cells += [figure(facts[key]) for key in ("episode_return", "terminations_per_minute", "training_s")]
        kind = "" if facts["gate"] is None else "passed" if facts["gate"]["passed"] else "failed"
        plain = "".join(f"<td>{_text(cell)}</td>" for cell in cells)
        yield f'<tr><th scope="row">{_text(name)}</th><td class="{kind}">{_text(run.gate)}</td>{plain}</tr>'
    yield '</table></div><p class="note">* mean over the last twentieth of the training.</p>'
    yield from (f'<p class="note">{_text(note)}</p>' for note in comparison.notes())


def _films(comparison: Comparison) -> Iterator[str]:
    films = [(name, run.film) for name, run in zip(comparison.names, comparison.runs)]
    if not any(film for _, film in films):
        yield '<p class="note">No run has a film: <code>wildrobot-eqx render RUN</code> makes one.</p>'
        return
    yield '<h2>Films</h2><div class="plots">'
    for name, film in films:
        yield f"<figure><figcaption>{_text(name)}</figcaption>"
        if film is None:
            yield '<p class="note">no film</p></figure>'
        else:
            yield f'<video controls loop muted playsinline src="{data(film, "video/mp4")}"></video></figure>'
    yield "</div>"


def _plots(comparison: Comparison) -> Iterator[str]:
    plots = compare_plots(comparison)
    if not plots:
        yield '<p class="note">No run has figures of training (metrics.jsonl).</p>'
        return
    yield '<div class="plots">'
    for title, content in plots.items():
        wide = ' class="wide"' if title in GRIDS else ""
        yield f"<figure{wide}><figcaption>{_text(title)}</figcaption>"
        yield f'<img alt="{_text(title)}" src="{encoded(content, "image/png")}"></figure>'
    yield "</div>"


def _gates(comparison: Comparison) -> Iterator[str]:
    rows = comparison.gate_rows()
    if not rows:
        yield '<p class="note">No run was judged: <code>wildrobot-eqx eval RUN</code> does it.</p>'
        return
    failing = sorted((row for row in rows if not row.held), key=lambda row: not row.failing)
    yield f'<p class="note">Every run passes {len(rows) - len(failing)} of {len(rows)} lines.</p>'
    if failing:
        yield "<h3>Lines that not every run passes</h3>"
        yield from _gate_table(comparison, failing)
    if len(failing) < len(rows):
        yield "<details><summary>Lines that every run passes</summary>"
        yield from _gate_table(comparison, [row for row in rows if row.held])
        yield "</details>"


def _gate_table(comparison: Comparison, rows: Sequence[GateRow]) -> Iterator[str]:
    heads = "".join(f"<th>{_text(name)}</th>" for name in comparison.names)
    yield f'<div class="scroll"><table><tr><th scope="row">line</th><th class="limit">must be</th>{heads}</tr>'
    for row in rows:
        cells = ""
        for run, line in zip(comparison.runs, row.lines):
            kind = "" if line is None else "passed" if line.get("passed") is True else "failed"
            cells += f'<td class="{kind}">{_text("–" if line is None else line_text(run, line))}</td>'
        limits = _text(" / ".join(row.limits))
        yield f'<tr><th scope="row">{_text(row.label)}</th><td class="limit">{limits}</td>{cells}</tr>'
    yield "</table></div>"


def _differences(comparison: Comparison) -> Iterator[str]:
    differs = comparison.differences()
    if not differs:
        yield '<p class="note">Nothing in the manifests but how the runs went.</p>'
        return
    heads = "".join(f"<th>{_text(name)}</th>" for name in comparison.names)
    yield f'<div class="scroll"><table><tr><th scope="row">entry of the manifest</th>{heads}</tr>'
    for key, values in differs.items():
        cells = "".join(f"<td>{_text('–' if value is None else value)}</td>" for value in values)
        yield f'<tr><th scope="row">{_text(key)}</th>{cells}</tr>'
    yield "</table></div>"


def _recipes(comparison: Comparison) -> Iterator[str]:
    """How each recipe differs from the first run's."""
    first, name = comparison.runs[0], comparison.names[0]
    for run, other in zip(comparison.runs[1:], comparison.names[1:]):
        lines = recipe_diff(first, run, (name, other))
        if lines:
            left = f"\n... and {len(lines) - _MOST} more lines" if len(lines) > _MOST else ""
            yield f"<details><summary>The recipe of {_text(other)} beside that of {_text(name)}</summary>"
            yield f"<pre>{_text(chr(10).join(lines[:_MOST]) + left)}</pre></details>"
