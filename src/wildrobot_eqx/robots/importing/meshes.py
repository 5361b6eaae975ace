"""Mesh files: where they lie, and the points of their surfaces."""

import os
import re
import xml.etree.ElementTree as ElementTree
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from jaxtyping import Float

from ...errors import WildRobotError

_LARGEST = 256 * 2**20  # bytes of one mesh
_UP = 6  # folders above a URDF that may be, or hold, a package
_ROS = ("ROS_PACKAGE_PATH", "AMENT_PREFIX_PATH", "GZ_SIM_RESOURCE_PATH", "GAZEBO_MODEL_PATH")


def find_mesh(name: str, folder: Path) -> Path | None:
    """The file that a URDF means by a mesh's name, or None.

    Known are paths relative to the URDF, absolute ones, `file://`, `model://` and `package://NAME/...`, whose package
    is sought above the URDF, beside it and on the paths of ROS; a path that was true on the maker's machine
    alone is sought by its end.

    Args:
        name: as the URDF has it.
        folder: of the URDF.
    """
    scheme, path = _split(name)
    if scheme in ("", "file"):
        direct = folder / path  # an absolute path stays itself
        if direct.is_file():
            return direct
    parts = [part for part in Path(path.lstrip("/\\")).parts if part not in ("..", ".")]
    above = [folder.resolve(), *folder.resolve().parents][:_UP]
    places: list[Path] = []
    if scheme in ("package", "model") and len(parts) > 1:
        package, inside = parts[0], Path(*parts[1:])
        for base in above:
            if base.name == package or _package_name(base) == package:
                places.append(base / inside)
            places.append(base / package / inside)
        for variable in _ROS:
            for base in filter(None, map(Path, os.environ.get(variable, "").split(os.pathsep))):
                places += [base / package / inside, base / "share" / package / inside]
    for first in range(len(parts)):  # by its end, the longest first
        places += [base / Path(*parts[first:]) for base in above]
    return next((place for place in places if place.is_file()), None)


def mesh_points(path: Path) -> Float[np.ndarray, "n 3"] | None:
    """The vertices of a mesh's convex hull, in the file's own unit; None of a Collada file that cannot be read.

    Raises:
        WildRobotError: the file is too large, is no mesh, or is of a kind that needs another package.
    """
    return _points(str(path), os.path.getmtime(path))


@lru_cache(maxsize=512)
def _points(name: str, changed: float) -> Float[np.ndarray, "n 3"] | None:
    import trimesh

    path = Path(name)
    if path.stat().st_size > _LARGEST:
        raise WildRobotError(
            f"The mesh {path.name!r} is too large: {path.stat().st_size >> 20} MiB.",
            where=str(path),
            hint=f"reduce it below {_LARGEST >> 20} MiB, or import with --no-meshes",
        )
    try:
        if path.suffix.lower() == ".msh":
            points = _msh(path)
        else:
            scene = trimesh.load_scene(path, process=False, skip_materials=True)
            points = np.asarray(scene.to_mesh().vertices, float)
            points = points @ _collada_axes(path).T if path.suffix.lower() == ".dae" else points
        if len(points) < 1 or not np.isfinite(points).all():
            raise ValueError("it has no points")
    except Exception as error:  # each format's reader fails in its own way
        if path.suffix.lower() == ".dae":
            return None
        raise WildRobotError(
            f"The mesh {path.name!r} cannot be read: {' '.join(str(error).split())[:200] or type(error).__name__}.",
            where=str(path),
            hint="give the link another mesh (STL, OBJ), or import with --no-meshes",
        ) from error
    return hull_points(points)


def hull_points(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "m 3"]:
    """The corners of the convex hull; all points where they span no volume."""
    from scipy.spatial import ConvexHull, QhullError

    points = np.unique(np.round(points, 9), axis=0)
    if len(points) <= 8:
        return points
    try:
        return points[np.sort(ConvexHull(points).vertices)]
    except QhullError:
        return points


def _collada_axes(path: Path) -> Float[np.ndarray, "3 3"]:
    """What takes a Collada file's coordinates to metres with z up: trimesh heeds neither its unit nor its axis."""
    axes = np.eye(3)
    for _, element in ElementTree.iterparse(path):
        tag = element.tag.rpartition("}")[2]
        if tag == "unit":
            axes *= float(element.get("meter", "1"))
        elif tag == "up_axis" and (element.text or "").strip() == "Y_UP":
            axes = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]) @ axes
        elif tag == "asset":
            break
    return axes


def _msh(path: Path) -> Float[np.ndarray, "n 3"]:
    """MuJoCo's own binary format: four counts, then the vertices."""
    counts = np.fromfile(path, np.int32, 4)
    return np.fromfile(path, np.float32, 3 * int(counts[0]), offset=16).reshape(-1, 3).astype(float)


def _split(name: str) -> tuple[str, str]:
    match = re.fullmatch(r"(package|model|file)://(.*)", name, re.S)
    if match is None:
        return "", name.replace("\\", "/")
    path = unquote(match[2])
    if match[1] == "file":
        path = path.removeprefix("localhost")
    return match[1], path.replace("$(find ", "").replace(")", "")


@lru_cache(maxsize=64)
def _package_name(folder: Path) -> str:
    """The name that a ROS package.xml gives to its folder."""
    try:
        return (ElementTree.parse(folder / "package.xml").getroot().findtext("name") or "").strip()
    except (OSError, ElementTree.ParseError):
        return ""
