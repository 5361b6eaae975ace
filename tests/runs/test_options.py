"""A recipe's options go into the manifest and come back as what they were."""

import enum
import json
import math
import typing
from pathlib import Path

import pytest
import typer

import wildrobot_eqx.cli as cli_program
import wildrobot_eqx.cli.training as cli_training
from wildrobot_eqx import WildRobotError, recipe
from wildrobot_eqx.recipes.options import from_manifest, option_value, to_arguments, to_manifest
from wildrobot_eqx.runs.folder import RunFolder


class Ground(enum.Enum):
    FLAT = "flat"
    ROUGH = "rough"


@recipe
def many(
    file: Path = Path("a/b"),
    maybe: Path | None = None,
    files: list[Path] = [],  # noqa: B006
    size: tuple[int, int] = (1, 2),
    sizes: tuple[float, ...] = (),
    ground: Ground = Ground.FLAT,
    mode: typing.Literal["x", "y"] = "x",
    documented: typing.Annotated[Path, "for Typer"] = Path("c"),
    gain: float = 1,
    other: typing.Any = None,
):
    """Never built."""


@pytest.mark.parametrize(
    "given",
    [{}, {"maybe": Path("x"), "files": [Path("y")], "sizes": (0.5, 2.0), "ground": Ground.ROUGH, "mode": "y"}],
)
def test_options_come_back(given):
    options = {**many.options, **given}
    back = from_manifest(many, json.loads(json.dumps(to_manifest(many, options))))
    assert back == options
    assert {name: type(value) for name, value in back.items()} == {name: type(v) for name, v in options.items()}


@pytest.mark.parametrize("value", [math.nan, {1, 2}, object(), Path("untyped"), (1, 2)])
def test_what_would_not_come_back_is_refused(value):
    with pytest.raises(WildRobotError, match="that the manifest cannot keep"):
        to_manifest(many, {"other": value})


RECIPE = """
import dataclasses
from pathlib import Path
from wildrobot_eqx import Recipe, load_recipe, recipe

@recipe
def filed(file: Path = Path("a"), sizes: tuple[int, int] = (16, 8), steps: int = 256) -> Recipe:
    assert isinstance(file, Path) and isinstance(sizes, tuple)
    made = load_recipe("hop")(num_envs=sizes[0], steps=steps)
    ppo = dataclasses.replace(made.learner, unroll_length=sizes[1], hidden=(16,), reset_pool=8)
    return dataclasses.replace(made, learner=ppo)
"""


def test_a_run_with_a_path_among_its_options_can_be_resumed(tmp_path, cli):
    path, out = tmp_path / "filed.py", tmp_path / "run"
    path.write_text(RECIPE)
    assert cli("run", path, "--no-eval", "--file=b/c", f"--out={out}").status == 0
    assert RunFolder(out).manifest()["options"] == {"file": "b/c", "sizes": [16, 8], "steps": 256}
    assert cli("run", f"--resume={out}", "--no-eval", "--steps=384").status == 0
    assert cli("run", f"--resume={out}", "--no-eval").status == 0
    assert RunFolder(out).manifest()["options"]["file"] == "b/c"


@recipe
def flagged(
    rough: bool = False,
    smooth: typing.Annotated[bool, typer.Option("--smooth/--coarse")] = True,
    mode: typing.Literal["x", "y"] = "x",
    ground: Ground = Ground.FLAT,
    size: tuple[int, float] = (1, 2.0),
    speeds: list[float] = [],  # noqa: B006
    file: Path | None = None,
    low: float = 0.0,
    count: int = 1,
    step_2: str = "",
):
    """Never built."""


GIVEN = {
    "rough": True,
    "smooth": False,
    "mode": "y",
    "ground": Ground.ROUGH,
    "size": (-3, 0.5),
    "speeds": [-0.5, 1.0],
    "file": Path("a b"),
    "low": -1e-3,
    "count": 4,
    "step_2": "--x",
}


@pytest.mark.parametrize("given", [GIVEN, {"rough": False, "smooth": True}, {}])
def test_options_as_arguments_give_the_same_options(given, monkeypatch):
    """Through the command line itself, whose `run` is replaced by one that only listens."""
    heard = []
    monkeypatch.setattr(cli_training, "run_recipe", lambda function, options, *a, **k: heard.append(options) or True)
    monkeypatch.setattr(cli_program, "_recipe_of", lambda arguments: flagged)
    assert cli_program.main(["run", "flagged", *to_arguments(flagged, given)]) == 0
    assert heard == [given]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("rough", "true", True),
        ("mode", "y", "y"),
        ("ground", "rough", Ground.ROUGH),
        ("file", "a/b", Path("a/b")),
        ("low", "1", 1.0),
        ("low", "-1e-3", -1e-3),
        ("count", "3", 3),
        ("step_2", "12", "12"),
        ("smooth", "false", False),
    ],
)
def test_a_text_becomes_what_the_option_takes(name, text, value):
    found = option_value(flagged, name, text, "here")
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text"), [("rough", "1"), ("mode", "z"), ("ground", "x"), ("low", "a"), ("count", "1.5")]
)
def test_a_text_that_an_option_does_not_take_is_refused(name, text):
    with pytest.raises(WildRobotError) as caught:
        option_value(flagged, name, text, "here")
    assert caught.value.where == "here"
