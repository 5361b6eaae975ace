"""Where bodies are, how their joints move them, and how fast they go.

Source: MuJoCo's documentation, Computation, "Forward kinematics"; RBDA section 4.4.
"""

import dataclasses

from .model import BALL, FREE, HINGE, SLIDE, Body, Joint, Place, Tree
from .scalar import Scalar, total
from .spatial import (
    IDENTITY,
    REST,
    ZERO,
    Mat,
    Quat,
    Spatial,
    Vec,
    add,
    apply,
    column,
    cross,
    cross_motion,
    move,
    neg,
    product,
    quat_matrix,
    quat_multiply,
    quat_turn,
    quat_unit,
    rotate_about,
    scale,
    stretch,
    sub,
)

UNITS: tuple[Vec, Vec, Vec] = IDENTITY
NO_TURN: Quat = (1.0, 0.0, 0.0, 0.0)


@dataclasses.dataclass
class Poses:
    """Poses of all bodies and the motion of each degree of freedom.

    Spatial quantities of a kinematic tree are taken about its origin: the position of its
    root body, so that a robot far from the world's origin loses no digits.
    """

    tree: Tree
    rotation: list[Mat]  # body to world
    offset: list[Vec]  # from the tree's origin; of bodies that never move, from the world's
    origin: list[Vec]  # of each kinematic tree, m
    motion: list[Spatial]  # of each dof

    def position(self, body: int) -> Vec:
        """The body's position, m, world frame."""
        tree = self.tree.bodies[body].tree
        return self.offset[body] if tree < 0 else add(self.origin[tree], self.offset[body])

    def place(self, place: Place) -> tuple[Vec, Mat]:
        """A fixed frame's offset from its tree's origin, and its rotation to the world."""
        rotation = self.rotation[place.body]
        offset = self.offset[place.body]
        return add(offset, apply(rotation, place.pos)), product(rotation, place.mat)


def poses(tree: Tree, qpos: list[Scalar]) -> Poses:
    """Forward kinematics by rotation matrices."""
    n = max((b.tree for b in tree.bodies), default=-1) + 1
    out = Poses(tree, [IDENTITY], [ZERO], [ZERO] * n, [REST] * tree.nv)
    for i, body in enumerate(tree.bodies[1:], 1):
        _place_body(out, i, body, qpos)
    return out


def _place_body(out: Poses, i: int, body: Body, qpos: list[Scalar]) -> None:
    parent = out.rotation[body.parent]
    root = body.tree >= 0 and out.tree.bodies[body.parent].tree < 0
    if body.joints and body.joints[0].kind == FREE:
        joint = body.joints[0]
        q = qpos[joint.qpos : joint.qpos + 7]
        rotation = quat_matrix(quat_unit((q[3], q[4], q[5], q[6])))
        out.rotation.append(rotation)
        out.offset.append(ZERO)
        out.origin[body.tree] = (q[0], q[1], q[2])
        for k in range(3):
            out.motion[joint.dof + k] = (ZERO, UNITS[k])
            out.motion[joint.dof + 3 + k] = (column(rotation, k), ZERO)
        return
    rotation = product(parent, quat_matrix(body.quat))
    moved = ZERO
    anchors: list[Vec] = []  # from where the body ends up
    axes: list[list[Vec]] = []
    for joint in body.joints:
        axis = apply(rotation, joint.axis)
        if joint.kind == SLIDE:
            shift = scale(qpos[joint.qpos] - joint.zero, axis)
            axes.append([axis])
            anchor = ZERO
        else:
            before = apply(rotation, joint.pos)
            rotation = _turned(rotation, joint, qpos)
            anchor = apply(rotation, joint.pos)
            shift = sub(before, anchor)
            axes.append([axis] if joint.kind == HINGE else [column(rotation, k) for k in range(3)])
        anchors = [sub(a, shift) for a in anchors] + [anchor]
        moved = add(moved, shift)
    position = add(add(out.offset[body.parent], apply(parent, body.pos)), moved)
    out.rotation.append(rotation)
    out.offset.append(ZERO if root else position)
    if root:
        out.origin[body.tree] = position
    for joint, anchor, directions in zip(body.joints, anchors, axes):
        point = add(out.offset[i], anchor)
        for k, axis in enumerate(directions):
            slide = joint.kind == SLIDE
            out.motion[joint.dof + k] = (ZERO, axis) if slide else (axis, cross(point, axis))


