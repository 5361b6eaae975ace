"""The examination: every check over one robot, alike findings told as one, the worst first."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from .actuators import check_actuators
from .contacts import check_contacts, check_never
from .feet import check_feet
from .finding import Finding, listed
from .inertia import check_inertia
from .limits import check_limits
from .read import read
from .sensing import check_sensing
from .sides import check_sides
from .solver import check_solver
from .stiffness import check_stiffness
from .subject import Subject
from .torque import check_torque
from .units import check_units
from .visuals import check_visuals

Check = Callable[[Subject], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    *(check_inertia, check_units, check_sides, check_contacts, check_never, check_feet),
    *(check_torque, check_actuators, check_limits, check_sensing, check_stiffness, check_solver, check_visuals),
)
"""Every check, in the order in which a robot is examined."""


def examine(robot: str | Path) -> tuple[Subject, tuple[Finding, ...]]:
    """What is wrong with a robot, by its name or folder, or with a bare MJCF or URDF file.

    Returns:
        The robot as it was read, and what was found, faults first.

    Raises:
        WildRobotError: there is no such robot or file, or MuJoCo cannot read it.
    """
    subject, found = read(robot)
    return subject, merged([*found, *(one for check in CHECKS for one in check(subject))])


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings that differ in their place alone become one, with the figure of the first; faults come first."""
    groups: dict[tuple[str, str, str, str], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.check, one.severity, one.what, one.cure), []).append(one)
    out = []
    for group in groups.values():
        figure = group[0].figure + (f"; and {len(group) - 1} more such" if len(group) > 1 else "")
        out.append(dataclasses.replace(group[0], where=listed([one.where for one in group]), figure=figure))
    return tuple(sorted(out, key=lambda one: one.severity))
