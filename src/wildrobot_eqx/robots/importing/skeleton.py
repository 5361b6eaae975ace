"""A robot as links and joints: what is welded is one link, and the root stands upright with x forward."""

import dataclasses
from collections.abc import Mapping

import mujoco
import numpy as np
from jaxtyping import Float

from ...errors import WildRobotError
from .constraints import Mimic, mimics
from .read import Source
from .shapes import surface

_FREE = int(mujoco.mjtJoint.mjJNT_FREE)
_PLANE = int(mujoco.mjtGeom.mjGEOM_PLANE)
_BELOW = 0.3  # of the height of all joints: a root's frame that is so far below all that hangs on it lies on the floor


Frame = tuple[int, Float[np.ndarray, " 3"], Float[np.ndarray, "3 3"]]
"""Something on a link: the link, the place (m) and the axes in its frame."""


@dataclasses.dataclass(frozen=True)
class Joint:
    """A joint that is no free one; place and axis in the frame of its link."""

    name: str
    id: int  # in the source
    kind: int  # mjtJoint
    pos: Float[np.ndarray, " 3"]  # m
    axis: Float[np.ndarray, " 3"]


@dataclasses.dataclass(frozen=True)
class Shape:
    """A geom of the source, in the frame of its link."""

    kind: int  # mjtGeom; that of a mesh is mjGEOM_MESH
    size: Float[np.ndarray, " 3"]
    pos: Float[np.ndarray, " 3"]  # m
    mat: Float[np.ndarray, "3 3"]
    points: Float[np.ndarray, "n 3"]  # m, corners of its convex hull; those of round shapes are samples
    collides: bool
    friction: Float[np.ndarray, " 3"]
    priority: int  # of its friction over the floor's
    owner: str  # the body that it belonged to


@dataclasses.dataclass(frozen=True)
class Link:
    """A body that moves, with all that is welded to it."""

    name: str
    names: tuple[str, ...]  # of all bodies in it
    parent: int  # -1 of the root
    pos: Float[np.ndarray, " 3"]  # m, in the parent; 0 of the root, which stands upright
    mat: Float[np.ndarray, "3 3"]
    mass: float  # kg
    com: Float[np.ndarray, " 3"]  # m
    inertia: Float[np.ndarray, "3 3"]  # kg m^2, about the centre of mass, in the axes of the link
    joints: tuple[Joint, ...]
    shapes: tuple[Shape, ...]


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """The links of a robot, parents first, and where the source's bodies lie in them."""

    links: tuple[Link, ...]
    mimics: tuple[Mimic, ...]
    frames: dict[str, Frame]  # of each body of the source
    sites: dict[str, Frame]

    @property
    def joints(self) -> tuple[Joint, ...]:
        """All joints, parents first."""
        return tuple(joint for link in self.links for joint in link.joints)

    @property
    def mass(self) -> float:
        """Of all links, kg."""
        return sum(link.mass for link in self.links)


def make_skeleton(source: Source, locked: Mapping[str, float], turn: Float[np.ndarray, "3 3"]) -> Skeleton:
    """Weld and name.

    Args:
        source: the robot.
        locked: joints that become rigid, with their angles (rad).
        turn: takes the world's axes, as the source has them, to those that the robot's own shall be.

    Raises:
        WildRobotError: links form closed chains.
    """
    mj = source.mj
    data = mujoco.MjData(mj)
    for name, angle in locked.items():
        data.qpos[mj.jnt_qposadr[mj.joint(name).id]] = angle
    mujoco.mj_kinematics(mj, data)
    top = _links_of_bodies(mj, source.root, locked)
    bodies = sorted(set(top.values()))
    number = {body: i for i, body in enumerate(bodies)}
    frame = {b: (data.xpos[b].copy(), data.xmat[b].reshape(3, 3).copy()) for b in bodies}
    frame[source.root] = (_origin(source, data, top, turn[2]), turn.T.copy())

    def inside(body: int, pos: Float[np.ndarray, " 3"], mat: Float[np.ndarray, " 9"]) -> Frame:
        link = top[body]
        origin, axes = frame[link]
        return number[link], axes.T @ (pos - origin), axes.T @ mat.reshape(3, 3)

    links = []
    for body in bodies:
        origin, axes = frame[body]
        members = [b for b in top if top[b] == body]
        parent = top[int(mj.body_parentid[body])] if body != source.root else None
        mass, com, inertia = _fused(mj, data, members)
        about, base = frame[body if parent is None else parent]
        links.append(
            Link(
                name=mj.body(body).name or f"link{number[body]}",
                names=tuple(mj.body(b).name for b in members),
                parent=-1 if parent is None else number[parent],
                pos=base.T @ (origin - about),
                mat=base.T @ axes,
                mass=mass,
                com=axes.T @ (com - origin),
                inertia=axes.T @ inertia @ axes,
                joints=tuple(
                    Joint(
                        mj.joint(j).name or f"joint{j}",
                        j,
                        int(mj.jnt_type[j]),
                        axes.T @ (data.xanchor[j] - origin),
                        axes.T @ data.xaxis[j],
                    )
                    for b in members
                    for j in range(mj.body_jntadr[b], mj.body_jntadr[b] + mj.body_jntnum[b])
                    if mj.jnt_type[j] != _FREE and mj.joint(j).name not in locked
                ),
                shapes=tuple(
                    _shape(source, g, *inside(b, data.geom_xpos[g], data.geom_xmat[g])[1:])
                    for b in members
                    for g in range(mj.body_geomadr[b], mj.body_geomadr[b] + mj.body_geomnum[b])
                    if mj.geom_type[g] != _PLANE
                ),
            )
        )
    if not any(link.joints for link in links):
        raise WildRobotError(
            "No joint is left to move.", where=str(source.path), hint="--ignore locks joints: name fewer"
        )
    return Skeleton(
        links=tuple(links),
        mimics=mimics(source, {j.name for link in links for j in link.joints}, top),
        frames={mj.body(b).name: inside(b, data.xpos[b], data.xmat[b]) for b in top},
        sites={
            mj.site(s).name: inside(int(mj.site_bodyid[s]), data.site_xpos[s], data.site_xmat[s])
            for s in range(mj.nsite)
            if int(mj.site_bodyid[s]) in top
        },
    )


