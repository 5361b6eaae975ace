"""Seeds of one configuration in one program: how trials are grouped, and that each is the run that it would be."""

import json

import numpy as np
import pytest
from trials import add_trial

from wildrobot_eqx.cli import main
from wildrobot_eqx.runs.folder import RunFolder
from wildrobot_eqx.sweep.folder import SweepFolder
from wildrobot_eqx.sweep.vmap_engine import groups
from wildrobot_eqx.train.log import read_metrics

TINY = ["--physics=tree", "--num-envs=16", "--steps=1024", "--set=learner.unroll_length=8", "--set=learner.hidden=[16]"]
TINY = [*TINY, "--set=learner.reset_pool=8"]


def test_trials_are_grouped_by_their_values_and_how_far_they_are(tmp_path):
    folder = SweepFolder(tmp_path)
    for number in range(7):
        add_trial(folder, number, {"clip": "0.1" if number % 2 else "0.2"}, number // 2, status="planned")
    far = {4: 10, 6: 10}
    found = groups(folder.trials(), 2, lambda trial: far.get(trial.number, 0))
    assert [[trial.number for trial in group] for group in found] == [[0, 2], [1, 3], [5], [4, 6]]


@pytest.mark.slow
def test_each_seed_is_the_run_that_it_would_be(tmp_path):
    """A third seed begins another group; a resume finds nothing left to do; `run --resume` goes on with one of them."""
    swept = tmp_path / "swept"
    given = ["hop", *TINY, "--seeds=0:3", "--vmap-seeds=2", "--no-film", f"--out={swept}"]
    assert main(["sweep", *given]) == 0
    assert main(["run", "hop", *TINY, "--seed=1", "--no-eval", f"--out={tmp_path / 'alone'}"]) == 0
    table = json.loads((swept / "table.json").read_text())
    assert [trial["status"] for trial in table["trials"]] == ["finished"] * 3
    together, alone = RunFolder(swept / "trials" / "0001"), RunFolder(tmp_path / "alone")
    mine, other = (read_metrics(folder.metrics) for folder in (together, alone))
    assert [line["iteration"] for line in mine] == [line["iteration"] for line in other] == list(range(1, 9))
    for name in ("kl", "reward_per_step", "value_loss"):
        np.testing.assert_allclose(mine[0][name], other[0][name], rtol=1e-3, atol=1e-5)
    manifest, plain = together.manifest(), alone.manifest()
    assert (manifest["seed"], manifest["status"], manifest["options"]) == (1, "trained", plain["options"])
    assert manifest["command"][:3] == ["wildrobot-eqx", "run", "hop"]
    assert main(["sweep", f"--resume={swept}", "--vmap-seeds=2", "--no-film"]) == 0
    assert main(["run", f"--resume={together.path}", "--steps=1280", "--no-eval"]) == 0
    assert len(read_metrics(together.metrics)) == 10


@pytest.mark.slow
def test_an_engine_that_is_not_pure_is_refused(tmp_path, capsys):
    given = ["hop", *TINY, "--physics=native", "--seeds=0:2", "--vmap-seeds=2", f"--out={tmp_path / 'swept'}"]
    assert main(["sweep", *given]) == 2
    assert "--physics tree" in capsys.readouterr().err
