"""What the matrix tests is what pyproject.toml declares."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def pythons(monkeypatch):
    """tools/pythons.py, and beside it whatever else of tools is imported."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import pythons

    yield pythons
    for name in ("pythons", "constraints", "nightly"):
        sys.modules.pop(name, None)


def test_the_pythons_are_those_that_are_declared(pythons):
    declared = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", one) for one in PROJECT["classifiers"]]
    classified = [one[1] for one in declared if one]
    assert set(classified) <= set(pythons.PYTHONS)
    assert PROJECT["requires-python"] == f">={pythons.PYTHONS[0]}"


def test_bounds_are_read_as_they_are_declared(pythons):
    found = pythons.bounds()
    assert found["jax"] == ("0.9", "0.13")
    assert found["cryptography"] == ("43", "51")
    needs = [
        *PROJECT["dependencies"],
        *(n for e, ns in PROJECT["optional-dependencies"].items() if e != "dev" for n in ns),
    ]
    assert len(found) == len(set(needs))
    assert [one.split("==")[0] for one in pythons.oldest()] == list(pythons.EDGES)


def test_pinned_versions_lie_within_the_bounds(pythons):
    def numbers(version):
        return tuple(int(part) for part in re.findall(r"\d+", version))

    for python in pythons.PYTHONS:
        path = pythons.constraints_file(python)
        if not path.is_file():
            continue
        first, *lines = path.read_text(encoding="utf-8").splitlines()
        assert f"Python {python}" in first
        pins = dict(line.split("==") for line in lines)
        assert list(pins) == sorted(pins) or python == pythons.MAIN
        for name, (low, high) in pythons.bounds().items():
            if name in pins:
                assert numbers(low) <= numbers(pins[name]) < numbers(high), (python, name)


def test_a_report_of_pip_becomes_a_file(pythons):
    import constraints

    entries = [("Zeta_X", "1.0"), ("alpha", "2"), ("wildrobot-eqx", "0.2.0")]
    found = constraints.versions({"install": [{"metadata": {"name": n, "version": v}} for n, v in entries]})
    first, *lines = constraints.text("3.12", found).splitlines()
    assert "Python 3.12" in first
    assert "-c constraints-3.12.txt" in first
    assert lines == ["alpha==2", "zeta-x==1.0"]


def test_a_python_that_is_not_there_is_none(pythons, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert pythons.find("3.99") is None
    assert pythons.find(f"{sys.version_info[0]}.{sys.version_info[1]}") == sys.executable


def test_what_got_worse_by_more_than_its_noise_is_named(pythons):
    import nightly

    recorded = {
        "walk_s": {"value": 100.0, "noise": 0.2, "more_is_better": False},
        "steps_per_s": {"value": 1000.0, "noise": 0.1, "more_is_better": True},
        "failed": {"value": 0.0, "noise": 0.0, "more_is_better": False},
    }
    assert nightly.worse(recorded, {"walk_s": 119.0, "steps_per_s": 901.0, "failed": 0.0, "new": 5.0}) == []
    lines = nightly.worse(recorded, {"walk_s": 121.0, "steps_per_s": 899.0, "failed": 1.0})
    assert [line.split(":")[0] for line in lines] == ["walk_s", "steps_per_s", "failed"]
    assert nightly.worse(recorded, {"walk_s": None, "steps_per_s": 2000.0, "failed": 0.0}) == ["walk_s: not reached"]


def test_the_time_to_a_passed_gate_is_that_of_the_first_judgement_that_passed(pythons):
    import nightly

    lines = [
        {"wall_clock_s": 1.0},
        {"wall_clock_s": 2.0, "gate/passed": 0.9},
        {"wall_clock_s": 3.0, "gate/passed": 1.0},
    ]
    assert nightly.time_to_gate(lines) == 3.0
    assert nightly.time_to_gate(lines[:2]) is None


def test_failures_are_counted_in_what_pytest_prints(pythons):
    import nightly

    assert nightly.failures("== 2 failed, 30 passed, 1 skipped, 3 errors in 9.00s ==") == 5.0
    assert nightly.failures("== 30 passed in 9.00s ==") == 0.0
    assert nightly.failures("Segmentation fault") is None
