"""What a foot touches the floor with: one primitive, its own or fitted to its meshes."""

import dataclasses

import mujoco
import numpy as np
from jaxtyping import Float

from .body import PosedBody, swings, touching
from .fit import fit_box, fit_sphere, flat_face
from .legs import Leg
from .skeleton import Shape

_NEAR = 0.01  # share of the reach within which shapes are as low as the lowest
_ABOUT = 0.06  # and within which they belong to a sole that may not be level yet
_UPRIGHT = 0.5  # cosine between a capsule's axis and the vertical, beyond which its end alone is the foot
_LEVEL = 0.85  # cosine between a box's axis and the vertical, beyond which a face of it is the sole
_KINDS = mujoco.mjtGeom
_BOX, _BALL, _CAPSULE = (int(getattr(_KINDS, f"mjGEOM_{kind}")) for kind in ("BOX", "SPHERE", "CAPSULE"))
_FRICTION = np.array([1.0, 0.005, 0.0001])  # MuJoCo's own


@dataclasses.dataclass(frozen=True)
class Sole:
    """The contact primitive of a foot, in the frame of its link."""

    link: int
    kind: int  # mjtGeom: box, sphere or capsule
    size: Float[np.ndarray, " 3"]
    pos: Float[np.ndarray, " 3"]  # m
    mat: Float[np.ndarray, "3 3"]
    supports: Float[np.ndarray, "n 3"]  # m, centres of balls of the radius, which together touch the floor
    radius: float  # m, 0 of a box
    friction: Float[np.ndarray, " 3"]
    source: str  # what it was made from
    error: float  # m, how far the fit is from the shape; 0 of a primitive of the file
    priority: int = 0  # of its friction: above 0 it holds, whatever the floor has
    assumed: bool = False  # the file shows no shape of the foot

    @property
    def flat(self) -> bool:
        """Whether it can stand level or tilted: all but a ball."""
        return len(self.supports) > 1

    @property
    def word(self) -> str:
        """The kind and its size in words."""
        mm = 1e3 * self.size
        if self.kind == _BOX:
            return f"box {2 * mm[0]:.0f} x {2 * mm[1]:.0f} x {2 * mm[2]:.0f} mm"
        if self.kind == _CAPSULE:
            return f"capsule, radius {mm[0]:.0f} mm, length {2 * mm[1]:.0f} mm"
        return f"sphere, radius {mm[0]:.1f} mm"


def make_sole(body: PosedBody, leg: Leg, reach: float) -> Sole:
    """The sole of one foot, in the pose that the body has.

    Args:
        body: the robot, posed so that the foot is about level.
        leg: whose foot it is.
        reach: of the leg, m: the length that everything is compared with.
    """
    shapes = touching(body.skeleton.links[leg.link])
    if not shapes:
        return dataclasses.replace(_without_shape(body, leg, reach), assumed=True)
    low = [float(body.world(leg.link, shape.points)[:, 2].min()) for shape in shapes]
    flat = sum(swings(body, name) for name in leg.joints) > 2 or len(leg.joints) > 3  # it can be held level
    near = [shape for shape, z in zip(shapes, low) if z < min(low) + (_ABOUT if flat else _NEAR) * reach]
    near.sort(key=lambda shape: shape.kind != _BALL)  # where a ball is as low as other shapes, it is the foot
    own = None
    if len(near) == 1 or not flat:
        own = _own(body, leg.link, near[0]) if near[0].kind in (_BOX, _BALL, _CAPSULE) else None
    sole = own or _fitted(body, leg, near if flat else near[:1], reach, flat)
    return dataclasses.replace(sole, priority=_priority(near[0]))


def _priority(shape: Shape) -> int:
    """Of a foot's friction: the file's; 1 where the file gives the foot a friction that MuJoCo's own would outdo."""
    return max(shape.priority, 0 if np.allclose(shape.friction, _FRICTION) else 1)


def _own(body: PosedBody, link: int, shape: Shape) -> Sole | None:
    """The sole that is one primitive of the file; None where it must be fitted all the same."""
    mat = body.data.xmat[link + 1].reshape(3, 3) @ shape.mat
    vertical = np.abs(mat[2])
    source = f"the {_KINDS(shape.kind).name.removeprefix('mjGEOM_').lower()} of {shape.owner}"
    if shape.kind == _BALL:
        return _ball(link, shape.pos, float(shape.size[0]), shape.friction, source, 0.0)
    if shape.kind == _CAPSULE:
        ends = shape.pos + np.outer([-shape.size[1], shape.size[1]], shape.mat[:, 2])
        if vertical[2] > _UPRIGHT:
            lower = ends[np.argmin(body.world(link, ends)[:, 2])]
            return _ball(link, lower, float(shape.size[0]), shape.friction, f"the lower end of {source}", 0.0)
        size = np.array([shape.size[0], shape.size[1], 0.0])
        return Sole(link, _CAPSULE, size, shape.pos, shape.mat, ends, float(shape.size[0]), shape.friction, source, 0.0)
    if vertical.max() < _LEVEL:
        return None
    return _box(body, link, shape.size, shape.pos, shape.mat, shape.friction, source, 0.0)


