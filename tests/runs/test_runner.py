"""Training stops cleanly when something goes wrong, and loses nothing."""

import errno
import json
import math
import os
import signal
import subprocess
import sys
import threading
import types

import jax.numpy as jnp
import numpy as np
import pytest
from tiny import ITERATIONS, TINY

from wildrobot_eqx.cli import training
from wildrobot_eqx.learn import ppo
from wildrobot_eqx.physics import native
from wildrobot_eqx.runs import checkpoint
from wildrobot_eqx.runs.folder import RunFolder
from wildrobot_eqx.train import log, saving, startup
from wildrobot_eqx.train import loop as runner
from wildrobot_eqx.train.log import WandB, read_metrics


def _diverging(monkeypatch, robots, when):
    """Lets the native engine, stepping all 16 robots, yield NaN for the first `robots` in calls that `when` picks."""
    engine_run, calls = native._Engine.run, []

    def diverges(self, *arguments):
        rows = engine_run(self, *arguments)
        calls.append(len(rows))
        if len(rows) == 16 and when(len(calls)):
            rows[:robots, :] = np.nan
        return rows

    monkeypatch.setattr(native._Engine, "run", diverges)


def test_one_robot_that_diverges_once_harms_nobody(tmp_path, cli, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    with monkeypatch.context() as patch:
        _diverging(patch, 1, lambda call: call == 100)
        done = cli("run", "hop", *TINY, "--no-eval", f"--out={folder.path}")
    assert done.status == 0, done.err
    lines = read_metrics(folder.metrics)
    assert len(lines) == ITERATIONS
    assert sum(line["diverged"] for line in lines) == 1.0
    assert folder.manifest()["status"] == "trained"
    assert "1 control steps diverged" in done.err


def test_too_many_that_diverge_stop_the_run_and_a_resume_goes_on(tmp_path, cli, monkeypatch):
    """More than one, and more than 1% of the iteration's control steps; the state itself is sound, and saved."""
    folder = RunFolder(tmp_path / "run")
    with monkeypatch.context() as patch:
        _diverging(patch, 2, lambda call: call == 100)
        done = cli("run", "hop", *TINY, "--json", f"--out={folder.path}")
    assert done.status == 1
    assert done.out == ""
    assert "2 of the 128 control steps of iteration" in done.err
    assert "Traceback" not in done.err
    iteration = folder.checkpoints.iterations()[-1]
    assert iteration == read_metrics(folder.metrics)[-1]["iteration"] < ITERATIONS
    assert not checkpoint.non_finite({k: v for k, v in folder.checkpoints.load(iteration).items() if "agent" in k})
    assert folder.manifest()["status"] == "failed"
    assert read_metrics(folder.metrics)[-1]["diverged"] == 2.0
    again = cli("run", f"--resume={folder.path}", "--no-eval")
    assert again.status == 0, again.err
    assert [line["iteration"] for line in read_metrics(folder.metrics)] == list(range(1, ITERATIONS + 1))


def test_losses_that_are_not_finite_stop_and_keep_the_last_good_checkpoint(tmp_path, cli, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    train = ppo.train

    def spoilt(*arguments):
        for state, figures in train(*arguments):
            bad = len(folder.checkpoints.iterations()) == 3
            yield state, {**figures, "value_loss": jnp.float32(np.nan)} if bad else figures

    with monkeypatch.context() as patch:
        patch.setattr(runner, "SAVE_EVERY", 0.0)
        patch.setattr(ppo, "train", spoilt)
        done = cli("run", "hop", *TINY, "--json", f"--out={folder.path}")
    assert done.status == 1
    assert done.out == ""
    assert "Not finite at iteration 4: value_loss" in done.err
    assert "the checkpoint of iteration 3 is kept" in done.err
    assert "Traceback" not in done.err
    assert folder.checkpoints.iterations() == [1, 2, 3]
    assert not checkpoint.non_finite(folder.checkpoints.load(3))
    assert folder.manifest()["status"] == "failed"
    assert "Not finite" in folder.manifest()["error"]
    assert read_metrics(folder.metrics)[-1]["iteration"] == 3


def _full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_while_saving_loses_nothing(tmp_path, cli, monkeypatch, trained):
    folder = RunFolder(tmp_path / "run")
    save = saving._save

    def fills_up(state, folder, iteration):
        if iteration == 5:
            monkeypatch.setattr(checkpoint, "_checkpointer", _full)
        save(state, folder, iteration)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "SAVE_EVERY", 0.0)
        patch.setattr(saving, "_save", fills_up)
        done = cli("run", "hop", *TINY, "--no-eval", f"--out={folder.path}")
    monkeypatch.undo()
    assert done.status == 1
    assert "checkpoint of iteration 5 could not be written" in done.err
    assert "No space left on device" in done.err
    assert folder.checkpoints.iterations() == [2, 3, 4]
    assert cli("run", f"--resume={folder.path}", "--no-eval").status == 0
    end, wanted = folder.checkpoints.load(40), trained.checkpoints.load(40)
    assert {name: leaf.tobytes() for name, leaf in end.items()} == {n: leaf.tobytes() for n, leaf in wanted.items()}


_LIMITED = """
import resource, sys, time
from wildrobot_eqx.cli import main
from wildrobot_eqx.train import loop as runner
from wildrobot_eqx.train import saving
runner.SAVE_EVERY = 0.0
on_iteration = runner._Log.on_iteration
def full(self, state, raw):
    if int(state.iteration) == 3:  # from here on no file grows beyond a few bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
        if sys.argv[1] == "checkpoint":
            self.metrics.write = lambda line: None
        if sys.argv[1] == "tb":  # that of the figures alone may
            self.metrics.write = lambda line: None
            saving._save = lambda *_: None
            runner.RunFolder.update_manifest = lambda *_, **__: {}
            self.writers[0]._flushed = 0.0
    on_iteration(self, state, raw)
runner._Log.on_iteration = full
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("what", [pytest.param(what, marks=pytest.mark.slow) for what in ("all", "tb", "checkpoint")])
def test_a_disk_that_is_full_in_earnest(what, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-c", _LIMITED, what, "run", "hop", *TINY, "--no-eval", f"--out={out}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "Traceback" not in done.stderr
    if what == "tb":
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("no more TensorBoard events: File too large") == 1
        assert "40/40" in done.stderr
    else:
        assert done.returncode == 1, done.stderr
        assert f"{'figures' if what == 'all' else 'checkpoint'} of iteration 3 could not be written" in done.stderr
        assert RunFolder(out).checkpoints.load_latest()[0] == 2
        assert len(done.stderr.splitlines()) < 9, done.stderr


def test_a_full_disk_while_logging_is_reported(tmp_path, cli, monkeypatch):
    class Full:
        write = close = flush = staticmethod(_full)

    def open_full(self, path):
        self.path, self._file = path, Full()

    monkeypatch.setattr(log.MetricsFile, "__init__", open_full)
    done = cli("run", "hop", *TINY, "--no-eval", f"--out={tmp_path / 'run'}")
    assert done.status == 1
    assert "figures of iteration 1 could not be written" in done.err
    assert RunFolder(tmp_path / "run").manifest()["status"] == "failed"


def test_a_checkpoint_of_another_network_is_named(copied, cli):
    done = cli("run", f"--resume={copied.path}", "--set=learner.hidden=[8]")
    assert done.status == 2
    assert "does not fit the recipe" in done.err
    assert ".agent.policy.mlp.weights[0]" in done.err


def test_wandb_is_reported_when_it_is_missing(tmp_path, cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    done = cli("run", "hop", *TINY, "--wandb", f"--out={tmp_path / 'run'}")
    assert done.status == 2
    assert 'pip install "wildrobot-eqx[wandb]"' in done.err


def test_a_stop_while_judging_says_that_the_training_is_saved(tmp_path, cli, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "finish", interrupted)
    done = cli("run", "hop", *TINY, f"--out={tmp_path / 'run'}")
    assert done.status == 130
    assert "the training is complete and saved" in done.err
    assert f"wildrobot-eqx eval {tmp_path / 'run'}" in done.err
    assert RunFolder(tmp_path / "run").manifest()["status"] == "trained"


def _interrupt(*_, **__):
    os.kill(os.getpid(), signal.SIGINT)


def test_a_stop_while_starting_says_how_to_go_on(tmp_path, cli, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    monkeypatch.setattr(runner, "import_in_background", _interrupt)
    done = cli("run", "hop", *TINY, f"--out={folder.path}")
    assert done.status == 130
    assert "Stopped at once; no checkpoint had been saved yet." in done.err
    assert f"wildrobot-eqx run --resume {folder.path}" in done.err
    assert folder.manifest()["status"] == "interrupted"


def test_a_stop_while_starting_leaves_a_finished_run_finished(copied, cli, monkeypatch):
    monkeypatch.setattr(runner, "import_in_background", _interrupt)
    assert cli("run", f"--resume={copied.path}", "--no-eval").status == 130
    assert copied.manifest()["status"] == "trained"


@pytest.mark.parametrize(("presses", "iteration", "saved"), [(1, 40, [40]), (2, 7, [])])
def test_a_stop_is_never_swallowed(presses, iteration, saved, tmp_path, cli, monkeypatch):
    write = log.MetricsFile.write

    def write_and_signal(self, line):
        write(self, line)
        if line["iteration"] == iteration:
            for _ in range(presses):
                _interrupt()

    monkeypatch.setattr(log.MetricsFile, "write", write_and_signal)
    monkeypatch.setattr(training, "finish", pytest.fail)
    monkeypatch.setattr(runner, "SAVE_EVERY", math.inf)  # on a slow machine, too
    folder = RunFolder(tmp_path / "run")
    done = cli("run", "hop", *TINY, f"--out={folder.path}")
    assert done.status == 130
    assert ("all 40 iterations are trained" if saved else "Stopped at once") in done.err
    assert folder.checkpoints.iterations() == saved
    assert folder.manifest()["status"] == ("trained" if saved else "interrupted")


def test_a_background_import_that_fails_is_silent(monkeypatch):
    uncaught = []
    monkeypatch.setattr(threading, "excepthook", uncaught.append)
    startup.import_in_background("no_such_module_anywhere", "wave")
    for thread in threading.enumerate():
        if thread.name == "imports":
            thread.join()
    assert uncaught == []
    assert "wave" in sys.modules


def test_verify_proves_the_wiring(tmp_path, cli):
    done = cli("run", "hop", *TINY, "--verify", "--json", f"--out={tmp_path / 'run'}")
    document = json.loads(done.out)
    assert done.status == 0
    assert document["passed"]
    assert {"rewards vary", "parameters moved", "the checkpoint reads back equal"} <= {
        check["name"] for check in document["checks"]
    }
    assert len(read_metrics(tmp_path / "run" / "metrics.jsonl")) == 10


@pytest.mark.parametrize(
    ("setting", "failed"),
    [
        (
            [f"--set=env.rewards.{name}.weight=0" for name in ("track", "upright", "rate", "torque", "still", "alive")],
            {"rewards are not zero", "rewards vary"},
        ),
        (["--set=learner.learning_rate=0", "--set=learner.desired_kl=null"], {"parameters moved"}),
        (["--set=env.endings.fallen.min_height=0.4"], {"robots do not fall from the first step on"}),
    ],
)
def test_verify_fails_when_the_wiring_is_wrong(setting, failed, cli):
    done = cli("run", "hop", *TINY, *setting, "--verify", "--json")
    assert done.status == 1
    checks = json.loads(done.out)["checks"]
    assert {check["name"] for check in checks if not check["passed"]} >= failed


def test_verify_notices_a_checkpoint_that_differs(cli, monkeypatch):
    load = checkpoint.Checkpoints.load_latest

    def other(self):
        iteration, flat = load(self)
        return iteration, {**flat, ".iteration": flat[".iteration"] + 1}

    monkeypatch.setattr(checkpoint.Checkpoints, "load_latest", other)
    done = cli("run", "hop", *TINY, "--verify")
    assert done.status == 1
    assert "FAIL  the checkpoint reads back equal" in done.out


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["hop", "walk", "stand"])
@pytest.mark.parametrize("physics", ["native", "mjx"])
def test_verify_passes_for_shipped_recipes_on_every_backend(recipe, physics, cli):
    done = cli("run", recipe, f"--physics={physics}", "--verify", "--json")
    assert done.status == 0, done.err
    document = json.loads(done.out)
    assert [check["name"] for check in document["checks"] if not check["passed"]] == []


def test_each_run_has_an_id_of_its_own_on_wandb(tmp_path, monkeypatch):
    """Many folders are called seed0; and a resume goes on under the id that the run began with."""
    opened = []

    class Run:
        def log(self, figures, step):
            pass

        def finish(self):
            pass

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=lambda **k: (opened.append(k), Run())[1]))
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    folders = [RunFolder(tmp_path / experiment / "seed0") for experiment in ("torque_low", "torque_high")]
    for folder in folders:
        manifest = {"wandb_id": f"id of {folder.path.parent.name}"}
        WandB(folder.path, manifest, 0)
    assert [k["id"] for k in opened] == ["id of torque_low", "id of torque_high"]
    assert {k["name"] for k in opened} == {"seed0"}
    assert {k["project"] for k in opened} == {"wildrobot-eqx"}
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    WandB(folders[0].path, manifest, 3)
    assert (opened[-1]["project"], opened[-1]["resume"]) == ("mine", "allow")


def test_the_id_on_wandb_is_drawn_once_and_kept(copied, cli, monkeypatch):
    opened = []
    quiet = types.SimpleNamespace(log=lambda figures, step: None, finish=lambda: None)
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=lambda **k: (opened.append(k), quiet)[1]))
    for _ in range(2):
        assert cli("run", f"--resume={copied.path}", "--wandb", "--no-eval").status == 0
    manifest = copied.manifest()
    copied.manifest_path.write_text(json.dumps({k: v for k, v in manifest.items() if k != "wandb_id"}))
    assert cli("run", f"--resume={copied.path}", "--wandb", "--no-eval").status == 0
    first, again, other = (k["id"] for k in opened)
    assert first == again == manifest["wandb_id"] != other
    assert copied.path.name not in (first, other)
