"""What a contact answers to its acceleration: force and curvature of the cost, and both along a line.

Source: MuJoCo's documentation, Computation, "Reduced primal problem" and "Friction cones";
of the elliptic cone's three zones, Todorov 2014, "Convex and analytically-invertible dynamics
with contacts and constraints".
"""

from typing import NamedTuple

from . import wide_cones
from .constraints import Touch
from .scalar import Scalar, maximum, minimum, sqrt, total, where

Axes = tuple[Scalar, ...]  # normal, first tangent, second tangent; the normal alone; or, in `wide_cones`, more


class Curvature(NamedTuple):
    """The cost's second derivatives in the contact's axes."""

    nn: Scalar
    n1: Scalar
    n2: Scalar
    aa: Scalar  # both tangents
    bb: Scalar
    ab: Scalar

    def __matmul__(self, x: Axes) -> Axes:
        """The curvature times a vector in the contact's axes."""
        if len(x) == 1:
            return (self.nn * x[0],)
        return (
            self.nn * x[0] + self.n1 * x[1] + self.n2 * x[2],
            self.n1 * x[0] + self.aa * x[1] + self.ab * x[2],
            self.n2 * x[0] + self.ab * x[1] + self.bb * x[2],
        )


def _edges(touch: Touch, x: Axes) -> list[Scalar]:
    """Accelerations of a pyramid's edges; of a frictionless contact, the normal's."""
    if len(x) == 1:
        return [x[0]]
    if len(x) > 3:
        return wide_cones.edges(touch, x)
    first, second = touch.friction * x[1], touch.friction * x[2]
    return [x[0] + first, x[0] - first, x[0] + second, x[0] - second]


def respond(touch: Touch, elliptic: bool, x: Axes) -> tuple[Axes, Curvature | wide_cones.Matrix]:
    """Force in the contact's axes, N, and curvature, at the acceleration x - aref."""
    if len(x) > 3:
        return (wide_cones.elliptic if elliptic else wide_cones.pyramid)(touch, x)
    if elliptic and len(x) > 1:
        return _elliptic(touch, x)
    d = touch.stiff[0]
    edges = _edges(touch, x)
    force = [-(d * minimum(e, 0.0)) for e in edges]
    weight = [where(e < 0.0, d, 0.0) for e in edges]
    if len(x) == 1:
        return (force[0],), Curvature(weight[0], 0.0, 0.0, 0.0, 0.0, 0.0)
    mu = touch.friction
    square = mu * mu
    one, two = weight[0] + weight[1], weight[2] + weight[3]
    curvature = Curvature(
        one + two, mu * (weight[0] - weight[1]), mu * (weight[2] - weight[3]), square * one, square * two, 0.0
    )
    return (
        force[0] + force[1] + force[2] + force[3],
        mu * (force[0] - force[1]),
        mu * (force[2] - force[3]),
    ), curvature


def _elliptic(touch: Touch, x: Axes) -> tuple[Axes, Curvature]:
    mu, friction, (stiff, tangential) = touch.mu, touch.friction, touch.stiff
    n = mu * x[0]
    first, second = friction * x[1], friction * x[2]
    t = maximum(sqrt(first * first + second * second), 1e-15)
    top, bottom = n >= mu * t, mu * n + t <= 0.0
    mass = stiff / (mu * mu * (1.0 + mu * mu))
    gap = n - mu * t  # negative between the zones
    push = -(mass * gap * mu)  # of the normal there; the friction opposes the slip at the cone's edge
    drag = push / t

    def zones(inside: Scalar, between: Scalar) -> Scalar:
        return where(top, 0.0, where(bottom, inside, between))

    force = (
        zones(-(stiff * x[0]), push),
        zones(-(tangential * x[1]), -(drag * first * friction)),
        zones(-(tangential * x[2]), -(drag * second * friction)),
    )
    a, b = first / t, second / t
    side = mu * mu - mu * n / t
    bend = mu * n / t
    scale = mass * friction
    curvature = Curvature(
        zones(stiff, mass * mu * mu),
        zones(0.0, -(scale * mu * mu * a)),
        zones(0.0, -(scale * mu * mu * b)),
        zones(tangential, scale * friction * (side + bend * a * a)),
        zones(tangential, scale * friction * (side + bend * b * b)),
        zones(0.0, scale * friction * bend * a * b),
    )
    return force, curvature


class SearchLine(NamedTuple):
    """A contact along a line of accelerations."""

    touch: Touch
    start: list[Scalar]  # edges, or an elliptic cone's axes
    step: list[Scalar]


def line(touch: Touch, elliptic: bool, x: Axes, dx: Axes) -> SearchLine:
    """What `slope` needs of x + alpha dx."""
    if elliptic and len(x) > 1:
        return SearchLine(touch, list(x), list(dx))
    return SearchLine(touch, _edges(touch, x), _edges(touch, dx))


def slope(on: SearchLine, elliptic: bool, alpha: Scalar) -> tuple[Scalar, Scalar]:
    """First and second derivative of the contact's cost by alpha."""
    here = [a + alpha * b for a, b in zip(on.start, on.step)]
    if elliptic and len(here) > 3:
        push, curvature = wide_cones.elliptic(on.touch, tuple(here))
        curved = total(a * b for a, b in zip(curvature @ tuple(on.step), on.step))
        return -total(f * s for f, s in zip(push, on.step)), curved
    if elliptic and len(here) == 3:
        force, c = _elliptic(on.touch, tuple(here))
        n, a, b = on.step
        bent = n * (c.nn * n + 2.0 * (c.n1 * a + c.n2 * b)) + a * (c.aa * a + 2.0 * c.ab * b) + c.bb * b * b
        return -total(f * s for f, s in zip(force, on.step)), bent
    d = on.touch.stiff[0]
    first = total(minimum(e, 0.0) * s for e, s in zip(here, on.step))
    second = total(where(e < 0.0, s * s, 0.0) for e, s in zip(here, on.step))
    return d * first, d * second
