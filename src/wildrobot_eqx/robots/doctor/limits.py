"""Joint ranges: in degrees, empty, or without the home pose."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

import mujoco
import numpy as np

from ..importing.ranges import ENDLESS, TURNS
from ..importing.urdf import joint_limits
from .finding import Finding, listed
from .subject import Subject, is_scalar

_SAME = 1e-3  # rad, m


def check_limits(subject: Subject) -> Iterator[Finding]:
    """Every limited hinge and slide."""
    mj = subject.mj
    limited = [j for j in range(mj.njnt) if mj.jnt_limited[j] and is_scalar(mj, j)]
    hinges = [j for j in limited if mj.jnt_type[j] == mujoco.mjtJoint.mjJNT_HINGE]
    turned = [j for j in hinges if TURNS < np.abs(mj.jnt_range[j]).max() < ENDLESS]
    if turned:
        low, high = mj.jnt_range[turned[0]]
        yield Finding(
            "limits",
            "fault" if np.abs(mj.jnt_range[turned]).max() > 10.0 * np.pi else "note",
            "The range of a joint is beyond two turns: it is in degrees.",
            listed([f"joint {subject.joint_name(j)!r}" for j in turned]),
            f"[{low:.3g}, {high:.3g}] rad",
            'angle="degree" or angle="radian" on <compiler>, whichever the file is written in',
        )
    if subject.urdf:
        yield from _dropped(subject)
    if subject.home is None or subject.robot is not None:  # load_robot tells of its driven joints
        return
    for j in limited:
        at, (low, high) = float(subject.home[mj.jnt_qposadr[j]]), mj.jnt_range[j]
        if not low - _SAME <= at <= high + _SAME:
            yield Finding(
                "limits",
                "fault",
                "The home pose lies outside of a joint's range.",
                f"joint {subject.joint_name(j)!r}, {subject.home_from}",
                f"{at:.3f}, its range is [{low:.3f}, {high:.3f}]",
                "move the home angle into the range, or mend the range",
            )


def _dropped(subject: Subject) -> Iterator[Finding]:
    """Limits of a URDF that MuJoCo drops in silence, so that the joint turns without end."""
    try:
        given = joint_limits(ElementTree.parse(subject.path).getroot())
    except ElementTree.ParseError:  # MuJoCo's reader is not as strict
        return
    free = [j for j in range(subject.mj.njnt) if not subject.mj.jnt_limited[j]]
    for name in (name for name in map(subject.joint_name, free) if name in given):
        low, high = given[name]
        yield Finding(
            "limits",
            "note" if low == high else "fault",
            "A joint has no range: its limits are empty." if low == high else "A joint's limits are no range.",
            f"joint {name!r}",
            f"lower {low:g}, upper {high:g}: MuJoCo drops them, and the joint moves without end",
            'lower below upper in <limit>; type="continuous" for a joint without an end',
        )
