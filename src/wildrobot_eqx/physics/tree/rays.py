"""Whether a ray meets a site's shape, for touch sensors (MuJoCo's mju_rayGeom)."""

import mujoco

from .scalar import Mask, Scalar, both, maximum, minimum, neither, sqrt, where
from .spatial import Vec, dot

SPHERE, ELLIPSOID, BOX = (int(getattr(mujoco.mjtGeom, f"mjGEOM_{name}")) for name in ("SPHERE", "ELLIPSOID", "BOX"))
SHAPES = {SPHERE, ELLIPSOID, BOX}


def hits(shape: int, size: tuple[float, ...], point: Vec, ray: Vec) -> Mask:
    """Whether the ray from `point` along `ray`, both in the shape's frame, meets the shape."""
    if shape == BOX:
        return _hits_box(size, point, ray)
    half = (size[0],) * 3 if shape == SPHERE else size
    p, d = ((v[0] / half[0], v[1] / half[1], v[2] / half[2]) for v in (point, ray))
    a, b, c = dot(d, d), dot(d, p), dot(p, p) - 1.0
    discriminant = b * b - a * c
    return both(discriminant > 0.0, sqrt(discriminant) >= b)


def _hits_box(size: tuple[float, ...], point: Vec, ray: Vec) -> Mask:
    near: Scalar = -1e10
    far: Scalar = 1e10
    for x, d, s in zip(point, ray, size):
        flat = both(d < 1e-12, d > -1e-12)
        safe = where(flat, 1e-12, d)
        one, two = (-s - x) / safe, (s - x) / safe
        low, high = minimum(one, two), maximum(one, two)
        near = maximum(near, low)
        far = minimum(far, high)
    return both(neither(near > far), far >= 0.0)
