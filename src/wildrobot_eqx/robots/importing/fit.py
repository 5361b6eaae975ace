"""Primitives fitted to points: a box under a flat sole, a ball at the end of a leg."""

import dataclasses

import numpy as np
from jaxtyping import Float

_DOWN = 0.64  # cosine (50 degrees) between a face and the vertical, within which it may be the sole
_SAME_FACE = 0.996  # cosine (5 degrees) within which faces are one
_THICK = 0.01  # share of the reach: points that are so near to a face belong to it
_WIDE = 0.05  # and the least width of a face that counts as a sole
_FULL, _ROUND = 0.4, 0.25  # shares of its rectangle that a face fills; of the outline with round edges
_ASKEW = np.radians(15.0)  # greatest angle between a sole's rectangle and the way the robot faces that is ignored


@dataclasses.dataclass(frozen=True)
class Box:
    """A box in the world."""

    center: Float[np.ndarray, " 3"]  # m
    size: Float[np.ndarray, " 3"]  # m, half of each side
    mat: Float[np.ndarray, "3 3"]
    error: float  # m, from the outline of the sole to that of the box


@dataclasses.dataclass(frozen=True)
class Ball:
    """A ball in the world."""

    center: Float[np.ndarray, " 3"]  # m
    radius: float  # m
    error: float  # m, from the surface to the points at the lower end


def flat_face(points: Float[np.ndarray, "n 3"], reach: float) -> Float[np.ndarray, " 4"] | None:
    """The plane of the largest face of the hull that looks down, if it makes a sole: n and d, with n x + d = 0."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = ConvexHull(points)
    except QhullError:
        return None
    corners = hull.points[hull.simplices]
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    best, most = None, 0.0
    for plane in hull.equations[-hull.equations[:, 2] > _DOWN]:
        same = hull.equations[:, :3] @ plane[:3] > _SAME_FACE
        total = float(area[same].sum())
        if total > most:
            best, most = plane, total
    if best is None:
        return None
    flat = _in_plane(_of_face(points, best, reach), best)
    sides, _ = _rectangle(flat)
    if len(flat) < 3 or sides.min() < _WIDE * reach:
        return None
    if most >= _FULL * sides.prod():
        return best
    # Round edges, as of capsules side by side, widen the outline: the face itself may be a sole all the same.
    face = _in_plane(corners[hull.equations[:, :3] @ best[:3] > _SAME_FACE].reshape(-1, 3), best)
    inner, _ = _rectangle(face)
    round_edges = most >= _ROUND * sides.prod() and most >= _FULL * inner.prod() and inner.min() >= _WIDE * reach
    return best if round_edges else None


def fit_box(points: Float[np.ndarray, "n 3"], plane: Float[np.ndarray, " 4"], reach: float) -> Box:
    """A box upon a face: as long as the face's outline in the direction of x, and of its area."""
    sole = _of_face(points, plane, reach)
    flat = _in_plane(sole, plane)
    _, angle = _rectangle(flat)
    angle = angle if abs(angle) > _ASKEW else 0.0
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = flat @ turn.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    share = float(np.sqrt(_area(flat) / np.prod(high - low)))
    half = 0.5 * share * (high - low)
    axes = _axes(plane)
    tall = float((-(points @ plane[:3] + plane[3])).max())
    thick = float(np.clip(tall, 0.01 * reach, 0.04 * reach))
    along = axes[:, :2] @ turn.T
    up = -plane[:3]
    center = along @ (0.5 * (low + high)) + up * (plane[3] + 0.5 * thick)
    error = float(np.abs(0.5 * (high - low) - half).max())
    return Box(center, np.array([half[0], half[1], 0.5 * thick]), np.column_stack([along, up]), error)


def fit_sphere(points: Float[np.ndarray, "n 3"], reach: float) -> Ball:
    """A ball that touches the floor where the points do, with the radius of their lower end."""
    lowest = points[np.argmin(points[:, 2])]
    region = points[(points[:, 2] < lowest[2] + 0.06 * reach)]
    region = region[np.linalg.norm(region[:, :2] - lowest[:2], axis=1) < 0.15 * reach]
    center, radius = region[:, :2].mean(axis=0), 0.0
    if len(region) >= 6:
        solved, *_ = np.linalg.lstsq(np.c_[2.0 * region, np.ones(len(region))], (region**2).sum(axis=1), rcond=None)
        radius = float(np.sqrt(max(solved[3] + solved[:3] @ solved[:3], 0.0)))
        off = np.abs(np.linalg.norm(region - solved[:3], axis=1) - radius)
        fits = 0.005 * reach < radius < 0.15 * reach and off.mean() < 0.2 * radius
        center, radius = (solved[:2], radius) if fits else (center, 0.0)
    if not radius:
        end = points[points[:, 2] < lowest[2] + 0.02 * reach]
        center = 0.5 * (end.min(axis=0) + end.max(axis=0))[:2]
        radius = float(np.clip(0.5 * np.ptp(end[:, :2], axis=0).mean(), 0.01 * reach, 0.06 * reach))
    middle = np.array([*center, lowest[2] + radius])
    near = region[region[:, 2] < lowest[2] + radius]
    error = float(np.abs(np.linalg.norm(near - middle, axis=1) - radius).max()) if len(near) else 0.0
    return Ball(middle, radius, error)


def _of_face(
    points: Float[np.ndarray, "n 3"], plane: Float[np.ndarray, " 4"], reach: float
) -> Float[np.ndarray, "m 3"]:
    return points[points @ plane[:3] + plane[3] > -_THICK * reach]


def _axes(plane: Float[np.ndarray, " 4"]) -> Float[np.ndarray, "3 3"]:
    """Columns: forward and left in the plane, and the way up from it."""
    up = -plane[:3]
    forward = np.array([1.0, 0.0, 0.0]) - up[0] * up
    forward /= np.linalg.norm(forward)
    return np.column_stack([forward, np.cross(up, forward), up])


def _in_plane(points: Float[np.ndarray, "n 3"], plane: Float[np.ndarray, " 4"]) -> Float[np.ndarray, "n 2"]:
    return points @ _axes(plane)[:, :2]


def _rectangle(flat: Float[np.ndarray, "n 2"]) -> tuple[Float[np.ndarray, " 2"], float]:
    """The sides of the smallest rectangle around points, and its angle to x, within 45 degrees."""
    angles = np.radians(np.arange(-45, 45))
    turns = np.stack([np.stack([np.cos(angles), np.sin(angles)]), np.stack([-np.sin(angles), np.cos(angles)])])
    turned = np.einsum("ija,nj->nia", turns, flat)
    sides = np.ptp(turned, axis=0)
    best = int(np.argmin(np.round(sides.prod(axis=0), 12) + 1e-9 * np.abs(angles)))
    return sides[:, best], float(angles[best])


def _area(flat: Float[np.ndarray, "n 2"]) -> float:
    from scipy.spatial import ConvexHull

    return float(ConvexHull(flat).volume)
