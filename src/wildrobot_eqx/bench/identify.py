"""How well hidden robots are identified: `python -m wildrobot_eqx.bench.identify`."""

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..deploy.log.recording import read_log
from ..identify.excitation import excitation
from ..identify.fit import Fit
from ..identify.run import Found, identify
from ..identify.subject import Subject
from ..robots import load_robot
from .stand_in import Truth, record

GOALS: dict[str, tuple[str, float]] = {
    "servo_zero": ("deg", 0.3),
    "delay": ("ms", 2.0),
    "stiffness": ("%", 5.0),
    "friction": ("%", 15.0),
    "backlash": ("deg", 0.3),
    "centre_of_mass": ("mm", 3.0),
    "imu_tilt": ("deg", 0.3),
    "mass": ("%", 3.0),
    "total_mass": ("%", 3.0),
    "whole_centre_of_mass": ("mm", 3.0),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One hidden robot: errors by figure, the errors of what is believed before any log, and z-scores."""

    seed: int
    errors: dict[str, list[float]]
    blind: dict[str, list[float]]
    scores: list[float]
    seconds: float
    found: Found


def bench_identify(
    robots: int = 20,
    seconds: float = 60.0,
    robot: str = "wildrobot",
    timestep: float | None = 0.004,
    first: int = 0,
    threads: int = 0,
) -> list[Case]:
    """Hidden robots, each excited for some time and identified from its log."""
    return [one(seed, seconds, robot, timestep, threads) for seed in range(first, first + robots)]


def one(seed: int, seconds: float, robot: str, timestep: float | None, threads: int = 0) -> Case:
    """One hidden robot."""
    body = load_robot(robot)
    subject = Subject.of(body, timestep)
    truth = Truth.draw(seed, body.nu, len(subject.bodies))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hidden.mcap"
        record(body, truth, subject.bodies, excitation(body, seconds, seed), path, seed)
        log = read_log(path)
    began = time.monotonic()
    found = identify(subject, [log], threads=threads)
    spent = time.monotonic() - began
    fit = found.fit
    return Case(
        *(seed, errors(fit, fit.values, truth), errors(fit, fit.parameters.mean, truth)),
        *(scores(fit, truth), spent, found),
    )


def errors(fit: Fit, values: NDArray[np.float64], truth: Truth) -> dict[str, list[float]]:
    """Absolute errors of values (p,) by figure, in the units of `GOALS`."""
    parameters, subject = fit.parameters, fit.parameters.subject
    model = subject.model

    def value(kind: str) -> NDArray[np.float64]:
        found = parameters.values(kind, values[None])
        assert found is not None
        return found[0]

    def off(kind: str, scale: float) -> list[float]:
        return (scale * np.abs(value(kind) - getattr(truth, kind))).tolist()

    def ratio(kind: str) -> list[float]:
        return (100.0 * np.abs(value(kind) / getattr(truth, kind) - 1.0)).tolist()

    shift = value("centre_of_mass").reshape(-1, 3)
    bodies = [model.body(name).id for name in subject.bodies]
    mass = model.body_mass[bodies]
    total = float(model.body_subtreemass[0])

    def whole(masses: Any, shifts: Any) -> tuple[float, Any]:
        """Mass, and first moment of the trunk's bodies about their frames: what the legs feel."""
        return total + float((masses - 1.0) @ mass), (mass * masses) @ shifts

    (m, c), (true_m, true_c) = whole(value("mass"), shift), whole(truth.mass, truth.centre_of_mass)
    zero = np.degrees(np.abs(value("servo_zero") - truth.servo_zero)).tolist()
    tilt = float(np.degrees(np.linalg.norm(value("imu_tilt") - truth.imu_tilt)))
    return {
        "servo_zero": zero,
        "delay": [1e3 * abs(float(value("delay")[0] + 0.5 * value("smoothing")[0]) - truth.delay)],
        "stiffness": ratio("stiffness"),
        "friction": ratio("friction"),
        "backlash": off("backlash", float(np.degrees(1.0))),
        "centre_of_mass": (1e3 * np.abs(shift - truth.centre_of_mass)).reshape(-1).tolist(),
        "imu_tilt": [tilt],
        "mass": ratio("mass"),
        "total_mass": [100.0 * abs(m / true_m - 1.0)],
        "whole_centre_of_mass": (1e3 * np.abs(c / m - true_c / true_m)).tolist(),
    }


def scores(fit: Fit, truth: Truth) -> list[float]:
    """Errors over the standard deviations that the fit claims."""
    found = []
    for i, kind in enumerate(fit.parameters.kind_of):
        true = getattr(truth, kind.name, None)
        if true is None or kind.name in ("armature", "smoothing", "delay", "damping"):
            continue
        member = np.asarray(true, np.float64).reshape(-1)[fit.parameters.member[i]]
        true = float(np.log(member) if kind.log else member)
        found.append(float((fit.values[i] - true) / fit.deviation[i]))
    return found


def table(cases: list[Case]) -> list[str]:
    """Medians over all hidden robots and members, against the goals."""
    lines = ["| figure | median error | 90% | knowing nothing | goal |", "|---|---|---|---|---|"]
    for name, (unit, goal) in GOALS.items():
        all_ = [e for case in cases for e in case.errors[name]]
        blind = [e for case in cases for e in case.blind[name]]
        median, most, nothing = np.median(all_), np.quantile(all_, 0.9), np.median(blind)
        mark = "" if median <= goal else " (missed)"
        lines.append(
            f"| {name.replace('_', ' ')}, {unit} | {median:.2f} | {most:.2f} | {nothing:.2f} | {goal:g}{mark} |"
        )
    score = np.array([s for case in cases for s in case.scores])
    lines.append("")
    lines.append(
        f"{len(cases)} hidden robots, {np.median([case.seconds for case in cases]):.0f} s each (median); errors over "
        f"their claimed standard deviation: {100 * np.mean(np.abs(score) < 1):.0f}% within 1, "
        f"{100 * np.mean(np.abs(score) < 2):.0f}% within 2"
    )
    return lines


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robots", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each log")
    parser.add_argument("--robot", default="wildrobot")
    parser.add_argument("--timestep", type=float, default=0.004, help="of the fit's simulation, s")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    cases = []
    for seed in range(given.first, given.first + given.robots):
        cases.append(one(seed, given.seconds, given.robot, given.timestep))
        if not given.json:
            print(f"robot {seed}: {cases[-1].seconds:.0f} s", flush=True)
    if given.json:
        keep = [{"seed": c.seed, "errors": c.errors, "blind": c.blind, "seconds": c.seconds} for c in cases]
        print(json.dumps(keep, indent=2))
    else:
        print("\n".join(table(cases)))


if __name__ == "__main__":
    main()
