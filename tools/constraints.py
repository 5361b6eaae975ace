"""Write the pinned versions for a Python: `python tools/constraints.py 3.12`.

pip resolves `.[dev,sweep,slurm]` for that Python, without installing anything; what it would install is written to
constraints-3.12.txt, or to constraints.txt for 3.11. With `--keep` the versions of constraints.txt are preferred.
"""

import argparse
import json
import subprocess
import sys

from pythons import MAIN, PYTHONS, ROOT, constraints_file, find


def resolve(python: str, keep: bool) -> dict[str, str]:
    """The versions that pip would install, by name in lower case.

    Raises:
        SystemExit: there is no such Python here, or pip finds none.
    """
    base = find(python)
    if base is None:
        sys.exit(f"constraints: there is no Python {python} here")
    pip = [base, "-m", "pip", "--disable-pip-version-check", "install", "--dry-run", "--ignore-installed", "--quiet"]
    kept = ["-c", str(constraints_file(MAIN))] if keep else []
    done = subprocess.run(
        [*pip, *kept, "--report", "-", f"{ROOT}[dev,sweep,slurm]", "nox"], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"constraints: pip failed\n{done.stderr}")
    return versions(json.loads(done.stdout))


def versions(report: dict[str, object]) -> dict[str, str]:
    """Name and version of each package of pip's report, but for the project itself."""
    entries = report["install"]
    assert isinstance(entries, list)
    found = {entry["metadata"]["name"].lower().replace("_", "-"): entry["metadata"]["version"] for entry in entries}
    found.pop("wildrobot-eqx", None)
    return dict(sorted(found.items()))


def text(python: str, found: dict[str, str]) -> str:
    """The file."""
    name = constraints_file(python).name
    first = f"# The versions that the tests run against (Python {python}, Linux): pip install -c {name} -e '.[dev]'"
    return "\n".join([first, *(f"{package}=={version}" for package, version in found.items())]) + "\n"


def main() -> int:
    """Resolve and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("python", choices=PYTHONS)
    parser.add_argument("--keep", action="store_true", help="prefer the versions of constraints.txt")
    arguments = parser.parse_args()
    path = constraints_file(arguments.python)
    found = resolve(arguments.python, arguments.keep)
    path.write_text(text(arguments.python, found), encoding="utf-8")
    print(f"{path.name}: {len(found)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
