"""A recipe of one's own whose policy sees the past, from training to a robot: every command of the way."""

import json

import pytest
from tiny import TINY

RECIPE = '''
"""Hop, and see the last moments."""

import dataclasses

import equinox as eqx

from wildrobot_eqx import ObservationStack, Recipe, load_recipe, recipe


@recipe
def remember(steps: int = 5120, seed: int = 0, num_envs: int = 16, history: int = 3) -> Recipe:
    """Hop, and see the last moments."""
    base = load_recipe("hop")(steps=steps, seed=seed, num_envs=num_envs)
    stack = ObservationStack(base.env.observations["policy"].terms, history=history)
    return dataclasses.replace(base, env=eqx.tree_at(lambda e: e.observations["policy"], base.env, stack))
'''


@pytest.mark.slow
def test_a_history_goes_from_training_to_a_robot(cli, tmp_path):
    (tmp_path / "remember.py").write_text(RECIPE)
    run = tmp_path / "run"
    assert cli("run", tmp_path / "remember.py", *TINY, "--no-eval", f"--out={run}").status == 0
    assert cli("export", run).status == 0
    contract = json.loads((run / "bundle" / "contract.json").read_text())
    assert contract["policy"]["history"] == 3
    done = cli("bundle", "verify", run / "bundle.zip", "--json")
    found = json.loads(done.out)
    assert done.status == 0, done.err
    assert found["replay"]["passed"]
    assert found["retrace"]["passed"]
    walked = json.loads(cli("play", run / "bundle.zip", "--seconds=1", "--json").out)
    assert walked["fault"] is None or "tilted" in walked["fault"]
