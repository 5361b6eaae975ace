"""A sweep's page: one plain HTML file that holds its tables, its plots and the film of the best."""

import math
from collections.abc import Iterator
from pathlib import Path

from ..report.html import data, image, page, text
from ..runs.files import replace_text
from .driver import describe
from .folder import SweepFolder
from .plan import command_line
from .plots import write_sweep_plots
from .table import Results, Row

_FILMS = ("walk.mp4", "film.mp4")


def write_page(folder: SweepFolder, results: Results) -> Path:
    """Write `report.html` from the sweep's folder alone, and the plots that it shows. Everything read is escaped.

    Raises:
        WildRobotError: something cannot be written.
    """
    plots = write_sweep_plots(folder, results)
    body = (
        *_best(results),
        "<h2>What the sweep shows</h2>",
        *_plots(plots),
        *_configurations(results),
        "<h2>Trials</h2>",
        *_trials(folder, results),
        *_failures(results),
    )
    path = folder.path / "report.html"
    replace_text(path, page(f"sweep: {folder.path.resolve().name}", body))
    return path


def _best(results: Results) -> Iterator[str]:
    count = {status: sum(row.trial.status == status for row in results.rows) for status in ("finished", "failed")}
    told = f"{len(results.rows)} trials, {count['finished']} finished, {count['failed']} failed."
    best = results.best()
    if best is None:
        yield f'<div class="verdict unknown"><strong>No trial finished</strong><p>{told}</p></div>'
        return
    kind = {"passed": "passed", "failed": "failed"}.get(best.gate, "unknown")
    yield f'<div class="verdict {kind}"><strong>Best: trial {best.trial.number}</strong>, '
    yield f"{text(results.goal.metric)} {_figure(best.value)}{text(f', gate {best.gate}' if best.gate else '')}"
    yield f"<p>{text(describe(best.trial.values, best.trial.seed))}</p>"
    yield f"<p><code>{text(command_line(list(best.trial.arguments)))}</code></p>"
    yield f'<p class="note">{told} The best configuration is the one of the best mean over its seeds; the trial is '
    yield f"its best seed. The run: {text(best.run)}</p></div>"
    for name in _FILMS:
        if (film := Path(best.run) / name).is_file():
            yield f'<video controls loop muted playsinline src="{data(film, "video/mp4")}"></video>'
            return


def _plots(plots: list[Path]) -> Iterator[str]:
    if not plots:
        yield '<p class="note">There is no figure to draw yet.</p>'
        return
    yield '<div class="plots">'
    yield from (image(path, path.stem) for path in plots)
    yield "</div>"


def _configurations(results: Results) -> Iterator[str]:
    found = results.configurations()
    if all(len(one.rows) < 2 for one in found):
        return
    yield "<h2>Configurations</h2>"
    heads = [*results.keys, f"mean {results.goal.metric}", "least", "greatest", "seeds"]
    yield f'<div class="scroll"><table><tr>{"".join(f"<th>{text(head)}</th>" for head in heads)}</tr>'
    for one in found:
        cells = [*(one.values.get(key, "") for key in results.keys), *map(_figure, (one.mean, *one.spread))]
        cells.append(f"{len(one.compared)} of {len(one.rows)}")
        yield f"<tr>{''.join(f'<td>{text(cell)}</td>' for cell in cells)}</tr>"
    yield "</table></div>"


def _trials(folder: SweepFolder, results: Results) -> Iterator[str]:
    heads = ["trial", "seed", *results.keys, "status", results.goal.metric, "steps", "gate", "s"]
    yield f'<div class="scroll"><table><tr>{"".join(f"<th>{text(head)}</th>" for head in heads)}</tr>'
    for row in results.rows:
        trial = row.trial
        report = folder.run(trial.number) / "report.html"
        name = (
            f'<a href="trials/{report.parent.name}/report.html">{trial.number}</a>'
            if report.is_file()
            else trial.number
        )
        cells = ["" if trial.seed is None else trial.seed, *(trial.values.get(key, "") for key in results.keys)]
        cells += [trial.status, _figure(row.value), f"{row.steps:,}"]
        gate = f' class="{row.gate}"' if row.gate else ""
        last = f"<td{gate}>{text(row.gate)}</td><td>{_figure(row.seconds)}</td>"
        yield f"<tr><td>{name}</td>{''.join(f'<td>{text(cell)}</td>' for cell in cells)}{last}</tr>"
    yield "</table></div>"


def _failures(results: Results) -> Iterator[str]:
    failed: list[Row] = [row for row in results.rows if row.trial.message]
    if failed:
        yield "<h2>Messages</h2><dl>"
        yield from (f"<dt>trial {row.trial.number}</dt><dd>{text(row.trial.message)}</dd>" for row in failed)
        yield "</dl>"


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"
