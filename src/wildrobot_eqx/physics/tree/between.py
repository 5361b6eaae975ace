"""Where spheres, capsules and boxes meet: the closest points of two of them.

Each is that of MuJoCo's C engine (engine_collision_primitive.c, engine_collision_box.c), with one exception: two
capsules whose axes are parallel within 1e-4 rad have two contacts there and one here, in the middle of the part that
they share.
"""

from collections.abc import Callable

from .pairs import BOX, CAPSULE, SPHERE, Pair
from .scalar import Num, Scalar, absolute, clip, known, maximum, minimum, where
from .spatial import Mat, Vec, add, apply, apply_transposed, choose, column, cross, dot, norm, scale, sub

PARALLEL = 1e-8
"""Of two axes, the squared sine of the angle up to which MuJoCo takes them for parallel."""
TINY = 1e-15  # mjMINVAL
_X: Vec = (1.0, 0.0, 0.0)

Meeting = tuple[Vec, Scalar, Vec]
"""The normal from the first geom to the second, the distance (m), the contact's point from the first geom's centre."""


def meet(pair: Pair, mat1: Mat, way: Vec, mat2: Mat) -> Meeting:
    """Where two geoms meet.

    Args:
        pair: which, in MuJoCo's order.
        mat1: rotation of the first.
        way: from the centre of the first to that of the second, m.
        mat2: rotation of the second.
    """
    size1, size2 = pair.sizes
    return _MEETINGS[pair.kinds](size1, mat1, way, size2, mat2)


def _balls(start: Vec, radius1: Scalar, way: Vec, radius2: Scalar) -> Meeting:
    """Spheres, the first of which is at `start`, the second `way` from it."""
    length = norm(way)
    apart = length > TINY
    normal = way
    if isinstance(length, Num):
        safe = where(apart, length, 1.0)
        one, zero = known(1.0, length), known(0.0, length)
        x, y, z = (w / safe for w in way)
        normal = choose(apart, (x, y, z), (one, zero, zero))
    else:
        normal = scale(1.0 / length, way) if apart else _X
    distance = length - radius1 - radius2
    return normal, distance, add(start, scale(radius1 + 0.5 * distance, normal))


def _sphere_sphere(size1: Vec, mat1: Mat, way: Vec, size2: Vec, mat2: Mat) -> Meeting:
    return _balls((0.0, 0.0, 0.0), size1[0], way, size2[0])


def _sphere_capsule(size1: Vec, mat1: Mat, way: Vec, size2: Vec, mat2: Mat) -> Meeting:
    axis = column(mat2, 2)
    along = clip(-dot(axis, way), -size2[1], size2[1])
    return _balls((0.0, 0.0, 0.0), size1[0], add(way, scale(along, axis)), size2[0])


def _capsule_capsule(size1: Vec, mat1: Mat, way: Vec, size2: Vec, mat2: Mat) -> Meeting:
    """Clamped to one capsule and then to the other, points are each other's closest, for the distance is convex.

    By the cross product of the axes, which keeps the digits that the determinant loses where they are nearly parallel.
    """
    a, b, (half1, half2) = column(mat1, 2), column(mat2, 2), (size1[1], size2[1])
    n = cross(a, b)
    square = dot(n, n)
    centre, wide = dot(a, way), half2 * absolute(dot(a, b))  # of the second's shadow on the first
    shared = 0.5 * (maximum(centre - wide, -half1) + minimum(centre + wide, half1))
    parallel = square < PARALLEL
    safe = where(parallel, known(1.0, square), square)
    s = where(parallel, shared, dot(cross(way, b), n) / safe)
    s = clip(s, -half1, half1)
    t = clip(dot(b, sub(scale(s, a), way)), -half2, half2)
    s = clip(dot(a, add(way, scale(t, b))), -half1, half1)
    start = scale(s, a)
    return _balls(start, size1[0], sub(add(way, scale(t, b)), start), size2[0])


def _sphere_box(size1: Vec, mat1: Mat, way: Vec, size2: Vec, mat2: Mat) -> Meeting:
    """From outside along the way to the box's closest point, from inside through the nearest face."""
    radius = size1[0]
    back = apply_transposed(mat2, way)
    centre = (-back[0], -back[1], -back[2])  # of the sphere, in the box's frame
    x, y, z = (clip(c, -s, s) - c for c, s in zip(centre, size2))
    length = norm((x, y, z))
    outside = length > TINY
    safe = where(outside, length, 1.0)
    gaps = [s - absolute(c) for c, s in zip(centre, size2)]
    least = minimum(minimum(gaps[0], gaps[1]), gaps[2])
    in_x, in_y = gaps[0] <= least, gaps[1] <= least
    one, zero = known(1.0, least), known(0.0, least)
    unit = choose(in_x, (one, zero, zero), choose(in_y, (zero, one, zero), (zero, zero, one)))
    # inward, through the face that the centre is nearest to
    i, j, k = (where(c > 0.0, -u, u) for c, u in zip(centre, unit))
    local = choose(outside, (x / safe, y / safe, z / safe), (i, j, k))
    distance = where(outside, length, -least) - radius
    normal = apply(mat2, local)
    return normal, distance, scale(radius + 0.5 * distance, normal)


_MEETINGS: dict[tuple[int, int], Callable[[Vec, Mat, Vec, Vec, Mat], Meeting]] = {
    (SPHERE, SPHERE): _sphere_sphere,
    (SPHERE, CAPSULE): _sphere_capsule,
    (CAPSULE, CAPSULE): _capsule_capsule,
    (SPHERE, BOX): _sphere_box,
}
