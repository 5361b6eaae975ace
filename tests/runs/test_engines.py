"""One policy on several engines: what is asked of the gate, what is shown, what is kept."""

import dataclasses
import io
import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers import shifted
from rich.console import Console

from wildrobot_eqx import WildRobotError, load_recipe
from wildrobot_eqx.cli.finish import evaluate_engines
from wildrobot_eqx.evaluate.engines import engine_names, judge_on_engines
from wildrobot_eqx.evaluate.gate import AbstractGate, GateLine, GateResult
from wildrobot_eqx.learn.agent import make_agent
from wildrobot_eqx.runs.folder import RunFolder
from wildrobot_eqx.train.registry import template, trainer


class Slippery(AbstractGate):
    """Passed everywhere but on mjx, where the robot falls and nothing of its swing can be measured."""

    episodes: int = 8
    seconds: float = 1.0
    timesteps: tuple[float, ...] = (0.005,)

    def cases(self, env):
        return ()

    def meter(self, env):
        raise AssertionError("it judges by itself")

    def limits(self, env):
        return ()

    def __call__(self, env, policy, *, episodes=None, timesteps=None, engine="native"):
        good = engine != "mjx"
        lines = (
            GateLine("survival", 0.0, 0.005, 1.0, ">= 99 %", True),
            GateLine("survival", 0.1, 0.005, 1.0 if good else 0.5, ">= 99 %", good),
            GateLine("speed_error", 0.0, 0.005, 0.004, "<= 0.025 m/s", True),
            GateLine("speed_error", 0.1, 0.005, 0.012, "<= 0.025 m/s", True),
            GateLine("pitch", 0.0, 0.005, -2.0, "-8 to 8 deg", True),
            GateLine("pitch", 0.1, 0.005, 3.0, "-8 to 8 deg", True),
            GateLine("swing_peak_left", 0.1, 0.005, 0.05 if good else np.nan, ">= 3 cm", good),
        )
        return GateResult(lines, (), episodes or 256, 20.0, "8 of 256 episodes" if episodes else "")


@pytest.fixture
def recipe():
    return dataclasses.replace(load_recipe("hop")(num_envs=8), gate=Slippery())


@pytest.fixture
def policy(recipe):
    return make_agent(recipe.env, recipe.learner, jax.random.key(shifted(0))).policy


def test_each_engine_is_judged_kept_and_shown_with_its_worst_figures(recipe, policy):
    kept = []
    engines = ("native", "mjx", "tree")
    matrix = judge_on_engines(recipe.env, recipe.gate, policy, engines, episodes=8, keep=kept.append)
    assert [list(k.results) for k in kept] == [["native"], ["native", "mjx"], list(engines)]
    assert not matrix.passed
    assert [line.split(":")[0] for line in matrix.failed_lines()] == ["mjx", "mjx"]
    document = matrix.to_json()
    assert [e["passed"] for e in document["engines"].values()] == [True, False, True]
    assert document["engines"]["mjx"]["lines"][-1]["value"] is None
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(matrix.table())
    rows = {line.split("  ")[0].strip(): line.split() for line in console.export_text().splitlines() if line.strip()}
    assert rows["gate"] == ["gate", "passed", "2", "failed", "passed"]
    assert rows["survival (%)"][-3:] == ["100.0", "50.0", "100.0"]
    assert rows["speed error (m/s)"][-3:] == ["0.012"] * 3
    assert rows["trunk pitch (deg)"][-3:] == ["-2.0", "to", "3.0"]
    assert rows["swing peak, left (cm)"][-3:] == ["5.0", "–", "5.0"]
    assert "provisional: 8 of 256 episodes" in " ".join(" ".join(row) for row in rows.values())


def test_engines_are_named_in_a_list():
    assert engine_names("native, tree,native") == ("native", "tree")
    with pytest.raises(WildRobotError, match="no physics engine 'bullet'"):
        engine_names("native,bullet")
    with pytest.raises(WildRobotError, match="No physics engine is named"):
        engine_names(" , ")


def test_a_recipe_without_a_gate_has_nothing_to_compare(recipe, tmp_path):
    with pytest.raises(WildRobotError, match="has no gate"):
        evaluate_engines(dataclasses.replace(recipe, gate=None), RunFolder(tmp_path), ("native",))


@pytest.mark.newest
def test_a_run_on_the_tree_engine_can_be_restored():
    """Its first state is traced for the shapes of a checkpoint, compiler options and all."""
    recipe = load_recipe("hop")(num_envs=64, physics="tree")
    shapes = template(trainer("ppo"), recipe)
    assert shapes.env_state.physics.qpos.shape == (64, recipe.env.physics.robot.nq)


@pytest.mark.slow
def test_a_run_on_the_tree_engine_goes_on_where_it_stopped(tmp_path):
    run = ["--physics", "tree", "--steps", "4000", "--num-envs", "64", "--no-eval", "--out", str(tmp_path / "run")]
    for args in (["run", "hop", *run], ["run", "--resume", str(tmp_path / "run"), "--steps", "6000", "--no-eval"]):
        done = subprocess.run([sys.executable, "-m", "wildrobot_eqx.cli", *args], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4, 5]
