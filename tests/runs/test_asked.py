"""A gate whose commands the env never asks for is found by `check`, and by `run` before it trains."""

import json

import equinox as eqx
import pytest

from wildrobot_eqx.arrays import f32
from wildrobot_eqx.cli import main
from wildrobot_eqx.commands import VelocityCommand
from wildrobot_eqx.gates import Motion, StandGate, WalkGate

RECIPE = """
import dataclasses
from wildrobot_eqx import Recipe, load_recipe, recipe
from wildrobot_eqx.gates import Motion, WalkGate

@recipe
def slow(steps: int = 200, seed: int = 0, sideways: bool = False) -> Recipe:
    made = load_recipe("hop")(steps=steps, seed=seed)
    gate = WalkGate(required=(), motions=(Motion("left", 0.1),)) if sideways else WalkGate(required=(0.1, 0.9))
    return dataclasses.replace(made, gate=gate)
"""


def _env(env, robot, **command):
    return eqx.tree_at(lambda e: e.commands["velocity"], env, VelocityCommand(robot, **command))


@pytest.mark.parametrize(
    ("gate", "command", "leaves"),
    [
        (WalkGate(), {}, []),
        (WalkGate(), {"lin_vel_x": (0.0, 0.15)}, ["required[2]", "required[3]", "required[4]"]),
        (WalkGate(required=(0.5,), reported=(2.0,)), {"lin_vel_x": (0.0, 0.5)}, []),
        (WalkGate(required=(0.0, 0.3)), {"lin_vel_x": (0.2, 0.5), "stand_probability": 0.0}, ["required[0]"]),
        (WalkGate(required=(0.0, 0.3)), {"lin_vel_x": (0.2, 0.5), "stand_probability": 0.1}, []),
        (WalkGate(required=(0.03,)), {"deadband": 0.05}, ["required[0]"]),
        (WalkGate(motions=(Motion("left", 0.1),)), {}, ["motions[0]"]),
        (WalkGate(motions=(Motion("left", 0.1, required=False),)), {}, ["motions[0]"]),
        (WalkGate(motions=(Motion("turn", -0.5), Motion("turn", 0.5))), {"ang_vel_z": (0.0, 0.5)}, ["motions[0]"]),
        (WalkGate(motions=(Motion("turn", -0.5, required=False),)), {"ang_vel_z": (0.0, 0.5)}, []),
        (StandGate(), {}, []),
        (StandGate(), {"lin_vel_x": (0.2, 0.5), "stand_probability": 0.0}, [""]),
    ],
)
def test_what_a_gate_judges_in_vain(gate, command, leaves, hopper_env, hopper):
    unasked = gate.unasked(_env(hopper_env, hopper, **command))
    assert [one.leaf.removeprefix("gate").removeprefix(".") for one in unasked] == leaves


def test_the_cure_works(hopper_env, hopper):
    gate = WalkGate(required=(0.4,), motions=(Motion("left", 0.1),))
    env = _env(hopper_env, hopper, lin_vel_x=(0.0, 0.2))
    assert len(gate.unasked(env)) == 2
    env = _env(hopper_env, hopper, lin_vel_x=(0.0, 0.2), lin_vel_y=(-0.1, 0.1))
    env = eqx.tree_at(lambda e: e.commands["velocity"].lin_vel_x, env, f32((0.0, 0.4)))
    assert gate.unasked(env) == ()


@pytest.fixture
def slow(tmp_path):
    (tmp_path / "slow.py").write_text(RECIPE)
    return tmp_path / "slow.py"


@pytest.mark.parametrize(("option", "leaf"), [(None, "gate.required[1]"), ("--sideways", "gate.motions[0]")])
def test_check_finds_it(option, leaf, slow, capsys):
    status = main(["check", str(slow), *filter(None, [option]), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (status, document["passed"]) == (1, False)
    (finding,) = document["findings"]
    assert finding["leaf"] == leaf
    assert finding["source"].startswith(f"slow ({slow}:")


@pytest.mark.parametrize("more", [[], ["--verify"]], ids=["run", "verify"])
def test_run_refuses_it_before_it_trains(more, slow, capsys, tmp_path):
    out = tmp_path / "run"
    assert main(["run", str(slow), "--out", str(out), *more]) == 2
    assert "gate.required[1]" in capsys.readouterr().err
    assert not out.exists()


def test_nobody_is_refused_what_nobody_judges(slow, tmp_path):
    from wildrobot_eqx.recipes import load_recipe
    from wildrobot_eqx.train.session import start

    _, folder = start(load_recipe(slow), load_recipe(slow).options, [], tmp_path / "run", judged=False)
    assert folder.path.exists()
