"""Forces that need no solver: Coriolis, centrifugal and gravity forces, springs and dampers.

Sources: the recursive Newton-Euler algorithm, RBDA table 5.1; MuJoCo's documentation,
Computation, "Passive forces".
"""

from .inertia import project
from .kinematics import Poses, Velocities
from .model import BALL, FREE, Tree
from .rotations import quat_difference
from .scalar import Scalar
from .spatial import REST, ZERO, Inertia, Spatial, Vec, cross_force, move, neg


def bias_forces(p: Poses, v: Velocities, inertias: list[Inertia], gravity: Vec) -> list[Scalar]:
    """c(q, v) of the equations of motion, gravity included: joint forces that keep qacc at zero."""
    lift: Spatial = (ZERO, neg(gravity))
    forces: list[Spatial] = [REST]
    for i, body in enumerate(p.tree.bodies[1:], 1):
        if body.tree < 0:
            forces.append(REST)
            continue
        momentum = inertias[i] @ v.body[i]
        forces.append(move(inertias[i] @ move(v.drift[i], lift), cross_force(v.body[i], momentum)))
    return project(p, forces)


def passive_forces(tree: Tree, damping: list[Scalar], qpos: list[Scalar], qvel: list[Scalar]) -> list[Scalar]:
    """Forces of joint springs and dampers."""
    out: list[Scalar] = [-(damping[i] * qvel[i]) if tree.dampers else 0.0 for i in range(tree.nv)]
    for body in tree.bodies if tree.springs else ():
        for joint in body.joints:
            k = joint.stiffness
            if k == 0.0:
                continue
            q = qpos[joint.qpos : joint.qpos + len(joint.spring)]
            stretch = [a - b for a, b in zip(q, joint.spring)]
            if joint.kind in (FREE, BALL):
                w, x, y, z = q[-4:]
                rest = joint.spring
                turn = quat_difference((w, x, y, z), (rest[-4], rest[-3], rest[-2], rest[-1]))
                stretch = [*stretch[:-4], *turn]
            for n, s in enumerate(stretch):
                out[joint.dof + n] = out[joint.dof + n] - k * s
    return out
