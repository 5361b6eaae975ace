"""A recipe with a curriculum: its level is logged, saved, and restored."""

import pytest
from tiny import TINY

from wildrobot_eqx.paths import data_dir
from wildrobot_eqx.runs.folder import RunFolder
from wildrobot_eqx.train.log import read_metrics

PER_ITERATION = 16 * 8


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """The hop recipe, with commands that grow faster: falling is allowed."""
    text = (data_dir("recipes") / "hop.py").read_text()
    start, success = '{"commands.velocity.lin_vel_x": (0.0, 0.0)}', '{"terminations_per_minute": 1e6}'
    ramp = f"we.Curriculum({start}, {success}, rise=0.125, window=1.0)"
    made = "return we.Recipe("
    assert made in text
    path = tmp_path_factory.mktemp("recipe") / "ramp.py"
    path.write_text(text.replace(made, f"{made}curriculum={ramp}, ", 1))
    return path


@pytest.mark.slow
def test_a_resumed_run_goes_on_at_its_level(recipe, cli, tmp_path):
    tiny = [option for option in TINY if not option.startswith("--steps")]
    tiny.append(f"--set=learner.decay_steps={6 * PER_ITERATION}")  # else it goes with the steps
    paths = {name: RunFolder(tmp_path / name) for name in ("whole", "split")}
    done = cli("run", recipe, *tiny, f"--steps={6 * PER_ITERATION}", "--no-eval", f"--out={paths['whole'].path}")
    assert done.status == 0, done.err
    for steps in (3, 6):
        start = ["--resume", paths["split"].path] if steps == 6 else [recipe, *tiny, f"--out={paths['split'].path}"]
        done = cli("run", *start, f"--steps={steps * PER_ITERATION}", "--no-eval")
        assert done.status == 0, done.err
    levels = [[line["curriculum_level"] for line in read_metrics(path.metrics)] for path in paths.values()]
    assert levels[0] == levels[1] == [0.0, 0.125, 0.25, 0.375, 0.5, 0.625]
    one, two = (path.checkpoints.load(6) for path in paths.values())
    assert one[".curriculum.level"] == 0.75
    assert one.keys() == two.keys()
    assert [name for name in one if one[name].tobytes() != two[name].tobytes()] == []
