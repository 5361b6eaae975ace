"""Sweeps on Ray: failures, early stops, Optuna, a resume. `run` is a program that writes what it writes, in no time."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from trials import RUN

from wildrobot_eqx import load_recipe
from wildrobot_eqx.sweep.budget import Budget, EarlyStop, Goal, Resources
from wildrobot_eqx.sweep.driver import Base, Driver, settle
from wildrobot_eqx.sweep.folder import SweepFolder
from wildrobot_eqx.sweep.plan import Plan
from wildrobot_eqx.sweep.spec import parse_sample

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra `sweep`"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def sweep(tmp_path):
    """Runs a plan on Ray; returns its folder."""
    program = tmp_path / "run.py"
    program.write_text(RUN)
    folder = SweepFolder(tmp_path / "swept")
    folder.path.mkdir()

    def run(plan, early_stop=None, budget=None):
        from wildrobot_eqx.sweep.ray_engine import run_on_ray

        made = (folder, plan, load_recipe("hop"), Goal("score"), budget or Budget(), early_stop)
        driver = Driver(*made, Resources(1, 0.0), [], str(tmp_path), Base())
        driver.program = [sys.executable, str(program)]
        run_on_ray(driver, None, 2)
        settle(folder)
        return driver

    run.folder = folder
    return run


@pytest.mark.slow
def test_every_trial_runs_and_one_that_fails_stops_no_other(sweep):
    sweep(Plan("hop", grid={"gain": ("0.1", "-1", "0.3")}, seeds=(0, 1)))
    trials = sweep.folder.trials()
    assert [trial.status for trial in trials] == ["finished", "failed", "finished"] * 2
    assert trials[1].message.startswith("Not finite at iteration 3.")
    assert len(sweep.folder.figures(5)) == 3


@pytest.mark.slow
def test_what_is_not_among_the_best_is_stopped_early_and_saved(sweep):
    grid = {"gain": ("0.9", "0.8", "0.1", "0.2", "0.3", "0.15")}
    sweep(Plan("hop", ("--lines=12", "--pause=1"), grid=grid), EarlyStop(300, 1200))
    trials = {trial.values["gain"]: trial for trial in sweep.folder.trials()}
    assert trials["0.9"].status == "finished"
    stopped = [trial for trial in trials.values() if trial.status == "stopped"]
    assert {trial.values["gain"] for trial in stopped} >= {"0.1", "0.15"}
    for trial in stopped:
        assert "not among the best" in trial.message
        manifest = json.loads((sweep.folder.run(trial.number) / "manifest.json").read_text())
        assert manifest["status"] == "interrupted"
        assert len(sweep.folder.figures(trial.number)) < 12


@pytest.mark.slow
def test_optuna_suggests_and_a_resumed_sweep_goes_on(sweep):
    samples = dict([parse_sample("gain=uniform(0,1)")])
    plan = Plan("hop", samples=samples, search="optuna", trials=3)
    sweep(plan)
    sweep(Plan("hop", samples=samples, search="optuna", trials=5))
    trials = sweep.folder.trials()
    assert [trial.status for trial in trials] == ["finished"] * 5
    values = [float(trial.values["gain"]) for trial in trials]
    assert all(0.0 <= value <= 1.0 for value in values)
    assert len(set(values)) == 5


@pytest.mark.slow
def test_a_budget_of_steps_ends_a_sweep_and_saves_what_runs(sweep):
    plan = Plan("hop", ("--lines=2", "--wait=1"), grid={"gain": ("0.1", "0.2", "0.3")})
    driver = sweep(plan, budget=Budget(total_steps=400))
    assert driver.over
    assert [trial.status for trial in sweep.folder.trials()] == ["interrupted"] * 2


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from wildrobot_eqx import load_recipe
from wildrobot_eqx.sweep.budget import Budget, Goal, Resources
from wildrobot_eqx.sweep.driver import Base, Driver
from wildrobot_eqx.sweep.folder import SweepFolder
from wildrobot_eqx.sweep.plan import Plan
from wildrobot_eqx.sweep.ray_engine import run_on_ray
fixed = ("--seed=0", "--steps=400000", "--num-envs=16", "--physics=native")
plan = Plan("hop", fixed, grid={{"learner.clip": ("0.1", "0.2")}})
made = (SweepFolder({folder!r}), plan, load_recipe("hop"), Goal("episode_return"), Budget(), None, Resources(1, 0.0))
driver = Driver(*made, ["--gate-only"], ".", Base())
run_on_ray(driver, None, 1)
"""


@pytest.mark.slow
def test_the_trainings_of_a_killed_sweep_save_and_end(tmp_path):
    """Real trainings: SIGKILL takes the sweep, its workers go with it, and the training stops as by SIGTERM."""
    folder = SweepFolder(tmp_path / "swept")
    folder.path.mkdir()
    code = KILLED.format(tests=os.path.dirname(__file__), folder=str(folder.path))
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    manifest = folder.run(0) / "manifest.json"
    deadline = time.monotonic() + 3600.0  # of a machine that others use
    while not folder.figures(0) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert folder.figures(0), "the training did not begin in time"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 3600.0
    while json.loads(manifest.read_text()).get("status") == "running" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert json.loads(manifest.read_text())["status"] == "interrupted"
    assert folder.trial(0).status == "running"
    settle(folder)
    assert folder.trial(0).status == "interrupted"
    again = Driver(
        *(folder, Plan("hop", grid={"learner.clip": ("0.1", "0.2")}), load_recipe("hop"), Goal("episode_return")),
        *(Budget(), None, Resources(), [], ".", Base()),
    )
    assert again.next_number() == 0
