"""Frames of contacts: rows are the normal and two tangents, as MuJoCo's mju_makeFrame completes them."""

from .scalar import Num, both, known
from .spatial import Mat, Vec, choose, cross, dot, norm, scale, sub

_Y: Vec = (0.0, 1.0, 0.0)
_Z: Vec = (0.0, 0.0, 1.0)


def known_tangent(normal: Vec) -> Vec:
    """What hints at the first tangent of a normal that never changes."""
    y = normal[1]
    if isinstance(y, Num):
        raise TypeError("a plane that never moves has a constant normal")
    return _Y if -0.5 < y < 0.5 else _Z


def default_tangent(normal: Vec) -> Vec:
    """What hints at the first tangent of any normal."""
    y = normal[1]
    if not isinstance(y, Num):
        return known_tangent(normal)
    one, zero = known(1.0, y), known(0.0, y)
    return choose(both(y > -0.5, y < 0.5), (0.0, one, zero), (0.0, zero, one))


def frame_of(normal: Vec, hint: Vec) -> Mat:
    """The normal, the hint made orthogonal to it, and their cross product."""
    flat = sub(hint, scale(dot(hint, normal), normal))
    first = scale(1.0 / norm(flat), flat)
    return (normal, first, cross(normal, first))
