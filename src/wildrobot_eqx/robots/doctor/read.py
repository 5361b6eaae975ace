"""A robot as MuJoCo reads it, from a folder, an MJCF or a URDF, and what already went wrong on the way."""

import dataclasses
from pathlib import Path

import mujoco
import numpy as np

from ...errors import WildRobotError
from ..build import Builder
from ..load import read_robot, robot_folder
from ..model import check_numbers
from ..spec import Spec
from ..stand import rising
from .finding import Finding
from .mend import compiled, find_empty, find_meshes, free_root, mend_inertia
from .subject import FootOf, Subject, driven_joints, is_scalar, lowest

_FREE = int(mujoco.mjtJoint.mjJNT_FREE)
_HOMES = ("home", "stand", "standing", "init", "init_pose", "initial", "default", "knees_bent")


def read(path: Path | str) -> tuple[Subject, list[Finding]]:
    """A robot by its name or folder, or a bare MJCF or URDF file.

    Raises:
        WildRobotError: there is no such robot or file, or MuJoCo cannot parse it.
    """
    path = Path(path)
    if path.suffix.lower() in (".xml", ".mjcf", ".urdf") and path.is_file():
        return _bare(path)
    return _folder(robot_folder(path))


def _folder(folder: Path) -> tuple[Subject, list[Finding]]:
    toml = folder / "robot.toml"
    spec, model, mistakes = read_robot(folder)
    builder = Builder(spec, model)
    robot = builder.build()
    told = [
        Finding("robot.toml", "fault", error.what, error.where, "load_robot refuses it", error.hint)
        for error in (*mistakes, *builder.mistakes)
    ]
    mj = model.mj
    joints = driven_joints(mj)
    root = robot.base.body if robot is not None and robot.base is not None else _root(mj, joints)
    feet = tuple(
        FootOf(name, int(mj.site_bodyid[site]), site, _touching(mj, int(mj.site_bodyid[site])))
        for name, table in spec.feet.items()
        if (site := mujoco.mj_name2id(mj, mujoco.mjtObj.mjOBJ_SITE, table.get("site", ""))) >= 0
    )
    home = np.asarray(robot.home_qpos, float) if robot is not None else _home_of(spec, mj, root, feet)
    parsed = mujoco.MjSpec.from_file(str(folder / spec.model))
    subject = Subject(
        name=spec.name or folder.name,
        path=folder / spec.model,
        spec=parsed,
        mj=mj,
        joints=joints,
        root=root,
        home=home,
        home_from=f"[home] of {toml.name}",
        feet=feet,
        robot=None if told else robot,
    )
    return subject, told


def _bare(path: Path) -> tuple[Subject, list[Finding]]:
    urdf = _is_urdf(path)
    try:
        spec = mujoco.MjSpec.from_file(str(path))
    except ValueError as error:
        raise _unreadable(path, error) from error
    odd, mended = mend_inertia(spec)
    findings = [*find_meshes(spec, path), *find_empty(spec), *odd]
    if urdf:
        free_root(spec)
    try:
        mj, unfit = compiled(spec)
    except ValueError as error:
        raise _unreadable(path, error) from error
    check_numbers(mj, path)
    findings += unfit
    joints = driven_joints(mj)
    if not joints:
        raise WildRobotError(
            f"{path.name} has no joint that a motor could drive.", where=str(path), hint="name the file of a robot"
        )
    root = _root(mj, joints)
    home, home_from = _keyframe(mj)
    subject = Subject(
        name=path.stem,
        path=path,
        spec=spec,
        mj=mj,
        joints=joints,
        root=root,
        home=home,
        home_from=home_from,
        feet=(),
        urdf=urdf,
        mended=mended,
    )
    if home is not None:
        subject = _standing(dataclasses.replace(subject, feet=_lowest_feet(subject)))
    return subject, findings


def _unreadable(path: Path, error: ValueError) -> WildRobotError:
    text = " ".join(str(error).split())
    return WildRobotError(
        f"MuJoCo cannot read {path.name}: {text}", where=str(path), hint="mend the element named above"
    )


