"""The trials of a sweep through `eval`, side by side; the command line is a program that ends as it is told."""

import importlib.util
import sys

import pytest
from trials import add_trial

from wildrobot_eqx.cli import main
from wildrobot_eqx.sweep.folder import SweepFolder

EVAL = """
import sys
print(sys.argv[1:])
sys.exit({"0000": 0, "0001": 1}.get(sys.argv[2][-4:], 2))
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra `sweep`")
@pytest.mark.filterwarnings("ignore")
def test_each_trial_is_evaluated_and_says_how(tmp_path):
    from wildrobot_eqx.sweep.ray_eval import evaluate_on_ray

    program = tmp_path / "eval.py"
    program.write_text(EVAL)
    folder = SweepFolder(tmp_path)
    for number in range(3):
        add_trial(folder, number, {}, number, (1.0,))
    command = [sys.executable, str(program)]
    assert evaluate_on_ray(folder, [2, 0, 1], ["--robust"], None, 2, 1, command) == {2: 2, 0: 0, 1: 1}
    printed = (tmp_path / "trials" / "0001.eval.log").read_text()
    assert printed == f"['eval', '{folder.run(1)}', '--robust']\n"


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["--best=2"], "--best"),
        (["--workers=2"], "--workers"),
        (["--cores=2"], "--cores"),
        (["--address=auto"], "--address"),
    ],
)
def test_what_is_for_a_sweep_is_refused_for_a_run(tmp_path, capsys, arguments, where):
    assert main(["eval", str(tmp_path), *arguments]) == 2
    assert where in capsys.readouterr().err


@pytest.mark.parametrize(("option", "where"), [("--physics=native,tree", "--physics"), ("--trust", "--trust")])
def test_what_is_for_a_run_is_refused_for_a_sweep(tmp_path, capsys, option, where):
    (tmp_path / "sweep.json").write_text("{}")
    assert main(["eval", str(tmp_path), option]) == 2
    assert where in capsys.readouterr().err
