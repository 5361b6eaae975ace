"""The public face: a lazy table that type checkers see whole, and namespaces that are catalogues."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import wildrobot_eqx as we

ROOT = Path(we.__file__).parent
LAZY = ("", "adapters", "deploy")
CATALOGUES = [name for name in we._NAMESPACES if (ROOT / f"{name}.py").is_file() and name not in ("errors", "rotation")]


def static_names(room: str) -> dict[str, str]:
    """What the block under TYPE_CHECKING imports: each name with the module that it comes from."""
    tree = ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    found = {}
    for node in (node for block in blocks for node in block.body):
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, "without `as` a type checker takes it for private"
            found[alias.name] = node.module or ""
    return found


@pytest.mark.parametrize("room", LAZY)
def test_static_imports_are_the_lazy_table(room):
    module = importlib.import_module(f"{we.__name__}.{room}" if room else we.__name__)
    rooms = dict.fromkeys(we._NAMESPACES, "") if not room else {}
    assert static_names(room) == module._OF | rooms
    assert set(module.__all__) == set(module._OF) | set(rooms) | ({"__version__"} if not room else set())
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(dir(module)) >= set(module.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name


@pytest.mark.parametrize("name", CATALOGUES)
def test_a_namespace_is_its_catalogue(name):
    """`__all__` is all that it imports, sorted, and `dir` shows it."""
    module = getattr(we, name)
    tree = ast.parse((ROOT / f"{name}.py").read_text(encoding="utf-8"))
    imported = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(imported) == sorted(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
    assert set(module.__all__) <= set(dir(module))


def test_a_name_stands_in_one_place():
    """The flat core and the namespaces do not repeat each other, but for what a command of one's own needs."""
    places: dict[str, list[str]] = {}
    for place in ("", *CATALOGUES):
        for name in (getattr(we, place) if place else we).__all__:
            places.setdefault(name, []).append(place)
    assert {name: found for name, found in places.items() if len(found) > 1} == {"Channel": ["", "commands"]}


def test_type_checkers_see_every_public_name(tmp_path):
    """One call of mypy, which follows no import of other packages: no public name is Any."""
    pytest.importorskip("mypy")
    names = [*we.__all__, *(f"{space}.{name}" for space in we._NAMESPACES for name in _all(space))]
    source = tmp_path / "names.py"
    lines = ["import wildrobot_eqx as we", *(f"reveal_type(we.{name})" for name in names)]
    source.write_text("\n".join([*lines, "we.no_such_name"]) + "\n", encoding="utf-8")
    settings = tmp_path / "mypy.ini"
    settings.write_text(f"[mypy]\nmypy_path = {ROOT.parent}\nfollow_imports = silent\n" + OTHERS, encoding="utf-8")
    call = [
        sys.executable,
        "-m",
        "mypy",
        "--no-color-output",
        f"--config-file={settings}",
        f"--cache-dir={CACHE}",
        str(source),
    ]
    done = subprocess.run(call, capture_output=True, text=True, timeout=600, check=False)
    # By the file's name alone: from its cache mypy gives the folder of the call before.
    found = [line for line in done.stdout.splitlines() if f"{source.name}:" in line]
    reported = {int(line.split(f"{source.name}:")[1].split(":")[0]): line for line in found}
    assert set(reported) == set(range(2, len(names) + 3)), (done.stdout + done.stderr)[-2000:]
    wrong = [name for name, i in zip(names, range(2, len(names) + 2), strict=True) if _any(reported[i])]
    assert wrong == []
    assert 'has no attribute "no_such_name"' in reported[len(names) + 2]


CACHE = ROOT.parents[1] / ".cache" / "mypy"
_FOREIGN = ("jax", "jaxtyping", "equinox", "mujoco", "brax", "gymnasium", "optax", "orbax", "numpy", "onnx", "rich")
OTHERS = "".join(f"[mypy-{name},{name}.*]\nfollow_imports = skip\nignore_missing_imports = True\n" for name in _FOREIGN)


def _all(space: str) -> list[str]:
    return getattr(getattr(we, space), "__all__", [])


def _any(line: str) -> bool:
    """Whether mypy revealed nothing but Any."""
    return "Revealed type is" not in line or '"Any"' in line
