"""Learners: each names its trainer; what two of them share is kept when one takes the other's place."""

import dataclasses

import pytest

from wildrobot_eqx import PPO, BraxPPO, BraxSAC, WildRobotError, load_recipe
from wildrobot_eqx.learn.config import LEARNERS, as_learner
from wildrobot_eqx.train import registry, session


def test_a_learner_of_another_kind_keeps_what_both_have():
    ours = PPO(num_envs=64, discount=0.9, hidden=(8,), symmetric=False, clip=0.1)
    assert as_learner(ours, PPO) is ours
    theirs = as_learner(ours, BraxPPO)
    assert (theirs.num_envs, theirs.discount, theirs.hidden, theirs.clip) == (64, 0.9, (8,), 0.1)
    assert as_learner(theirs, BraxSAC) == BraxSAC(num_envs=64, discount=0.9, hidden=(8,))
    assert as_learner(theirs, PPO).symmetric is PPO().symmetric


def test_every_learner_names_a_trainer_of_its_own():
    assert registry.TRAINERS == ("ppo", "brax-ppo", "brax-sac")
    ours = {field.name: field.default for field in dataclasses.fields(PPO)}
    for kind in LEARNERS:
        assert kind().steps_per_iteration == 128 * 20
        shared = {f.name: f.default for f in dataclasses.fields(kind) if f.name in ours}
        assert shared == {name: ours[name] for name in shared}, "one name, one default"


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_figure_that_no_training_can_have_is_refused(kind):
    with pytest.raises(WildRobotError, match=r"learner\.num_envs must be at least 1") as caught:
        kind(num_envs=0)
    assert caught.value.where == f"{kind.__name__}, num_envs"


FILE = """import wildrobot_eqx as we


@we.recipe
def mine(physics: we.EngineName = "native") -> we.Recipe:
    env = we.load_recipe("hop")(physics=physics).env
    return we.Recipe(env=env, learner=we.BraxSAC(num_envs=16, batch_size=32), steps=640)
"""


@pytest.mark.parametrize(("asked", "trainer"), [(None, "brax-sac"), ("ppo", "ppo")])
def test_the_recipe_names_its_trainer_unless_another_is_asked_for(asked, trainer, tmp_path):
    pytest.importorskip("brax")
    file = tmp_path / "mine.py"
    file.write_text(FILE)
    function = load_recipe(file)
    key = "learner.batch_size=8" if asked is None else "learner.symmetric=false"
    recipe, folder = session.start(function, function.options, [key], tmp_path / "run", asked)
    manifest = folder.manifest()
    assert manifest["trainer"] == recipe.learner.trainer == trainer
    assert manifest["learner"] == {**dataclasses.asdict(recipe.learner), "hidden": [128, 128]}
    assert recipe.learner.num_envs == 16
    assert getattr(recipe.learner, "batch_size", None) == (8 if asked is None else None)
    again, _ = session.reopen(folder, False)
    assert again.learner == recipe.learner


def test_a_run_whose_parts_have_no_mirror_image_is_refused_before_it_has_a_folder(tmp_path):
    function = load_recipe("cartpole")
    with pytest.raises(WildRobotError, match=r"HingeAngles \(observations\.policy\.terms\."):
        session.start(function, function.options, ["learner.symmetric=true"], tmp_path / "run")
    assert not (tmp_path / "run").exists()
