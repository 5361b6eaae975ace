"""The Pythons of the matrix, where they are, and what pyproject.toml declares."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MAIN = "3.11"  # constraints.txt is for it
EDGES = ("jax", "equinox", "mujoco", "brax", "gymnasium")
"""Whose oldest and newest allowed versions are tested; the rest is what pip takes beside them."""


def project() -> dict[str, Any]:
    """The `project` table of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def bounds() -> dict[str, tuple[str, str]]:
    """The lowest version that is allowed of each dependency, and the lowest that is not; extras included."""
    declared = project()
    needs = [
        *declared["dependencies"],
        *(n for e, ns in declared["optional-dependencies"].items() if e != "dev" for n in ns),
    ]
    found = (re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+),<([\d.]+)", need) for need in needs)
    return {one[1]: (one[2], one[3]) for one in found if one is not None}


def oldest() -> list[str]:
    """Requirements that pin `EDGES` to their lower bounds."""
    return [f"{name}=={bounds()[name][0]}" for name in EDGES]


def constraints_file(python: str) -> Path:
    """The pinned versions for a Python."""
    return ROOT / ("constraints.txt" if python == MAIN else f"constraints-{python}.txt")


def find(python: str) -> str | None:
    """An interpreter of a version that runs, among those on the path and those of pyenv; None where there is none."""
    name = f"python{python}"
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [
        shutil.which(name),
        *(str(path) for path in sorted(versions.glob(f"{python}.*/bin/{name}"), reverse=True)),
    ]
    if python == f"{sys.version_info[0]}.{sys.version_info[1]}":
        candidates.insert(0, sys.executable)
    for candidate in filter(None, candidates):
        try:
            done = subprocess.run([candidate, "-c", "import ensurepip"], capture_output=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return candidate
    return None
