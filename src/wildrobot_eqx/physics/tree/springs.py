"""Contacts' curvature as springs on bodies, which ride along in the composite rigid body algorithm."""

from . import cones
from .constraints import Touch
from .scalar import Scalar, total
from .spatial import (
    IDENTITY,
    Mat,
    Spatial,
    Symmetric,
    add,
    apply,
    apply_transposed,
    cross,
    scale,
    transpose,
)


class Springs:
    """A symmetric 6x6 matrix of blocks (angular, coupling, linear): contacts' curvature about the origin."""

    def __init__(self, angular: Symmetric, coupling: Mat, linear: Symmetric):
        self.angular, self.coupling, self.linear = angular, coupling, linear

    @staticmethod
    def of(touch: Touch, c: cones.Curvature) -> "Springs":
        """P^T C P of a point at r, P = [-[r]x, 1]: linear C, coupling [r]x C, angular -[r]x C [r]x."""
        n, a, b = touch.contact.frame
        frame, rows = [n], [scale(c.nn, n)]  # C in the contact's axes times the frame
        if touch.contact.pair.condim > 1:
            frame = [n, a, b]
            rows = [
                add(add(scale(c.nn, n), scale(c.n1, a)), scale(c.n2, b)),
                add(add(scale(c.n1, n), scale(c.aa, a)), scale(c.ab, b)),
                add(add(scale(c.n2, n), scale(c.ab, a)), scale(c.bb, b)),
            ]

        def entry(i: int, j: int) -> Scalar:
            return total(axis[i] * row[j] for axis, row in zip(frame, rows))

        linear = Symmetric(entry(0, 0), entry(1, 1), entry(2, 2), entry(0, 1), entry(0, 2), entry(1, 2))
        x, y, z = (cross(touch.offset, linear @ unit) for unit in IDENTITY)
        coupling = transpose((x, y, z))  # [r]x C
        turned = [cross(touch.offset, row) for row in coupling]  # rows of coupling [r]x^T
        angular = Symmetric(turned[0][0], turned[1][1], turned[2][2], turned[0][1], turned[0][2], turned[1][2])
        return Springs(angular, coupling, linear)

    def plus(self, other: "Springs") -> "Springs":
        """The sum."""
        x, y, z = (add(a, b) for a, b in zip(self.coupling, other.coupling))
        return Springs(self.angular.plus(other.angular), (x, y, z), self.linear.plus(other.linear))

    def __matmul__(self, m: Spatial) -> Spatial:
        """The spatial force that answers the motion m."""
        w, u = m
        moment = add(self.angular @ w, apply(self.coupling, u))
        return (moment, add(apply_transposed(self.coupling, w), self.linear @ u))
