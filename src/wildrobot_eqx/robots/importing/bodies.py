"""A skeleton as an MJCF: links, joints and their constraints, with nothing on them yet."""

import mujoco
import numpy as np
from jaxtyping import Float

from .skeleton import Skeleton

_BALL = int(mujoco.mjtJoint.mjJNT_BALL)
_KIND = mujoco.mjtJoint
_SLACK = 1e-4  # by which two principal moments together exceed the third


def quaternion(mat: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, " 4"]:
    """The quaternion (w, x, y, z) of a rotation matrix; w is not negative."""
    found = np.zeros(4)
    mujoco.mju_mat2Quat(found, np.ascontiguousarray(mat).ravel())
    return found if found[0] >= 0.0 else -found


def add_links(
    spec: mujoco.MjSpec,
    skeleton: Skeleton,
    mj: mujoco.MjModel,
    armature: dict[str, float],
    damping: dict[str, float],
    frictionloss: dict[str, float],
) -> list[mujoco.MjsBody]:
    """Add a robot's links to the world, the root with a free joint called `root`.

    Args:
        spec: what they are added to.
        skeleton: the links.
        mj: the source, which has the figures of the joints.
        armature: kg m^2, of joints that get another one than the source's.
        damping: N m s/rad, likewise.
        frictionloss: N m, likewise.

    Returns:
        The bodies, in the order of the links.
    """
    bodies: list[mujoco.MjsBody] = []
    for link in skeleton.links:
        parent = spec.worldbody if link.parent < 0 else bodies[link.parent]
        body = parent.add_body(name=link.name, pos=link.pos, quat=quaternion(link.mat))
        body.explicitinertial = True
        body.mass, body.ipos, body.iquat = link.mass, link.com, [1.0, 0.0, 0.0, 0.0]
        i = _solid(link.inertia)
        body.fullinertia = [i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2]]
        bodies.append(body)
        if link.parent < 0:
            taken = {joint.name for joint in skeleton.joints}
            body.add_freejoint(name="root" if "root" not in taken else "root_free_joint")
        for joint in link.joints:
            own = body.add_joint(name=joint.name, type=_KIND(joint.kind), pos=joint.pos, axis=joint.axis)
            dof, at = int(mj.jnt_dofadr[joint.id]), int(mj.jnt_qposadr[joint.id])
            own.armature = armature.get(joint.name, float(mj.dof_armature[dof]))
            own.frictionloss = frictionloss.get(joint.name, float(mj.dof_frictionloss[dof]))
            own.damping[0] = damping.get(joint.name, float(mj.dof_damping[dof]))
            own.stiffness[0] = float(mj.jnt_stiffness[joint.id])
            if joint.kind != _BALL:
                own.ref, own.springref = float(mj.qpos0[at]), float(mj.qpos_spring[at])
            if mj.jnt_limited[joint.id]:
                own.range, own.limited = mj.jnt_range[joint.id], True
    for mimic in skeleton.mimics:
        equality = spec.add_equality(
            name=f"{mimic.follower}_follows",
            type=mujoco.mjtEq.mjEQ_JOINT,
            objtype=mujoco.mjtObj.mjOBJ_JOINT,
            name1=mimic.follower,
            name2=mimic.leader,
        )
        equality.data[:5] = mimic.polynomial
    return bodies


def _solid(inertia: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """An inertia that stays one of a solid body when it is written with few digits: A + B > C, by a little."""
    values, axes = np.linalg.eigh(0.5 * (inertia + inertia.T))
    lacking = max(float((1.0 + _SLACK) * values[2] - values[0] - values[1]), 0.0)
    values[:2] += 0.5 * lacking
    return (axes * values) @ axes.T


def new_spec(name: str) -> mujoco.MjSpec:
    """An empty MJCF in radians."""
    spec = mujoco.MjSpec()
    spec.modelname = name
    spec.compiler.degree = False
    spec.compiler.autolimits = True
    spec.compiler.balanceinertia = True
    return spec


def bare_model(skeleton: Skeleton, mj: mujoco.MjModel) -> mujoco.MjModel:
    """The compiled links alone, for kinematics and dynamics; body i + 1 is link i."""
    spec = new_spec("bare")
    add_links(spec, skeleton, mj, {}, {}, {})
    return spec.compile()
