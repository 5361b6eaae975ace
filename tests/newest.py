"""Run the tests marked `newest` on the newest versions that pyproject.toml allows: `make test-newest`.

They get a virtual environment of their own, of Python 3.12 where there is one. Where the registry cannot be reached, or
has nothing newer than constraints.txt, one line says so, and that is no failure; a failing test is one, and so are
bounds that no set of versions satisfies.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WANTED = (3, 12)  # newer than the Python that constraints.txt is for
EXTRAS = ("brax", "deploy", "gymnasium")
SHOWN = ("jax", "equinox", "mujoco", "mujoco-mjx", "numpy")
IMPOSSIBLE = re.compile(r"ResolutionImpossible|\(from versions: (?!none\))")  # what pip says of bounds
_PROBE = "import ensurepip, json, sys; print(json.dumps([*sys.version_info[:2]]))"
_INSTALLED = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.metadata['Name'].lower().replace('_', '-'): d.version for d in m.distributions()}))"
)


class SkippedError(Exception):
    """Why nothing was tested."""


def python_of(command: str) -> tuple[int, ...] | None:
    """The version of a Python that can make a virtual environment; None where it cannot."""
    try:
        found = subprocess.run([command, "-c", _PROBE], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return tuple(json.loads(found.stdout)) if found.returncode == 0 else None


def interpreters() -> Iterator[str]:
    """Pythons that may serve, the best first."""
    name = "python" + ".".join(map(str, WANTED))
    roots = [Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"]
    found = [shutil.which(name), *(str(path) for root in roots for path in sorted(root.glob(f"*/bin/{name}")))]
    yield from (path for path in found if path)
    yield sys.executable


def environment(folder: Path) -> str:
    """The Python of a virtual environment in `folder`, made if it is not there."""
    base = next((path for path in interpreters() if python_of(path)), None)
    if base is None:
        raise SkippedError("no Python here can make a virtual environment")
    python = folder / "bin" / "python"
    if python_of(str(python)) != python_of(base):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([base, "-m", "venv", str(folder)], check=True)
    return str(python)


def install(python: str) -> None:
    """Bring the environment to the newest versions.

    Raises:
        SkippedError: the registry gave none.
        SystemExit: no set of versions satisfies the bounds.
    """
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--timeout", "15", "--retries", "1"]
    newest = ["install", "--quiet", "--no-compile", "--upgrade", "--upgrade-strategy", "eager"]
    project = f"{ROOT}[{','.join(EXTRAS)}]"
    done = subprocess.run([*pip, *newest, "-e", project, "pytest", "pytest-xdist"], capture_output=True, text=True)
    if done.returncode == 0:
        return
    if IMPOSSIBLE.search(done.stderr):
        sys.exit(f"newest versions: FAILED, nothing satisfies the bounds of pyproject.toml\n{done.stderr}")
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    raise SkippedError(f"they could not be installed: {(errors or ['pip failed'])[0].removeprefix('ERROR: ')}")


def versions(python: str) -> dict[str, str]:
    """Every package of an environment."""
    found = subprocess.run([python, "-c", _INSTALLED], capture_output=True, text=True, check=True)
    return json.loads(found.stdout)


def pinned() -> dict[str, str]:
    """Every package of constraints.txt."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))


def newer(found: dict[str, str], pins: dict[str, str]) -> list[str]:
    """The packages whose version is not the pinned one."""
    return sorted(name for name, version in pins.items() if found.get(name, version) != version)


def marked() -> list[str]:
    """The files that hold tests marked `newest`; others need not be collected."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in files if "mark.newest" in path.read_text(encoding="utf-8")]


def test(python: str, workers: int) -> tuple[int, str]:
    """Pytest's exit status and what it printed."""
    command = [python, "-m", "pytest", "-q", "-m", "newest and not slow", "-n", str(workers), "--dist", "loadfile"]
    done = subprocess.run([*command, "-p", "no:cacheprovider", *marked()], cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def main() -> int:
    """Make the environment, run the tests, say in one line what came of it; all that pytest printed where it failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv-newest", help="where the environment is, or goes")
    parser.add_argument("--workers", type=int, default=2, help="processes that run tests")
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        python = environment(arguments.venv)
        install(python)
        found = versions(python)
        if not newer(found, pinned()):
            raise SkippedError("nothing is newer than constraints.txt")
    except SkippedError as why:
        print(f"newest versions: skipped, {why}", flush=True)
        return 0
    status, printed = test(python, arguments.workers)
    of = ", ".join([f"Python {'.'.join(map(str, python_of(python) or ()))}", *(f"{n} {found.get(n)}" for n in SHOWN)])
    if status:
        print(f"{printed}\nnewest versions: FAILED on {of}", flush=True)
        return 1
    result = printed.strip().splitlines()[-1].strip("= ")
    print(f"newest versions: {result}, {time.monotonic() - began:.0f} s in all, on {of}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
