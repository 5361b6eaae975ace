"""The trials of a plan: every point once, the same ones after a resume, and commands that make them."""

import collections
import json

import pytest

import wildrobot_eqx.cli.training as training
from wildrobot_eqx import WildRobotError, load_recipe
from wildrobot_eqx.cli import main
from wildrobot_eqx.sweep.plan import Plan
from wildrobot_eqx.sweep.spec import parse_sample

SAMPLES = dict([parse_sample("env.rewards.torque.weight=uniform(-0.05,0)"), parse_sample("num_envs=randint(1,9)")])
GRID = {"max_speed": ("0.2", "0.3"), "learner.clip": ("0.1", "0.2", "0.3")}


def test_a_grid_has_every_point_with_every_seed_once():
    plan = Plan("hop", seeds=(4, 5), grid=GRID)
    assert plan.size == 12
    made = [(tuple(plan.values_of(n).values()), plan.seed_of(n)) for n in range(plan.size)]
    assert len(set(made)) == 12
    assert {seed for _, seed in made[:6]} == {4}  # all points are seen before a second seed is


def test_draws_are_the_same_for_all_points_and_seeds_and_differ_from_each_other():
    plan = Plan("hop", seeds=(4, 5), grid=GRID, samples=SAMPLES, trials=30)
    assert plan.size == 30
    draws = collections.Counter(plan.values_of(n)["env.rewards.torque.weight"] for n in range(30))
    assert sorted(draws.values()) == [6, 12, 12]
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())), "sweep.json")
    assert [again.values_of(n) for n in range(30)] == [plan.values_of(n) for n in range(30)]
    assert again == plan


@pytest.mark.parametrize(
    "change",
    [
        {"samples": {"x": "uniform(1)"}},
        {"samples": ["x"]},
        {"grid": 3},
        {"seeds": ["a"]},
        {"seeds": None},
        {"trials": "many"},
        {"search": "magic"},
        {"fixed": [1]},
        {"recipe": None},
    ],
)
def test_a_spoilt_plan_is_refused(change):
    stored = Plan("hop", seeds=(1,), grid=GRID, samples=SAMPLES, trials=3).to_json()
    with pytest.raises(WildRobotError) as caught:
        Plan.from_json({**json.loads(json.dumps(stored)), **change}, "sweep.json")
    assert caught.value.where == "sweep.json"
    with pytest.raises(WildRobotError):
        Plan.from_json({}, "sweep.json")


def test_a_key_is_varied_in_one_way():
    with pytest.raises(WildRobotError):
        Plan("hop", grid={"num_envs": ("1", "2")}, samples=SAMPLES, trials=3)
    with pytest.raises(WildRobotError):
        Plan("hop", grid=GRID, search="optuna")


@pytest.fixture
def made(monkeypatch):
    """What `run` is asked to train, instead of a training."""
    found = []

    def run_recipe(function, options, assignments, *others, **how):
        found.append((options, assignments))
        return True

    monkeypatch.setattr(training, "run_recipe", run_recipe)
    return found


def test_the_command_of_a_trial_makes_that_trial(made):
    hop = load_recipe("hop")
    plan = Plan("hop", ("--steps=5000", "--set=learner.hidden=[16]"), ("max_speed",), (3,), GRID)
    values = plan.values_of(3)
    assert main(plan.arguments(hop, values, plan.seed_of(3))) == 0
    options, assignments = made[0]
    assert options == {"steps": 5000, "max_speed": float(values["max_speed"]), "seed": 3}
    assert assignments == ["learner.hidden=[16]", f"learner.clip={values['learner.clip']}"]
