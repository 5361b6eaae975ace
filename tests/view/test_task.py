"""An env in the view does what the env does: rewards, observation, falls, kicks, worlds, a run's newest policy."""

import dataclasses

import numpy as np
import pytest

from wildrobot_eqx import load_recipe
from wildrobot_eqx.learn import PPO
from wildrobot_eqx.runs.checkpoint import flatten
from wildrobot_eqx.runs.folder import RunFolder
from wildrobot_eqx.train.registry import trainer
from wildrobot_eqx.view.newest import NewestPolicy
from wildrobot_eqx.view.simulation import World
from wildrobot_eqx.view.stage import arrange
from wildrobot_eqx.view.task import TaskSimulation

pytestmark = pytest.mark.slow  # each compiles an env


@pytest.fixture(scope="module")
def recipe():
    made = load_recipe("hop")()
    return dataclasses.replace(made, learner=PPO(num_envs=4, unroll_length=2, hidden=(8, 8), symmetric=False))


@pytest.fixture(scope="module")
def simulation(recipe) -> TaskSimulation:
    return TaskSimulation(recipe.env, "hop")


def test_it_shows_what_the_env_computes(recipe, simulation):
    simulation.reset()
    for _ in range(5):
        simulation.step({})
    inside, stack = simulation.inside, recipe.env.observations["policy"]
    assert set(inside.rewards) == set(recipe.env.rewards)
    assert sum(len(part) for part in inside.observation.values()) == stack.size
    assert simulation.pose.qpos.shape == (simulation.model.nq,)
    assert inside.mode.startswith("no policy")


def test_it_falls_and_stands_up_again(simulation):
    session = arrange([simulation])
    session.reset()
    session.impulse, session.direction = 20.0 * session.focused.shadow.mass, 0.0
    session.push()
    for _ in range(20):
        session.advance(0.25)
        if session.focused.falls:
            break
    assert session.focused.falls == 1
    assert simulation.ended is None


def test_a_payload_weighs(simulation):
    """Newton: at rest on its foot, the ground bears what was put on it."""
    session = arrange([simulation])
    session.enter(World(payload=0.0))
    bare = session.focused.shadow.mass
    session.enter(World(payload=1.0))
    assert session.focused.shadow.mass == pytest.approx(bare + 1.0, rel=1e-4)
    masses = np.asarray(simulation._params.body_mass)
    assert masses.sum() == pytest.approx(simulation.model.body_mass.sum(), rel=1e-5)
    session.enter(World())


def test_a_newer_checkpoint_is_taken_up(recipe, tmp_path):
    folder, ppo = RunFolder(tmp_path / "run"), trainer("ppo")
    folder.path.mkdir()
    folder.update_manifest(name="hop", trainer="ppo")
    state = ppo.init(recipe)
    folder.checkpoints.save(1, flatten(state))
    newest = NewestPolicy(recipe, folder)
    assert newest.iteration == 1
    assert not newest.poll()
    moved = dataclasses.replace(state, iteration=state.iteration + 2)
    folder.checkpoints.save(2, flatten(moved))
    newest.poll()
    newest._thread.join()
    assert newest.poll()
    assert newest.iteration == 2
    assert not newest.poll()
