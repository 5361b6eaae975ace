"""What a user named is printed as it is, by every command: brackets are no markup, and emoji names stay names."""

import ast
from pathlib import Path

import pytest
from rich.table import Table

import wildrobot_eqx
from wildrobot_eqx.cli import lists, main

ODD = r"[home] [/data/x] [red]r[/red] :x: [link=y] \[b]"

RECIPE = r'''
import dataclasses
from typing import Annotated, Literal
import equinox as eqx
import jax.numpy as jnp
import typer
from wildrobot_eqx import Recipe, load_recipe, recipe
from wildrobot_eqx.rewards import AbstractStatelessReward
from wildrobot_eqx.arrays import f32

class Odd(AbstractStatelessReward):
    """ODD in a term"""
    weight: object = eqx.field(default=1.0, converter=f32)
    def __call__(self, signals):
        raise KeyError("ODD in an error")

@recipe
def odd(
    bad: bool = False,
    where: str = "ODD",
    mode: Annotated[str, typer.Option(help="ODD in a help text", rich_help_panel="ODD in a panel")] = "a",
) -> Recipe:
    """Walk.

    ODD in a docstring
    """
    made = load_recipe("hop")()
    if not bad:
        return made
    rewards = {**made.env.rewards, "[home] [/data/x] :x:": Odd()}
    return dataclasses.replace(made, env=eqx.tree_at(lambda env: env.rewards, made.env, rewards))
'''.replace("ODD", ODD.replace("\\", "\\\\"))


@pytest.fixture
def call(capsys, monkeypatch):
    """Runs one command in this process; returns its status and all that it printed, its spaces made one."""
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("TERMINAL_WIDTH", "300")

    def call(*arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, " ".join((captured.out + captured.err).split())

    return call


@pytest.fixture
def odd(tmp_path):
    folder = tmp_path / "[home]"
    folder.mkdir()
    (folder / "odd.py").write_text(RECIPE)
    return folder / "odd.py"


def _table():
    table = Table(title=f"{ODD} title", caption=f"{ODD} caption")
    table.add_column(f"{ODD} column")
    table.add_row(f"{ODD} cell")
    return table


PLACES = ("title", "caption", "column", "cell", "line")


def _shows(*arguments, **keywords):
    """Stands in for what a command does: prints what a user may have named."""
    show = next(a for a in (*arguments, *keywords.values()) if getattr(a, "__name__", "") == "show")
    show({}, [_table(), f"{ODD} line"])
    return True


COMMANDS = {
    "run": (["run", "ODD"], "training.run_recipe"),
    "run --verify": (["run", "ODD", "--verify"], "commands.verify_recipe"),
    "check": (["check", "ODD"], "checks.check_recipe"),
    "eval": (["eval", "x"], "commands.evaluate_run"),
    "eval --robust": (["eval", "x", "--robust"], "commands.evaluate_robustly"),
    "render": (["render", "x"], "commands.render_run"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_results_are_printed_as_they_are(name, odd, call, monkeypatch):
    arguments, worker = COMMANDS[name]
    monkeypatch.setattr(f"wildrobot_eqx.cli.{worker}", _shows)
    status, said = call(*(odd if argument == "ODD" else argument for argument in arguments))
    assert status == 0
    assert all(f"{ODD} {place}" in said for place in PLACES)


def test_benchmarks_and_exports_are_printed_as_they_are(call, monkeypatch, tmp_path):
    monkeypatch.setattr("wildrobot_eqx.cli.commands.run_benchmarks", lambda *_: ({}, [f"{ODD} line"]))
    assert f"{ODD} line" in call("bench")[1]
    monkeypatch.setattr("wildrobot_eqx.cli.export_run.export_run", lambda *_: (Path(ODD), Path(f"{ODD}.zip")))
    assert f"{ODD}.zip" in call("export", tmp_path)[1]


@pytest.mark.parametrize("command", ["run", "check"])
def test_help_prints_a_recipes_own_texts_as_they_are(command, odd, call):
    status, said = call(command, odd, "--help")
    assert status == 0
    for place in ("docstring", "help text", "panel"):
        assert f"{ODD} in a {place}" in said
    assert f"[default: {ODD}]" in said


def test_findings_terms_and_errors_are_printed_as_they_are(odd, call):
    status, said = call("check", odd, "--bad")
    assert status == 1
    assert "env.rewards['[home] [/data/x] :x:']" in said
    assert f"{ODD} in a term" in said
    assert repr(f"{ODD} in an error") in said
    assert f"Odd ({odd}:" in said
    assert "│ [home] [/data/x] :x: │" in said
    status, said = call("check", odd.parent / "[/none].py")
    assert status == 2
    assert "[/none].py" in said


def test_robots_and_recipes_are_listed_as_they_are(call, monkeypatch, tmp_path):
    file = tmp_path / "bare.py"
    file.write_text(f'r"""{ODD} in a file"""\n')
    monkeypatch.setattr(lists, "_recipe_files", lambda: {"[/bare]": file})
    assert f"[/bare] {ODD} in a file" in call("recipes", "list")[1]
    monkeypatch.setattr("wildrobot_eqx.report.tables.robot_json", lambda robot: {**shown, "description": ODD})
    shown = {"name": "[/hopper]", "mass_kg": 1, "home_height_m": 1, "control_dt_s": 1, "nq": 1, "nv": 1, "nu": 1}
    shown |= {"joints": [], "feet": ["[left]"], "imus": [":x:"], "bodies": ["[b]"], "sensors": ["[/s]"]}
    said = call("robots", "show", "hopper")[1]
    assert f"[/hopper]: {ODD}" in said
    assert "feet: [left]; IMUs: :x:; free bodies: [b]" in said
    assert "sensors: [/s]" in said


def test_no_console_of_the_package_reads_markup():
    """Every `Console`, and every column of a progress bar, says that it reads none; nothing else of Rich does."""
    wrong = []
    for file in Path(wildrobot_eqx.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            settings = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            text = ast.unparse(node)
            if name == "from_markup" or (name == "print" and text.startswith(("rich.", "console.print(f"))):
                wrong.append(f"{file}:{node.lineno}")
            if name == "Console" or (name == "TextColumn" and "fields" in text):
                wrong += [f"{file}:{node.lineno}"] if settings.get("markup") is not False else []
    assert wrong == []