def _origin(
    source: Source, data: mujoco.MjData, top: Mapping[int, int], up: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, " 3"]:
    """Where the root's frame lies (m): where its file has it, but for one on the floor below a robot that stands there.

    Such a frame is raised to the root's centre of mass: heights, and falls, are counted from it.
    """
    mj, here = source.mj, data.xpos[source.root].copy()
    members = [body for body in top if top[body] == source.root]
    joints = [j for j in range(mj.njnt) if int(mj.jnt_bodyid[j]) in top and mj.jnt_type[j] != _FREE]
    heights = {j: float(up @ (data.xanchor[j] - here)) for j in joints}
    own = [z for j, z in heights.items() if int(mj.body_parentid[mj.jnt_bodyid[j]]) in members]
    com = float(up @ (_fused(mj, data, members)[1] - here))
    least = _BELOW * (max(heights.values(), default=0.0) - min(heights.values(), default=0.0))
    return np.asarray(here + com * up if own and min(com, *own) > least > 0.0 else here)


def _links_of_bodies(mj: mujoco.MjModel, root: int, locked: Mapping[str, float]) -> dict[int, int]:
    """For each body of the robot the one that leads its link, parents first."""
    top = {root: root}
    for body in range(root + 1, mj.nbody):
        parent = int(mj.body_parentid[body])
        if parent in top:
            first = int(mj.body_jntadr[body])
            own = [j for j in range(first, first + mj.body_jntnum[body]) if mj.joint(j).name not in locked]
            top[body] = body if own else top[parent]
    return top


def _fused(
    mj: mujoco.MjModel, data: mujoco.MjData, members: list[int]
) -> tuple[float, Float[np.ndarray, " 3"], Float[np.ndarray, "3 3"]]:
    """Mass, centre of mass and inertia about it of welded bodies, in the axes of the world."""
    mass = float(mj.body_mass[members].sum())
    com = (mj.body_mass[members, None] * data.xipos[members]).sum(axis=0) / mass
    inertia = np.zeros((3, 3))
    for b in members:
        axes, away = data.ximat[b].reshape(3, 3), data.xipos[b] - com
        inertia += axes @ np.diag(mj.body_inertia[b]) @ axes.T
        inertia += mj.body_mass[b] * (away @ away * np.eye(3) - np.outer(away, away))
    return mass, com, inertia


def _shape(source: Source, g: int, pos: Float[np.ndarray, " 3"], mat: Float[np.ndarray, "3 3"]) -> Shape:
    mj = source.mj
    mesh = g in source.meshes
    kind = int(mujoco.mjtGeom.mjGEOM_MESH) if mesh else int(mj.geom_type[g])
    local = source.meshes[g] if mesh else surface(kind, mj.geom_size[g])
    return Shape(
        kind=kind,
        size=mj.geom_size[g].copy(),
        pos=pos,
        mat=mat,
        points=pos + local @ mat.T,
        collides=bool(mj.geom_contype[g] or mj.geom_conaffinity[g]),
        friction=mj.geom_friction[g].copy(),
        priority=int(mj.geom_priority[g]),
        owner=mj.body(mj.geom_bodyid[g]).name,
    )
