"""Code that users copy takes public names only: the docs, the README, the examples and the recipes."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import wildrobot_eqx as we

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("docs/examples/*.py")),
    *sorted(ROOT.glob("recipes/*.py")),
]


def _sources(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    blocks = [text] if page.suffix == ".py" else re.findall(r"^```py(?:thon)?\b[^\n]*\n(.*?)^```", text, re.S | re.M)
    return [block.replace(", ...)", ")") for block in blocks]  # what a block leaves out


def _names(room: str) -> set[str]:
    """The public names of the package, or of one of its namespaces."""
    module = importlib.import_module(f"{we.__name__}.{room}" if room else we.__name__)
    shown = getattr(module, "__all__", None)
    return set(vars(module) if shown is None else shown)


def private(source: str) -> list[str]:
    """What a source takes of the package that is in no public place, as `a.b` below the package."""
    tree, found, ours = ast.parse(source), [], {"wildrobot_eqx", "we"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            taken = [alias.name.split(".")[1:] for alias in node.names if alias.name.split(".")[0] == we.__name__]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == we.__name__:
            room = (node.module or "").split(".")[1:]
            taken = [[*room, alias.name] for alias in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ours:
            taken = [[node.attr]]
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Attribute)
            and isinstance(node.value.value, ast.Name)
            and node.value.value.id in ours
            and node.value.attr in we._NAMESPACES
        ):
            taken = [[node.value.attr, node.attr]]
        else:
            continue
        found += [".".join(path) for path in taken if not _is_public(path)]
    return found


def _is_public(path: list[str]) -> bool:
    if len(path) < 2:
        return not path or path[0] in _names("")
    room, name, *deeper = path
    return room in we._NAMESPACES and name in _names(room) and not name.startswith("_") and not deeper


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_takes_public_names_only(page):
    assert [name for source in _sources(page) for name in private(source)] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from wildrobot_eqx.physics.mujoco_tools.render import Renderer", ["physics.mujoco_tools.render.Renderer"]),
        ("import wildrobot_eqx.learn.ppo", ["learn.ppo"]),
        ("import wildrobot_eqx as we\nwe.arrays.f32(0.0)\nwe.rewards.Nothing()", ["rewards.Nothing", "arrays"]),
        ("import wildrobot_eqx as we\nfrom wildrobot_eqx.deploy import Bundle\nwe.rewards.Alive()", []),
        ("import os\nos.path.join('wildrobot_eqx', 'b')", []),
    ],
)
def test_a_private_name_is_found(source, found):
    assert private(source) == found
