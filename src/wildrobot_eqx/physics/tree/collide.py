"""Contacts of spheres, capsules, ellipsoids and boxes with planes that never move.

The points are those of MuJoCo's C engine (engine_collision_primitive.c): one for a sphere
and an ellipsoid, both ends of a capsule, and of a box's every two opposite corners the one
that points to the plane. Frames follow mju_makeFrame.
"""

import dataclasses

from .kinematics import Poses
from .model import BOX, CAPSULE, SPHERE, Pair
from .scalar import Num, Scalar, absolute, known, where
from .spatial import Mat, Vec, add, apply, apply_transposed, choose, column, cross, dot, norm, scale, sub


@dataclasses.dataclass
class Contact:
    """One point where a geom may touch a plane."""

    pair: Pair
    distance: Scalar  # m, negative inside
    offset: Vec  # of the point from the origin of the body's tree, m
    frame: Mat  # rows: the normal from plane to geom, two tangents


def contacts(p: Poses, pairs: tuple[Pair, ...]) -> list[Contact]:
    """The contact points of all pairs, touching or not."""
    found = []
    for pair in pairs:
        plane = p.tree.geoms[pair.plane]
        centre, plane_mat = p.place(plane)
        normal = column(plane_mat, 2)
        origin = p.origin[p.tree.bodies[pair.body].tree]
        offset, mat = p.place(p.tree.geoms[pair.geom])
        height = dot(add(sub(origin, centre), offset), normal)
        frame = _frame(normal, _default_tangent(normal))
        if pair.kind == CAPSULE:
            axis = column(mat, 2)
            frame = _capsule_frame(normal, axis)
        for away, distance in _points(pair, mat, normal):
            depth = height + distance
            found.append(Contact(pair, depth, add(offset, sub(away, scale(0.5 * depth, normal))), frame))
    return found


def _points(pair: Pair, mat: Mat, normal: Vec) -> list[tuple[Vec, Scalar]]:
    """Points of the geom from its centre, and how much higher than the centre they are."""
    if pair.kind == SPHERE:
        r = pair.size[0]
        return [(scale(-r, normal), -r)]
    if pair.kind == CAPSULE:
        r, half = pair.size[0], scale(pair.size[1], column(mat, 2))
        rise = dot(normal, half)
        low = scale(-r, normal)
        return [(add(half, low), rise - r), (sub(low, half), -rise - r)]
    if pair.kind == BOX:
        x, y, z = (scale(pair.size[k], column(mat, k)) for k in range(3))
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
    stretched = (pair.size[0] * inside[0], pair.size[1] * inside[1], pair.size[2] * inside[2])
    length = norm(stretched)
    a, b, c = (-(pair.size[k] * stretched[k]) / length for k in range(3))
    return [(apply(mat, (a, b, c)), -length)]


def _default_tangent(normal: Vec) -> Vec:
    y = normal[1]
    if isinstance(y, Num):
        raise TypeError("a plane that never moves has a constant normal")
    return (0.0, 1.0, 0.0) if -0.5 < y < 0.5 else (0.0, 0.0, 1.0)


def _frame(normal: Vec, hint: Vec) -> Mat:
    """Rows: the normal, the hint made orthogonal to it, and their cross product."""
    flat = sub(hint, scale(dot(hint, normal), normal))
    first = scale(1.0 / norm(flat), flat)
    return (normal, first, cross(normal, first))


def _capsule_frame(normal: Vec, axis: Vec) -> Mat:
    """The first tangent lies along the capsule; where it stands upright, MuJoCo's default takes over."""
    flat = sub(axis, scale(dot(axis, normal), normal))
    upright = norm(flat) < UPRIGHT
    return _frame(normal, choose(upright, _default_tangent(normal), axis))


UPRIGHT = 1e-7
