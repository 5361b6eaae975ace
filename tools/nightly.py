"""`make nightly`: slow tests, benchmarks, the matrix and the time to the walk gate, against the last recorded figures.

It prints what got worse by more than its noise, and then exits with 1. `--record` writes what was measured to
docs/nightly.json as the figures to compare with. `--only tests,bench,walk,matrix` runs a part.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pythons import ROOT

RECORD = ROOT / "docs" / "nightly.json"
SEEDS = 3
PARTS = ("tests", "bench", "walk", "matrix")
NOISE = {"steps_per_s": 0.15, "walk_s": 0.3, "failed": 0.0}
"""How much of itself a figure differs from one night to the next, by the end of its name."""

Figures = dict[str, float | None]


def run(*arguments: str) -> tuple[int, str]:
    """A command's exit status and standard output; its messages go to the terminal."""
    print(f"nightly: {' '.join(arguments)}", file=sys.stderr, flush=True)
    done = subprocess.run(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout


def failures(printed: str) -> float | None:
    """Failed tests and errors of pytest's last line; None where there is none."""
    last = next(
        (line for line in reversed(printed.splitlines()) if re.search(r"\d+ (passed|failed|errors?)", line)), None
    )
    return None if last is None else float(sum(int(n) for n in re.findall(r"(\d+) (?:failed|errors?)", last)))


def time_to_gate(lines: list[dict[str, Any]]) -> float | None:
    """Seconds of training until the gate was first passed; None where it never was."""
    return next((float(line["wall_clock_s"]) for line in lines if line.get("gate/passed") == 1.0), None)


def tests() -> Figures:
    """Slow tests that fail."""
    _, printed = run(sys.executable, "-m", "pytest", "-m", "slow", "-q", "-n", "2", "--dist", "loadfile")
    return {"slow_tests_failed": failures(printed)}


def bench() -> Figures:
    """Physics steps per second of each engine."""
    _, printed = run(sys.executable, "-m", "wildrobot_eqx.cli", "bench", "physics", "--json")
    try:
        cases = json.loads(printed)["physics"]
    except (ValueError, KeyError):
        return {"bench_failed": 1.0}
    run_cases = {name: case for name, case in cases.items() if "skipped" not in case}
    return {"bench_failed": 0.0} | {f"{name}_steps_per_s": case["steps_per_second"] for name, case in run_cases.items()}


def walk() -> Figures:
    """Median seconds to the walk gate over some seeds; a seed that does not reach it makes it none."""
    found: list[float | None] = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(SEEDS):
            out = Path(scratch) / str(seed)
            given = ["walk", f"--seed={seed}", "--judge-every=100000", "--gate-only", f"--out={out}"]
            run(sys.executable, "-m", "wildrobot_eqx.cli", "run", *given)
            metrics = out / "metrics.jsonl"
            lines = metrics.read_text(encoding="utf-8").splitlines() if metrics.is_file() else []
            found.append(time_to_gate([json.loads(line) for line in lines]))
    times = [time for time in found if time is not None]
    return {"walk_s": statistics.median(times) if len(times) == SEEDS else None}


def matrix() -> Figures:
    """Combinations of the matrix that fail."""
    status, _ = run(sys.executable, "-m", "nox")
    return {"matrix_failed": float(status != 0)}


def worse(recorded: dict[str, dict[str, Any]], measured: Figures) -> list[str]:
    """A line for each recorded figure that got worse by more than its noise, or was not reached."""
    lines = []
    for name, was in recorded.items():
        if name not in measured:
            continue
        value, before, noise = measured[name], float(was["value"]), float(was["noise"])
        if value is None:
            lines.append(f"{name}: not reached")
            continue
        change = value - before if was["more_is_better"] else before - value
        if change < -noise * abs(before):
            lines.append(f"{name}: {value:.6g}, was {before:.6g}; noise {100.0 * noise:g}%")
    return lines


def as_record(measured: Figures) -> dict[str, dict[str, Any]]:
    """What is written of the figures that were reached."""
    record = {}
    for name, value in measured.items():
        kind = next(kind for kind in NOISE if name.endswith(kind))
        if value is not None:
            record[name] = {"value": value, "noise": NOISE[kind], "more_is_better": kind == "steps_per_s"}
    return record


def main() -> int:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--record", action="store_true", help="keep what is measured, to compare with")
    arguments = parser.parse_args()
    parts = arguments.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part {sorted(unknown)[0]!r}: {', '.join(PARTS)}")
    measured: Figures = {}
    for part in parts:
        measured |= {"tests": tests, "bench": bench, "walk": walk, "matrix": matrix}[part]()
    recorded = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}
    for name, value in measured.items():
        was = recorded.get(name, {}).get("value")
        print(f"{name}: {value if value is None else f'{value:.6g}'}{'' if was is None else f' (was {was:.6g})'}")
    if arguments.record:
        RECORD.write_text(json.dumps({**recorded, **as_record(measured)}, indent=2) + "\n", encoding="utf-8")
        return 0
    lines = worse(recorded, measured)
    print("\n".join(["worse:", *lines]) if lines else "nothing got worse by more than its noise")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
