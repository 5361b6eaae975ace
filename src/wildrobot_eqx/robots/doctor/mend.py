"""What MuJoCo refuses, mended for the time of an examination and told as a finding: one fault hides no other."""

import re
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from ..importing.shapes import drop_empty
from .finding import Finding, Severity, listed

_LIGHT = 1e-9  # kg and kg m^2, what a massless body gets for the time of the examination
_SLIGHT = 1e-3  # share of the robot's mass, of a frame whose inertia hardly matters
_MESHES = (".stl", ".obj", ".msh")  # that MuJoCo reads


def compiled(spec: mujoco.MjSpec) -> tuple[mujoco.MjModel, list[Finding]]:
    """The compiled model; meshes that MuJoCo cannot take are left out and told.

    Raises:
        ValueError: MuJoCo refuses something else.
    """
    found: list[Finding] = []
    while True:
        try:
            return spec.compile(), found
        except ValueError as error:
            text = " ".join(str(error).split())
            named = [mesh for mesh in spec.meshes if f"'{mesh.name}'" in text or (mesh.file and mesh.file in text)]
            if not named:
                lost = _take_out(spec, text)
                if not lost:
                    raise
                what = "The file names what it does not hold, so MuJoCo refuses it alone; that is left out here."
                found.append(Finding("references", "note", what, lost, text, "take it out, or name the whole scene"))
                continue
            what = "MuJoCo cannot take a mesh; it is left out of this examination."
            cure = "make it a closed mesh with fewer faces, or a primitive"
            found.append(Finding("meshes", "fault", what, f"mesh {named[0].name!r}", text, cure))
            _leave_out(spec, named[0])


def _take_out(spec: mujoco.MjSpec, text: str) -> str:
    """Take out what names an element that is not there, as MuJoCo's error says; what that was, "" where nothing did."""
    match = re.search(r"(\w+) '([^']+)' not found in", text)
    if match is None:
        return ""
    name, count = match[2], 0
    if match[1] == "material":
        for element in (*spec.geoms, *spec.sites, *spec.tendons):
            if element.material == name:
                element.material, count = "", count + 1
    else:
        named: list[tuple[Any, tuple[str, str]]] = [
            *((pair, (pair.geomname1, pair.geomname2)) for pair in spec.pairs),
            *((exclude, (exclude.bodyname1, exclude.bodyname2)) for exclude in spec.excludes),
            *((sensor, (sensor.objname, sensor.refname)) for sensor in spec.sensors),
        ]
        for lost in [element for element, names in named if name in names]:
            spec.delete(lost)
            count += 1
    return f"{match[1]} {name!r} ({count} times)" if count else ""


def find_empty(spec: mujoco.MjSpec) -> list[Finding]:
    """Shapes without a size, which MuJoCo refuses; they are left out."""
    empty = drop_empty(spec)
    what = "Shapes have no size; MuJoCo refuses them."
    where = listed([f"body {name!r}" for name in empty])
    figure = f"a size of 0 on {len(empty)} bodies"
    return [Finding("references", "note", what, where, figure, "give them a size, or take them out")] if empty else []


def _leave_out(spec: mujoco.MjSpec, mesh: mujoco.MjsMesh) -> None:
    """A mesh and all geoms of it."""
    for geom in [geom for geom in spec.geoms if geom.meshname == mesh.name]:
        spec.delete(geom)
    spec.delete(mesh)


def free_root(spec: mujoco.MjSpec) -> None:
    """A URDF has no free joint, so MuJoCo welds its root to the world and forgets the root's mass."""
    if any(joint.type == mujoco.mjtJoint.mjJNT_FREE for joint in spec.joints):
        return
    for body in spec.worldbody.bodies:
        if not any(True for _ in body.joints):
            body.add_freejoint()


def find_meshes(spec: mujoco.MjSpec, path: Path) -> list[Finding]:
    """Meshes by `package://` and other paths are looked for near the file; those that cannot be read are left out."""
    missing: list[str] = []
    foreign: list[str] = []
    folder = path.resolve().parent
    for mesh in list(spec.meshes):
        if not mesh.file:
            continue
        at = _mesh_file(folder, spec.meshdir or "", mesh.file)
        if at is None:
            missing.append(mesh.file)
        elif at.suffix.lower() not in _MESHES:
            foreign.append(mesh.file)
        else:
            mesh.file = str(at)
            continue
        _leave_out(spec, mesh)
    spec.meshdir, spec.strippath = "", False
    found = []
    if missing:
        what = f"{len(missing)} mesh files are missing."
        found.append(Finding("meshes", "fault", what, str(path), listed(missing), "put them beside the file"))
    if foreign:
        what = f"MuJoCo reads no {Path(foreign[0]).suffix} meshes; {len(foreign)} are left out of this examination."
        found.append(Finding("meshes", "note", what, str(path), listed(foreign), "convert them to .obj or .stl"))
    return found


def _mesh_file(folder: Path, meshdir: str, name: str) -> Path | None:
    """Where a mesh is: beside the file as MuJoCo looks, else by its path below any folder above."""
    plain = name.split("://", 1)[-1]
    for near in (folder / meshdir / name, folder / name):
        if near.is_file():
            return near
    parts = [part for part in Path(plain).parts if part not in ("/", "..", ".")]
    for above in (folder, *folder.parents):
        for skip in range(len(parts)):
            at = above.joinpath(*parts[skip:])
            if at.is_file():
                return at
    return None


def mend_inertia(spec: mujoco.MjSpec) -> tuple[list[Finding], frozenset[str]]:
    """Inertias that no body can have, and moving bodies without any, which MuJoCo refuses.

    Returns:
        What was found, and the names of the bodies whose inertia is no longer the file's.
    """
    found, mended = [], set()
    for body in spec.bodies:
        if not body.explicitinertial:
            continue
        full = np.asarray(body.fullinertia, float)
        given = full if np.isfinite(full).all() and full.any() else np.concatenate([body.inertia, np.zeros(3)])
        matrix = np.array(
            [[given[0], given[3], given[4]], [given[3], given[1], given[5]], [given[4], given[5], given[2]]]
        )
        if not np.isfinite(matrix).all():
            continue
        moments = np.linalg.eigvalsh(matrix)
        fixed = body.parent.name != "world" and not any(True for _ in body.joints)
        if not moments.any() and (body.mass <= 0.0 or fixed):
            body.explicitinertial = body.mass > 0.0  # a frame, or a point mass on a link, as URDF allows
            continue
        wrong = moments[0] <= 0.0 or moments[0] + moments[1] < moments[2]
        if wrong and not spec.compiler.balanceinertia:
            what = "No body can have this inertia: its smaller principal moments sum to less than the largest one."
            if moments[0] <= 0.0:
                what = "No body can have this inertia: a principal moment is not positive."
            figure = f"principal moments {', '.join(f'{m:.3g}' for m in moments)} kg m^2"
            cure = "take the inertia from the CAD anew; mind the signs of ixy, ixz and iyz"
            slight = body.mass < _SLIGHT * sum(other.mass for other in spec.bodies)
            severity: Severity = "note" if slight else "fault"
            found.append(Finding("inertia", severity, what, f"body {body.name!r}", figure, cure))
            mended.add(body.name)
            mean = max(float(np.abs(moments).mean()), _LIGHT)
            body.fullinertia = np.full(6, np.nan)
            body.inertia = np.array([mean] * 3)
    if not spec.compiler.boundmass:
        spec.compiler.boundmass, spec.compiler.boundinertia = _LIGHT, _LIGHT * 1e-3
    return found, frozenset(mended)