def _is_urdf(path: Path) -> bool:
    with path.open("rb") as file:
        return b"<robot" in file.read(1 << 16)


def _root(mj: mujoco.MjModel, joints: tuple[int, ...]) -> int:
    """The root of the tree that most of the driven joints belong to."""
    roots = [int(mj.body_rootid[mj.jnt_bodyid[j]]) for j in joints]
    return max(set(roots), key=lambda body: (roots.count(body), -body)) if roots else 1


def _touching(mj: mujoco.MjModel, body: int) -> tuple[int, ...]:
    """The geoms of a body that may touch something; all of them where none may."""
    own = [g for g in range(mj.ngeom) if int(mj.geom_bodyid[g]) == body]
    hard = [g for g in own if mj.geom_contype[g] or mj.geom_conaffinity[g]]
    return tuple(hard or own)


def _home_of(spec: Spec, mj: mujoco.MjModel, root: int, feet: tuple[FootOf, ...]) -> np.ndarray:
    """The home pose of a robot.toml that has mistakes elsewhere."""
    data = mujoco.MjData(mj)
    for name, angle in spec.home.items():
        joint = mujoco.mj_name2id(mj, mujoco.mjtObj.mjOBJ_JOINT, name)
        if joint >= 0 and is_scalar(mj, joint):
            data.qpos[mj.jnt_qposadr[joint]] = angle
    mujoco.mj_kinematics(mj, data)
    sites = [foot.site for foot in feet if foot.site is not None]
    if sites:
        data.qpos[rising(mj, root)[:1]] -= data.site_xpos[sites, 2].min()
    return data.qpos.copy()


def _keyframe(mj: mujoco.MjModel) -> tuple[np.ndarray | None, str]:
    """The keyframe that says how the robot stands, if one does by its name; none where there is no such."""
    names = {mj.key(i).name.lower(): i for i in range(mj.nkey) if mj.key(i).name}
    for name in (*_HOMES, *(list(names) if len(names) == 1 else ())):
        if name in names:
            return mj.key_qpos[names[name]].copy(), f"keyframe {mj.key(names[name]).name!r}"
    return None, ""


def _standing(subject: Subject) -> Subject:
    """The robot let down, or lifted, until its lowest foot is on the floor."""
    lifts = rising(subject.mj, subject.root)[:1]
    if not subject.feet or not lifts or subject.home is None:
        return subject
    low = min(lowest(subject.mj, subject.at_home, geom) for foot in subject.feet for geom in foot.geoms)
    home = subject.home.copy()
    home[lifts] -= low
    return dataclasses.replace(subject, home=home)


def _lowest_feet(subject: Subject) -> tuple[FootOf, ...]:
    """The last bodies of the legs of a robot that floats: those whose lowest points are the robot's lowest."""
    mj = subject.mj
    if not subject.floating:
        return ()
    ends: dict[int, float] = {}
    for body in subject.bodies:
        geoms = [g for g in _touching(mj, body) if mj.geom_contype[g] or mj.geom_conaffinity[g]]
        if geoms:
            ends[body] = min(lowest(mj, subject.at_home, g) for g in geoms)
    if not ends:
        return ()
    floor = min(ends.values())
    low = [body for body, z in ends.items() if z - floor < 0.02 * subject.size]
    low = [body for body in low if not any(_hangs(mj, other, body) for other in low if other != body)]
    images = subject.mirrored | {right: left for left, right in subject.mirrored.items()}
    low += [images[body] for body in low if images.get(body, body) not in low]  # a leg in the air, too
    return tuple(FootOf(subject.body_name(body), body, None, _touching(mj, body)) for body in low)


def _hangs(mj: mujoco.MjModel, body: int, top: int) -> bool:
    """Whether `body` hangs from `top`."""
    while body and body != top:
        body = int(mj.body_parentid[body])
    return body == top
