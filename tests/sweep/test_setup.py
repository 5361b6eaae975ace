"""What is asked of a sweep is held against the recipe before anything starts; a resumed one is what it was."""

import json
from pathlib import Path

import pytest

import wildrobot_eqx as we
from wildrobot_eqx import WildRobotError, load_recipe
from wildrobot_eqx.recipes.recipe import RecipeFunction
from wildrobot_eqx.sweep import setup
from wildrobot_eqx.sweep.folder import SweepFolder
from wildrobot_eqx.sweep.setup import Asked, new_sweep, recipe_file, reopen_sweep

OPTIONS = {"steps": 5120, "num_envs": 16, "physics": "native"}
NATIVE = {"physics": "native"}


@pytest.fixture(scope="module", autouse=True)
def built_once():
    """Recipes are built once for the same options: the tests ask what is refused, not what is built."""
    made, build = {}, RecipeFunction.__call__

    def call(self, **options):
        key = (self.name, repr(sorted(options.items())))
        if key not in made:
            made[key] = build(self, **options)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecipeFunction, "__call__", call)
        yield


@pytest.fixture(scope="module")
def hop():
    return load_recipe("hop")


@pytest.fixture(scope="module")
def cartpole():
    return load_recipe("cartpole")


def make(recipe, asked, out, options=OPTIONS, assignments=(), trainer=None):
    return new_sweep(recipe, recipe.name, dict(options), list(assignments), trainer, asked, out)


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        (Asked(), "sweep"),
        (Asked(seeds="0:a"), "--seeds 0:a"),
        (Asked(grid=("seed=1,2",)), "seed"),
        (Asked(grid=("steps=1,2",)), "steps"),
        (Asked(grid=("learner.clip=0.1",), sample=("learner.clip=uniform(0.1,0.2)",), trials=3), "sweep"),
        (Asked(grid=("learner.clip=0.1", "learner.clip=0.2")), "--grid learner.clip"),
        (Asked(grid=("learner.clpi=0.1,0.2",)), "--grid learner.clpi"),
        (Asked(grid=("max_sped=0.1,0.2",)), "--grid max_sped"),
        (Asked(grid=("max_speed=0.1,fast",)), "--grid max_speed"),
        (Asked(grid=("learner.num_minibatches=4,7",)), "--grid learner.num_minibatches"),
        (Asked(sample=("learner.clip=uniform(-1,0.2)",), trials=3), "--sample learner.clip"),
        (Asked(sample=("learner.clip=uniform(0.1,0.2)",)), "--sample"),
        (Asked(seeds="0:2", search="optuna"), "--search optuna"),
        (Asked(seeds="0:2", metric="gate/score"), "--metric gate/score"),
        (Asked(seeds="0:2", grace=5), "--grace"),
        (Asked(seeds="0:2", early_stop=True, grace=10**9), "--grace"),
    ],
)
def test_what_does_not_fit_is_refused_and_makes_no_folder(hop, tmp_path, asked, where):
    with pytest.raises(WildRobotError) as caught:
        make(hop, asked, tmp_path / "swept")
    assert caught.value.where == where
    assert caught.value.exit_code == 2
    assert not (tmp_path / "swept").exists()


def test_trials_of_other_lengths_are_not_stopped_early(hop, tmp_path):
    with pytest.raises(WildRobotError) as caught:
        make(hop, Asked(grid=("steps=4000,8000",), early_stop=True), tmp_path / "swept", {"num_envs": 16, **NATIVE})
    assert caught.value.where == "--early-stop"


