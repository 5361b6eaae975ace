"""A skeleton that can be posed: where its links, joints and lowest points are."""

import dataclasses
import functools
from collections.abc import Mapping

import mujoco
import numpy as np
from jaxtyping import Float

from .bodies import bare_model
from .mirror import Reflection, find_reflection
from .skeleton import Link, Shape, Skeleton

_BALL = int(mujoco.mjtJoint.mjJNT_BALL)
_LATERAL = 0.8  # cosine between a joint's axis and the lateral direction
_INSIDE = 0.05  # share of a joint's range that a rest pose keeps from either end
Pose = Mapping[str, float]
"""Angles (rad) by joint; 0 of those that it leaves out."""


class PosedBody:
    """The links of a robot in one pose after another, the root upright at the origin."""

    def __init__(self, skeleton: Skeleton, source: mujoco.MjModel):
        self.skeleton = skeleton
        self.mj = bare_model(skeleton, source)
        self.data = mujoco.MjData(self.mj)
        self.names = tuple(joint.name for joint in skeleton.joints if joint.kind != _BALL)
        self.qpos = {name: int(self.mj.jnt_qposadr[self.mj.joint(name).id]) for name in self.names}
        self.dof = {name: int(self.mj.jnt_dofadr[self.mj.joint(name).id]) for name in self.names}
        self.range = {name: self._range(name) for name in self.names}
        self.link_of = {joint.name: i for i, link in enumerate(skeleton.links) for joint in link.joints}
        self._ends: dict[int, Float[np.ndarray, " 3"]] = {}
        self._leaders = {mimic.follower: mimic for mimic in skeleton.mimics}
        self.free = tuple(name for name in self.names if name not in self._leaders)

    def _range(self, name: str) -> tuple[float, float]:
        j = self.mj.joint(name).id
        low, high = map(float, self.mj.jnt_range[j])
        return (low, high) if self.mj.jnt_limited[j] and low < high else (-np.inf, np.inf)

    @functools.cached_property
    def size(self) -> float:
        """Of the robot near its zero pose, m: half the diagonal of a box around its joints."""
        self.pose({name: float(np.clip(0.0, *self.range[name])) for name in self.free})
        return 0.5 * float(np.linalg.norm(np.ptp(self.data.xanchor[1:], axis=0)))

    @functools.cached_property
    def reflection(self) -> Reflection:
        """Its left-right mirror image; joints whose ranges have no pose in common with their image's have none."""
        found = find_reflection(self.mj, self.size)
        apart = {name for name, other in found.image.items() if self._apart(name, other, found.sign[name])}
        return dataclasses.replace(
            found,
            image={name: other for name, other in found.image.items() if name not in apart},
            lonely=(*found.lonely, *sorted(apart)),
        )

    def _apart(self, name: str, other: str, sign: float) -> bool:
        if name not in self.range or other not in self.range:
            return False
        ends = sorted(sign * end for end in self.range[other])
        return not max(self.range[name][0], ends[0]) < min(self.range[name][1], ends[1])

    @functools.cached_property
    def rest(self) -> dict[str, float]:
        """The zero pose, moved off the joints' limits."""
        return {name: self.within(name, 0.0) for name in self.free}

    def rest_in(self, pose: Pose) -> None:
        """Take another pose for the rest pose: that of a robot whose legs do not hang down in the zero pose."""
        for name in ("axes", "swinging"):
            self.__dict__.pop(name, None)
        self._ends.clear()
        self.__dict__["rest"] = {name: float(pose.get(name, angle)) for name, angle in self.rest.items()}

    @functools.cached_property
    def axes(self) -> dict[str, Float[np.ndarray, " 3"]]:
        """The joints' axes in the world, in the rest pose."""
        data = self.pose(self.rest)
        return {name: data.xaxis[self.mj.joint(name).id].copy() for name in self.names}

    @functools.cached_property
    def swinging(self) -> frozenset[str]:
        """The joints whose axis is lateral in the rest pose."""
        return frozenset(name for name, axis in self.axes.items() if abs(axis[1]) > _LATERAL)

    def common_range(self, name: str) -> tuple[float, float]:
        """A joint's range, and within it that of its mirror image, as far as both overlap."""
        low, high = self.range[name]
        other = self.reflection.image.get(name, name)
        if other == name or other not in self.range:
            return low, high
        sign = self.reflection.sign[name]
        ends = sorted(sign * end for end in self.range[other])
        both = max(low, ends[0]), min(high, ends[1])
        return both if both[0] < both[1] else (low, high)

    def within(self, name: str, angle: float) -> float:
        """The angle (rad) nearest to `angle` that is well inside of a joint's range."""
        low, high = self.common_range(name)
        off = min(_INSIDE * (high - low), 0.1) if np.isfinite(high - low) else 0.0
        return float(np.clip(turned((low, high), angle), low + off, high - off))

    def complete(self, pose: Pose) -> dict[str, float]:
        """The pose of all joints, those that follow others included."""
        found = {name: float(pose.get(name, 0.0)) for name in self.names}
        for name, mimic in self._leaders.items():
            found[name] = mimic.angle(found.get(mimic.leader, 0.0))
        return found

    def pose(self, pose: Pose) -> mujoco.MjData:
        """The kinematics of a pose."""
        self.data.qpos[:] = self.mj.qpos0
        for name, angle in self.complete(pose).items():
            self.data.qpos[self.qpos[name]] = angle
        mujoco.mj_kinematics(self.mj, self.data)
        mujoco.mj_comPos(self.mj, self.data)
        return self.data

    def mirrored(self, pose: Pose) -> dict[str, float]:
        """The mean of a pose and its mirror image: joints without an image keep their angle."""
        image, sign = self.reflection.image, self.reflection.sign
        full = self.complete(pose)
        return {
            name: 0.5 * (angle + sign[name] * full[image[name]]) if name in image and image[name] in full else angle
            for name, angle in full.items()
        }

    def world(self, link: int, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Points of a link in the world."""
        return self.data.xpos[link + 1] + points @ self.data.xmat[link + 1].reshape(3, 3).T

    def points(self, link: int) -> Float[np.ndarray, "n 3"]:
        """Points on a link's surface in its frame; its origin and its children's where it has no shape."""
        shapes = touching(self.skeleton.links[link])
        if shapes:
            return np.concatenate([shape.points for shape in shapes])
        children = [child.pos for child in self.skeleton.links if child.parent == link]
        return np.stack([np.zeros(3), *children])

    def end(self, link: int) -> Float[np.ndarray, " 3"]:
        """The middle of the part of a link that is lowest in the rest pose, in its frame."""
        if link not in self._ends:
            held = self.data.qpos.copy()
            self.pose(self.rest)
            points = self.points(link)
            height = self.world(link, points)[:, 2]
            self._ends[link] = points[height < height.min() + 0.02 * self.size].mean(axis=0)
            self.data.qpos[:] = held
            mujoco.mj_kinematics(self.mj, self.data)
            mujoco.mj_comPos(self.mj, self.data)
        return self._ends[link]

    def lowest(self, link: int) -> float:
        """The height (m) of a link's lowest point, seen from the root's origin."""
        return float(self.world(link, self.points(link))[:, 2].min() - self.data.xpos[1, 2])

    def path(self, link: int) -> list[str]:
        """The joints between the root and a link, the root's first."""
        found: list[str] = []
        while link >= 0:
            found = [*(joint.name for joint in self.skeleton.links[link].joints), *found]
            link = self.skeleton.links[link].parent
        return [name for name in found if name in self.qpos]


def touching(link: Link) -> tuple[Shape, ...]:
    """The shapes that a link touches others with; all of them where none is marked for that."""
    return tuple(shape for shape in link.shapes if shape.collides) or link.shapes


def turned(limits: tuple[float, float], angle: float) -> float:
    """An angle (rad) outside of a range, moved by whole turns to where it is nearest to the range's middle."""
    low, high = limits
    if low <= angle <= high or not np.isfinite(high - low):
        return angle
    return angle + 2.0 * np.pi * round((0.5 * (low + high) - angle) / (2.0 * np.pi))


def searched(limits: tuple[float, float]) -> tuple[float, float]:
    """The part of a range (rad) in which poses are sought: half a turn to either side of its angle next to 0."""
    low, high = limits
    middle = float(np.clip(turned(limits, 0.0), low, high))
    return max(low, middle - np.pi), min(high, middle + np.pi)


def swings(body: PosedBody, name: str) -> bool:
    """Whether a joint swings what hangs on it forward and back: its axis is lateral in the rest pose."""
    return name in body.swinging


def lateral(body: PosedBody, name: str) -> float:
    """The lateral part of a joint's axis in the rest pose."""
    return float(body.axes[name][1]) if name in body.axes else 0.0
