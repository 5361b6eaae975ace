"""The left-right mirror image of a skeleton, found by reflecting its joints."""

import dataclasses

import mujoco
import numpy as np
from jaxtyping import Float

_SHARE = 0.03  # of the robot's size, within which two places are each other's image
_PARALLEL = 0.95  # cosine, beyond which two axes are
_ALONG = 0.1  # share of the size, by which a hinge in the middle may be drawn away from the plane, along its axis
_SLIDE = int(mujoco.mjtJoint.mjJNT_SLIDE)


@dataclasses.dataclass(frozen=True)
class Reflection:
    """How a robot's joints reflect in a plane through its root."""

    lateral: int  # the axis that is reflected: 0 for x, 1 for y
    image: dict[str, str]  # of each joint that has one; its own where it lies in the plane
    sign: dict[str, float]  # by which the image's angle is multiplied
    lonely: tuple[str, ...]  # joints without an image
    worst: float  # m, the greatest distance between a place and its image

    @property
    def whole(self) -> bool:
        """Whether every joint has an image."""
        return not self.lonely

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Joints that are each other's image, one of each pair first that comes first."""
        found: list[tuple[str, str]] = []
        for name, other in self.image.items():
            if name != other and (other, name) not in found:
                found.append((name, other))
        return tuple(found)


def find_reflection(mj: mujoco.MjModel, size: float) -> Reflection:
    """The best reflection of a bare model at its zero pose, in the plane across x or across y.

    Args:
        mj: the links alone, upright.
        size: of the robot, m; places may miss each other by a share of it.
    """
    data = mujoco.MjData(mj)
    mujoco.mj_kinematics(mj, data)
    mujoco.mj_comPos(mj, data)
    found = [_reflect(mj, data, lateral, size) for lateral in (1, 0)]
    # Of two planes, the one across most axes: legs swing forward and back.
    across = np.sum(np.abs(data.xaxis) > _PARALLEL, axis=0)
    return min(found, key=lambda reflection: (len(reflection.lonely), -across[reflection.lateral]))


def _reflect(mj: mujoco.MjModel, data: mujoco.MjData, lateral: int, size: float) -> Reflection:
    joints = [j for j in range(mj.njnt) if mj.jnt_type[j] != mujoco.mjtJoint.mjJNT_FREE]
    flip = np.ones(3)
    flip[lateral] = -1.0
    root = int(mj.body_rootid[mj.jnt_bodyid[joints[0]]])
    place, axis = data.xanchor - data.xpos[root], data.xaxis
    slides = mj.jnt_type == _SLIDE
    depth = [_depth(mj, int(mj.jnt_bodyid[j])) for j in range(mj.njnt)]

    def miss(a: int, b: int) -> float:
        """Distance (m) between the image of joint a and joint b; infinite where they are no images."""
        if slides[a] != slides[b] or depth[a] != depth[b]:
            return np.inf
        if abs(float(_image(axis[a], flip, bool(slides[a])) @ axis[b])) < _PARALLEL:
            return np.inf
        return float(np.linalg.norm(flip * place[a] - place[b]))

    image, sign, worst = {}, {}, 0.0
    misses = {a: {b: miss(a, b) for b in joints} for a in joints}
    best = {a: min(joints, key=lambda b: misses[a][b]) for a in joints}
    for a in joints:
        b = best[a]
        if misses[a][b] > _SHARE * size or best[b] != a:
            continue
        name, other = mj.joint(a).name, mj.joint(b).name
        image[name] = other
        sign[name] = float(np.sign(_image(axis[a], flip, bool(slides[a])) @ axis[b]))
        worst = max(worst, misses[a][b])
    for a in joints:
        name = mj.joint(a).name
        if name not in image and not slides[a] and _in_the_middle(mj, data, a, lateral, size):
            image[name], sign[name] = name, 1.0
    return Reflection(
        lateral, image, sign, tuple(mj.joint(j).name for j in joints if mj.joint(j).name not in image), worst
    )


def _in_the_middle(mj: mujoco.MjModel, data: mujoco.MjData, joint: int, lateral: int, size: float) -> bool:
    """Whether a hinge is its own image though its place is none: it is drawn at a place along its axis.

    A hinge across the plane turns what hangs on it alike, wherever on its axis it is said to be. What hangs on it has
    its centre of mass in the plane, unlike an arm or a leg.
    """
    body = int(mj.jnt_bodyid[joint])
    root = data.xpos[mj.body_rootid[body]][lateral]
    if abs(data.xaxis[joint][lateral]) < _PARALLEL or abs(data.xanchor[joint][lateral] - root) > _ALONG * size:
        return False
    return bool(abs(data.subtree_com[body][lateral] - root) < _SHARE * size)


def _image(axis: Float[np.ndarray, " 3"], flip: Float[np.ndarray, " 3"], slide: bool) -> Float[np.ndarray, " 3"]:
    """The image of an axis: that of a slide is a vector, that of a hinge a pseudovector."""
    return flip * axis if slide else -flip * axis


def _depth(mj: mujoco.MjModel, body: int) -> int:
    count = 0
    while body:
        body, count = int(mj.body_parentid[body]), count + 1
    return count