def test_a_folder_with_something_in_it_is_refused(hop, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(WildRobotError, match="already holds"):
        make(hop, Asked(seeds="0:2"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_recipe_without_a_seed_has_no_seeds(tmp_path):
    @we.recipe
    def seedless(steps: int = 10):
        """Never built."""

    with pytest.raises(WildRobotError) as caught:
        make(seedless, Asked(seeds="0:2"), tmp_path / "swept", {})
    assert caught.value.where == __file__


@pytest.mark.parametrize(
    ("metric", "mode", "found"),
    [
        (None, None, ("gate/score", True)),
        ("gate/success", None, ("gate/success", True)),
        ("gate/success", "min", ("gate/success", False)),
        ("episode_return", None, ("episode_return", True)),
        ("terminations_per_minute", None, ("terminations_per_minute", False)),
    ],
)
def test_a_goal_says_what_is_better(cartpole, tmp_path, metric, mode, found):
    driver = make(cartpole, Asked(seeds="0:2", metric=metric, mode=mode), tmp_path / "swept", NATIVE)
    assert (driver.goal.metric, driver.goal.more_is_better) == found
    judged = f"--judge-every={cartpole(**NATIVE).steps}"
    assert driver.extra == ["--gate-only", *([judged] if found[0].startswith("gate/") else [])]


def test_a_gate_names_its_figures(cartpole, tmp_path):
    with pytest.raises(WildRobotError, match="no figure 'sucess'") as caught:
        make(cartpole, Asked(seeds="0:2", metric="gate/sucess"), tmp_path / "swept", NATIVE)
    assert "gate/success" in caught.value.hint


def test_a_resumed_sweep_is_what_it_was(hop, tmp_path):
    asked = Asked("0:2", ("max_speed=0.1,0.2",), ("learner.clip=uniform(0.1,0.2)",), trials=12, minutes=5.0, gpus=0.5)
    first = make(hop, asked, tmp_path / "swept", assignments=["learner.hidden=[16]"])
    folder = SweepFolder.open(tmp_path / "swept")
    again = reopen_sweep(folder, load_recipe(recipe_file(folder)), Asked())
    for name in ("plan", "goal", "early_stop", "resources", "extra", "cwd", "base"):
        assert getattr(again, name) == getattr(first, name)
    assert (again.budget.minutes, again.budget.total_steps) == (5.0, None)
    assert first.plan.fixed == ("--steps=5120", "--num-envs=16", "--physics=native", "--set=learner.hidden=[16]")
    more = reopen_sweep(folder, hop, Asked(trials=20, minutes=9.0, cores=2))
    assert (more.plan.trials, more.budget.minutes, more.resources.cores) == (20, 9.0, 2)
    assert reopen_sweep(folder, hop, Asked()).plan.trials == 20
    with pytest.raises(WildRobotError) as caught:
        reopen_sweep(folder, hop, Asked(seeds="0:9"))
    assert caught.value.where == "--seeds"


def test_a_changed_recipe_is_refused(tmp_path):
    source = tmp_path / "mine.py"
    source.write_text(Path(load_recipe("hop").path).read_text().replace("def hop", "def mine"))
    make(load_recipe(source), Asked(seeds="0:2"), tmp_path / "swept")
    folder = SweepFolder(tmp_path / "swept")
    assert recipe_file(folder) == source
    source.write_text(source.read_text() + "\n# another\n")
    with pytest.raises(WildRobotError, match="was changed"):
        recipe_file(folder)
    source.unlink()
    with pytest.raises(WildRobotError, match="is gone"):
        recipe_file(folder)
    assert folder.recipe.is_file()


@pytest.mark.parametrize("spoil", [{"goal": {}}, {"budget": None}, {"plan": 3}, {"cwd": "/no/such"}, {"schema": 9}])
def test_a_spoilt_sweep_is_refused(hop, tmp_path, spoil):
    make(hop, Asked(seeds="0:2"), tmp_path / "swept")
    folder = SweepFolder(tmp_path / "swept")
    folder.document_path.write_text(json.dumps({**json.loads(folder.document_path.read_text()), **spoil}))
    with pytest.raises(WildRobotError):
        reopen_sweep(folder, hop, Asked())


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(setup.importlib.util, "find_spec", lambda name: None)
    for engine, extra in (("ray", "[sweep]"), ("slurm", "[slurm]")):
        with pytest.raises(WildRobotError) as caught:
            setup.need_engine(engine)
        assert extra in caught.value.hint
