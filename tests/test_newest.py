"""The run on the newest versions fails for a failing test, and for bounds that nothing satisfies; for nothing else."""

import re
import sys
import tomllib

import newest
import pytest

PROJECT = tomllib.loads((newest.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def outcome(monkeypatch, capsys, tmp_path):
    """Exit status and printed lines of a run whose steps are given."""

    def run(install=lambda python: None, found=("jax", "99.0"), tests=(0, "== 3 passed in 1.00s ==")):
        monkeypatch.setattr(sys, "argv", ["newest.py", "--venv", str(tmp_path)])
        monkeypatch.setattr(newest, "environment", lambda folder: sys.executable)
        monkeypatch.setattr(newest, "install", install)
        monkeypatch.setattr(newest, "versions", lambda python: newest.pinned() | dict([found]))
        monkeypatch.setattr(newest, "test", lambda python, workers: tests)
        return newest.main(), capsys.readouterr().out.splitlines()

    return run


def test_what_passed_is_one_line(outcome):
    status, (line,) = outcome()
    assert status == 0
    assert {"3 passed in 1.00s", "jax 99.0"} <= set(line.split(": ")[1].split(", "))


def test_a_failing_test_fails_and_is_shown(outcome):
    status, lines = outcome(tests=(1, "E  assert 1 == 2\n1 failed"))
    assert status == 1
    assert "E  assert 1 == 2" in lines


def test_the_pinned_versions_are_not_tested_again(outcome):
    status, (line,) = outcome(found=("jax", newest.pinned()["jax"]), tests=(1, "never"))
    assert status == 0
    assert "skipped" in line


@pytest.mark.parametrize(
    ("stderr", "error"),
    [
        ("ERROR: Could not find a version that satisfies hatchling (from versions: none)", newest.SkippedError),
        ("ERROR: ResolutionImpossible: for help", SystemExit),
        ("ERROR: Could not find a version that satisfies jax>=9 (from versions: 0.9.0, 0.10.2)", SystemExit),
    ],
)
def test_only_bounds_that_nothing_satisfies_fail(stderr, error, monkeypatch, outcome):
    done = newest.subprocess.CompletedProcess([], 1, "", stderr)
    with monkeypatch.context() as patch:
        patch.setattr(newest.subprocess, "run", lambda *args, **kwargs: done)
        with pytest.raises(error) as caught:
            newest.install("python")
    if error is newest.SkippedError:
        status, (line,) = outcome(install=lambda python: (_ for _ in ()).throw(caught.value))
        assert (status, "hatchling" in line) == (0, True)


def test_some_tests_are_marked():
    assert {"tests/test_jax_compat.py", "tests/physics/test_tree.py"} <= set(newest.marked())


def test_every_dependency_has_a_lower_and_an_upper_bound():
    extras = {extra: needs for extra, needs in PROJECT["optional-dependencies"].items() if extra != "dev"}
    for needs in (PROJECT["dependencies"], *extras.values()):
        for need in needs:
            assert re.fullmatch(r"[\w-]+(\[\w+\])?>=[\d.]+,<[\d.]+", need), need
