"""The stand recipe: what its policy observes, and, in minutes, that it learns to step."""

import pytest

from wildrobot_eqx import check, load_recipe
from wildrobot_eqx.gates import StandGate
from wildrobot_eqx.runs.folder import RunFolder
from wildrobot_eqx.train.registry import trainer_of
from wildrobot_eqx.train.session import reopen, restore


@pytest.fixture(scope="module")
def made():
    return load_recipe("stand")(num_envs=8, physics="native")


def test_it_keeps_the_contract(made):
    assert check.check_env(made.env).passed
    assert isinstance(made.gate, StandGate)


def test_its_policy_is_reported_of_no_push(made):
    seen = {part.name for part in made.env.layout("policy")}
    assert seen == {"gravity", "gyro", "joint_pos", "joint_vel", "last_action", "command"}
    assert made.env.commands["velocity"].lin_vel_x.tolist() == [0.0, 0.0]


def test_its_kicks_reach_beyond_those_that_the_gate_requires(made):
    low, high = made.env.disturbances.events["kick"].speed
    assert low < min(kick for kick in StandGate().required if kick)
    assert high > max(StandGate().required)


@pytest.mark.slow
def test_it_learns_to_step_and_to_stand_again(tmp_path, cli):
    """Minutes: every line of the gate with 64 episodes per kick, where a stiff robot falls in half of the hard ones."""
    run = tmp_path / "run"
    assert cli("run", "stand", "--no-eval", f"--out={run}").status == 0
    folder = RunFolder.open(run)
    recipe, _ = reopen(folder, False)
    policy = trainer_of(folder).policy(restore(recipe, folder))
    result = StandGate()(recipe.env, policy, episodes=64, timesteps=(0.005,))
    assert result.failed_lines() == []