def _fitted(body: PosedBody, leg: Leg, near: list[Shape], reach: float, flat: bool) -> Sole:
    points = body.world(leg.link, np.concatenate([shape.points for shape in near]))
    axes, origin = body.data.xmat[leg.link + 1].reshape(3, 3), body.data.xpos[leg.link + 1]
    friction = near[0].friction
    names = ", ".join(dict.fromkeys(shape.owner for shape in near))
    kinds = {_KINDS(shape.kind).name.removeprefix("mjGEOM_").lower() for shape in near}
    source = (
        f"{len(near)} shapes ({', '.join(sorted(kinds))}) of {names}"
        if len(near) > 1
        else f"the {kinds.pop()} of {names}"
    )
    face = flat_face(points, reach) if flat else None
    if face is not None:
        box = fit_box(points, face, reach)
        pos, mat = axes.T @ (box.center - origin), axes.T @ box.mat
        return _box(body, leg.link, box.size, pos, mat, friction, f"fitted to {source}", box.error)
    ball = fit_sphere(points, reach)
    return _ball(leg.link, axes.T @ (ball.center - origin), ball.radius, friction, f"fitted to {source}", ball.error)


def _without_shape(body: PosedBody, leg: Leg, reach: float) -> Sole:
    """A small ball at the lowest frame in a link without any shape."""
    points = body.points(leg.link)
    inside = [pos for link, pos, _ in body.skeleton.frames.values() if link == leg.link]
    points = np.concatenate([points, np.array(inside).reshape(-1, 3)])
    lowest = points[np.argmin(body.world(leg.link, points)[:, 2])]
    return _ball(leg.link, lowest, 0.02 * reach, _FRICTION, "assumed at the end of a link without a shape", 0.0)


def _ball(
    link: int, pos: Float[np.ndarray, " 3"], radius: float, friction: Float[np.ndarray, " 3"], source: str, error: float
) -> Sole:
    size = np.array([radius, 0.0, 0.0])
    return Sole(link, _BALL, size, pos, np.eye(3), pos[None], radius, friction, source, error)


def _box(
    body: PosedBody,
    link: int,
    size: Float[np.ndarray, " 3"],
    pos: Float[np.ndarray, " 3"],
    mat: Float[np.ndarray, "3 3"],
    friction: Float[np.ndarray, " 3"],
    source: str,
    error: float,
) -> Sole:
    vertical = (body.data.xmat[link + 1].reshape(3, 3) @ mat)[2]
    k = int(np.argmax(np.abs(vertical)))
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    bottom = signs[signs[:, k] == (-1.0 if vertical[k] > 0.0 else 1.0)]
    supports = pos + (bottom * size) @ mat.T
    return Sole(link, _BOX, size, pos, mat, supports, 0.0, friction, source, error)


def symmetric_soles(body: PosedBody, soles: tuple[Sole, ...], reach: float) -> tuple[Sole, ...]:
    """Soles that are nearly each other's mirror image, made so exactly; the body stands in a symmetric pose."""
    found = list(soles)
    number = {sole.link: i for i, sole in enumerate(soles)}
    flip = np.array([1.0, -1.0, 1.0])
    for i, sole in enumerate(soles):
        first = body.skeleton.links[sole.link].joints[0].name
        other = number.get(body.link_of.get(body.reflection.image.get(first, ""), -1), i)
        twin = soles[other]
        if other <= i or twin.kind != sole.kind:
            continue
        frames = [(body.data.xpos[s.link + 1], body.data.xmat[s.link + 1].reshape(3, 3)) for s in (sole, twin)]
        places = [origin + axes @ s.pos for (origin, axes), s in zip(frames, (sole, twin))]
        middle = 0.5 * (places[0] + flip * (places[1] - frames[1][0]) + flip * frames[1][0])
        if np.linalg.norm(middle - places[0]) > 0.03 * reach:
            continue
        size = 0.5 * (sole.size + twin.size)
        if np.abs(size - sole.size).max() > 0.03 * reach:
            continue
        for (origin, axes), one, sign in ((frames[0], sole, np.ones(3)), (frames[1], twin, flip)):
            turned = np.diag(sign) @ frames[0][1] @ sole.mat @ np.diag(sign)
            found[number[one.link]] = _moved(
                body, one, size, axes.T @ (sign * middle - origin), axes.T @ turned if sole.flat else one.mat
            )
    return tuple(found)


def _moved(
    body: PosedBody,
    sole: Sole,
    size: Float[np.ndarray, " 3"],
    pos: Float[np.ndarray, " 3"],
    mat: Float[np.ndarray, "3 3"],
) -> Sole:
    if sole.kind == _BOX:
        moved = _box(body, sole.link, size, pos, mat, sole.friction, sole.source, sole.error)
    elif sole.kind == _BALL:
        moved = _ball(sole.link, pos, float(size[0]), sole.friction, sole.source, sole.error)
    else:
        ends = pos + np.outer([-size[1], size[1]], mat[:, 2])
        moved = dataclasses.replace(sole, size=size, pos=pos, mat=mat, supports=ends, radius=float(size[0]))
    return dataclasses.replace(moved, priority=sole.priority, assumed=sole.assumed)
