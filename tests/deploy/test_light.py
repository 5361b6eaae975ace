"""On a robot there is Python, NumPy and onnxruntime, and nothing else: not JAX, not even MuJoCo."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from wildrobot_eqx.deploy.bundle.archive import write_zip

# Everything but the standard library, NumPy, onnxruntime and our own package is not installed.
BARE = """
import sys
from importlib.abc import MetaPathFinder

ALLOWED = {"numpy", "onnxruntime", "wildrobot_eqx", *sys.stdlib_module_names}
ALLOWED |= set(sys.argv[2].split(","))

class Bare(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in ALLOWED and not name.startswith("_sysconfigdata"):  # the standard library's, too
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Bare())
"""
PLAY = """
from wildrobot_eqx.deploy import AbstractRobot, Bundle, Player, ServoBus, ServoMount, ServoRobot, drive
from wildrobot_eqx.deploy.proof.replay import replay

found = replay(Bundle.open(sys.argv[1]))
assert found.passed, found
heavy = {"jax", "jaxlib", "equinox", "jaxtyping", "beartype", "mujoco", "onnx", "jsonschema"} & set(sys.modules)
sys.exit(f"loaded {heavy}" if heavy else 0)
"""
WALK = """
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.proof.play import play

played = play(Bundle.open(sys.argv[1]), {"lin_vel_x": 0.1}, 0.2)
assert played.step_us["p50"] > 0.0
heavy = {"jax", "jaxlib", "equinox", "onnx", "jsonschema"} & set(sys.modules)
sys.exit(f"loaded {heavy}" if heavy else 0)
"""
VIEW = """
from wildrobot_eqx.view.opening import open_simulation
from wildrobot_eqx.view.simulation import World
from wildrobot_eqx.view.stage import arrange

session = arrange([open_simulation(sys.argv[1])])
session.advance(0.1)
session.enter(World(0.5, 0.1, "bumps"))
session.advance(0.1)
assert session.focused.time > 0.0
heavy = {"jax", "jaxlib", "equinox", "onnx", "jsonschema"} & set(sys.modules)
sys.exit(f"loaded {heavy}" if heavy else 0)
"""
MUJOCO = "mujoco,absl,etils,fsspec,glfw,OpenGL"


@pytest.mark.parametrize(("program", "more"), [(PLAY, ""), (WALK, MUJOCO), (VIEW, f"{MUJOCO},scipy")])
def test_a_bundle_plays_where_nothing_else_is_installed(program, more, tmp_path, hop_files):
    write_zip(hop_files, tmp_path / "bundle.zip")
    command = [sys.executable, "-W", "error", "-c", BARE + program, str(tmp_path / "bundle.zip"), more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_pages_example_runs(tmp_path, hop_files, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python deploy\n(.*?)^```", page, re.S | re.M)
    write_zip(hop_files, tmp_path / "bundle.zip")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "deploy.md", "exec"), {})
    steps, late, *_ = capsys.readouterr().out.split()
    assert int(steps) >= 150  # the ramp and the walk, and the way to the safe pose
    assert late == "0"
