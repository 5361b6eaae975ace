"""Where a robot's feet touch the floor in its home pose, from the geometry that collides."""

from collections.abc import Sequence

import mujoco
import numpy as np
from jaxtyping import Float

_RIM = np.stack([np.cos(np.linspace(0.0, 2.0 * np.pi, 16, False)), np.sin(np.linspace(0.0, 2.0 * np.pi, 16, False))])
_CORNERS = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
_DOWN = np.array([0.0, 0.0, 1.0])


def support_extent(
    mj: mujoco.MjModel, qpos: Float[np.ndarray, " nq"], feet: Sequence[int], within: float
) -> Float[np.ndarray, " 2"]:
    """Length and breadth of the ground that the feet stand on in a pose, m: of the box about all that touches it.

    A robot whose box has no length, as two feet that are points side by side, cannot stand still.

    Args:
        mj: the model.
        qpos: the pose.
        feet: each foot's sole site.
        within: what is at most so much higher than a foot's lowest point touches the floor, too, m.
    """
    data = mujoco.MjData(mj)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(mj, data)
    touching = []
    for site in feet:
        whole = mj.body_weldid[mj.site_bodyid[site]]
        geoms = [g for g in range(mj.ngeom) if mj.body_weldid[mj.geom_bodyid[g]] == whole and _collides(mj, g)]
        points = [data.site_xpos[[site]], *(_points(mj, data, g) for g in geoms)]
        solid = np.concatenate(points[1:] if geoms else points)
        touching.append(solid[solid[:, 2] <= solid[:, 2].min() + within, :2])
    extent: Float[np.ndarray, " 2"] = np.ptp(np.concatenate(touching), axis=0) if touching else np.zeros(2)
    return extent


def _collides(mj: mujoco.MjModel, g: int) -> bool:
    paired = g in (*mj.pair_geom1, *mj.pair_geom2)
    return bool(mj.geom_contype[g] or mj.geom_conaffinity[g] or paired)


def _points(mj: mujoco.MjModel, data: mujoco.MjData, g: int) -> Float[np.ndarray, "n 3"]:
    """Points of a geom among which are its lowest ones, in the world, m."""
    kind, size = mj.geom_type[g], mj.geom_size[g]
    at, turned = data.geom_xpos[g], data.geom_xmat[g].reshape(3, 3)
    own = np.zeros((1, 3))
    below = np.zeros(3)
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        below = size[0] * _DOWN
    elif kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        own, below = np.array([[0.0, 0.0, size[1]], [0.0, 0.0, -size[1]]]), size[0] * _DOWN
    elif kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID:
        spread = turned @ np.diag(size**2) @ turned.T @ _DOWN
        below = spread / np.sqrt(spread @ _DOWN)
    elif kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        rim = size[0] * _RIM.T
        own = np.concatenate([np.column_stack([rim, np.full(len(rim), z)]) for z in (-size[1], size[1])])
    elif kind == mujoco.mjtGeom.mjGEOM_BOX:
        own = size * _CORNERS
    elif kind == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = mj.geom_dataid[g]
        own = mj.mesh_vert[mj.mesh_vertadr[mesh] :][: mj.mesh_vertnum[mesh]]
    points: Float[np.ndarray, "n 3"] = at + own @ turned.T - below
    return points
