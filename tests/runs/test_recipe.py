"""Recipe files: found, executed once each, and wrong ones have a short message."""

import dataclasses
import json
from pathlib import Path

import pytest

from wildrobot_eqx import Recipe, WildRobotError, load_recipe
from wildrobot_eqx.cli import main
from wildrobot_eqx.policies import AbstractPolicy
from wildrobot_eqx.recipes.recipe import RecipeFunction, recipe_names
from wildrobot_eqx.train.registry import template, trainer

HEAD = "from wildrobot_eqx import Recipe, recipe\n"


@pytest.fixture
def write(tmp_path):
    """Writes a recipe file and returns its path."""

    def write(body, name="mine.py"):
        path = tmp_path / name
        path.write_text(HEAD + body)
        return path

    return write


def test_shipped_recipes_load_by_name():
    assert {"walk", "walk_robust", "hop", "stand"} <= set(recipe_names())
    hop = load_recipe("hop")
    assert isinstance(hop, RecipeFunction)
    assert hop.name == "hop"
    made = hop(seed=4, num_envs=8)
    assert isinstance(made, Recipe)
    assert (made.name, made.seed, made.learner.num_envs) == ("hop", 4, 8)


def test_walk_robust_trains_in_a_wrong_world_and_its_curriculum_fits_it():
    made = load_recipe("walk_robust")(num_envs=8, physics="native")
    env = made.env
    assert not env.ideal
    assert env.disturbances.servos is not None
    assert {"push", "kick"} == set(env.disturbances.events)
    assert env.commands["velocity"].planar
    assert env.observations["policy"].history == 1, "so that it can be exported"
    assert made.curriculum is not None
    begun = made.curriculum.at(env, made.curriculum.init().level)
    assert float(begun.disturbances.events["push"].force[1]) < float(env.disturbances.events["push"].force[1])
    assert {motion.axis for motion in made.gate.motions} == {"left", "turn"}


def test_iterations_cover_the_steps():
    made = load_recipe("hop")(num_envs=8, steps=1)
    per = made.learner.steps_per_iteration
    assert [dataclasses.replace(made, steps=n).iterations for n in (1, per, per + 1)] == [1, 1, 2]


def test_a_missing_recipe_names_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WildRobotError, match=r"There is no recipe 'wlak'\.(.|\n)*did you mean 'walk'"):
        load_recipe("wlak")


def test_a_recipe_that_raises_is_reported_with_its_line(write):
    path = write("@recipe\ndef mine(n: int = 1) -> Recipe:\n    return [][n]\n")
    with pytest.raises(WildRobotError) as caught:
        load_recipe(path)()
    assert caught.value.what == "The recipe 'mine' raised IndexError: list index out of range"
    assert caught.value.where == f"{path}:4"


def test_an_import_that_fails_is_reported_with_its_line(write):
    path = write("import no_such_module_at_all\n")
    with pytest.raises(WildRobotError, match="ModuleNotFoundError: No module named 'no_such_module_at_all'") as caught:
        load_recipe(path)
    assert caught.value.where == f"{path}:2"


def test_a_syntax_error_is_reported_with_its_line(write):
    path = write("def (:\n")
    with pytest.raises(WildRobotError, match="SyntaxError") as caught:
        load_recipe(path)
    assert caught.value.where == f"{path}:2"


def test_a_file_needs_exactly_one_recipe(write):
    with pytest.raises(WildRobotError, match="holds 0 functions"):
        load_recipe(write("x = 1\n"))
    two = "".join(f"@recipe\ndef {name}(n: int = 1) -> Recipe:\n    return n\n" for name in "ab")
    with pytest.raises(WildRobotError, match="holds 2 functions decorated with @recipe: a, b"):
        load_recipe(write(two))


@pytest.mark.parametrize(
    ("signature", "message"),
    [("n=1", "'n' without a type"), ("n: int", "'n' without a type or without a default"), ("*n: int", "is no option")],
)
def test_parameters_must_be_options(write, signature, message):
    with pytest.raises(WildRobotError, match=message):
        load_recipe(write(f"@recipe\ndef mine({signature}) -> Recipe:\n    return n\n"))


def test_a_recipe_returns_a_recipe(write):
    with pytest.raises(WildRobotError, match="returned int, not a Recipe"):
        load_recipe(write("@recipe\ndef mine(n: int = 1) -> Recipe:\n    return n\n"))()


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(WildRobotError, match=r"no option 'nun_envs'(.|\n)*did you mean 'num_envs'"):
        load_recipe("hop")(nun_envs=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "at least one step"),
        ({"num_envs": 6}, "num_minibatches"),
        ({"num_envs": 0}, "learner.num_envs must be at least 1"),
        ({"seed": -1}, "seed lies between"),
        ({"seed": 2**32}, "seed lies between"),
        ({"seed": 10**20}, "seed lies between"),
    ],
)
def test_figures_that_cannot_train_are_refused(options, message):
    with pytest.raises(WildRobotError, match=message):
        load_recipe("hop")(**options)


def test_two_files_of_one_name_do_not_mix(write, tmp_path):
    body = "@recipe\ndef mine(n: int = {}) -> Recipe:\n    return n\n"
    (tmp_path / "other").mkdir()
    one, two = write(body.format(1)), write(body.format(2), "other/mine.py")
    assert [load_recipe(path).options for path in (one, two)] == [{"n": 1}, {"n": 2}]


EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "recurrent_hop.py"


def test_a_recipe_may_bring_a_policy_with_a_memory():
    made = load_recipe(EXAMPLE)(num_envs=8)
    state = template(trainer("ppo"), made)
    assert isinstance(state.agent.policy, AbstractPolicy)
    assert type(state.agent.policy).__name__ == "GRUPolicy"
    assert state.carry.shape == (8, 32)


def test_brax_refuses_a_policy_of_the_recipes_own():
    made = load_recipe(EXAMPLE)(num_envs=8)
    for name in ("brax-ppo", "brax-sac"):
        with pytest.raises(WildRobotError, match="Brax trains networks of its own"):
            trainer(name).schedule(made)


@pytest.mark.slow
def test_a_recipe_with_a_memory_is_trained_resumed_judged_and_exported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few = ("--steps=6000", "--num-envs=16")
    assert main(["run", str(EXAMPLE), *few, "--no-eval", "--out=run"]) == 0
    assert main(["run", "--resume=run", "--steps=8000", "--no-eval"]) == 0
    assert main(["export", "run"]) == 0
    assert main(["play", "run/bundle.zip", "--seconds=1"]) == 0
    assert json.loads(Path("run/bundle/contract.json").read_text())["policy"]["kind"] == "GRUPolicy"
