"""A sweep, and evaluations, on a Ray cluster that runs already, on loopback; they leave it running."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from trials import RUN, add_trial

from wildrobot_eqx import WildRobotError, load_recipe
from wildrobot_eqx.sweep.budget import Budget, Goal, Resources
from wildrobot_eqx.sweep.driver import Base, Driver, settle
from wildrobot_eqx.sweep.folder import SweepFolder
from wildrobot_eqx.sweep.plan import Plan

NEEDS = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra `sweep`"),
    pytest.mark.filterwarnings("ignore"),
]
pytestmark = [pytest.mark.slow, *NEEDS]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def cluster():
    """The address of a head on loopback, with four cores to give away; it ends with the module."""
    from wildrobot_eqx.sweep import ray_engine  # noqa: F401 - it says whether a token is sent

    address = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as scratch:  # a short path
        host, _, port = address.partition(":")
        start = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--head", "--block"]
        how = [f"--node-ip-address={host}", f"--port={port}", "--num-cpus=4", "--include-dashboard=false"]
        how += [f"--temp-dir={scratch}", "--disable-usage-stats", "--object-store-memory=100000000"]
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
        log = Path(scratch) / "head.log"
        with log.open("wb") as out:
            process = subprocess.Popen([*start, *how], stdout=out, stderr=out, env=environment, start_new_session=True)
        for _ in range(1200):
            if b"Ray runtime started" in log.read_bytes():
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        yield address
        assert process.poll() is None, "the cluster ended before its time"
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(60.0)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def driver(tmp_path):
    """Of three trials, one of which fails; each is a stand-in for `run`."""
    program = tmp_path / "run.py"
    program.write_text(RUN)
    folder = SweepFolder(tmp_path / "swept")
    folder.path.mkdir()
    plan = Plan("hop", grid={"gain": ("0.1", "-1", "0.3")})
    made = (folder, plan, load_recipe("hop"), Goal("score"), Budget(), None, Resources(1, 0.0))
    one = Driver(*made, [], str(tmp_path), Base())
    one.program = [sys.executable, str(program)]
    return one


def test_trials_run_there(cluster, driver):
    from wildrobot_eqx.sweep.ray_engine import run_on_ray

    run_on_ray(driver, cluster, None)
    settle(driver.folder)
    trials = driver.folder.trials()
    assert [trial.status for trial in trials] == ["finished", "failed", "finished"]
    assert trials[1].message.startswith("Not finite at iteration 3.")


def test_what_no_machine_of_it_has_is_refused(cluster, driver):
    from wildrobot_eqx.sweep.ray_engine import run_on_ray

    driver.resources = Resources(5, 0.0)
    with pytest.raises(WildRobotError, match="No machine has 5 cores") as caught:
        run_on_ray(driver, cluster, None)
    assert caught.value.where == "--cores, --gpus"


def test_trials_are_evaluated_there(cluster, driver, tmp_path):
    from wildrobot_eqx.sweep.ray_eval import evaluate_on_ray

    program = tmp_path / "eval.py"
    program.write_text("import sys\nsys.exit(int(sys.argv[2][-1]))")
    for number in range(2):
        add_trial(driver.folder, number, {}, number, (1.0,))
    found = evaluate_on_ray(driver.folder, [1, 0], ["--robust"], cluster, None, 2, [sys.executable, str(program)])
    assert found == {1: 1, 0: 0}


def test_a_cluster_that_is_not_there_is_reported(driver):
    from wildrobot_eqx.sweep.ray_engine import run_on_ray

    with pytest.raises(WildRobotError, match="Ray cannot be reached") as caught:
        run_on_ray(driver, f"127.0.0.1:{free_port()}", None)
    assert caught.value.exit_code == 1
