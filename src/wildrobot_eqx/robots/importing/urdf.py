"""What MuJoCo does not read of a URDF: speeds of joints, and poses of an SRDF that lies near."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mujoco

from ...errors import WildRobotError, first_line
from .findings import Findings

_NEAR = (".", "..", "../srdf", "srdf", "../config", "../../srdf")  # where an SRDF may lie, seen from the URDF
_ONCE = {  # elements that may stand but once in another
    "joint": ("origin", "parent", "child", "axis", "limit", "dynamics", "mimic"),
    "link": ("inertial",),
    "inertial": ("origin", "mass", "inertia"),
    "visual": ("origin", "geometry", "material"),
    "collision": ("origin", "geometry"),
}
_ENOUGH = 0.8  # share of an SRDF's joints that a robot must have for it to be its own


def urdf_spec(root: ElementTree.Element, path: Path, findings: Findings) -> mujoco.MjSpec:
    """The robot of a URDF: nothing fused, visuals kept, names of meshes as they stand.

    Raises:
        WildRobotError: MuJoCo cannot read it.
    """
    repeated = _drop_repeated(root)
    if repeated:
        findings.add("said twice", ", ".join(repeated), "the first one counts, as in ROS", "sure", check=True)
    own = root.find("mujoco")
    if own is None:
        own = ElementTree.SubElement(root, "mujoco")
    compiler = own.find("compiler")
    if compiler is None:
        compiler = ElementTree.SubElement(own, "compiler")
    compiler.attrib |= {"fusestatic": "false", "discardvisual": "false", "strippath": "false"}
    try:
        return mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding="unicode"))
    except ValueError as error:
        raise WildRobotError(
            f"MuJoCo cannot read {path.name}: {first_line(error)}", where=str(path), hint="mend the URDF"
        ) from error


def _drop_repeated(root: ElementTree.Element) -> list[str]:
    """Take away elements that stand twice where one may be; says which."""
    found = []
    own = [*root.findall("joint"), *root.findall("link"), *root.findall("link/*")]  # not those of other tools' elements
    for owner in own:
        for tag in _ONCE.get(owner.tag, ()):
            for again in owner.findall(tag)[1:]:
                owner.remove(again)
                found.append(f"<{tag}> of {owner.get('name') or f'a <{owner.tag}>'}")
    return list(dict.fromkeys(found))


def joint_speeds(root: ElementTree.Element) -> dict[str, float]:
    """The `velocity` of each joint's <limit>, rad/s or m/s, where there is one above 0."""
    found = {}
    for joint in root.iter("joint"):
        limit = joint.find("limit")
        speed = _number(None if limit is None else limit.get("velocity"))
        if speed > 0.0 and "name" in joint.attrib:
            found[joint.attrib["name"]] = speed
    return found


def joint_limits(root: ElementTree.Element) -> dict[str, tuple[float, float]]:
    """The <limit> of each joint that must have one, rad or m: 0 where it is not given, NaN where it is no number."""
    found = {}
    for joint in root.iter("joint"):
        if joint.get("type") in ("revolute", "prismatic") and "name" in joint.attrib:
            limit = joint.find("limit")
            ends = [_number("0" if limit is None else limit.get(end, "0")) for end in ("lower", "upper")]
            found[joint.attrib["name"]] = (ends[0], ends[1])
    return found


def srdf_states(path: Path, robot: str, joints: set[str]) -> dict[str, dict[str, float]]:
    """Poses that the SRDFs near a URDF name: angles (rad) by joint, by state.

    Args:
        path: of the URDF.
        robot: its name there; an SRDF of that name comes first.
        joints: of the robot.
    """
    files = sorted({file.resolve() for near in _NEAR for file in (path.parent / near).glob("*.srdf")})
    states: dict[str, dict[str, float]] = {}
    for file in sorted(files, key=lambda f: (f.stem not in (path.stem, robot), len(f.stem), f.name)):
        try:
            root = ElementTree.parse(file).getroot()
        except (OSError, ElementTree.ParseError):
            continue
        for state in root.iter("group_state"):
            given = [(j.get("name", ""), (j.get("value") or "").split()) for j in state.iter("joint")]
            pose = {name: _number(value[0]) for name, value in given if len(value) == 1 and name in joints}
            scalar = [name for name, value in given if len(value) == 1]
            if scalar and len(pose) >= _ENOUGH * len(scalar):
                states.setdefault(state.get("name", "state"), {}).update(
                    {k: v for k, v in pose.items() if k not in states.get(state.get("name", "state"), {})}
                )
    return states


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")
