"""Trials as jobs: by submitit on this machine, and through stand-ins for Slurm's own commands."""

import importlib.util
import json
import os
import sys

import pytest
from trials import RUN

from wildrobot_eqx import WildRobotError, load_recipe
from wildrobot_eqx.sweep.budget import Budget, EarlyStop, Goal, Resources
from wildrobot_eqx.sweep.driver import Base, Driver, settle
from wildrobot_eqx.sweep.folder import SweepFolder
from wildrobot_eqx.sweep.plan import Plan

NEEDS = [
    pytest.mark.skipif(importlib.util.find_spec("submitit") is None, reason="needs the extra `slurm`"),
    pytest.mark.filterwarnings("ignore"),
]
pytestmark = [pytest.mark.slow, *NEEDS]

COMMANDS = {
    # Runs a job file in a session of its own, whose number is the job's, and keeps the file to be looked at.
    "sbatch": 'cp "$1" {here}/script\nSLURM_JOB_ID=none setsid sh -c \'export SLURM_JOB_ID=$$; exec bash "$0"\' "$1" '
    '>/dev/null 2>&1 &\necho "Submitted batch job $!"',
    "srun": 'while [ "${1#-}" != "$1" ]; do case "$1" in --output|--error) shift;; esac; shift; done\n'
    'export SLURM_LOCALID=0 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_NTASKS=1 SLURM_NNODES=1\nexec "$@"',
    "sacct": 'echo "JobID|State|NodeList"\nwhile [ $# -gt 0 ]; do if [ "$1" = -j ]; then shift; '
    'if kill -0 $1 2>/dev/null; then s=RUNNING; else s=COMPLETED; fi; echo "$1|$s|here"; fi; shift; done',
    # To all processes of a job, as Slurm does.
    "scancel": 'for j in "$@"; do case $j in -*) ;; *) for f in $(grep -lz "^SLURM_JOB_ID=$j$" /proc/[0-9]*/environ '
    "2>/dev/null); do p=${f#/proc/}; kill -TERM ${p%/environ}; done;; esac; done",
}


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Stand-ins for `sbatch`, `srun`, `sacct` and `scancel` on the path; their folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in COMMANDS.items():
        (folder / name).write_text("#!/bin/bash\n" + script.replace("{here}", str(folder)) + "\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.fixture
def driver(tmp_path):
    """Makes the driver of a plan, whose trials are a stand-in for `run`."""
    program = tmp_path / "run.py"
    program.write_text(RUN)
    folder = SweepFolder(tmp_path / "swept")
    folder.path.mkdir()

    def make(plan, early_stop=None, budget=None):
        made = (folder, plan, load_recipe("hop"), Goal("score"), budget or Budget(), early_stop)
        one = Driver(*made, Resources(1, 0.0), [], str(tmp_path), Base())
        one.program = [sys.executable, str(program)]
        return one

    return make


GRID = {"gain": ("0.1", "-1", "0.3")}


@pytest.mark.parametrize("where", ["local", "slurm"])
def test_every_trial_is_a_job_and_one_that_fails_stops_no_other(driver, slurm, where):
    from wildrobot_eqx.sweep.slurm import run_on_slurm

    one = driver(Plan("hop", grid=GRID))
    run_on_slurm(one, {"partition": "cpu", "timeout_min": 5} if where == "slurm" else {}, 2, where)
    settle(one.folder)
    trials = one.folder.trials()
    assert [trial.status for trial in trials] == ["finished", "failed", "finished"]
    assert trials[1].message.startswith("Not finite at iteration 3.")
    assert len(one.folder.figures(2)) == 3
    if where == "slurm":
        script = (slurm / "script").read_text()
        assert "#SBATCH --partition=cpu" in script
        assert "#SBATCH --time=5" in script
        assert "#SBATCH --cpus-per-task=1" in script


@pytest.mark.parametrize("where", ["local", "slurm"])
def test_a_budget_cancels_the_jobs_whose_trainings_save(driver, slurm, where):
    from wildrobot_eqx.sweep.slurm import run_on_slurm

    plan = Plan("hop", ("--lines=2", "--wait=1"), grid=GRID)
    one = driver(plan, budget=Budget(total_steps=400))
    run_on_slurm(one, {}, 2, where)
    settle(one.folder)
    assert one.over
    trials = one.folder.trials()
    assert [trial.status for trial in trials] == ["interrupted"] * 2
    for trial in trials:
        manifest = json.loads((one.folder.run(trial.number) / "manifest.json").read_text())
        assert manifest["status"] == "interrupted"


def test_what_jobs_cannot_do_is_refused(driver, slurm, monkeypatch, tmp_path):
    from wildrobot_eqx.sweep.slurm import parse_settings, run_on_slurm

    with pytest.raises(WildRobotError, match="know nothing of each other"):
        run_on_slurm(driver(Plan("hop", grid=GRID), EarlyStop(100, 400)), {}, None)
    with pytest.raises(WildRobotError, match="takes no such setting") as caught:
        run_on_slurm(driver(Plan("hop", grid=GRID)), parse_settings(["no_such_thing=1"]), None)
    assert caught.value.where == "--slurm-set"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WildRobotError, match="no Slurm here"):
        run_on_slurm(driver(Plan("hop", grid=GRID)), {}, None)
