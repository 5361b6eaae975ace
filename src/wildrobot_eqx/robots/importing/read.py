"""A robot's file, read and compiled by MuJoCo: what every further step of an import looks at."""

import dataclasses
import itertools
from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Float

from ...errors import WildRobotError
from .findings import Findings
from .inertias import shaped_inertias, solid_bodies
from .meshes import find_mesh, mesh_points
from .options import ImportOptions
from .place import Kind, read_xml
from .root import make_free
from .shapes import drop_empty
from .urdf import joint_limits, joint_speeds, srdf_states, urdf_spec

_SCALAR = {int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)}
_LYING = 1.0  # rad, that the root leans in a keyframe in which the robot does not stand
_NO_NAMES = ("robot", "model", "mjcf", "mjmodel", "scene")  # of files, that say nothing
_MESH, _SPHERE, _HFIELD = (getattr(mujoco.mjtGeom, f"mjGEOM_{kind}") for kind in ("MESH", "SPHERE", "HFIELD"))


@dataclasses.dataclass(frozen=True)
class Source:
    """A compiled model in which every link is a body of its own and the robot's root is free."""

    path: Path
    kind: Kind
    name: str
    mj: mujoco.MjModel
    root: int  # body id of the robot's root
    meshes: dict[int, Float[np.ndarray, "n 3"]]  # hull of a mesh in the frame of its geom, by geom id
    speeds: dict[str, float]  # rad/s, by joint, of a URDF
    limits: dict[str, tuple[float, float]]  # rad or m, by joint, of a URDF, as it has them
    poses: dict[str, dict[str, float]]  # angles (rad) by joint, by keyframe or state of an SRDF
    unread: dict[str, str]  # a mesh that no reader is there for, by body
    imus: tuple[tuple[str, str], ...]  # ("site" or "body", name) of what may be an IMU, the likeliest first


def read_source(path: Path, options: ImportOptions, findings: Findings) -> Source:
    """Read an MJCF or a URDF.

    Raises:
        WildRobotError: it is neither, a mesh is missing, or MuJoCo refuses it.
    """
    xml, kind = read_xml(path)
    if kind == "urdf":
        spec = urdf_spec(xml, path, findings)
    else:
        try:
            spec = mujoco.MjSpec.from_file(str(path))
        except ValueError as error:
            raise _refused(path, error) from error
    _name(spec)
    imus = _imus(spec)
    _drop(spec)
    empty = drop_empty(spec)
    if empty:
        findings.add("shapes left out", ", ".join(empty), "they have no size", "sure")
    root = make_free(spec, path, findings)
    solid, hollow = solid_bodies(spec, kind, findings)
    hulls, unread = _take_meshes(spec, path, solid, options, findings)
    spec.compiler.fusestatic = False
    spec.compiler.discardvisual = False
    spec.compiler.balanceinertia = True
    try:
        mj = spec.compile()
    except ValueError as error:
        raise _refused(path, error) from error
    joints = {mj.joint(j).name for j in range(mj.njnt)}
    states = srdf_states(path, xml.get("name", ""), joints) if kind == "urdf" else _keyframes(mj, root)
    meshes = {geom.id: points for geom, points in hulls}
    for g in range(mj.ngeom):
        if mj.geom_type[g] == _MESH and g not in meshes:
            first, count = int(mj.mesh_vertadr[mj.geom_dataid[g]]), int(mj.mesh_vertnum[mj.geom_dataid[g]])
            meshes[g] = mj.mesh_vert[first : first + count].astype(float)
    shaped_inertias(mj, hollow, meshes, findings)
    return Source(
        path=path,
        kind=kind,
        name=_robot_name(xml.get("name" if kind == "urdf" else "model", ""), path, kind),
        mj=mj,
        root=mujoco.mj_name2id(mj, mujoco.mjtObj.mjOBJ_BODY, root),
        meshes=meshes,
        speeds=joint_speeds(xml) if kind == "urdf" else {},
        limits=joint_limits(xml) if kind == "urdf" else {},
        poses=states,
        unread=unread,
        imus=imus,
    )


def _robot_name(said: str, path: Path, kind: Kind) -> str:
    """The name of a robot: a URDF's own; an MJCF's file's, where that is more than a word for any robot."""
    if kind == "urdf":
        return said or path.stem
    return said if said and path.stem.lower() in _NO_NAMES else path.stem


def _refused(path: Path, error: Exception) -> WildRobotError:
    return WildRobotError(
        f"MuJoCo cannot compile {path.name}: {' '.join(str(error).split())[:300]}",
        where=str(path),
        hint="mend what it names, or import with --no-meshes" if "mesh" in str(error) else "mend what it names",
    )


def _name(spec: mujoco.MjSpec) -> None:
    """Give bodies and joints names that have none: everything here goes by names."""
    bodies, joints = ({element.name for element in elements} for elements in (spec.bodies, spec.joints))
    for body in spec.bodies[1:]:
        if not body.name:
            body.name = _new_name("base" if body.parent.name == "world" else "link", bodies)
        for joint in body.joints:
            if not joint.name:
                joint.name = _new_name(f"{body.name}_joint", joints)


def _new_name(stem: str, taken: set[str]) -> str:
    """A name that is not taken yet, and then is."""
    name = next(name for i in itertools.count(1) if (name := stem if i == 1 else f"{stem}{i}") not in taken)
    taken.add(name)
    return name


