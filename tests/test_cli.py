"""The command line: options from recipes, short errors, one JSON document, and a quick start."""

import json
import subprocess
import sys

import pytest
import words

from wildrobot_eqx import __version__, cli
from wildrobot_eqx.cli import main


@pytest.fixture
def call(capsys, monkeypatch):
    """Runs one command in this process; returns its status, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")

    def call(*arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, " ".join(captured.err.replace("│", " ").split())

    return call


LIGHT = """
import sys
from wildrobot_eqx.cli import main
status = main(sys.argv[1:])
heavy = {"jax", "mujoco", "equinox", "numpy", "orbax", "mujoco.mjx"} & set(sys.modules)
sys.exit(f"loaded {heavy}" if heavy - {"numpy"} else status)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        ["run", "--help"],
        ["recipes", "list"],
        ["bench", "--help"],
        ["play", "--help"],
        ["bundle", "verify", "--help"],
    ],
)
def test_help_and_version_load_neither_jax_nor_mujoco(arguments):
    done = subprocess.run([sys.executable, "-c", LIGHT, *arguments], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_the_version_is_printed(call):
    assert call("--version") == (0, f"{__version__}\n", "")


def test_without_a_command_help_is_shown(call):
    status, out, err = call()
    assert status == 2
    assert "run" in out + err


def test_help_of_a_recipe_lists_its_own_options(call):
    status, out, _ = call("run", "hop", "--help")
    assert status == 0
    for text in (
        "--max-speed",
        "--num-envs",
        "auto|native|mjx|tree",
        "Options of the recipe 'hop'",
        "--resume",
        "--verify",
    ):
        assert text in out
    assert "Move at a commanded speed on one leg" in out


@pytest.mark.parametrize("arguments", words.WRONG, ids=" ".join)
def test_wrong_usage_leaves_nothing_behind(arguments, call, tmp_path, monkeypatch):
    """What it says of each, `test_words.py` keeps."""
    monkeypatch.chdir(tmp_path)
    status, out, err = call(*arguments)
    assert status == 2
    assert out == ""
    assert err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []  # no half-made run


def test_errors_have_what_where_and_what_to_try(call):
    _, _, err = call("robots", "show", "hoper")
    assert err.startswith("error: There is no robot 'hoper'. where: ")
    assert " try: " in err


@pytest.fixture
def hopper_files(tmp_path):
    """A copy of the hopper's folder, to spoil."""
    import shutil

    from wildrobot_eqx.paths import data_dir

    return shutil.copytree(data_dir("robots") / "hopper", tmp_path / "robot")


def _edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_missing_mjcf_is_reported(hopper_files, call):
    (hopper_files / "hopper.xml").unlink()
    status, _, err = call("check", "hop", f"--robot={hopper_files}")
    assert status == 2
    assert "The MJCF file 'hopper.xml' is missing." in err
    assert str(hopper_files / "hopper.xml") in err


def test_an_mjcf_that_does_not_compile_is_reported(hopper_files, call):
    _edit(hopper_files / "hopper.xml", "<worldbody", "<wordbody")
    status, _, err = call("check", "hop", f"--robot={hopper_files}")
    assert status == 2
    assert "MuJoCo cannot compile hopper.xml" in err
    assert "try: mend" in err


def test_a_joint_that_the_model_lacks_is_reported(hopper_files, call):
    _edit(hopper_files / "robot.toml", "knee_pitch =", "kne_pitch =")
    status, _, err = call("check", "hop", f"--robot={hopper_files}")
    assert status == 2
    assert "[home] names the joint 'kne_pitch', which hopper.xml does not have." in err
    assert "did you mean 'knee_pitch'?" in err


def test_a_recipe_that_raises_is_reported(tmp_path, call):
    path = tmp_path / "mine.py"
    path.write_text(
        "from wildrobot_eqx import Recipe, recipe\n\n\n@recipe\ndef mine(n: int = 0) -> Recipe:\n    return 1 / n\n"
    )
    status, _, err = call("check", path)
    assert status == 2
    assert "The recipe 'mine' raised ZeroDivisionError: division by zero" in err
    assert f"{path}:6" in err


@pytest.mark.parametrize("place", ["at import", "when built"])
def test_a_recipe_that_exits_is_reported(place, tmp_path, call):
    path = tmp_path / "mine.py"
    early, late = ("raise SystemExit('bye')", "pass") if place == "at import" else ("", "raise SystemExit('bye')")
    path.write_text(
        f"from wildrobot_eqx import Recipe, recipe\n{early}\n\n@recipe\ndef mine(n: int = 0) -> Recipe:\n    {late}\n"
    )
    status, _, err = call("check", path)
    assert status == 2
    assert "The recipe 'mine' raised SystemExit: bye" in err
    assert f"{path}:{2 if place == 'at import' else 6}" in err


@pytest.mark.parametrize(
    ("code", "status", "message"), [("bye", 1, "bye"), (None, 0, ""), (3, 3, ""), (130, 130, "stopped")]
)
def test_exits_have_the_status_that_python_gives_them(code, status, message, call, monkeypatch):
    def leaves(**_):
        raise SystemExit(code)

    monkeypatch.setattr(cli, "_command", lambda *_: leaves)
    assert call("recipes", "list") == (status, "", message)


def test_a_ctrl_c_is_reported_in_one_line(call, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.lists, "_recipe_files", interrupted)
    assert call("recipes", "list") == (130, "", "stopped")


def test_an_option_type_that_cannot_be_read_is_reported(tmp_path, call):
    path = tmp_path / "mine.py"
    path.write_text(
        "from wildrobot_eqx import Recipe, recipe\n@recipe\ndef mine(n: int | str = 1) -> Recipe:\n    return 1\n"
    )
    status, _, err = call("run", path, "--help")
    assert status == 2
    assert "has a type that the command line cannot read" in err


def test_an_option_that_the_command_has_is_refused(tmp_path, call):
    path = tmp_path / "mine.py"
    path.write_text(
        "from wildrobot_eqx import Recipe, recipe\n@recipe\ndef mine(out: int = 1) -> Recipe:\n    return 1\n"
    )
    status, _, err = call("run", path)
    assert status == 2
    assert "has an option 'out', which the command itself has" in err


def test_check_prints_layouts_and_rewards(call):
    status, out, _ = call("check", "hop")
    assert status == 0
    for text in ("joint_pos", "6:9", "rad", "torso_imu_quat", "(simulation only)", "TrackLinVelX", "checked in"):
        assert text in out


def test_check_as_json_is_one_document(call):
    status, out, _ = call("check", "hop", "--json", "--set=env.rewards.track.weight=5", "--num-envs=8")
    document = json.loads(out)
    assert status == 0
    assert document["passed"]
    assert document["findings"] == []
    assert document["rewards"]["track"]["weight"] == 5.0
    policy = document["observations"]["policy"]
    assert [part["start"] for part in policy[1:]] == [part["stop"] for part in policy[:-1]]
    keys = {"name", "start", "stop", "size", "unit", "frame", "source", "measurable", "constants"}
    assert all(part.keys() == keys for part in policy)


BROKEN = """
import dataclasses
import equinox as eqx
import jax.numpy as jnp
from wildrobot_eqx import Recipe, load_recipe, recipe
from wildrobot_eqx.controllers import JointPosition
from wildrobot_eqx.control import AbstractController

print("a recipe that prints")

class Weak(AbstractController):
    inner: JointPosition

    @property
    def action_size(self):
        return self.inner.action_size

    @property
    def mirror(self):
        return self.inner.mirror

    def rest(self):
        return self.inner.rest()

    def init(self):
        return jnp.zeros(())

    def __call__(self, state, action):
        return self.inner((), action)[0], jnp.asarray(0.5)

@recipe
def broken(n: int = 1) -> Recipe:
    made = load_recipe("hop")()
    env = eqx.tree_at(lambda e: e.controller, made.env, Weak(made.env.controller))
    return dataclasses.replace(made, env=env)
"""


def test_check_fails_on_a_broken_contract(tmp_path, call):
    path = tmp_path / "broken.py"
    path.write_text(BROKEN)
    status, out, _ = call("check", path, "--json")
    (finding,) = json.loads(out)["findings"]
    assert status == 1
    assert finding["leaf"] == "state.controller"
    assert finding["source"].startswith(f"Weak ({path}:")
    assert "jnp.asarray(value, jnp.float32)" in finding["fix"]
    status, out, _ = call("check", path)
    assert status == 1
    assert "state.controller" in out


def test_robots_are_listed_and_shown(call):
    status, out, _ = call("robots", "list", "--json")
    assert status == 0
    assert {"hopper", "wildrobot"} <= {robot["name"] for robot in json.loads(out)}
    status, out, _ = call("robots", "show", "hopper", "--json")
    shown = json.loads(out)
    assert status == 0
    assert [joint["name"] for joint in shown["joints"]] == ["hip_pitch", "knee_pitch", "ankle_pitch"]
    assert shown["feet"] == ["foot"]
    status, out, _ = call("robots", "show", "wildrobot")
    assert status == 0
    assert "left_knee_pitch" in out
    assert "3.56 kg" in out


def test_bench_refuses_what_it_would_ignore_and_a_full_folder_before_it_measures(tmp_path, call, monkeypatch):
    for what, option in (("physics", "--out"), ("all", "--out"), ("gpu", "--seeds"), ("physics", "--seeds")):
        status, _, err = call("bench", what, f"{option}=7")
        assert status == 2
        assert f"bench {what} takes no {option}." in err
    (tmp_path / "mine.txt").write_text("")
    monkeypatch.setattr("wildrobot_eqx.cli.commands.on_cpu", lambda: False)
    monkeypatch.setattr("wildrobot_eqx.bench.gpu.bench_gpu", lambda **_: pytest.fail("it measures"))
    status, _, err = call("bench", "gpu", f"--out={tmp_path}")
    assert status == 2
    assert "already holds files" in err


def test_a_recipe_is_copied_once(tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("recipes", "copy", "hop")[:2] == (0, "hop.py\n")
    assert call("check", "hop.py")[0] == 0
    status, _, err = call("recipes", "copy", "hop")
    assert status == 2
    assert "hop.py exists already" in err
    status, _, err = call("recipes", "copy", "hop", "hop.py/mine.py")  # a folder that is a file
    assert status == 1
    assert "The recipe cannot be written" in err
    assert call("recipes", "copy", "hop", "new/folder")[0] == 0
    assert call("recipes", "copy", "hop", "mine.py")[0] == 0
    assert (tmp_path / "new" / "folder" / "hop.py").read_bytes() == (tmp_path / "mine.py").read_bytes()
    status, out, _ = call("recipes", "list", "--json")
    assert {"hop", "stand", "walk"} <= {recipe["name"] for recipe in json.loads(out)}
