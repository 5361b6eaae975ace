"""`nox`, or `make matrix`: the fast tests on every Python that is there, with the oldest, pinned and newest versions.

`nox -s "matrix(3.12-newest)" -- tests/learn` runs some of them. A Python that is not there is skipped, and nox says so.
"""

import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent / "tools"))
from pythons import MAIN, PYTHONS, constraints_file, find, oldest

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False
nox.options.stop_on_first_error = False

CORE = ("-m", "newest and not slow")
"""What every combination runs: a few tests of each room that JAX, Equinox, MuJoCo, Brax or Python can break."""

COMBINATIONS = [
    (MAIN, "oldest"),
    *((python, "pinned") for python in PYTHONS if constraints_file(python).is_file()),
    *((python, "newest") for python in PYTHONS),
]


@nox.session(python=False)
@nox.parametrize("python,versions", COMBINATIONS, ids=[f"{python}-{versions}" for python, versions in COMBINATIONS])
def matrix(session: nox.Session, python: str, versions: str) -> None:
    """Install one combination into an environment of its own and run tests there: those after `--`, else `CORE`."""
    base = find(python)
    if base is None:
        session.skip(f"no Python {python} here")
    folder = Path(".nox") / f"{python}-{versions}"
    if not (folder / "bin" / "python").exists():
        session.run(base, "-m", "venv", str(folder), external=True)
    own = str(folder / "bin" / "python")
    pip = [own, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    project = ".[brax,deploy,gymnasium,sign]"
    how = {
        "oldest": oldest(),
        "pinned": ["-c", str(constraints_file(python))],
        "newest": ["--upgrade", "--upgrade-strategy", "eager"],
    }[versions]
    session.run(*pip, *how, "-e", project, "pytest", "pytest-xdist", external=True)
    names = "(f'{name} {m.version(name)}' for name in sys.argv[1:])"
    told = f"import sys, importlib.metadata as m; print(sys.version.split()[0], *{names})"
    session.run(own, "-c", told, "jax", "equinox", "mujoco", "brax", "gymnasium", "numpy", external=True)
    tests = session.posargs or CORE
    session.run(
        own, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider", *tests, external=True
    )
