"""Whatever is done to a run's files, what reads them says what is wrong, or goes on: no other error comes out."""

import json
import random

import pytest
from fuzz import as_text, edited, spoilt

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.release import bundle as bundles
from wildrobot_eqx.report import page as report
from wildrobot_eqx.runs.folder import RunFolder
from wildrobot_eqx.train.log import keep_metrics_until, wall_clock

EDITS = 30  # of each file

LINE = {
    "name": "speed",
    "command": 0.2,
    "timestep": 0.005,
    "value": 0.2,
    "limit": "<= 1",
    "passed": True,
    "when": "at",
    "axis": "",
}
VERDICT = {
    "iteration": 40,
    "when": "2026-01-01",
    "passed": False,
    "provisional": None,
    "episodes": 8,
    "episode_seconds": 1.0,
    "columns": "command",
    "failed": ["speed"],
    "lines": [LINE, {**LINE, "axis": "left"}],
    "figures": [
        {"command": 0.2, "timestep": 0.005, "required": True, "values": {"speed": 0.2, "survival": None}, "axis": axis}
        for axis in ("", "left")
    ],
}


@pytest.mark.parametrize("name", ["metrics.jsonl", "eval.json", "manifest.json", "robust.json"])
def test_a_spoilt_file_is_reported_or_passed_over(name, copied, monkeypatch):
    monkeypatch.setattr(report, "write_plots", lambda path: [])  # they are what takes long
    copied.verdict.write_text(json.dumps(VERDICT))
    path = copied.path / name
    if name == "robust.json":
        path.write_text(json.dumps({**VERDICT, "sweep": {"summary": "x"}}))
    before, rng, refused = path.read_bytes(), random.Random(name), 0
    for _ in range(EDITS):
        lines = before.decode().splitlines() if name == "metrics.jsonl" else [before.decode()]
        at = rng.randrange(len(lines))
        if rng.random() < 0.75:
            changed, _ = edited([json.loads(lines[at])], rng)
            lines[at] = as_text(changed[0] if len(changed) == 1 else changed).decode().replace("\n", " ")
            path.write_bytes("\n".join(lines).encode())
        else:
            data, _ = spoilt(before, rng)
            path.write_bytes(data)
        for read in (_read, lambda folder: report.write_report(folder.path)):
            try:
                read(copied)
            except WildRobotError:
                refused += 1
        copied.verdict.write_text(json.dumps(VERDICT))  # the reader may have dropped it
    assert refused > 0 or name in ("eval.json", "robust.json")


def _read(folder: RunFolder) -> None:
    """All that a resume, an eval and an export ask of these files."""
    bundles.verdict(folder, 40)
    folder.drop_verdict_after(20)
    wall_clock(keep_metrics_until(folder.metrics, 30))
    folder.whole_manifest()
    folder.trusted_recipe(False)


@pytest.mark.parametrize("seed", range(4))
def test_a_run_with_a_spoilt_manifest_is_refused_or_judged(seed, copied, cli):
    changed, what = edited(json.loads(copied.manifest_path.read_text()), random.Random(seed))
    copied.manifest_path.write_bytes(as_text(changed))
    done = cli("eval", copied.path)
    assert done.status == 2, what  # the hopper has no gate
    assert done.err.startswith("error: "), done.err
    assert "Traceback" not in done.err
