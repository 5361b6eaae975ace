import io
import json
import math
from pathlib import Path

import pytest
from PIL import Image
from test_report import HOSTILE, Page, fill, metrics
from test_report import verdict as verdict

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.cli import main
from wildrobot_eqx.report.compare_plots import compare_plots
from wildrobot_eqx.report.comparison import Comparison
from wildrobot_eqx.report.plots import smooth
from wildrobot_eqx.report.run_summary import RunSummary, names_of

RECIPE = "raise SystemExit('a recipe was executed')\n"


@pytest.fixture
def runs(tmp_path, verdict) -> Path:
    """Two judged runs, a and b, which differ in an option, in one line of the gate and in their recipes."""
    for name, speed in (("a", 0.4), ("b", 0.5)):
        folder = tmp_path / name
        folder.mkdir()
        mended = json.loads(json.dumps(verdict))
        if name == "b":
            for line in mended["lines"]:
                line["passed"] = True
            mended |= {"passed": True, "failed": []}
        fill(folder, mended)
        manifest = {
            "schema": 1,
            "state_version": 1 if name == "a" else 2,  # checkpoints of another version do not matter here
            "name": "walk",
            "robot": {"name": "wildrobot"},
            "seed": 7,
            "status": "trained",
            "started": f"2026-11-2{speed:.0f}T00:00:00+00:00",
            "options": {"max_speed": speed, "physics": "tree"},
            "versions": {"jax": "0.10.2"},
            "recipe": {"sha256": name * 64},
            "training_s": 60.0,
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))
        (folder / "recipe.py").write_text(f"# run {name}\n{RECIPE}")
    return tmp_path


