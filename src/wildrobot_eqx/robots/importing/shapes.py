"""Primitives of a file: points on their surfaces, and those that have no size."""

import mujoco
import numpy as np
from jaxtyping import Float

_SIZES = {  # how many sizes a primitive needs: without and with the ends of its axis
    mujoco.mjtGeom.mjGEOM_SPHERE: (1, 1),
    mujoco.mjtGeom.mjGEOM_CAPSULE: (2, 1),
    mujoco.mjtGeom.mjGEOM_CYLINDER: (2, 1),
    mujoco.mjtGeom.mjGEOM_ELLIPSOID: (3, 2),
    mujoco.mjtGeom.mjGEOM_BOX: (3, 2),
}


def drop_empty(spec: mujoco.MjSpec) -> list[str]:
    """Take away primitives with a size of 0; the names of their bodies are returned, each once."""
    found = []
    for geom in list(spec.geoms):
        if geom.type not in _SIZES or geom.meshname:
            continue
        count = _SIZES[geom.type][int(bool(np.isfinite(geom.fromto[0])))]
        if not all(size > 0.0 for size in geom.size[:count]):
            found.append(str(geom.parent.name))
            spec.delete(geom)
    return list(dict.fromkeys(found))


def surface(kind: int, size: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "n 3"]:
    """Points on a primitive's surface, in its own frame: a box's corners, samples of round ones."""
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    around = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(around), np.sin(around), np.zeros(24)], axis=1)
    levels = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 13)
    ball = np.concatenate([np.cos(a) * ring + np.array([0.0, 0.0, np.sin(a)]) for a in levels])
    kinds = mujoco.mjtGeom
    if kind == kinds.mjGEOM_BOX:
        return signs * size
    if kind == kinds.mjGEOM_CYLINDER:
        return np.concatenate([size[0] * ring + [0, 0, z] for z in (-size[1], size[1])])
    if kind == kinds.mjGEOM_CAPSULE:
        return np.concatenate([size[0] * ball + [0, 0, z] for z in (-size[1], size[1])])
    if kind == kinds.mjGEOM_ELLIPSOID:
        return ball * size
    return ball * size[0]
