"""Contacts of geoms: with planes that never move here, with each other in `between`.

The points are those of MuJoCo's C engine (engine_collision_primitive.c): one for a sphere
and an ellipsoid, both ends of a capsule, three of the lower rim of a cylinder and the one
above the lowest of them, and of a box's every two opposite corners the one that points to the
plane. Frames follow mju_makeFrame.
"""

import dataclasses
import math

from .between import meet
from .frames import default_tangent, frame_of, known_tangent
from .kinematics import Poses
from .pairs import BOX, CAPSULE, CYLINDER, PLANE, SPHERE, Pair
from .scalar import Scalar, absolute, known, sqrt, where
from .spatial import Mat, Vec, add, apply, apply_transposed, choose, column, dot, neg, norm, scale, sub


@dataclasses.dataclass
class Contact:
    """One point where two geoms may touch."""

    pair: Pair
    distance: Scalar  # m, negative inside
    offset: Vec  # of the point from the origin of the tree of the pair's body, m
    frame: Mat  # rows: the normal towards the pair's body, two tangents
    other_offset: Vec | None = None  # the same from the origin of the other body's tree, where it moves


def contacts(p: Poses, pairs: tuple[Pair, ...]) -> list[Contact]:
    """The contact points of all pairs, touching or not."""
    found = []
    for pair in pairs:
        found += _on_plane(p, pair) if pair.kinds[0] == PLANE else [_between(p, pair)]
    return found


def _on_plane(p: Poses, pair: Pair) -> list[Contact]:
    found = []
    centre, plane_mat = p.place(p.tree.geoms[pair.first])
    normal = column(plane_mat, 2)
    origin = p.origin[p.tree.bodies[pair.body].tree]
    offset, mat = p.place(p.tree.geoms[pair.second])
    height = dot(add(sub(origin, centre), offset), normal)
    frame = frame_of(normal, known_tangent(normal))
    if pair.kinds[1] == CAPSULE:
        axis = column(mat, 2)
        frame = _capsule_frame(normal, axis)
    for away, distance in _points(pair, mat, normal):
        depth = height + distance
        found.append(Contact(pair, depth, add(offset, sub(away, scale(0.5 * depth, normal))), frame))
    return found


def _between(p: Poses, pair: Pair) -> Contact:
    """The contact of two geoms of which none is a plane."""
    (at1, mat1), (at2, mat2) = p.place(p.tree.geoms[pair.first]), p.place(p.tree.geoms[pair.second])
    tree1, tree2 = (p.tree.bodies[p.tree.geoms[g].body].tree for g in (pair.first, pair.second))
    # What one tree's origin is away from the other's; one and the same origin loses no digits.
    apart = _between_origins(p, tree1, tree2)
    normal, distance, point = meet(pair, mat1, add(sub(at2, at1), apart), mat2)
    frame = frame_of(normal, default_tangent(normal))
    first = add(at1, point)
    second = sub(first, apart)
    if pair.acts_on_first:
        n, a, b = frame
        return Contact(pair, distance, first, (neg(n), neg(a), neg(b)))
    return Contact(pair, distance, second, frame, None if pair.other is None else first)


def _between_origins(p: Poses, first: int, second: int) -> Vec:
    if first == second:
        return (0.0, 0.0, 0.0)
    zero: Vec = (0.0, 0.0, 0.0)
    return sub(*(p.origin[t] if t >= 0 else zero for t in (second, first)))


def _points(pair: Pair, mat: Mat, normal: Vec) -> list[tuple[Vec, Scalar]]:
    """Points of the geom from its centre, and how much higher than the centre they are."""
    kind, size = pair.kinds[1], pair.sizes[1]
    if kind == SPHERE:
        r = size[0]
        return [(scale(-r, normal), -r)]
    if kind == CAPSULE:
        r, half = size[0], scale(size[1], column(mat, 2))
        rise = dot(normal, half)
        low = scale(-r, normal)
        return [(add(half, low), rise - r), (sub(low, half), -rise - r)]
    if kind == CYLINDER:
        return _cylinder_points(size[0], size[1], mat, normal)
    if kind == BOX:
        x, y, z = (scale(size[k], column(mat, k)) for k in range(3))
        rises = [dot(normal, v) for v in (x, y, z)]
        found = []
        for sx, sy in ((1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)):
            away = add(add(scale(sx, x), scale(sy, y)), z)
            up = sx * rises[0] + sy * rises[1] + rises[2]
            down = where(up > 0.0, known(-1.0, up), known(1.0, up))
            found.append((scale(down, away), -absolute(up)))
        return found
    # an ellipsoid's lowest point: -S^2 R^T n / |S R^T n|, S its half axes
    inside = apply_transposed(mat, normal)
    stretched = (size[0] * inside[0], size[1] * inside[1], size[2] * inside[2])
    length = norm(stretched)
    a, b, c = (-(size[k] * stretched[k]) / length for k in range(3))
    return [(apply(mat, (a, b, c)), -length)]


def _cylinder_points(radius: Scalar, half: Scalar, mat: Mat, normal: Vec) -> list[tuple[Vec, Scalar]]:
    """The lowest point of the rim, the one above it on the other rim, and two that make a triangle with the first.

    In the cylinder's own frame, where the way to the rim has no part along the axis, whatever the rounding.
    """
    x, y, z = apply_transposed(mat, normal)
    tilt = sqrt(x * x + y * y)
    upright = tilt < TINY
    safe = where(upright, known(1.0, tilt), tilt)
    a, b = (
        where(upright, known(-radius, tilt), -(radius * x) / safe),
        where(upright, known(0.0, tilt), -(radius * y) / safe),
    )
    end = where(z > 0.0, known(-half, z), known(half, z))  # of the axis that points to the plane
    low, drop = -(half * absolute(z)), radius * tilt
    wide = 0.5 * math.sqrt(3.0)
    return [
        (apply(mat, (a, b, end)), low - drop),
        (apply(mat, (a, b, -end)), -low - drop),
        (apply(mat, (wide * b - 0.5 * a, -(wide * a) - 0.5 * b, end)), low + 0.5 * drop),
        (apply(mat, (-(wide * b) - 0.5 * a, wide * a - 0.5 * b, end)), low + 0.5 * drop),
    ]


def _capsule_frame(normal: Vec, axis: Vec) -> Mat:
    """The first tangent lies along the capsule; where it stands upright, MuJoCo's default takes over."""
    flat = sub(axis, scale(dot(axis, normal), normal))
    upright = norm(flat) < UPRIGHT
    return frame_of(normal, choose(upright, known_tangent(normal), axis))


UPRIGHT = 1e-7
TINY = 1e-15
