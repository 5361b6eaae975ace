"""Cart-pole, reach and track: tasks that are not walking, from the check to the report."""

import json

import pytest

from wildrobot_eqx import check, load_recipe

LINES = {
    "cartpole": {"success", "survival"},
    "reach": {"success", "survival"},
    "track": {"joint_error", "survival"},
}
GOALS = list(LINES)
BRIEF = [
    "--num-envs=8",
    "--steps=128",
    "--set=learner.unroll_length=8",
    "--set=learner.hidden=[8]",
    "--set=learner.reset_pool=8",
]


@pytest.mark.parametrize("name", GOALS)
def test_they_keep_the_contract(name):
    assert check.check_env(load_recipe(name)(num_envs=8, physics="native").env).findings == ()


@pytest.fixture(
    scope="module",
    params=["cartpole", *(pytest.param(name, marks=pytest.mark.slow) for name in GOALS if name != "cartpole")],
)
def brief(request, tmp_path_factory):
    """Two iterations."""
    from wildrobot_eqx.cli import main

    path = tmp_path_factory.mktemp(request.param) / request.param
    assert main(["run", request.param, *BRIEF, "--no-eval", f"--out={path}"]) == 0
    return path


def test_a_run_of_them_is_judged_and_reported(brief, cli):
    done = cli("eval", brief, "--episodes=2", "--timestep=0.005", "--json")
    assert done.status in (0, 1), done.err
    verdict = json.loads(done.out)
    assert {line["name"] for line in verdict["lines"]} == LINES[brief.name]
    assert (brief / "report.html").is_file()


@pytest.mark.slow
def test_a_robust_evaluation_of_them_is_by_their_gate(brief, cli):
    done = cli("eval", brief, "--robust", "--episodes=8", "--json")
    assert done.status in (0, 1), done.err
    document = json.loads(done.out)
    assert done.status == (0 if document["passed"] else 1)
    assert document["kind"] == "gate"
    assert {line["name"] for line in document["lines"]} == LINES[brief.name]
    assert document["sweep"]["figure"] in LINES[brief.name]
    assert json.loads((brief / "robust.json").read_text())["sweep"] == document["sweep"]
    assert (brief / "plots" / "robust_sweep.png").is_file()
    assert "Robustness" in (brief / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", GOALS)
def test_they_learn_their_goal(name, tmp_path, cli):
    """A minute or two each: trained, judged by the whole gate, filmed and reported."""
    run = tmp_path / "run"
    assert cli("run", name, f"--out={run}").status == 0
    assert (run / "film.mp4").is_file()
    done = cli("eval", run, "--json")
    assert done.status == 0, json.loads(done.out)["failed"]
