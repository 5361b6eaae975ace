"""Tables and page of a sweep: seeds as spread, the best by the mean of its seeds, failures with their messages."""

import csv
import json
import math

import pytest
from trials import add_trial

from wildrobot_eqx.cli.shared import results as shown
from wildrobot_eqx.sweep.budget import Goal
from wildrobot_eqx.sweep.finish import finish_sweep
from wildrobot_eqx.sweep.folder import SweepFolder
from wildrobot_eqx.sweep.table import results_of, short_names, tables, to_json, write_tables


@pytest.fixture
def folder(tmp_path):
    """Two configurations of three seeds: `a` holds the single best trial, `b` the best mean."""
    folder = SweepFolder(tmp_path / "swept")
    folder.path.mkdir()
    a, b = {"env.a.weight": "0.1", "gait": "trot"}, {"env.a.weight": "0.2", "gait": "<pace>"}
    add_trial(folder, 0, a, 0, (0.1, 0.9), passed=True)
    add_trial(folder, 1, b, 0, (0.1, 0.6))
    add_trial(folder, 2, a, 1, (0.1, 0.1), passed=False)
    add_trial(folder, 3, b, 1, (0.1, 0.8), passed=True)
    add_trial(folder, 4, a, 2, (0.1, None), "failed", "Not finite at iteration 2.\n  where: <there>")
    add_trial(folder, 5, b, 2, (1.0,), "stopped", "stopped early at 100 steps")
    return folder


def test_the_best_is_of_the_best_mean_and_counts_finished_trials_alone(folder):
    found = results_of(folder, Goal("score"))
    first, second = found.configurations()
    assert first.values["gait"] == "<pace>"
    assert (first.mean, first.spread) == (pytest.approx(0.7), (0.6, 0.8))
    assert (second.mean, second.spread) == (pytest.approx(0.5), (0.1, 0.9))
    assert found.best().trial.number == 3
    less = results_of(folder, Goal("score", more_is_better=False))
    assert less.best().trial.number == 2


def test_without_a_finished_trial_there_is_no_best(tmp_path):
    folder = SweepFolder(tmp_path)
    assert results_of(folder, Goal("score")).best() is None
    add_trial(folder, 0, {}, 0, (), "failed", "no")
    found = results_of(folder, Goal("score"))
    assert found.best() is None
    assert to_json(found)["best"] is None
    assert math.isnan(found.configurations()[0].mean)


def test_the_csv_and_the_json_hold_every_trial(folder):
    found = results_of(folder, Goal("score"))
    write_tables(folder, found)
    with (folder.path / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["finished"] * 4 + ["failed", "stopped"]
    assert [row["score"] for row in rows] == ["0.9", "0.6", "0.1", "0.8", "0.1", "1.0"]
    assert rows[4]["message"] == "Not finite at iteration 2."
    assert rows[3]["gait"] == "<pace>"
    document = json.loads((folder.path / "table.json").read_text())
    assert document["best"]["trial"] == 3
    assert document["best"]["command"] == "wildrobot-eqx run hop --set=env.a.weight=0.2 '--set=gait=<pace>' --seed=1"
    assert document["trials"][0]["gate"] == "passed"
    assert document["trials"][4]["message"].endswith("<there>")


def test_the_terminal_shows_the_spread_of_seeds_and_every_trial(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    with shown(False) as show:
        show(None, tables(results_of(folder, Goal("score"))))
    out = capsys.readouterr().out
    assert "2 of 3" in out
    for word in ("a.weight", "<pace>", "failed", "stopped", "0.9"):
        assert word in out


def test_the_page_is_whole_and_escaped(folder, monkeypatch):
    from wildrobot_eqx.sweep import finish

    (folder.run(3) / "film.mp4").write_bytes(b"a film")
    monkeypatch.setattr(finish.subprocess, "run", None)  # the best has a film: nothing is started
    finish_sweep(folder, Goal("score"), film=True)
    page = (folder.path / "report.html").read_text()
    assert "Best: trial 3" in page
    assert "data:video/mp4;base64,YSBmaWxt" in page
    assert page.count("data:image/png;base64,") == 4
    assert "&lt;pace&gt;" in page
    assert "<pace>" not in page
    assert "&lt;there&gt;" in page
    for number in range(6):
        assert f"<td>{number}</td>" in page


def test_a_page_without_figures_is_whole(tmp_path):
    folder = SweepFolder(tmp_path)
    add_trial(folder, 0, {"x": "nan"}, None, (), "failed", "no")
    finish_sweep(folder, Goal("score"), film=True)
    assert "No trial finished" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["env.rewards.torque.weight", "learner.clip"], ["torque.weight", "learner.clip"]),
        (["a.torque.weight", "b.torque.weight"], ["a.torque.weight", "b.torque.weight"]),
        (["steps"], ["steps"]),
    ],
)
def test_keys_are_shortened_as_far_as_they_differ(keys, names):
    assert list(short_names(keys).values()) == names
