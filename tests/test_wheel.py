"""The wheel carries what an installed user needs: robots and recipes travel in it, and are found from anywhere."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOOK = """
import sys
import wildrobot_eqx as we
from wildrobot_eqx.recipes.recipe import recipe_names
assert we.__file__.startswith(sys.argv[1]), we.__file__
robots = ["cartpole", "hopper", "microduck", "reacher", "solo12", "wildrobot", "wildrobot17"]
assert we.robot_names() == robots, we.robot_names()
recipes = ["cartpole", "hop", "microduck", "reach", "stand", "track", "walk", "walk_robust"]
assert recipe_names() == recipes, recipe_names()
for name in we.robot_names():
    print(we.load_robot(name).model)
print(we.load_clip("squat_bow_wave", we.load_robot("wildrobot")).duration)
print(we.load_recipe("hop")().name)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built by the backend itself: nothing is downloaded."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.mark.slow
def test_robots_and_recipes_travel_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    for room, pattern in (("robots", "*/*"), ("recipes", "*.py"), ("demos", "*.zip")):
        files = [path for path in (ROOT / room).glob(pattern) if path.is_file()]
        assert files
        for path in files:
            assert packed[f"wildrobot_eqx/_data/{path.relative_to(ROOT)}"] == path.read_bytes()
    assert "wildrobot_eqx/py.typed" in packed
    assert "wildrobot_eqx/deploy/bundle/contract.schema.json" in packed
    assert not [name for name in packed if name.startswith(("tests", "docs"))]


@pytest.mark.slow
def test_an_installed_package_finds_them_from_a_foreign_folder(wheel, tmp_path):
    """Unpacked, which is what an installer does with a wheel of pure Python, and with no checkout in sight."""
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site), "JAX_PLATFORMS": "cpu"}
    process = subprocess.run(
        [sys.executable, "-c", LOOK, str(site)],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.split()[-1] == "hop"
