"""Which trial comes next, what ends a sweep, and what a resumed one knows of its earlier trials."""

import dataclasses
import json

import pytest
from trials import add_trial

from wildrobot_eqx import WildRobotError, load_recipe
from wildrobot_eqx.sweep.budget import Budget, EarlyStop, Goal, Resources
from wildrobot_eqx.sweep.driver import Base, Driver, settle
from wildrobot_eqx.sweep.folder import SweepFolder
from wildrobot_eqx.sweep.plan import Plan
from wildrobot_eqx.sweep.spec import parse_sample

PLAN = Plan("hop", grid={"learner.clip": ("0.1", "0.2", "0.3")}, seeds=(0,))


@pytest.fixture
def folder(tmp_path):
    return SweepFolder(tmp_path)


def driver(folder, plan=PLAN, budget=None):
    function = load_recipe("hop")
    return Driver(folder, plan, function, Goal("score"), budget or Budget(), None, Resources(), [], ".", Base())


def test_trials_come_in_order_and_are_written_before_they_run(folder):
    first = driver(folder)
    assert [first.next_number() for _ in range(4)] == [0, 1, 2, None]
    written = folder.trials()
    assert [trial.values for trial in written] == [{"learner.clip": clip} for clip in ("0.1", "0.2", "0.3")]
    assert written[1].arguments == ("run", "hop", "--set=learner.clip=0.2", "--seed=0")
    assert {trial.status for trial in written} == {"planned"}


def test_a_resumed_sweep_first_goes_on_with_what_was_interrupted(folder):
    add_trial(folder, 0, {"learner.clip": "0.1"}, 0, (1.0,))
    add_trial(folder, 1, {"learner.clip": "0.2"}, 0, (2.0,), "running")
    again = driver(folder)
    assert [again.next_number() for _ in range(3)] == [1, 2, None]
    assert folder.trial(1).values == {"learner.clip": "0.2"}


def test_a_resumed_sweep_knows_what_ended(folder):
    add_trial(folder, 0, {"learner.clip": "0.1"}, 0, (1.0, None, 3.0))
    add_trial(folder, 1, {"learner.clip": "0.2"}, 0, (2.0,), "stopped")
    add_trial(folder, 2, {"learner.clip": "0.3"}, 0, (9.0,), "failed")
    add_trial(folder, 3, {"learner.clip": "0.4"}, 0, (9.0,), "interrupted")
    again = driver(folder)
    assert again.earlier_reports() == {0: [(100, 1.0), (300, 3.0)], 1: [(100, 2.0)], 2: [(100, 9.0)]}
    assert again.earlier_values() == [({"learner.clip": "0.1"}, 3.0), ({"learner.clip": "0.2"}, 2.0)]


def test_a_searchers_values_are_kept(folder):
    samples = dict([parse_sample("learner.clip=uniform(0.1,0.3)")])
    plan = Plan("hop", samples=samples, search="optuna", trials=2, seeds=(5, 6))
    one = driver(folder, plan)
    texts = iter(["0.15", "0.25"])
    numbers = [one.next_number(lambda: {"learner.clip": next(texts)}) for _ in range(3)]
    assert numbers == [0, 1, None]
    assert [(trial.values["learner.clip"], trial.seed) for trial in folder.trials()] == [("0.15", 5), ("0.25", 6)]


def test_a_budget_of_steps_counts_earlier_attempts(folder):
    add_trial(folder, 0, {"learner.clip": "0.1"}, 0, (1.0, 2.0))
    one = driver(folder, budget=Budget(total_steps=500))
    assert not one.is_over()
    one.budget.note(1, 299)
    assert not one.is_over()
    one.budget.note(1, 300)
    assert one.is_over()
    assert one.next_number() is None
    assert "500 steps" in one.over


def test_a_budget_of_time_counts_earlier_attempts():
    assert Budget(minutes=5.0, spent_minutes=5.0).spent()
    assert not Budget(minutes=500.0, spent_minutes=5.0).spent()
    assert not Budget().spent()


def test_a_worker_that_died_leaves_a_failed_trial(folder, caplog):
    one = driver(folder)
    one.next_number()
    folder.change(0, status="running")
    one.note_end(0, "its worker process died")
    assert (folder.trial(0).status, folder.trial(0).message) == ("failed", "its worker process died")
    folder.change(0, status="finished", message="")
    one.note_end(0, "its worker process died")
    assert folder.trial(0).status == "finished"


def test_after_an_attempt_nothing_runs(folder):
    add_trial(folder, 0, {}, 0, (1.0,), "running")
    add_trial(folder, 1, {}, 1, (1.0,), "running")
    folder.note_stop(1, "stopped early")
    settle(folder)
    assert [trial.status for trial in folder.trials()] == ["interrupted", "stopped"]


def test_an_early_stop_lies_within_a_trial():
    assert EarlyStop(100, 400).factor == 3
    for grace in (0, 400, 500):
        with pytest.raises(WildRobotError):
            EarlyStop(grace, 400)


@pytest.mark.parametrize(
    "change",
    [
        {"number": 3},
        {"seed": "a"},
        {"seed": True},
        {"values": []},
        {"values": {"a": 1}},
        {"arguments": "run"},
        {"arguments": [1]},
        {"status": "done"},
        {"message": None},
        {"more": 1},
    ],
)
def test_a_spoilt_trial_is_refused(folder, change):
    add_trial(folder, 0, {"a": "1"}, 0)
    path = folder.path / "trials" / "0000.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(WildRobotError) as caught:
        folder.trials()
    assert caught.value.where == str(path)


def test_two_processes_do_not_run_one_sweep(folder):
    with folder.lock(), pytest.raises(WildRobotError, match="Another process runs this sweep"):
        folder.lock()


def test_a_goal_knows_what_is_better():
    assert Goal("x").better(2.0, 1.0)
    assert dataclasses.replace(Goal("x"), more_is_better=False).better(1.0, 2.0)