def _imus(spec: mujoco.MjSpec) -> tuple[tuple[str, str], ...]:
    """Sites with a gyro, then sites and links that are called IMU."""
    kinds = (mujoco.mjtSensor.mjSENS_GYRO, mujoco.mjtSensor.mjSENS_ACCELEROMETER)
    found = [("site", sensor.objname) for kind in kinds for sensor in spec.sensors if sensor.type == kind]
    found += [("site", site.name) for site in spec.sites if "imu" in site.name.lower()]
    found += [("body", body.name) for body in spec.bodies if "imu" in body.name.lower()]
    return tuple(dict.fromkeys(found))


def _drop(spec: mujoco.MjSpec) -> None:
    """Take away what no import reads, and whose files may be missing."""
    for element in (*spec.geoms, *spec.sites, *spec.tendons):
        element.material = ""
    for geom in [geom for geom in spec.geoms if geom.type == _HFIELD]:
        spec.delete(geom)
    unread = (spec.sensors, spec.skins, spec.hfields, spec.materials, spec.textures, spec.pairs, spec.excludes)
    for elements in unread:
        for element in list(elements):
            spec.delete(element)


def _take_meshes(
    spec: mujoco.MjSpec, path: Path, solid: set[str], options: ImportOptions, findings: Findings
) -> tuple[list[tuple[mujoco.MjsGeom, Float[np.ndarray, "n 3"]]], dict[str, str]]:
    """Take mesh geoms out of bodies whose inertia is given, and read their hulls; MuJoCo reads the other meshes.

    What is only drawn is not read where the body has something that touches.

    Returns:
        The geoms with their points; and a mesh that no reader is there for, by body.
    """
    files: dict[str, Path | None] = {}
    for mesh in spec.meshes:
        if mesh.file and options.meshes:
            inside = path.parent / (spec.meshdir or "") / mesh.file
            files[mesh.name] = inside if inside.is_file() else find_mesh(mesh.file, path.parent)
    missing = sorted({mesh.file for mesh in spec.meshes if mesh.name in files and files[mesh.name] is None})
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise WildRobotError(
            f"The mesh {missing[0]!r} is missing."
            if len(missing) == 1
            else f"{len(missing)} meshes are missing: {', '.join(map(repr, missing[:3]))}{more}.",
            where=str(path),
            hint="put them where the file says, set ROS_PACKAGE_PATH for package:// names, or import with --no-meshes",
        )
    found: list[tuple[mujoco.MjsGeom, Float[np.ndarray, "n 3"]]] = []
    unread: dict[str, str] = {}
    touching = {geom.parent.name for geom in spec.geoms if geom.contype or geom.conaffinity}
    for geom in [geom for geom in spec.geoms if geom.meshname]:
        mesh = spec.mesh(geom.meshname)
        if geom.parent.name not in solid or (options.meshes and (not mesh.file or geom.type != _MESH)):
            if not options.meshes:
                raise WildRobotError(
                    f"The body {geom.parent.name!r} has no <inertial>, so its mass follows from its mesh.",
                    where=str(path),
                    hint="import without --no-meshes, or give it an <inertial>",
                )
            continue
        drawn = not (geom.contype or geom.conaffinity)
        if not options.meshes or (drawn and geom.parent.name in touching):
            spec.delete(geom)
            continue
        file = Path(str(files[mesh.name]))
        points = mesh_points(file)
        if points is None:
            unread[geom.parent.name] = file.name
            spec.delete(geom)
            continue
        points = _unit(points, mesh)
        geom.type, geom.meshname, geom.size, geom.mass = _SPHERE, "", [1e-3, 0.0, 0.0], 0.0
        found.append((geom, points))
    used = {geom.meshname for geom in spec.geoms}
    for mesh in [mesh for mesh in spec.meshes if mesh.name not in used]:
        spec.delete(mesh)
    if unread:
        named = f"of {len(unread)} links, such as {next(iter(unread.values()))}"
        findings.add("meshes left out", named, "Collada (.dae) that pycollada cannot read here", "sure")
    return found, unread


def _unit(points: Float[np.ndarray, "n 3"], mesh: mujoco.MjsMesh) -> Float[np.ndarray, "n 3"]:
    """Points of a mesh's file in the frame of its geom: what <mesh> says of reference and scale."""
    turn, inverse = np.zeros(9), np.zeros(4)
    mujoco.mju_negQuat(inverse, np.asarray(mesh.refquat, float))
    mujoco.mju_quat2Mat(turn, inverse)
    moved = (points - np.asarray(mesh.refpos, float)) @ turn.reshape(3, 3).T
    return moved * np.asarray(mesh.scale, float)


def _keyframes(mj: mujoco.MjModel, root: str) -> dict[str, dict[str, float]]:
    """The scalar joints' angles in each keyframe; without those in which the robot lies, where it stands in another."""
    scalar = [j for j in range(mj.njnt) if int(mj.jnt_type[j]) in _SCALAR]
    at = int(mj.jnt_qposadr[mj.body(root).jntadr[0]]) + 3
    keys = [k for k in range(mj.nkey) if _leans(mj.key_qpos[k, at : at + 4], mj.qpos0[at : at + 4]) < _LYING]
    return {
        mj.key(k).name or f"key{k}": {mj.joint(j).name: float(mj.key_qpos[k, mj.jnt_qposadr[j]]) for j in scalar}
        for k in keys or range(mj.nkey)
    }


def _leans(quat: Float[np.ndarray, " 4"], upright: Float[np.ndarray, " 4"]) -> float:
    """The angle (rad) between the verticals of two orientations."""
    up, other = np.zeros(3), np.zeros(3)
    mujoco.mju_rotVecQuat(up, np.array([0.0, 0.0, 1.0]), np.array([upright[0], *-upright[1:]]))  # of the world, in it
    mujoco.mju_rotVecQuat(other, up, quat)
    return float(np.arccos(np.clip(other[2] / max(np.linalg.norm(other), 1e-9), -1.0, 1.0)))
