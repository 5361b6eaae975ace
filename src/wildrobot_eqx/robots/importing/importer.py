"""A robot's file made into a robot that can be loaded: all steps of an import, in their order."""

import dataclasses
import hashlib
import re

import mujoco
import numpy as np

from ...errors import WildRobotError
from .body import PosedBody
from .constraints import locked_joints, report_left_out
from .drives import Drive, read_drives, split_servos
from .findings import Finding, Findings
from .gains import choose_gains
from .imu import find_imu
from .legs import Leg, WheelsError, are_feet, find_legs, foot_names
from .mjcf import Imported, robot_spec
from .options import ImportOptions
from .orientation import UPS, facing
from .place import find_file
from .ranges import check_ranges
from .read import Source, read_source
from .readme import robot_readme
from .skeleton import make_skeleton
from .standing import stand_up
from .toml import MARK, mirrors, robot_toml
from .trial import Trial, hold_home

_LONGEST = 100  # characters of a robot's name


@dataclasses.dataclass(frozen=True)
class ImportedRobot:
    """What an import found, and the files that it makes."""

    name: str
    about: str
    findings: tuple[Finding, ...]
    files: dict[str, bytes]  # by name
    trial: Trial  # how it holds its home pose
    leg_length: float  # m
    weight: float  # N
    model: mujoco.MjModel
    com: tuple[float, float, float]  # m, at home
    feet: tuple[tuple[float, float, float], ...]  # m, where they touch the floor at home


def import_robot(named: str, options: ImportOptions | None = None) -> ImportedRobot:
    """Make a robot from an MJCF or a URDF; nothing is written.

    Args:
        named: a file, a folder with one, or a robot of an installed collection.
        options: what the file does not say, or says otherwise.

    Raises:
        WildRobotError: it describes no robot with legs, something that it needs is missing, or an option does not fit.
    """
    options = options or ImportOptions()
    path = find_file(named)
    findings = Findings()
    source = read_source(path, options, findings)
    locked = locked_joints(source, options, findings)
    report_left_out(source, findings)
    check_ranges(source, locked, findings)
    body, drives, legs = _on_legs(source, locked, options, findings)
    skeleton = body.skeleton
    servos = split_servos(options, [drive.joint for drive in drives])
    stand, home, stance = stand_up(body, legs, source, options, findings)
    gains = choose_gains(stand, home, stance, drives, servos, source.mj, findings)
    imu = find_imu(skeleton, source.imus, options, findings)
    body.pose(home)
    ends = [foot.mean(axis=0) for foot in stand.supports()]
    floor = min(float(foot[:, 2].min()) for foot in stand.supports())
    name = robot_name(options.name or source.name)
    height = stance.height
    shown = "".join(c if c.isprintable() else "?" for c in path.name)
    about = (
        f"{len(legs)} legs, {len(drives)} driven joints, {skeleton.mass:.3g} kg, root {height:.3g} m high; "
        f"imported from {shown}"
    )
    robot = Imported(
        name=name,
        about=about,
        stand=stand,
        home=home,
        height=height,
        gains=gains,
        feet=foot_names([float(end[0]) for end in ends], [float(end[1]) for end in ends]),
        imu=imu,
    )
    if not mirrors(robot):
        findings.add("mirror", "none", "not every driven joint has a mirror image", "likely", check=True)
    else:
        findings.add("mirror", f"{len(body.reflection.pairs)} pairs", "reflected places and axes of joints", "sure")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    origin = f"{shown} (sha256 {digest})"
    try:
        spec = robot_spec(robot, source.mj, f" {MARK.removeprefix('# ')} From {origin}. ")
        model = spec.compile()
    except ValueError as error:
        raise WildRobotError(f"The imported robot does not compile: {error}", where=str(path)) from error
    trial = hold_home(model)
    said = "it stands" if trial.stands else trial.wrong
    if len(stand.soles) == 2 and not any(sole.flat or sole.assumed for sole in stand.soles):
        said += ", as anything does that stands still on two points" * (not trial.stands)
    why = f"holding its home pose for {trial.seconds:g} s in MuJoCo"
    findings.add("trial", said, why, "sure", check=not trial.stands)
    files = {
        "robot.toml": robot_toml(robot, findings, f"{name}.xml", origin),
        f"{name}.xml": spec.to_xml(),
        "README.md": robot_readme(robot, findings, origin, trial),
    }
    com = body.data.subtree_com[1] - np.array([0.0, 0.0, floor])
    return ImportedRobot(
        name=name,
        about=about,
        findings=tuple(findings),
        files={file: text.encode("utf-8") for file, text in files.items()},
        trial=trial,
        leg_length=height,
        weight=skeleton.mass * 9.81,
        model=model,
        com=(float(com[0]), float(com[1]), float(com[2])),
        feet=tuple((float(e[0]), float(e[1]), float(e[2]) - floor) for e in ends),
    )


def _on_legs(
    source: Source, locked: dict[str, float], options: ImportOptions, findings: Findings
) -> tuple[PosedBody, tuple[Drive, ...], tuple[Leg, ...]]:
    """The robot the right way up: not z is up where more legs, whose ends are called feet, reach down another way."""
    best: tuple[PosedBody, tuple[Drive, ...], tuple[Leg, ...]] | None = None
    noted, refusal = Findings(), None
    for up in UPS:
        found = Findings()
        skeleton = make_skeleton(source, locked, facing(source, up, found))
        body = PosedBody(skeleton, source.mj)
        followers = {mimic.follower for mimic in skeleton.mimics}
        drives = tuple(d for d in read_drives(source, options, found, followers, locked) if d.joint in body.names)
        try:
            legs = find_legs(body, source.poses, {d.joint for d in drives}, options, found, str(source.path))
        except WildRobotError as error:
            if options.feet or (up == "z" and isinstance(error, WheelsError)):
                raise
            refusal = refusal or error
            continue
        more = len(legs) > (1 if best is None else len(best[2]))
        if options.feet or (more and (up == "z" or are_feet(body, legs))):
            best, noted = (body, drives, legs), found
        if options.feet or len(legs) > 2:
            break
    if best is None:
        raise refusal or WildRobotError(
            "Only one leg was found.", where=str(source.path), hint="name the feet: --foot LINK, once for each"
        )
    for finding in noted:
        findings.add(**vars(finding))
    return best


def robot_name(name: str) -> str:
    """A name for files and commands: letters, digits and underscores.

    Raises:
        WildRobotError: nothing of it is left, or it is too long for a file's name.
    """
    found = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")
    if not found or len(found) > _LONGEST:
        told = name if len(name) < _LONGEST else f"{name[:20]}..."
        why = "" if not found else f": it is longer than {_LONGEST} characters"
        raise WildRobotError(
            f"{told!r} is no name for a robot{why}.", where="--name", hint="--name with letters, digits, _ and -"
        )
    return found
