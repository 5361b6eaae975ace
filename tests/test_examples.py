"""Every example of the docs runs as it stands, and every Python block and command of the pages is true."""

import contextlib
import dataclasses
import io
import math
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from wildrobot_eqx import PPO, cli

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.slow
def test_compose_env(capsys):
    """Three iterations, with the user's own reward among the figures."""
    left = runpy.run_path(str(ROOT / "docs" / "examples" / "compose_env.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    numbers = [[float(x) for x in re.findall(r"[+-]\d+\.\d+", line)] for line in lines]
    assert [line.split(":")[0] for line in lines] == ["iteration 1", "iteration 2", "iteration 3"]
    assert all(math.isfinite(x) for row in numbers for x in row)
    assert all(follow < 0.0 for _, follow in numbers)
    assert int(left["state"].iteration) == 3
    assert "follow" in left["env"].rewards


@pytest.mark.filterwarnings("ignore:JAXopt is no longer maintained:DeprecationWarning")
def test_brax_bool_done(capsys):
    """The project's origin: Brax's cryptic error, and the leaf, the line and the cast that the checker names."""
    path = ROOT / "docs" / "examples" / "brax_bool_done.py"
    runpy.run_path(str(path), run_name="__main__")
    out = capsys.readouterr().out
    cryptic, report = out.split("The checker says:\n")
    assert "Brax says: scan body function carry input and carry output must have equal types" in cryptic
    assert re.search(r"info\['episode_done'\] has type float32\[4\] but .* has type bool\[4\]", cryptic)
    assert re.search(r"info\['truncation'\] has type float32\[4\] but .* has type int32\[4\]", cryptic)
    assert "state.done" not in cryptic
    assert "Falling" not in cryptic
    line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if "done=height" in text)
    assert report.splitlines()[0] == "done of the env state: state.done"
    assert "out:  bool[]" in report
    assert f"Falling ({path}:{line})" in report
    assert "done = jnp.asarray(done, jnp.float32)" in report
    assert report.count("try:") == 1


@pytest.mark.slow
def test_system_identification():
    """Friction loss and armature of a joint come out within a few percent, from guesses that are far off."""
    command = [sys.executable, "-W", "error", str(ROOT / "docs" / "examples" / "system_identification.py")]
    out = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert out.returncode == 0, out.stderr
    pairs = re.findall(r"found ([\d.]+) .*, true ([\d.]+), the MJCF's ([\d.]+)", out.stdout)
    assert len(pairs) == 2
    for found, true, nominal in (map(float, pair) for pair in pairs):
        assert abs(found / true - 1.0) < 0.03
        assert abs(nominal / true - 1.0) > 0.3


def test_gymnasium_hopper_without_its_learner(monkeypatch, capsys):
    """One line that names what to install, and a usage error."""
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(ROOT / "docs" / "examples" / "gymnasium_hopper.py"), run_name="__main__")
    assert left.value.code == 2
    report = capsys.readouterr().err.splitlines()
    assert len(report) == 1
    assert "pip install stable-baselines3" in report[0]


@pytest.mark.slow
def test_gymnasium_hopper():
    """A public learner gains a third of what standing still pays; it needs the learner, and a minute."""
    pytest.importorskip("stable_baselines3", exc_type=ImportError)
    command = [sys.executable, "-W", "error", str(ROOT / "docs" / "examples" / "gymnasium_hopper.py")]
    out = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert out.returncode == 0, out.stderr
    before, after = (float(value) for value in re.findall(r"return (-?[\d.]+)", out.stdout))
    assert after > before + 8.0


def test_every_example_has_a_test():
    assert [path.name for path in EXAMPLES] == [
        "brax_bool_done.py",
        "compose_env.py",
        "get_up.py",
        "gymnasium_hopper.py",
        "make_clip.py",
        "motion_prior.py",
        "push_object.py",
        "recurrent_hop.py",
        "system_identification.py",
        "trot.py",
    ]


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)


LONG = ("migration.md",)
by_page = pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] if page.name in LONG else []) for page in PAGES],
    ids=lambda page: page.name,
)


@by_page
def test_python_blocks_of_a_page_run(page):
    """One after the other, in one namespace, as a reader would type them."""
    blocks = _blocks(page, "python")
    namespace: dict = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), namespace)
    assert ("we" in namespace) == bool(blocks)


@by_page
def test_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@by_page
def test_commands_of_a_page_exist(page, known_options):
    for line in "".join(_blocks(page, "sh")).splitlines():
        if match := re.match(r"(?:\.venv/bin/)?wildrobot-eqx (\w+)(.*)", line):
            command, rest = match[1], match[2].split("#")[0]
            assert command in known_options, line
            assert set(re.findall(r"--[\w-]+", rest)) <= known_options[command] | {"--help"}, line


@pytest.fixture(scope="module")
def known_options() -> dict[str, set[str]]:
    """The options of every command, those of the shipped recipes included, as `--help` lists them."""

    def listed(*arguments: str) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            assert cli.main([*arguments, "--help"]) == 0
        return printed.getvalue()

    commands = re.findall(r"^. (\w+) ", listed().split("Commands")[1], re.M)
    options = {command: set(re.findall(r"--[\w-]+", listed(command))) for command in commands}
    for group in ("bundle", "log", "recipes", "robot", "robots"):
        for command in re.findall(r"^. (\w+) ", listed(group).split("Commands")[1], re.M):
            options[group] |= set(re.findall(r"--[\w-]+", listed(group, command)))
    for recipe in ("walk", "hop", "stand"):
        for command in ("run", "check"):
            options[command] |= set(re.findall(r"--[\w-]+", listed(command, str(ROOT / "recipes" / f"{recipe}.py"))))
    assert {"run", "check", "eval", "render"} <= set(options)
    return options


def test_the_page_on_ppo_names_every_hyperparameter():
    page = (ROOT / "docs" / "ppo.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(\w+)` \|", page, re.M)
    assert named == [field.name for field in dataclasses.fields(PPO)]
