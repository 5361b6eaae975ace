"""The joint-space inertia matrix and its factorisation, both with the tree's sparsity.

Entry (i, j) differs from zero only where dof j moves dof i's body or the other way round, so
a matrix is a dict of its lower triangle's entries that can differ from zero. Sources: the
composite rigid body algorithm, RBDA table 6.2; the L^T D L factorisation without fill-in,
RBDA section 6.5 and table 6.3; MuJoCo's documentation, Computation, "Inertia".
"""

from collections.abc import Sequence

from .kinematics import Poses
from .model import Tree
from .scalar import Scalar
from .spatial import Inertia, Mat, Spatial, Symmetric, Vec, add, apply, inertia_about, power, rotated_symmetric

Sparse = dict[tuple[int, int], Scalar]
Below = Sequence[tuple[int, ...]]  # of each row, the columns left of the diagonal that may differ from zero, last first
NOTHING = Inertia(0.0, (0.0, 0.0, 0.0), Symmetric(0.0, 0.0, 0.0, 0.0, 0.0, 0.0))


def central_inertia(principal: Mat, moments: Vec) -> Symmetric:
    """A body's inertia about its centre of mass, in the body frame, from its principal moments."""
    return rotated_symmetric(principal, Symmetric(moments[0], moments[1], moments[2], 0.0, 0.0, 0.0))


def body_inertias(p: Poses, mass: list[Scalar], centre: list[Vec], central: list[Symmetric]) -> list[Inertia]:
    """Each body's inertia about its tree's origin, world-aligned."""
    out = [NOTHING]
    for i, body in enumerate(p.tree.bodies[1:], 1):
        if body.tree < 0:
            out.append(NOTHING)
            continue
        offset = add(p.offset[i], apply(p.rotation[i], centre[i]))
        out.append(inertia_about(mass[i], offset, rotated_symmetric(p.rotation[i], central[i])))
    return out


def composite(tree: Tree, inertias: list[Inertia]) -> list[Inertia]:
    """Each body's inertia with all its descendants'."""
    out = list(inertias)
    for i in range(len(tree.bodies) - 1, 0, -1):
        if tree.bodies[tree.bodies[i].parent].tree >= 0:
            out[tree.bodies[i].parent] = out[tree.bodies[i].parent].plus(out[i])
    return out


def mass_matrix(p: Poses, inertias: list[Inertia], armature: list[Scalar]) -> Sparse:
    """The joint-space inertia matrix M, armature included."""
    tree = p.tree
    whole = composite(tree, inertias)
    out: Sparse = {}
    for i, dof in enumerate(tree.dofs):
        momentum = whole[dof.body] @ p.motion[i]
        out[i, i] = power(p.motion[i], momentum) + armature[i]
        for j in dof.parents:
            out[i, j] = power(p.motion[j], momentum)
    return out


def entry(m: Sparse, i: int, j: int) -> Scalar:
    """m[i, j] by either triangle, 0 where the tree makes it so."""
    return m.get((i, j), m.get((j, i), 0.0))


def multiply(tree: Tree, m: Sparse, x: list[Scalar]) -> list[Scalar]:
    """m x."""
    out = [m[i, i] * x[i] for i in range(tree.nv)]
    for i, dof in enumerate(tree.dofs):
        for j in dof.parents:
            out[i] = out[i] + m[i, j] * x[j]
            out[j] = out[j] + m[i, j] * x[i]
    return out


def factor(below: Below, m: Sparse) -> Sparse:
    """L^T D L = m: below the diagonal L, on it 1/D; `below` says where L may differ from zero."""
    out = dict(m)
    for k in range(len(below) - 1, -1, -1):
        inverse = 1.0 / out[k, k]
        for n, i in enumerate(below[k]):
            share = out.get((k, i), 0.0) * inverse
            for j in below[k][n:]:
                out[i, j] = out.get((i, j), 0.0) - share * out.get((k, j), 0.0)
            out[k, i] = share
        out[k, k] = inverse
    return out


def solve(below: Below, f: Sparse, x: list[Scalar]) -> list[Scalar]:
    """m^-1 x, given m's factors."""
    out = list(x)
    for k in range(len(below) - 1, -1, -1):
        for i in below[k]:
            out[i] = out[i] - f[k, i] * out[k]
    for k in range(len(below)):
        out[k] = out[k] * f[k, k]
        for i in below[k]:
            out[k] = out[k] - f[k, i] * out[i]
    return out


def project(p: Poses, forces: list[Spatial]) -> list[Scalar]:
    """Joint forces of spatial forces on bodies, leaves to root (RBDA table 5.1)."""
    tree, whole = p.tree, list(forces)
    for i in range(len(tree.bodies) - 1, 0, -1):
        parent = tree.bodies[i].parent
        if tree.bodies[parent].tree >= 0:
            a, b = whole[parent], whole[i]
            whole[parent] = (add(a[0], b[0]), add(a[1], b[1]))
    return [power(p.motion[i], whole[dof.body]) for i, dof in enumerate(tree.dofs)]
