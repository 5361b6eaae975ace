"""What the package registry has: `python tools/registry.py bounds` and `python tools/registry.py wheels`.

`bounds` names releases that pyproject.toml does not allow yet. `wheels` says for macOS (arm64), Windows and Linux which
dependencies have a wheel for each Python. Both ask through pip, which installs nothing.
"""

import argparse
import importlib.metadata
import json
import re
import subprocess
import sys
import tempfile

from pythons import EDGES, PYTHONS, bounds, project

PLATFORMS = {
    "macOS arm64": ("macosx_11_0_arm64", "macosx_12_0_arm64", "macosx_13_0_arm64", "macosx_14_0_arm64"),
    "Windows": ("win_amd64",),
    "Linux": ("manylinux2014_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64"),
}


class UnreachableError(Exception):
    """The registry gave no answer."""


def report(*arguments: str) -> dict[str, str] | None:
    """The versions that pip would install; None where something cannot be had.

    Raises:
        UnreachableError: there is no registry.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--timeout", "20", "--retries", "1"]
    how = ["install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps", "--report", "-"]
    done = subprocess.run([*pip, *how, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        if "(from versions: none)" in done.stderr and re.search(
            "connection|timed out|resolve", done.stderr, re.IGNORECASE
        ):
            raise UnreachableError(done.stderr.strip().splitlines()[-1])
        return None
    entries = json.loads(done.stdout)["install"]
    return {entry["metadata"]["name"].lower().replace("_", "-"): entry["metadata"]["version"] for entry in entries}


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, for comparing."""
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0]))


def beyond(found: dict[str, str], allowed: dict[str, tuple[str, str]]) -> list[str]:
    """A line for each release that is newer than its upper bound, with what to run."""
    lines = []
    for name, version in sorted(found.items()):
        if name in allowed and numbers(version) >= numbers(allowed[name][1]):
            low, high = allowed[name]
            lines.append(
                f"{name} {version} is out, pyproject.toml allows >={low},<{high}: raise the bound, then run "
                "nox -s 'matrix(3.12-newest)' and make test-newest, and tools/constraints.py"
            )
    return lines


def newest(names: tuple[str, ...] = EDGES) -> dict[str, str]:
    """The newest release of each that this Python can take.

    Raises:
        UnreachableError: there is no registry.
    """
    found = report(*names)
    if found is None:
        raise UnreachableError("pip found no release")
    return found


def closure() -> dict[str, str]:
    """Every package that the project needs without extras, with the installed version."""
    wanted, found = [re.split(r"[<>=\[ ]", need)[0] for need in project()["dependencies"]], dict[str, str]()
    while wanted:
        name = wanted.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # of another system
            continue
        for need in importlib.metadata.requires(name) or []:
            if "extra ==" not in need:
                wanted.append(re.split(r"[<>=!~;\[( ]", need)[0])
    return found


def lacking(platform: str, python: str, packages: dict[str, str]) -> list[str]:
    """Which packages have no wheel there.

    Raises:
        UnreachableError: there is no registry.
    """
    tags = [f"--platform={tag}" for tag in PLATFORMS[platform]]
    with tempfile.TemporaryDirectory() as target:
        where = [
            "--only-binary=:all:",
            f"--python-version={python}",
            "--implementation=cp",
            *tags,
            f"--target={target}",
        ]
        pinned = [f"{name}=={version}" for name, version in sorted(packages.items())]
        if report(*where, *pinned) is not None:
            return []
        return [one for one in pinned if report(*where, one) is None]


def main() -> int:
    """Ask, and print; 1 where something is beyond its bound, or a wheel is missing."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("bounds", "wheels"))
    what = parser.parse_args().what
    try:
        if what == "bounds":
            lines = beyond(newest(tuple(bounds())), bounds())
            print("\n".join(lines) or "every newest release is within its bounds")
            return 1 if lines else 0
        packages, missing = closure(), False
        for platform in PLATFORMS:
            for python in PYTHONS:
                without = lacking(platform, python, packages)
                missing |= bool(without)
                print(f"{platform}, Python {python}: {', '.join(without) or f'all {len(packages)}'}", flush=True)
        return 1 if missing else 0
    except UnreachableError as error:
        print(f"the registry cannot be reached: {error}")
        return 0


if __name__ == "__main__":
    sys.exit(main())
