"""A gate's verdict as figures of a training: when it is asked, and how it is scored."""

import dataclasses
import math
import types

import pytest

from wildrobot_eqx import load_recipe
from wildrobot_eqx.evaluate.gate import GateLine, GateResult, Limit
from wildrobot_eqx.evaluate.gate_score import better_is_more, gate_figures
from wildrobot_eqx.train.judging import Judge, judged
from wildrobot_eqx.train.log import read_metrics

LIMITS = (
    Limit("survival", low=0.9),
    Limit("error", high=0.2),
    Limit("duty", 0.3, 0.5),
    Limit("kick", low=0.5, cases=("x",)),
)


def line(name, value, passed, case=""):
    return GateLine(name, 0.0, 0.005, value, "", passed, case=case)


def figures(*lines):
    return gate_figures(LIMITS, GateResult(lines))


def test_a_passed_gate_scores_1():
    found = figures(line("survival", 1.0, True), line("survival", 0.95, True), line("error", 0.1, True))
    assert found == {"gate/score": 1.0, "gate/passed": 1.0, "gate/survival": 0.95, "gate/error": 0.1}


def test_each_failed_line_takes_off_how_far_it_is_beyond_its_bound():
    found = figures(
        line("survival", 0.45, False), line("error", 0.3, False), line("error", 9.0, False), line("duty", 0.4, True)
    )
    assert found["gate/score"] == pytest.approx((0.5 + 0.5 + 0.0 + 1.0) / 4)
    assert found["gate/passed"] == 0.25
    assert (found["gate/survival"], found["gate/error"], found["gate/duty"]) == (0.45, 9.0, 0.4)


def test_the_worst_of_two_sided_limits_is_the_one_beyond():
    found = figures(line("duty", 0.31, True), line("duty", 0.8, False), line("duty", 0.4, True))
    assert found["gate/duty"] == 0.8


def test_what_was_not_measured_counts_as_failed_and_is_left_out():
    found = figures(line("survival", math.nan, False), line("error", 0.1, True))
    assert found == {"gate/score": 0.5, "gate/passed": 0.5, "gate/error": 0.1}
    assert figures() == {}


def test_limits_of_some_cases_alone_are_found():
    assert figures(line("kick", 0.25, False, "x"))["gate/score"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "more"),
    [("score", True), ("passed", True), ("survival", True), ("error", False), ("duty", None), ("other", None)],
)
def test_what_is_better_follows_from_the_limits(name, more):
    assert better_is_more(LIMITS, f"gate/{name}") is more


def test_the_gate_is_asked_so_often_and_at_the_end():
    learner = types.SimpleNamespace(steps_per_iteration=100)
    recipe = types.SimpleNamespace(iterations=11, learner=learner)
    judge = Judge(recipe, None, 250)
    assert [i for i in range(1, 12) if judge.due(i)] == [3, 5, 8, 10, 11]
    heard = []
    judge.figures = lambda policy: {"gate/score": policy}
    then = judged(judge, lambda state, found: heard.append(found), lambda state: 0.5)
    for i in (2, 3):
        then(types.SimpleNamespace(iteration=i), {"kl": 1.0})
    assert heard == [{"kl": 1.0}, {"kl": 1.0, "gate/score": 0.5}]


def test_a_recipe_without_a_gate_is_trained_without(caplog):
    recipe = load_recipe("hop")(physics="native")
    with caplog.at_level("INFO", "wildrobot_eqx"):
        assert Judge.of(recipe, 100) is None
    assert Judge.of(dataclasses.replace(recipe), None) is None
    assert judged(None, print, None) is print


@pytest.mark.slow
def test_a_training_judges_itself(cli, tmp_path):
    """cartpole has a gate; its figures are in metrics.jsonl where they are due, and nothing else is changed by them."""
    tiny = ["--num-envs=16", "--steps=5120", "--set=learner.unroll_length=8", "--set=learner.hidden=[16]"]
    tiny = [*tiny, "--set=learner.reset_pool=8", "--physics=native"]
    for name, more in (("judged", ["--judge-every=2048", "--gate-only"]), ("plain", ["--no-eval"])):
        assert cli("run", "cartpole", *tiny, *more, f"--out={tmp_path / name}").status == 0
    with_gate, without = (read_metrics(tmp_path / name / "metrics.jsonl") for name in ("judged", "plain"))
    due = [one["steps"] for one in with_gate if "gate/score" in one]
    assert due == [2048, 4096, 5120]
    assert all(0.0 <= one["gate/score"] <= 1.0 for one in with_gate if "gate/score" in one)
    timed = ("wall_clock_s", "steps_per_second")
    for one, other in zip(with_gate, without, strict=True):
        assert {n: v for n, v in one.items() if not n.startswith("gate/") and n not in timed} == {
            n: v for n, v in other.items() if n not in timed
        }
    names = {path.name for path in (tmp_path / "judged").iterdir()}
    assert "eval.json" in names
    assert not names & {"bundle.zip", "walk.mp4", "film.mp4", "report.html"}
