"""A killed run, resumed, ends bit for bit where the uninterrupted run ends."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from tiny import ITERATIONS, SEED, TINY

from wildrobot_eqx.cli import main
from wildrobot_eqx.runs.folder import RunFolder
from wildrobot_eqx.train import loop as runner
from wildrobot_eqx.train import session as opening
from wildrobot_eqx.train.log import read_metrics

OTHER_SEED = f"--seed={SEED + 3}"
_SAVED, _KILLED = (8, 16), 19  # iterations
_DOOMED = f"""
import math, os, signal, sys
from wildrobot_eqx.train import loop as runner
from wildrobot_eqx.cli import main
write = runner.MetricsFile.write
def doomed(self, line):
    write(self, line)
    runner.SAVE_EVERY = 0.0 if line["iteration"] in {_SAVED} else math.inf
    if line["iteration"] == {_KILLED}:
        os.kill(os.getpid(), signal.SIGKILL)
runner.MetricsFile.write = doomed
sys.exit(main(sys.argv[1:]))
"""
_TIMES = ("wall_clock_s", "steps_per_second")


def _assert_same_end(one, two):
    last, again = one.checkpoints.load(ITERATIONS), two.checkpoints.load(ITERATIONS)
    assert last.keys() == again.keys()
    for name, leaf in last.items():
        assert (leaf.dtype, leaf.shape) == (again[name].dtype, again[name].shape), name
        assert leaf.tobytes() == again[name].tobytes(), name


def _lines(folder):
    return [{k: v for k, v in line.items() if k not in _TIMES} for line in read_metrics(folder.metrics)]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run killed with SIGKILL between two checkpoints."""
    folder = RunFolder(tmp_path_factory.mktemp("killed") / "run")
    command = [sys.executable, "-c", _DOOMED, "run", "hop", *TINY, "--no-eval", f"--out={folder.path}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return folder


def test_a_killed_run_resumes_to_the_same_bits(killed, trained, capsys):
    assert killed.manifest()["status"] == "running"
    assert killed.checkpoints.iterations() == list(_SAVED)
    assert len(read_metrics(killed.metrics)) == _KILLED
    with killed.metrics.open("a") as file:
        file.write('{"iteration": 39, "st')  # a line that the kill cut short
    (killed.checkpoints.folder / "00000039.orbax-checkpoint-tmp").mkdir()  # and a checkpoint
    assert main(["run", "hop", f"--resume={killed.path}", "--no-eval", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["iterations"] == ITERATIONS
    _assert_same_end(trained, killed)
    assert [line["iteration"] for line in read_metrics(killed.metrics)] == list(range(1, ITERATIONS + 1))
    assert _lines(killed) == _lines(trained)
    assert killed.manifest()["status"] == "trained"
    times = [line["wall_clock_s"] for line in read_metrics(killed.metrics)]
    assert times == sorted(times)


def test_a_run_without_checkpoints_resumes_from_its_seed(copied, trained, cli):
    shutil.rmtree(copied.path / "checkpoints")
    assert cli("run", f"--resume={copied.path}", "--no-eval").status == 0
    _assert_same_end(trained, copied)
    assert _lines(copied) == _lines(trained)


def test_when_checkpoints_are_saved_changes_nothing(trained, tmp_path, cli, monkeypatch):
    monkeypatch.setattr(runner, "SAVE_EVERY", 0.0)
    assert cli("run", "hop", *TINY, "--no-eval", f"--out={tmp_path / 'often'}").status == 0
    often = RunFolder(tmp_path / "often")
    _assert_same_end(trained, often)
    assert often.checkpoints.iterations() == [ITERATIONS - 2, ITERATIONS - 1, ITERATIONS]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(number, tmp_path, trained, cli, monkeypatch):
    write = runner.MetricsFile.write

    def write_and_signal(self, line):
        write(self, line)
        if line["iteration"] == 7:
            os.kill(os.getpid(), number)

    folder = RunFolder(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(runner.MetricsFile, "write", write_and_signal)
        done = cli("run", "hop", *TINY, "--no-eval", f"--out={folder.path}")
    assert done.status == 130
    assert "stopping after this iteration" in done.err
    assert f"wildrobot-eqx run --resume {folder.path}" in done.err
    assert folder.checkpoints.iterations() == [7]
    assert folder.manifest()["status"] == "interrupted"
    assert cli("run", f"--resume={folder.path}", "--no-eval").status == 0
    _assert_same_end(trained, folder)


def test_a_finished_run_can_train_on(copied, cli):
    more = 16 * 8 * (ITERATIONS + 2)
    done = cli("run", f"--resume={copied.path}", "--no-eval", f"--steps={more}")
    assert done.status == 0
    assert [line["iteration"] for line in read_metrics(copied.metrics)] == list(range(1, ITERATIONS + 3))
    assert copied.manifest()["options"]["steps"] == copied.manifest()["steps"] == more
    again = cli("run", f"--resume={copied.path}", "--no-eval")
    assert again.status == 0
    assert "already" in again.err


def test_another_seed_cannot_go_on(copied, cli):
    done = cli("run", f"--resume={copied.path}", OTHER_SEED)
    assert done.status == 2
    assert f"seed {SEED}" in done.err


@pytest.mark.parametrize(
    "wrong",
    [("--num-envs=32",), ("--set=learner.hidden=[8]",), (OTHER_SEED,), ("--wandb", f"--steps={16 * 8 * 50}")],
)
def test_a_refused_resume_leaves_the_run_as_it_was(wrong, copied, cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)  # not installed
    before = {path: path.read_bytes() for path in (copied.manifest_path, copied.metrics)}
    assert cli("run", f"--resume={copied.path}", "--no-eval", *wrong).status == 2
    assert {path: path.read_bytes() for path in before} == before
    assert cli("run", f"--resume={copied.path}", "--no-eval").status == 0
    recipe, _ = opening.reopen(copied, False)  # as `eval` and `render` do
    assert int(opening.restore(recipe, copied).iteration) == ITERATIONS
    assert copied.manifest()["status"] == "trained"


def test_a_resume_beside_a_live_training_changes_nothing(copied, cli):
    before = copied.manifest_path.read_bytes()
    with copied.lock():
        assert cli("run", f"--resume={copied.path}", f"--steps={16 * 8 * 50}").status == 2
    assert copied.manifest_path.read_bytes() == before
