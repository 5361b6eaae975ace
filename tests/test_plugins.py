"""Another package's robots and recipes, found by their entry points: a distribution made by hand, without pip."""

import shutil
import sys

import pytest

from wildrobot_eqx import WildRobotError, load_recipe, load_robot, robot_names
from wildrobot_eqx.paths import data_dir
from wildrobot_eqx.plugins import plugin_path
from wildrobot_eqx.recipes.recipe import recipe_names

ENTRIES = """[wildrobot_eqx.robots]
duck = {package}.duck
goose = {package}:GOOSE
ghost = {package}.nothing
broken = {package}.raises:ROBOT
[wildrobot_eqx.recipes]
waddle = {package}.recipes.waddle
"""


def install(site, package: str) -> None:
    """A package with a robot, a recipe and entry points, as an installer leaves it."""
    home = site / package
    shutil.copytree(data_dir("robots") / "hopper", home / "duck")
    shutil.copytree(data_dir("robots") / "hopper", home / "birds" / "goose")
    (home / "recipes").mkdir()
    shutil.copyfile(data_dir("recipes") / "hop.py", home / "recipes" / "waddle.py")
    (home / "__init__.py").write_text("from pathlib import Path\nGOOSE = Path(__file__).parent / 'birds' / 'goose'\n")
    (home / "raises.py").write_text("raise RuntimeError('a fault of its own')\n")
    about = site / f"{package}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRIES.format(package=package))


@pytest.fixture
def pond(tmp_path, monkeypatch):
    """The folder of an installed distribution called `pond_robots`."""
    install(tmp_path, "pond_robots")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(("pond_robots", "lake_robots"))]:
        del sys.modules[name]


def test_another_package_offers_a_robot_and_a_recipe(pond):
    assert {"duck", "goose", "hopper"} <= set(robot_names())
    assert {"waddle", "hop"} <= set(recipe_names())
    for name in ("duck", "goose"):
        assert load_robot(name).joint_names == load_robot("hopper").joint_names
    assert plugin_path("robots", "duck") == pond / "pond_robots" / "duck"
    recipe = load_recipe("waddle")
    assert recipe.path == pond / "pond_robots" / "recipes" / "waddle.py"
    assert recipe.options["robot"] == "hopper"


def test_a_robot_is_found_without_running_its_module(pond):
    """Data is looked up; only an entry point with an attribute is imported."""
    (pond / "pond_robots" / "duck" / "__init__.py").write_text("raise RuntimeError\n")
    assert load_robot("duck").nu == 3


@pytest.mark.parametrize("name", ["ghost", "broken"])
def test_an_entry_point_that_leads_nowhere_names_its_package(pond, name):
    with pytest.raises(WildRobotError) as caught:
        load_robot(name)
    assert "pond_robots" in caught.value.where
    assert "wildrobot_eqx.robots" in caught.value.where


def test_two_packages_with_one_name_are_reported(pond):
    install(pond, "lake_robots")
    with pytest.raises(WildRobotError, match=r"lake_robots.*pond_robots") as caught:
        load_robot("duck")
    assert caught.value.where == "the entry points wildrobot_eqx.robots"


def test_the_command_line_lists_them(pond, capsys):
    from wildrobot_eqx.cli.lists import recipes_copy, recipes_list, robots_list

    robots_list()
    recipes_list()
    lines = capsys.readouterr().out.splitlines()
    assert {"duck", "goose", "ghost", "waddle"} <= {line.split()[0] for line in lines}
    recipes_copy("waddle", pond / "mine.py")
    assert (pond / "mine.py").read_bytes() == (data_dir("recipes") / "hop.py").read_bytes()
