"""`replay` and `identify`: where a simulation and a robot part, and what of the robot is not as the model says."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import WildRobotError
from .logs import LogArgument, table, text
from .shared import Json, results

RobotOption = Annotated[
    str | None,
    typer.Option("--robot", help="The log's robot, by name or folder.", show_default="the one of the log's name"),
]
TimestepOption = Annotated[
    float | None, typer.Option(help="Of the simulation, s.", show_default="the robot's own, of a simulation's log its")
]


def replay(
    log: LogArgument,
    robot: RobotOption = None,
    identified: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Simulate the robot as `identify` found it.", show_default=False)
    ] = None,
    window: Annotated[float, typer.Option(help="Length of a window, s.")] = 0.5,
    timestep: TimestepOption = None,
    out: Annotated[Path | None, typer.Option(help="Write a page with plots there (.html).", show_default=False)] = None,
    no_causes: Annotated[bool, typer.Option("--no-causes", help="Do not look for what explains the error.")] = False,
    json: Json = False,
) -> None:
    """Drive a simulated robot with what a log sent, and say where and why the two part."""
    from ..deploy.log.recording import read_log
    from ..identify.identified import read_identified
    from ..identify.replay import replay as run

    with results(json) as show:
        recording = read_log(log)
        subject = _subject(recording, log, robot, timestep)
        how: dict[str, Any] = {}
        if identified is not None:
            known = read_identified(identified)
            known.check_robot(subject.robot, str(identified))
            how["parameters"], how["values"] = known.row(subject)
        found = run(subject, recording, seconds=window, find_causes=not no_causes, **how)
        files = []
        if out is not None:
            from ..report.replay_page import write_replay_page

            files.append(str(write_replay_page(found, log.name, out)))
        show({"log": str(log), **found.figures, "files": files}, _replay_pages(found.figures, files))


def identify(
    logs: Annotated[list[Path], typer.Argument(metavar="LOG...", help="Logs (.mcap) of one robot.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("identified.toml"),
    test: Annotated[
        Path | None, typer.Option(metavar="LOG", help="Show before and after on this log, which is not used.")
    ] = None,
    robot: RobotOption = None,
    parameter: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="Fit these kinds only; repeat.", show_default="all")
    ] = None,
    window: Annotated[
        float | None, typer.Option(help="s of a window that count.", show_default="8; of a policy's 0.5")
    ] = None,
    warm_up: Annotated[float | None, typer.Option(help="s before them.", show_default="2; of a policy's 0")] = None,
    timestep: TimestepOption = None,
    force: Annotated[bool, typer.Option("--force", help="Take the place of an existing file.")] = False,
    json: Json = False,
) -> None:
    """Fit a robot's parameters to its logs, and write them with their ranges; `run --identified` takes the file."""
    from ..deploy.log.recording import read_log
    from ..identify.identified import Identified
    from ..identify.run import identify as run

    if out.exists() and not force:
        raise WildRobotError(f"{str(out)!r} exists already.", where="--out", hint="name another file, or say --force")
    if test is not None and test.resolve() in [log.resolve() for log in logs]:
        raise WildRobotError(
            f"{test} is one of the logs that are fitted to.", where="--test", hint="keep one log back for the test"
        )
    with results(json) as show:
        recordings = [read_log(log) for log in logs]
        subject = _subject(recordings[0], logs[0], robot, timestep)
        held = None if test is None else read_log(test)
        found = run(subject, recordings, kinds=parameter, test=held, window=window, warm_up=warm_up)
        Identified.of(found.fit, [str(log) for log in logs], _ages(recordings)).write(out)
        document = found.to_json()
        show({"logs": [str(log) for log in logs], "file": str(out), **document}, _identify_pages(document, out))


def _ages(recordings: list[Any]) -> list[float]:
    """The share of joints' readings that were 0, 1, ... control steps old on logs of robots; [] if none was late."""
    import numpy as np

    found = [one.ages() for one in recordings if not one.simulated]
    if not found or all(len(one) < 2 for one in found):
        return []
    shares = np.zeros(max(map(len, found)))
    for one in found:
        shares[: len(one)] += one / len(found)
    return [float(share) for share in shares]