def run_json(capsys, *arguments) -> dict:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_final_figures_are_means_of_the_last_twentieth(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": 1, "state_version": 2, "name": "walk"}))
    (tmp_path / "metrics.jsonl").write_text(metrics(60))
    summary = RunSummary.read(tmp_path)
    assert summary.final("episode_return") == pytest.approx((57 + 58 + 59) / 3)
    assert math.isnan(summary.final("nothing"))
    assert summary.to_json()["steps_done"] == 60 * 5120  # of a run that was killed, from its figures


def test_a_comparison_says_what_differs_and_nothing_else(runs, capsys, tmp_path):
    shown = run_json(capsys, "compare", runs / "a", runs / "b", "--out", tmp_path / "c.html")
    assert shown["differs"] == {
        "state_version": ["1", "2"],
        "options.max_speed": ["0.4", "0.5"],
        "recipe.sha256": ["a" * 64, "b" * 64],
    }
    uneven = [row for row in shown["gate"] if row["passed"] != [True, True]]
    assert {row["figure"] for row in uneven} == {"slip"}
    assert {row["at"] for row in uneven} == {0.3}
    assert all(row["passed"] == [False, True] for row in uneven)
    assert [run["gate"]["passed"] for run in shown["runs"]] == [False, True]


def test_the_page_holds_everything_and_escapes_it(runs, capsys, tmp_path):
    manifest = json.loads((runs / "a" / "manifest.json").read_text())
    (runs / "a" / "manifest.json").write_text(json.dumps(manifest | {"options": {"max_speed": HOSTILE}}))
    assert main(["compare", str(runs / "a"), str(runs / "b"), "--out", str(tmp_path / "c.html")]) == 0
    told = capsys.readouterr().out
    assert "options.max_speed" in told
    page = Page((tmp_path / "c.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert page.tags.count("video") == 2
    assert page.tags.count("img") >= 5  # return, over time, terminations, error, reward terms, learning
    assert all(address.startswith("data:") for address in page.addresses)
    assert HOSTILE in page.text
    assert "+# run b" in page.text  # how the recipes differ
    assert "failed" in page.cells
    assert "executed" not in told


def test_a_page_is_replaced_by_force_alone(runs, tmp_path):
    command = ["compare", str(runs / "a"), str(runs / "b"), "--out", str(tmp_path / "c.html")]
    (tmp_path / "c.html").write_text("<!doctype html>\nold")
    assert main(command) == 2
    assert (tmp_path / "c.html").read_text().endswith("old")
    for name in ("a", "b"):
        (runs / name / "metrics.jsonl").unlink()  # plots are another test's
    assert main([*command, "--force"]) == 0
    assert "comparison of 2 runs" in (tmp_path / "c.html").read_text(encoding="utf-8")


def test_plots_show_every_run_that_has_the_figure(runs):
    (runs / "b" / "metrics.jsonl").write_text("no json\n")
    plots = compare_plots(Comparison.read([runs / "a", runs / "b"]))
    assert {"return", "terminations", "reward terms, per second", "learning"} <= set(plots)
    assert "return over time" not in plots  # these lines have no wall clock
    for content in plots.values():
        assert Image.open(io.BytesIO(content)).size[0] > 400
    (runs / "a" / "metrics.jsonl").unlink()
    assert compare_plots(Comparison.read([runs / "a", runs / "b"])) == {}


def test_smooth_curves_do_not_lag():
    line = [float(i) for i in range(400)]
    assert smooth(line)[10:-10] == pytest.approx(line[10:-10])
    step = smooth([0.0] * 200 + [1.0] * 200)
    assert step[189] == 0.0
    assert step[210] == 1.0
    assert step[199] + step[200] == pytest.approx(1.0)
    assert smooth([math.nan, 2.0, math.nan])[1] == 2.0
    assert math.isnan(smooth([math.nan])[0])


def test_runs_of_one_name_keep_apart():
    assert names_of([Path("/x/1/run"), Path("/x/2/run")]) == ["1/run", "2/run"]
    assert names_of([Path("/x/1/a"), Path("/x/2/b")]) == ["a", "b"]


def test_runs_are_listed_and_one_that_cannot_be_read_is_told(runs, capsys):
    (runs / "c").mkdir()
    (runs / "c" / "manifest.json").write_text("{")
    shown = run_json(capsys, "runs", "list", runs)
    assert [run["name"] for run in shown["runs"]] == ["a", "b"]
    assert len(shown["not_read"]) == 1
    assert str(runs / "c") in shown["not_read"][0]
    assert main(["runs", "list", str(runs)]) == 0
    assert "not read" in capsys.readouterr().out


def test_one_run_is_shown_with_the_lines_that_fail(runs, capsys):
    assert main(["runs", "show", str(runs / "a")]) == 0
    told = capsys.readouterr().out
    assert "foot slip" in told
    assert "max_speed=0.4" in told
    shown = run_json(capsys, "runs", "show", runs / "a")
    assert shown["manifest"]["options"] == {"max_speed": 0.4, "physics": "tree"}
    assert shown["files"] == ["eval.json", "walk.mp4"]


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["compare", "a"], "compare"),
        (["compare", "a", "a/../a"], "compare"),
        (["compare", "a", "nowhere"], "nowhere"),
        (["compare", "a", "b", "--out", "a/manifest.json"], "--out"),
        (["compare", "a", "b", "--out", "a/manifest.json", "--force"], "--out"),
        (["compare", "a", "b", "--out", "no/such/folder/c.html"], "--out"),
        (["runs", "show", "nowhere"], "nowhere"),
        (["runs", "show", "broken"], "broken"),
        (["runs", "list", "nowhere"], "runs list"),
    ],
)
def test_bad_folders_get_an_error_and_lose_nothing(runs, capsys, monkeypatch, arguments, where):
    monkeypatch.chdir(runs)
    (runs / "broken").mkdir()
    (runs / "broken" / "manifest.json").write_text("[]")
    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert where in told
    assert "Traceback" not in told
    assert before == {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}


def test_lines_that_one_gate_lacks_are_no_failures(runs):
    verdict = json.loads((runs / "b" / "eval.json").read_text())
    kept = [line for line in verdict["lines"] if line["name"] != "survival"]
    (runs / "b" / "eval.json").write_text(json.dumps(verdict | {"lines": kept}))
    comparison = Comparison.read([runs / "a", runs / "b"])
    rows = [row for row in comparison.gate_rows() if row.key[0] == "survival"]
    assert rows
    assert all(not row.held and not row.failing for row in rows)
    assert {row.key[0] for row in comparison.gate_rows() if row.failing} == {"slip"}
    assert any(note.startswith(f"{len(rows)} lines are not in") for note in comparison.notes())


def test_a_damaged_verdict_is_no_verdict(runs):
    for text in ("[]", '{"lines": [1, {"name": {}}], "figures": "x", "failed": 3}', "{"):
        (runs / "a" / "eval.json").write_text(text)
        comparison = Comparison.read([runs / "a", runs / "b"])
        assert comparison.to_json()["gate"]
        assert comparison.tables()
    with pytest.raises(WildRobotError, match="two runs"):
        Comparison.read([])
