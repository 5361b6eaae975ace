"""A trial's process: its progress, its end, a resume, a stop; `run` is a program that writes what it writes."""

import json
import sys

import pytest
from trials import RUN

from wildrobot_eqx.sweep import process
from wildrobot_eqx.sweep.folder import SweepFolder, Trial
from wildrobot_eqx.sweep.process import TrialProcess


@pytest.fixture
def trial(tmp_path, monkeypatch):
    """Makes a trial of the stand-in for `run` with these arguments."""
    program = tmp_path / "run.py"
    program.write_text(RUN)
    monkeypatch.setattr(process, "program_of", lambda cores: [sys.executable, str(program)])
    monkeypatch.setattr(process, "_POLL", 0.01)
    folder = SweepFolder(tmp_path / "sweep")
    folder.path.mkdir()

    def make(*arguments, metric="score", status="planned"):
        folder.write(Trial(0, None, {}, ("run", "hop", *arguments), status))
        return TrialProcess(folder, 0, metric, ["--gate-only"])

    return make


def to_the_end(one):
    reports = []
    one.start()
    while not reports or not reports[-1]["done"]:
        reports.append(one.next())
    return reports


def test_a_training_is_followed_to_its_end(trial):
    one = trial("--lines=4")
    assert to_the_end(one)[-1] == {"steps": 400, "score": 2.0, "done": True}
    assert one.outcome().status == "finished"
    assert json.loads((one.run / "manifest.json").read_text())["arguments"] == [
        *("run", "hop", "--lines=4", f"--out={one.run}", "--gate-only")
    ]
    assert "a line of progress" in one.folder.log(0).read_text()


def test_a_figure_that_never_comes_is_left_out(trial):
    one = trial(metric="gate/score")
    assert to_the_end(one)[-1] == {"done": True}


def test_a_failed_training_keeps_its_message(trial):
    one = trial("--exit=1")
    to_the_end(one)
    ended = one.outcome()
    assert ended.status == "failed"
    assert ended.message == "Not finite at iteration 3.\n  where: there"
    assert one.folder.trial(0) == ended


def test_a_program_that_dies_is_failed_with_its_last_line(trial):
    one = trial("--lines=x")
    to_the_end(one)
    assert one.outcome().status == "failed"
    assert one.folder.trial(0).message.startswith("ValueError: invalid literal")


def test_a_stopped_training_saves_and_goes_on_by_resume(trial):
    one = trial("--lines=2", "--wait=1")
    one.start()
    while "steps" not in one.next():
        pass
    one.stop()
    assert one.folder.trial(0).status == "interrupted"
    again = TrialProcess(one.folder, 0, "score", ["--gate-only"])
    assert to_the_end(again)[-1]["done"]
    assert again.outcome().status == "finished"
    assert json.loads((one.run / "manifest.json").read_text())["arguments"] == [
        *("run", f"--resume={one.run}", "--gate-only")
    ]


def test_what_ended_is_not_started_again(trial):
    for status in ("finished", "failed", "stopped"):
        one = trial(status=status)
        assert to_the_end(one) == [{"done": True}]
        assert one.outcome().status == status
        assert not one.run.exists()


def test_a_run_that_was_killed_before_it_had_a_manifest_begins_anew(trial):
    one = trial(status="running")
    one.run.mkdir()
    for name in ("recipe.py", ".manifest.1234.json", ".lock"):
        (one.run / name).write_text("half")
    process.remove_beginning(one.run)
    assert not one.run.exists()
    one.run.mkdir()
    (one.run / "mine.txt").write_text("kept")
    process.remove_beginning(one.run)
    assert (one.run / "mine.txt").read_text() == "kept"


def test_a_trial_that_the_scheduler_stopped_says_so(trial):
    one = trial(status="interrupted")
    one.folder.note_stop(0, "stopped early at 100 steps")
    assert (one.folder.trial(0).status, one.folder.trial(0).message) == ("stopped", "stopped early at 100 steps")
    one.folder.change(0, status="finished", message="")
    assert one.folder.trial(0).status == "finished"
