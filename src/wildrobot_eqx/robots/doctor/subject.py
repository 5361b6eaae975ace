"""What every check of the doctor looks at: one compiled model, its home pose, its root, driven joints and feet."""

import dataclasses
from functools import cached_property
from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Float

from ..robot import Robot

_FREE = int(mujoco.mjtJoint.mjJNT_FREE)
_SCALAR = (int(mujoco.mjtJoint.mjJNT_SLIDE), int(mujoco.mjtJoint.mjJNT_HINGE))
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)


@dataclasses.dataclass(frozen=True)
class FootOf:
    """A foot: its name, its body, the site on its sole where robot.toml names one, and its geoms."""

    name: str
    body: int
    site: int | None
    geoms: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Subject:
    """A robot under examination; `robot` is None for a bare MJCF or URDF file."""

    name: str
    path: Path  # of the MJCF or URDF
    spec: mujoco.MjSpec  # as parsed, before the compiler's own repairs
    mj: mujoco.MjModel
    joints: tuple[int, ...]  # hinges and slides that a motor is to drive, in actuator order where there are any
    root: int  # the body that moves without a motor, or from which a fixed robot hangs
    home: Float[np.ndarray, " nq"] | None  # None where nothing says what it is
    home_from: str  # what says it: "[home] of robot.toml", "keyframe 'home'"
    feet: tuple[FootOf, ...]
    robot: Robot | None = None
    urdf: bool = False
    mended: frozenset[str] = frozenset()  # bodies whose inertia was replaced, and that was told

    @cached_property
    def at_home(self) -> mujoco.MjData:
        """All of MuJoCo's figures in the home pose, or in the zero pose where no home is known."""
        data = mujoco.MjData(self.mj)
        data.qpos[:] = self.mj.qpos0 if self.home is None else self.home
        mujoco.mj_forward(self.mj, data)
        return data

    @property
    def floating(self) -> bool:
        """Whether its root has a free joint."""
        first = int(self.mj.body_jntadr[self.root])
        return first >= 0 and int(self.mj.jnt_type[first]) == _FREE

    @cached_property
    def bodies(self) -> tuple[int, ...]:
        """The bodies of the robot that move: the root's tree, without what is welded to the world."""
        found = [self.root]
        for body in range(self.root + 1, self.mj.nbody):
            if int(self.mj.body_parentid[body]) in found:
                found.append(body)
        return tuple(body for body in found if self.mj.body_weldid[body] != 0)

    @cached_property
    def mass(self) -> float:
        """kg, of the root and all that hangs on it."""
        return float(self.mj.body_subtreemass[self.root])

    @cached_property
    def size(self) -> float:
        """The longest side of the box around all joints and bodies of the robot at home, m."""
        own = [*self.bodies, self.root]
        at = np.concatenate([self.at_home.xpos[own], self.at_home.xipos[list(self.bodies) or own]])
        return float(max(np.ptp(at, axis=0).max(), 1e-6))

    @cached_property
    def leg_length(self) -> float:
        """Height of the root over the lowest foot at home, m; `size` where it has no feet."""
        if not self.feet:
            return self.size
        low = min(lowest(self.mj, self.at_home, geom) for foot in self.feet for geom in foot.geoms)
        return float(max(self.at_home.xpos[self.root, 2] - low, 0.1 * self.size))

    @cached_property
    def mirrored(self) -> dict[int, int]:
        """By body on the left, the body on the right that is its mirror image in the x-z plane of the root.

        Found by where bodies and their joints stand in the zero pose, and by what hangs on them, without names.
        """
        from .mirrored import mirrored_bodies

        return mirrored_bodies(self.mj, self.root, self.bodies)

    def body_name(self, body: int) -> str:
        """The body's name, or its number."""
        return str(self.mj.body(body).name or f"body {body}")

    def joint_name(self, joint: int) -> str:
        """The joint's name, or its number."""
        return str(self.mj.joint(joint).name or f"joint {joint}")

    def geom_name(self, geom: int) -> str:
        """The geom's name, or its number and its body."""
        named = self.mj.geom(geom).name
        return str(named or f"geom {geom} of {self.body_name(int(self.mj.geom_bodyid[geom]))}")


def driven_joints(mj: mujoco.MjModel) -> tuple[int, ...]:
    """The joints with an actuator, in its order; all hinges and slides of a model without actuators."""
    on_joints = np.isin(mj.actuator_trntype, [mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT])
    if on_joints.any():
        return tuple(dict.fromkeys(int(j) for j in mj.actuator_trnid[on_joints, 0]))
    return tuple(j for j in range(mj.njnt) if is_scalar(mj, j))


def is_scalar(mj: mujoco.MjModel, joint: int) -> bool:
    """Whether a joint is a hinge or a slide, which one number places."""
    return int(mj.jnt_type[joint]) in _SCALAR


def paired(mj: mujoco.MjModel) -> list[int]:
    """The geoms of explicit pairs."""
    return [int(g) for g in np.concatenate([mj.pair_geom1, mj.pair_geom2])]


def may_touch(mj: mujoco.MjModel, a: int, b: int) -> bool:
    """Whether the masks of two geoms let them touch."""
    return bool(mj.geom_contype[a] & mj.geom_conaffinity[b] or mj.geom_contype[b] & mj.geom_conaffinity[a])


def box_of(mj: mujoco.MjModel, geom: int) -> Float[np.ndarray, "8 3"]:
    """The corners of the box around a geom, in its body's frame, m."""
    turn = np.zeros(9)
    mujoco.mju_quat2Mat(turn, mj.geom_quat[geom])
    centre, half = mj.geom_aabb[geom, :3], mj.geom_aabb[geom, 3:]
    return mj.geom_pos[geom] + (centre + _CORNERS * half) @ turn.reshape(3, 3).T


def lowest(mj: mujoco.MjModel, data: mujoco.MjData, geom: int) -> float:
    """Height of the lowest point of a geom, m, world frame; that of the box around it for a mesh or an ellipsoid."""
    down = data.geom_xmat[geom].reshape(3, 3)[2]
    kind, size = int(mj.geom_type[geom]), mj.geom_size[geom]
    z = float(data.geom_xpos[geom, 2])
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return z - float(size[0])
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return z - float(size[0] + abs(down[2]) * size[1])
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return z - float(abs(down[2]) * size[1] + size[0] * np.hypot(down[0], down[1]))
    if kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID:
        return z - float(np.linalg.norm(down * size))
    if kind == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = int(mj.geom_dataid[geom])
        first, count = int(mj.mesh_vertadr[mesh]), int(mj.mesh_vertnum[mesh])
        return z + float((mj.mesh_vert[first : first + count] @ down).min())
    centre, half = mj.geom_aabb[geom, :3], mj.geom_aabb[geom, 3:]
    return z + float(((centre + _CORNERS * half) @ down).min())
