"""What the command line prints of an env and of a robot: once as tables, once as JSON values."""

import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ..env import Env
from ..locomotion import Choice
from ..robots import Robot


def env_json(env: Env) -> dict[str, Any]:
    """An env's layouts and reward terms."""
    return {
        "robot": env.physics.robot.name,
        "physics": type(env.physics).__name__,
        "timestep_s": env.physics.timestep,
        "control_dt_s": env.physics.control_dt,
        "action": list(env.physics.robot.joint_names),
        "observations": {
            name: [
                {
                    "name": part.name,
                    "start": part.start,
                    "stop": part.stop,
                    "size": part.stop - part.start,
                    "unit": part.unit,
                    "frame": part.frame,
                    "source": part.source,
                    "measurable": part.measurable,
                    "constants": dict(part.constants),
                }
                for part in env.layout(name)
            ]
            for name in env.observations
        },
        "rewards": {
            name: {"term": type(term).__name__, "weight": float(term.weight), "about": _about(term)}
            for name, term in env.rewards.items()
        },
        "endings": {name: type(ending).__name__ for name, ending in env.endings.items()},
        "commands": {name: type(command).__name__ for name, command in env.commands.items()},
    }


def env_tables(shown: dict[str, Any]) -> list[Table]:
    """`env_json` as tables."""
    tables = []
    for name, layout in shown["observations"].items():
        size = layout[-1]["stop"] if layout else 0
        table = plain_table(
            f"Observation {name!r}: {size} entries", "name", "slice", ">size", "unit", "frame", "source"
        )
        for part in layout:
            source = part["source"] + ("" if part["measurable"] else " (simulation only)")
            place = f"{part['start']}:{part['stop']}"
            table.add_row(part["name"], place, str(part["size"]), part["unit"], part["frame"], source)
        constants = {key: value for part in layout for key, value in part["constants"].items()}
        table.caption = ", ".join(f"{key} {value:.4g}" for key, value in constants.items())
        tables.append(table)
    table = plain_table("Rewards, per second", "name", ">weight", "term", "what it measures")
    for name, term in shown["rewards"].items():
        table.add_row(name, f"{term['weight']:g}", term["term"], term["about"])
    return [*tables, table]


def choices_json(choices: Sequence[Choice]) -> list[dict[str, Any]]:
    """What a recipe made of its robot."""
    return [dataclasses.asdict(choice) for choice in choices]


def choices_table(choices: Sequence[Choice]) -> Table:
    """The same as a table."""
    table = plain_table("What the recipe made of the robot", "figure", ">value", "unit", "from")
    for choice in choices:
        table.add_row(choice.name.replace("_", " "), choice.text, choice.unit, choice.rule)
    return table


def as_text(table: Table, width: int = 120) -> str:
    """A table as lines, for a log."""
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip()


def robot_json(robot: Robot) -> dict[str, Any]:
    """A robot's sizes, joints, feet and sensors."""
    mj = robot.model.mj
    low, high = np.asarray(robot.joint_range).T
    home, torque = np.asarray(robot.home_joints), np.asarray(robot.torque_limit)
    return {
        "name": robot.name,
        "description": robot.description,
        "mass_kg": round(float(mj.body_mass.sum()), 4),
        "home_height_m": round(float(robot.home_height), 4),
        "control_dt_s": robot.control_dt,
        "nq": robot.nq,
        "nv": robot.nv,
        "nu": robot.nu,
        "joints": [
            {
                "name": name,
                "low_rad": _finite(float(low[i])),
                "high_rad": _finite(float(high[i])),
                "home_rad": round(float(home[i]), 4),
                "torque_limit_nm": round(float(torque[i]), 4),
                "actuator": robot.actuator_kind[i],
                "mirror": None if robot.mirror is None else robot.joint_names[robot.mirror.source[i]],
            }
            for i, name in enumerate(robot.joint_names)
        ],
        "feet": [foot.name for foot in robot.feet],
        "imus": [imu.name for imu in robot.imus],
        "bodies": list(robot.bodies),
        "sensors": [mj.sensor(i).name for i in range(mj.nsensor)],
    }


def robot_table(shown: dict[str, Any]) -> Table:
    """`robot_json` as a table of joints, with the rest in its title and caption."""
    table = plain_table(
        f"{shown['name']}: {shown['description']}",
        *("joint", "actuator", ">low", ">home", ">high, rad", ">limit, N m", "mirrors"),
    )
    for joint in shown["joints"]:
        figures = ["" if joint[key] is None else f"{joint[key]:.3f}" for key in ("low_rad", "home_rad", "high_rad")]
        row = (*figures, f"{joint['torque_limit_nm']:g}", joint["mirror"] or "")
        table.add_row(joint["name"], joint["actuator"], *row)
    table.caption = (
        f"{shown['mass_kg']:g} kg, base at {shown['home_height_m']:g} m, nq {shown['nq']}, nv {shown['nv']}, "
        f"control every {1e3 * shown['control_dt_s']:g} ms\n"
        f"{_listed('feet', shown)}; {_listed('imus', shown, 'IMUs')}; {_listed('bodies', shown, 'free bodies')}\n"
        f"{_listed('sensors', shown)}"
    )
    return table


def plain_table(title: str, *columns: str) -> Table:
    """A left-aligned table; a column whose name starts with > is aligned right."""
    table = Table(title=title, title_justify="left", caption_justify="left")
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return table


def _finite(value: float) -> float | None:
    """Of a joint without a limit there is no number."""
    return round(value, 4) if np.isfinite(value) else None


def _listed(key: str, shown: dict[str, Any], title: str = "") -> str:
    return f"{title or key}: {', '.join(shown[key]) or 'none'}"


def _about(term: Any) -> str:
    """The first line of a term's docstring."""
    return (type(term).__doc__ or "").strip().split("\n")[0]