def _turned(rotation: Mat, joint: Joint, qpos: list[Scalar]) -> Mat:
    if joint.kind == HINGE:
        return rotate_about(rotation, joint.axis, qpos[joint.qpos] - joint.zero)
    q = qpos[joint.qpos : joint.qpos + 4]
    return product(rotation, quat_matrix(quat_unit((q[0], q[1], q[2], q[3]))))


def quaternions(tree: Tree, qpos: list[Scalar]) -> list[Quat]:
    """Orientations of all bodies, wxyz, with MuJoCo's signs."""
    out: list[Quat] = [NO_TURN]
    for body in tree.bodies[1:]:
        quat = quat_multiply(out[body.parent], body.quat)
        for joint in body.joints:
            if joint.kind == FREE:
                q = qpos[joint.qpos + 3 : joint.qpos + 7]
                quat = quat_unit((q[0], q[1], q[2], q[3]))
            elif joint.kind == BALL:
                q = qpos[joint.qpos : joint.qpos + 4]
                quat = quat_multiply(quat, quat_unit((q[0], q[1], q[2], q[3])))
            elif joint.kind == HINGE:
                quat = quat_multiply(quat, quat_turn(joint.axis, qpos[joint.qpos] - joint.zero))
        out.append(quat)
    return out


@dataclasses.dataclass
class Velocities:
    """Spatial velocities of bodies, and their accelerations for zero joint accelerations and no gravity."""

    body: list[Spatial]
    drift: list[Spatial]  # sum of dS/dt qdot along the chain
    rate: list[Spatial]  # dS/dt of each dof


def velocities(p: Poses, qvel: list[Scalar]) -> Velocities:
    """Velocities and velocity-product accelerations, root to leaves (RBDA table 5.1)."""
    out = Velocities([REST], [REST], [REST] * p.tree.nv)
    for body in p.tree.bodies[1:]:
        v, a = out.body[body.parent], out.drift[body.parent]
        for joint in body.joints:
            dofs = range(joint.dof, joint.dof + {FREE: 6, BALL: 3}.get(joint.kind, 1))
            if joint.kind == FREE:  # its linear axes stand still in the world
                linear, dofs = dofs[:3], dofs[3:]
                v = move(v, (ZERO, (qvel[linear[0]], qvel[linear[1]], qvel[linear[2]])))
            rates = [cross_motion(v, p.motion[i]) for i in dofs]
            for i, rate in zip(dofs, rates):
                out.rate[i] = rate
                v = move(v, stretch(qvel[i], p.motion[i]))
                a = move(a, stretch(qvel[i], rate))
        out.body.append(v)
        out.drift.append(a)
    return out


def accelerations(p: Poses, v: Velocities, qacc: list[Scalar], gravity: Vec) -> list[Spatial]:
    """Spatial accelerations of bodies as an accelerometer feels them: the world falls up with -gravity."""
    out: list[Spatial] = [(ZERO, neg(gravity))]
    chain: list[Spatial] = [REST]
    for i, body in enumerate(p.tree.bodies[1:], 1):
        a = chain[body.parent]
        for joint in body.joints:
            for k in range(joint.dof, joint.dof + {FREE: 6, BALL: 3}.get(joint.kind, 1)):
                a = move(a, stretch(qacc[k], p.motion[k]))
        chain.append(a)
        out.append(move(move(a, v.drift[i]), out[0]))
    return out


def centre_of_mass(p: Poses, body: int, masses: list[Scalar], centres: list[Vec]) -> Vec:
    """The centre of mass of a body and its descendants, m, world frame; `centres` in the world."""
    inside = [b for b in range(len(p.tree.bodies)) if _is_inside(p.tree, b, body)]
    mass = total(masses[b] for b in inside)
    x, y, z = (total(masses[b] * centres[b][k] for b in inside) / mass for k in range(3))
    return (x, y, z)


def _is_inside(tree: Tree, body: int, root: int) -> bool:
    while body != root and body:
        body = tree.bodies[body].parent
    return body == root
