"""Contacts with torques, condim 4 and 6: friction also about the normal, and against rolling about both tangents.

Sources: MuJoCo's documentation, Computation, "Friction cones"; Todorov 2014 (see `cones`). The coefficients stand in
`Touch.frictions`, one for each axis after the normal.
"""

from typing import NamedTuple

from .constraints import Touch
from .scalar import Scalar, maximum, minimum, sqrt, total, where

Axes = tuple[Scalar, ...]  # normal, two tangents, spin, and with condim 6 two axes of rolling


class Matrix(NamedTuple):
    """The cost's second derivatives in the contact's axes."""

    rows: tuple[Axes, ...]

    def __matmul__(self, x: Axes) -> Axes:
        return tuple(total(a * b for a, b in zip(row, x)) for row in self.rows)


def edges(touch: Touch, x: Axes) -> list[Scalar]:
    """Accelerations of a pyramid's edges, two for each axis after the normal."""
    out: list[Scalar] = []
    for mu, part in zip(touch.frictions, x[1:]):
        side = mu * part
        out += [x[0] + side, x[0] - side]
    return out


def pyramid(touch: Touch, x: Axes) -> tuple[Axes, Matrix]:
    """Force in the contact's axes, N and N m, and curvature, of a pyramidal cone at the acceleration x - aref."""
    d, found = touch.stiff[0], edges(touch, x)
    force = [-(d * minimum(e, 0.0)) for e in found]
    weight = [where(e < 0.0, d, 0.0) for e in found]
    size, ups = len(x), list(zip(touch.frictions, force[::2], force[1::2], weight[::2], weight[1::2]))
    rows: list[list[Scalar]] = [[0.0] * size for _ in range(size)]
    rows[0][0] = total(weight)
    for k, (mu, _, _, up, down) in enumerate(ups, 1):
        rows[0][k] = rows[k][0] = mu * (up - down)
        rows[k][k] = mu * mu * (up + down)
    return (total(force), *(mu * (up - down) for mu, up, down, _, _ in ups)), Matrix(tuple(map(tuple, rows)))


def elliptic(touch: Touch, x: Axes) -> tuple[Axes, Matrix]:
    """The same of an elliptic cone."""
    mu, (stiff, tangential) = touch.mu, touch.stiff
    n = mu * x[0]
    scaled = [f * part for f, part in zip(touch.frictions, x[1:])]
    t = maximum(sqrt(total(s * s for s in scaled)), 1e-15)
    top, bottom = n >= mu * t, mu * n + t <= 0.0
    mass = stiff / (mu * mu * (1.0 + mu * mu))
    push = -(mass * (n - mu * t) * mu)
    drag = push / t

    def zones(inside: Scalar, between: Scalar) -> Scalar:
        return where(top, 0.0, where(bottom, inside, between))

    first = touch.frictions[0]
    stiffs = [tangential * ((f * f) / (first * first)) for f in touch.frictions]
    force = [zones(-(stiff * x[0]), push)]
    for d, part, s, f in zip(stiffs, x[1:], scaled, touch.frictions):
        force.append(zones(-(d * part), -(drag * s * f)))
    units = [s / t for s in scaled]
    bend = mu * n / t
    side = mu * mu - bend
    size = len(x)
    rows: list[list[Scalar]] = [[0.0] * size for _ in range(size)]
    rows[0][0] = zones(stiff, mass * mu * mu)
    for i, (f, u) in enumerate(zip(touch.frictions, units), 1):
        rows[0][i] = rows[i][0] = zones(0.0, -(mass * f * mu * mu * u))
        rows[i][i] = zones(stiffs[i - 1], mass * f * f * (side + bend * u * u))
        for j, (g, w) in enumerate(zip(touch.frictions[: i - 1], units), 1):
            rows[i][j] = rows[j][i] = zones(0.0, mass * f * g * bend * u * w)
    return tuple(force), Matrix(tuple(map(tuple, rows)))
