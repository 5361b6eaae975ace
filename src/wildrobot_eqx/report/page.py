"""The report: one plain HTML page that holds everything, made from the run folder's files alone."""

import base64
import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..atomic import writing
from ..evaluate.gate_result import asked
from ..evaluate.robust.tables import left_out_lines
from ..evaluate.walking.shown import Figure
from ..runs.files import read_object, replace_text
from .case_film import NAME
from .plots import (
    Column,
    gate_axes,
    gate_blocks,
    gate_lines,
    heading,
    in_order,
    number,
    read_lines,
    shown_as,
    write_plots,
)

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: #fff; color: #1b2a3a;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.5rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #d8dee4; padding-bottom: .25rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
.verdict { border-left: .4rem solid; padding: .5rem 1rem; background: #f4f7fa; }
.passed { border-color: #1e8449; } .failed { border-color: #c0392b; } .unknown { border-color: #8795a1; }
.verdict strong { font-size: 1.2rem; }
.verdict ul { margin: .25rem 0; padding-left: 1.2rem; }
img, video { display: block; max-width: 100%; height: auto; }
video { width: 100%; max-width: 40rem; background: #dde5ec; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid #e6ebf0; text-align: right; white-space: nowrap; }
th:first-child { position: sticky; left: 0; background: #fff; }
th[scope=row], .limit { text-align: left; font-weight: normal; }
.limit, .note { color: #56646f; }
td.passed { background: #d5f0dd; } td.failed { background: #f6c6c0; font-weight: bold; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .85rem; }
dt { color: #56646f; } dd { margin: 0; overflow-wrap: anywhere; }
"""

POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
_FACTS = ("status", "started", "finished", "seed", "steps_done", "training_s", "options", "overrides")


def write_report(run_dir: Path) -> Path:
    """Write `report.html`, self-contained, and the plots that it shows.

    It reads manifest.json, metrics.jsonl, eval.json, walk.mp4 and stride.png or film.mp4, and robust.json
    with its plots where there is one; what is missing or unreadable is said so in the page. Everything read is escaped.

    Returns:
        The page's path.

    Raises:
        WildRobotError: something cannot be written.
    """
    run_dir = Path(run_dir)
    with writing(run_dir / "plots"):
        plots = write_plots(run_dir)
    manifest, verdict = read_object(run_dir / "manifest.json"), read_object(run_dir / "eval.json")
    title = f"{manifest.get('name', 'run')}: {run_dir.resolve().name}"
    page = "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f"<title>{_text(title)}</title><style>{STYLE}</style></head><body>",
            f"<h1>{_text(title)}</h1>",
            *_verdict(verdict),
            f"<h2>{'The film' if (run_dir / NAME).is_file() else 'The walk'}</h2>",
            *_media(run_dir),
            "<h2>The gate</h2>",
            *_gate(verdict),
            *_robust(run_dir),
            "<h2>Learning</h2>",
            *_learning(run_dir, plots),
            "<h2>The run</h2>",
            *_manifest(manifest),
            "</body></html>",
        )
    )
    path = run_dir / "report.html"
    replace_text(path, page + "\n")
    return path


def _text(value: Any) -> str:
    return html.escape(str(value), quote=True)


def _data(path: Path, kind: str) -> str:
    try:
        data = path.read_bytes()
    except OSError:  # it is there, and may not be read: an empty picture says so
        data = b""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _image(path: Path, alt: str) -> str:
    return f'<img alt="{_text(alt)}" src="{_data(path, "image/png")}">'


def _verdict(verdict: dict[str, Any]) -> Iterator[str]:
    if not verdict:
        yield '<div class="verdict unknown"><strong>Not judged</strong>'
        yield "<p>There is no eval.json yet: <code>wildrobot-eqx eval</code> writes it.</p></div>"
        return
    lines = [line for axis in gate_axes(verdict) for line in gate_lines(verdict, axis).values()]
    failed = verdict.get("failed")
    failed = failed if isinstance(failed, list) else []
    if verdict.get("provisional"):
        yield f'<p class="note">Provisional: {_text(verdict["provisional"])}. The full gate decides: '
        yield "<code>wildrobot-eqx eval</code>.</p>"
    if verdict.get("passed") is True:
        yield f'<div class="verdict passed"><strong>Passed</strong> all {len(lines)} lines of the gate.'
    else:
        yield f'<div class="verdict failed"><strong>Failed</strong> {len(failed)} of {len(lines)} lines of the gate:'
        yield "<ul>" + "".join(f"<li>{_text(line)}</li>" for line in failed) + "</ul>"
    yield f'<p class="note">{_text(verdict.get("episodes", "?"))} episodes of '
    yield f"{_text(verdict.get('episode_seconds', '?'))} s per command and physics timestep.</p></div>"


def _media(run_dir: Path) -> Iterator[str]:
    if (run_dir / NAME).is_file():
        yield f'<video controls loop muted playsinline src="{_data(run_dir / NAME, "video/mp4")}"></video>'
        return
    film, strip = run_dir / "walk.mp4", run_dir / "stride.png"
    if film.is_file():
        yield f'<video controls loop muted playsinline src="{_data(film, "video/mp4")}"></video>'
    else:
        yield '<p class="note">There is no video (walk.mp4): <code>wildrobot-eqx render</code> makes it.</p>'
    if strip.is_file():
        yield "<h3>One stride</h3>"
        yield f'<div class="scroll">{_image(strip, "pictures of one stride, from the side")}</div>'
    else:
        yield '<p class="note">There are no pictures of a stride (stride.png).</p>'


def _gate(verdict: dict[str, Any]) -> Iterator[str]:
    if not gate_blocks(verdict):
        yield '<p class="note">There are no figures of a gate (eval.json).</p>'
    for axis in gate_axes(verdict):
        yield from _axis(verdict, axis)


def _axis(verdict: dict[str, Any], axis: str) -> Iterator[str]:
    """The tables of the commands of one axis."""
    blocks, lines = gate_blocks(verdict, axis), gate_lines(verdict, axis)
    for timestep, block in blocks.items():
        commands = in_order(block)
        yield f'<h3>Physics at {_text(f"{1e3 * timestep:g}")} ms</h3><div class="scroll"><table>'
        heads = "".join(
            f'<th scope="col">{_text(heading(c))}{"" if block[c].get("required") else "*"}</th>' for c in commands
        )
        columns = _text(asked(str(verdict.get("columns", "command")), axis))
        yield f'<tr><th scope="row">{columns}</th><th class="limit">limit</th>{heads}</tr>'
        for name in dict.fromkeys(str(name) for entry in block.values() for name in entry["values"]):
            shown = shown_as(verdict, name)
            cells, limit = [], ""
            for command in commands:
                line = lines.get((name, command, timestep))
                mark = ""
                if line is not None:
                    limit = str(line.get("limit", ""))
                    mark = ' class="passed"' if line.get("passed") is True else ' class="failed"'
                cells.append(f"<td{mark}>{_text(shown.text(number(block[command]['values'].get(name))))}</td>")
            row = f'<th scope="row">{_text(shown.heading)}</th><td class="limit">{_text(limit)}</td>'
            yield f"<tr>{row}{''.join(cells)}</tr>"
        yield "</table></div>"
        if not all(entry.get("required") for entry in block.values()):
            yield '<p class="note">* reported, not required.</p>'
        yield from _joints(block, columns)


def _joints(block: dict[Column, dict[str, Any]], columns: str) -> Iterator[str]:
    """RMS torque of each joint by command, the worst of each command marked, and the peaks over all."""
    torques = {command: joints for command in in_order(block) if (joints := _known(block[command].get("joints")))}
    if not torques:
        return
    torque = Figure("torque", "N m")
    worst = {command: str(block[command].get("worst_joint")) for command in torques}
    names = ", ".join(dict.fromkeys(name for name in worst.values() if name != "None"))
    yield f"<details><summary>Torque of each joint; the worst: {_text(names or 'none')}</summary>"
    heads = "".join(f'<th scope="col">{_text(heading(command))}</th>' for command in torques)
    yield f'<div class="scroll"><table><tr><th scope="row">RMS, N m; {columns}</th><th>peak, N m</th>{heads}</tr>'
    for name in dict.fromkeys(name for joints in torques.values() for name in joints):
        of = {command: joints.get(name, {}) for command, joints in torques.items()}
        peak = max((number(joint.get("torque_peak")) for joint in of.values()), key=lambda p: -1.0 if p != p else p)
        cells = ""
        for command, joint in of.items():
            rms = _text(torque.text(number(joint.get("torque_rms"))))
            cells += f"<td>{f'<strong>{rms}</strong>' if worst[command] == name else rms}</td>"
        yield f'<tr><th scope="row">{_text(name)}</th><td>{_text(torque.text(peak))}</td>{cells}</tr>'
    yield "</table></div></details>"


def _known(joints: Any) -> dict[str, dict[str, Any]]:
    """The torques of joints in an eval.json, as far as they are what they should be."""
    found = joints if isinstance(joints, dict) else {}
    return {str(name): joint for name, joint in found.items() if isinstance(joint, dict)}


def _robust(run_dir: Path) -> Iterator[str]:
    """What `eval --robust` found; nothing where it was not run."""
    document = read_object(run_dir / "robust.json")
    if not document:
        return
    passed, lines = document.get("passed") is True, document.get("lines")
    yield f'<h2>Robustness</h2><div class="verdict {"passed" if passed else "failed"}">'
    yield f"<strong>{'Passed' if passed else 'Failed'}</strong> in a wrong world"
    if document.get("provisional"):
        yield f", provisional: {_text(document['provisional'])}"
    yield "<ul>"
    for line in lines if isinstance(lines, list) else []:
        if not isinstance(line, dict):
            continue
        shown = shown_as(document, str(line.get("name")))
        unit = f" {shown.unit}" if shown.unit else ""
        value = shown.text(number(line.get("value")))
        limit, case = _text(line.get("limit")), f" ({line['case']})" if line.get("case") else ""
        yield f"<li>{_text(shown.label + case)} {_text(value)}{_text(unit)}, must be {limit}</li>"
    for part in ("sweep", "terrain"):
        if isinstance(found := document.get(part), dict):
            yield f"<li>{_text(found.get('summary', ''))}</li>"
    for part in ("world", "sweep"):
        for sentence in left_out_lines(_left_out(document.get(part))):
            yield f"<li>{_text(sentence)}</li>"
    yield "</ul></div>"
    for name in ("robust_sweep", "robust_terrain", "robust_pushes"):
        if (path := run_dir / "plots" / f"{name}.png").is_file():
            yield _image(path, name.replace("_", " "))


def _left_out(part: Any) -> dict[str, str]:
    """What a part of a robust.json leaves out, as far as it is what it should be."""
    found = part.get("left_out") if isinstance(part, dict) else None
    return {str(name): str(why) for name, why in found.items()} if isinstance(found, dict) else {}


def _learning(run_dir: Path, plots: list[Path]) -> Iterator[str]:
    lines = read_lines(run_dir / "metrics.jsonl")
    count, diverged = len(lines), sum(number(line.get("diverged", 0.0)) for line in lines)
    if not count:
        yield '<p class="note">There are no figures of training (metrics.jsonl).</p>'
    else:
        yield f'<p class="note">{count} iterations.</p>'
        if diverged > 0.0:
            yield f'<p class="note">{diverged:.0f} control steps diverged: each ended its episode with reward 0.</p>'
    shown = [path for path in plots if path.stem != "gate"]
    if shown:
        yield '<div class="plots">'
        yield from (_image(path, path.stem.replace("_", " ")) for path in shown)
        yield "</div>"


def _manifest(manifest: dict[str, Any]) -> Iterator[str]:
    if not manifest:
        yield '<p class="note">There is no manifest (manifest.json).</p>'
        return
    flat = dict(_flat(manifest))
    first = {key: value for key, value in flat.items() if key.split(".")[0] in _FACTS}
    yield _facts(first)
    yield f"<details><summary>Everything in the manifest</summary>{_facts(flat)}</details>"


def _facts(facts: dict[str, Any]) -> str:
    return "<dl>" + "".join(f"<dt>{_text(key)}</dt><dd>{_text(value)}</dd>" for key, value in facts.items()) + "</dl>"


def _flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