def _subject(recording: Any, log: Path, robot: str | None, timestep: float | None) -> Any:
    from ..identify.subject import Subject
    from ..robots import load_robot

    name = robot if robot is not None else recording.header.get("robot")
    if not isinstance(name, str):
        raise WildRobotError("The log does not say whose it is.", where=str(log), hint="name the robot by --robot")
    step = timestep if timestep is not None else recording.header.get("timestep")
    body = load_robot(name)
    subject = Subject.of(body, float(step) if isinstance(step, (int, float)) else None)
    subject.need(recording, str(log))
    return subject


def _replay_pages(found: dict[str, Any], files: list[str]) -> list[Any]:
    lines: list[Any] = [
        f"{found['robot']}: {found['seconds']:g} s under the log's targets, and {found['windows']} windows of "
        f"{found['window_s']:g} s from {found['started from']}; greatest error of a joint "
        f"{text(found['largest_error_deg'], 4)} deg"
    ]
    rows = [
        (
            name,
            *(text(joint[part][key], 3) for part in ("windows", "whole") for key in ("rms_deg", "mean_deg")),
            *(text(joint[key], digits) for key, digits in (("delay_ms", 0), ("gain", 3), ("offset_deg", 2))),
        )
        for name, joint in found["joints"].items()
    ]
    columns = ("joint", "windows, RMS deg", "mean", "whole, RMS deg", "mean", "delay, ms", "gain", "offset, deg")
    lines.append(table("Robot less simulation", columns, rows))
    if found["drift"] is not None:
        rows = [
            (axis, *(f"{text(one['slope'], 4)} ± {text(one['slope_error'], 4)}" for one in both.values()))
            for axis, both in found["drift"].items()
        ]
        lines.append(table("Drift of the base, deg/s", ("", "log", "simulation", "difference"), rows))
    if found["feet"] is not None:
        rows = [(foot, *(text(share, 3) for share in one.values())) for foot, one in found["feet"].items()]
        lines.append(table("Share of the time in which a foot bears the robot", ("foot", "log", "simulation"), rows))
    if (parts := found["parts"]) is not None:
        lines.append(f"first 3 deg apart at {parts['time']:.2f} s: {', '.join(parts['what'])}")
    if found["causes"] is not None:
        rows = [(one["cause"], f"{100.0 * one['share']:.1f}%") for one in found["causes"]]
        lines.append(table("What each cause explains alone of the squared error", ("cause", "share"), rows))
    return lines + files


def _identify_pages(found: dict[str, Any], out: Path) -> list[Any]:
    rows = [
        (
            one["name"],
            *(_shown(one[key], one["unit"]) for key in ("value", "deviation")),
            _unit(one["unit"]),
            f"{100 * one['told']:.0f}%",
        )
        for one in found["parameters"]
    ]
    lines: list[Any] = [table("Identified", ("parameter", "value", "±", "", "told"), rows)]
    names = {"joints_deg": "joints, deg", "tilt_deg": "tilt, deg", "rates_deg_per_s": "rates, deg/s"}
    pairs = [("", found["before"], found["after"])]
    if found["test"] is not None:
        pairs.append(("test: ", found["test"]["before"], found["test"]["after"]))
    rows = [
        (label + names[name], text(before[name], 3), text(after[name], 3))
        for label, before, after in pairs
        for name in before
    ]
    lines.append(table("Robot less simulation, RMS", ("", "model", "identified"), rows))
    for one in found["not told"]:
        parts = ", ".join(f"{value:+.2f} {name}" for name, value in one["parameters"].items())
        lines.append(f"hardly told ({100 * one['told']:.0f}%): {parts}; would tell: {one['excitation']}")
    return [
        *lines,
        f"{out}, after {found['seconds']:.0f} s; train with it: wildrobot-eqx run RECIPE --identified {out}",
    ]


def _unit(unit: str) -> str:
    return {"rad": "deg", "rad/s": "deg/s", "s": "ms", "m": "mm", "ratio": "x"}[unit]


def _shown(value: float, unit: str) -> str:
    scale = {"rad": 57.29578, "rad/s": 57.29578, "s": 1e3, "m": 1e3, "ratio": 1.0}[unit]
    return text(value * scale, 3 if unit in ("ratio", "rad/s") else 2)
