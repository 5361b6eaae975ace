"""How well hidden robots are identified: `python -m wildrobot_eqx.bench.identify`."""

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..deploy.bringup.excite import excitation
from ..deploy.bundle.bundle import Bundle
from ..deploy.hidden.parameters import draw
from ..deploy.hidden.plan import Plan
from ..deploy.log.recording import read_log
from ..identify.fit import Fit
from ..identify.run import Found, identify
from ..identify.subject import Subject
from ..robots import load_robot
from .over_bus import record_over_bus, truth_of
from .stand_in import Truth, record

GOALS: dict[str, tuple[str, float]] = {
    "servo_zero": ("deg", 0.3),
    "delay": ("ms", 2.0),
    "stiffness": ("%", 5.0),
    "friction": ("%", 15.0),
    "backlash": ("deg", 0.3),
    "imu_tilt": ("deg", 0.3),
    "trunk_mass": ("%", 3.0),
    "trunk_centre_of_mass": ("mm", 3.0),
}
"""What is held to a goal. A tilt is that of up in the IMU's frame, at rest; the trunk is all that bears no foot."""
TOLD: dict[str, str] = {"imu_turn": "deg", "mass": "%", "own_centre_of_mass": "mm"}
"""What else is told: the IMU's rotation about up, and masses of bodies by themselves, which no log of a stand tells."""


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
    bus: str | Path | None = None,
) -> list[Case]:
    """Hidden robots, each excited for some time and identified from its log; over the bus of a bundle's robot."""
    return [one(seed, seconds, robot, timestep, threads, bus) for seed in range(first, first + robots)]


def one(
    seed: int, seconds: float, robot: str, timestep: float | None, threads: int = 0, bus: str | Path | None = None
) -> Case:
    """One hidden robot."""
    body = load_robot(robot)
    subject = Subject.of(body, timestep)
    truth = Truth.draw(seed, body.nu, len(subject.bodies))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hidden.mcap"
        if bus is not None:
            bundle, hidden = Bundle.open(bus), draw(seed, body.nu)
            if fault := record_over_bus(bundle, hidden, seconds, path, seed):
                print(f"robot {seed}: {fault}", flush=True)
            share = float(np.nanmean(read_log(path).voltage)) / Plan.of(bundle).nominal_voltage
            truth = truth_of(hidden, body.nu, len(subject.bodies), share)
        else:
            record(body, truth, subject.bodies, excitation(subject.stance, seconds, seed), path, seed)
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

    place, turned = at_home(subject)

    def trunk(masses: Any, shifts: Any) -> tuple[float, Any]:
        """Mass, and centre of mass in the home pose, m: what the legs feel."""
        each, own = mass * masses, model.body_ipos[bodies] + shifts
        centres = place[bodies] + np.einsum("bij,bj->bi", turned[bodies], own)
        return float(each.sum()), each @ centres / each.sum()

    (m, c), (true_m, true_c) = trunk(value("mass"), shift), trunk(truth.mass, truth.centre_of_mass)
    zero = np.degrees(np.abs(value("servo_zero") - truth.servo_zero)).tolist()
    up = subject.up_at_home
    seen, true_up = (Rotation.from_rotvec(t).inv().apply(up) for t in (value("imu_tilt"), truth.imu_tilt))
    tilt = float(np.degrees(np.arccos(np.clip(seen @ true_up, -1.0, 1.0))))
    turn = float(np.degrees(abs((value("imu_tilt") - truth.imu_tilt) @ up)))
    return {
        "servo_zero": zero,
        "delay": [1e3 * abs(float(value("delay")[0] + 0.5 * value("smoothing")[0]) - truth.delay)],
        "stiffness": ratio("stiffness"),
        "friction": ratio("friction"),
        "backlash": off("backlash", float(np.degrees(1.0))),
        "imu_tilt": [tilt],
        "trunk_mass": [100.0 * abs(m / true_m - 1.0)],
        "trunk_centre_of_mass": (1e3 * np.abs(c - true_c)).tolist(),
        "imu_turn": [turn],
        "mass": ratio("mass"),
        "own_centre_of_mass": (1e3 * np.abs(shift - truth.centre_of_mass)).reshape(-1).tolist(),
    }


def at_home(subject: Subject) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places (m) and rotations of all bodies in the home pose."""
    data = mujoco.MjData(subject.model)
    data.qpos[:] = subject.home
    mujoco.mj_kinematics(subject.model, data)
    return data.xpos.copy(), data.xmat.reshape(-1, 3, 3).copy()


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
    for name, unit in [*((name, unit) for name, (unit, _) in GOALS.items()), *TOLD.items()]:
        all_ = [e for case in cases for e in case.errors[name]]
        blind = [e for case in cases for e in case.blind[name]]
        median, most, nothing = np.median(all_), np.quantile(all_, 0.9), np.median(blind)
        goal = f"{GOALS[name][1]:g}{'' if median <= GOALS[name][1] else ' (missed)'}" if name in GOALS else ""
        lines.append(f"| {name.replace('_', ' ')}, {unit} | {median:.2f} | {most:.2f} | {nothing:.2f} | {goal} |")
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
    parser.add_argument("--bus", metavar="BUNDLE", help="over the bus of this bundle's robot, as `robot excite` does")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    cases = []
    for seed in range(given.first, given.first + given.robots):
        cases.append(one(seed, given.seconds, given.robot, given.timestep, bus=given.bus))
        if not given.json:
            print(f"robot {seed}: {cases[-1].seconds:.0f} s", flush=True)
    if given.json:
        keep = [{"seed": c.seed, "errors": c.errors, "blind": c.blind, "seconds": c.seconds} for c in cases]
        print(json.dumps(keep, indent=2))
    else:
        print("\n".join(table(cases)))


if __name__ == "__main__":
    main()
