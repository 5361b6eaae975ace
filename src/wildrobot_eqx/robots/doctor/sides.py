"""Left and right: bodies that are each other's mirror image by place, but not by mass, limits or gains."""

from collections.abc import Iterator

import mujoco
import numpy as np
from jaxtyping import Float

from .finding import Finding
from .subject import Subject, is_scalar

_MASS, _PLACE, _INERTIA, _FIGURE = 0.01, 0.02, 0.1, 0.01  # shares that count as the same
_ANGLE = 0.01  # rad
_GROSS = 1.5  # a ratio of masses or inertias that no cable explains


def check_sides(subject: Subject) -> Iterator[Finding]:
    """Masses, centres of mass and inertias of bodies, and figures of joints, on the left and on the right."""
    for left, right in subject.mirrored.items():
        where = f"bodies {subject.body_name(left)!r} and {subject.body_name(right)!r}"
        yield from _masses(subject, left, right, where)
        yield from _joints(subject, left, right)


def _masses(subject: Subject, left: int, right: int, where: str) -> Iterator[Finding]:
    mj = subject.mj
    a, b = float(mj.body_mass[left]), float(mj.body_mass[right])
    cure = "mirror one of them: y of its places, and ixy and iyz of its inertia, change their sign"
    if abs(a - b) > _MASS * max(a, b):
        yield Finding(
            "sides",
            "fault" if max(a, b) > _GROSS * min(a, b) else "note",
            "Left and right have different masses.",
            where,
            f"{a:.4g} and {b:.4g} kg",
            cure,
        )
        return
    reach = max(float(np.linalg.norm(mj.body_ipos[left])), 0.05 * subject.size)
    places = _in_root(subject, left), _in_root(subject, right)
    apart = float(np.linalg.norm(places[0][0] * np.array([1.0, -1.0, 1.0]) - places[1][0]))
    if apart > max(_PLACE * subject.size, 0.2 * reach):
        yield Finding(
            "sides",
            "note",
            "The centres of mass of left and right are no mirror images.",
            where,
            f"{1e3 * apart:.3g} mm apart after mirroring",
            cure,
        )
    flip = np.diag([1.0, -1.0, 1.0])
    image = flip @ places[0][1] @ flip
    scale = float(np.abs(places[1][1]).max())
    off = float(np.abs(image - places[1][1]).max())
    if off > _INERTIA * scale:
        small, large = sorted(float(np.trace(place[1])) for place in places)
        yield Finding(
            "sides",
            "fault" if large > _GROSS**2 * small else "note",
            "The inertias of left and right are no mirror images.",
            where,
            f"an entry differs by {100 * off / scale:.3g}% of the largest after mirroring",
            cure,
        )


def _in_root(subject: Subject, body: int) -> tuple[Float[np.ndarray, " 3"], Float[np.ndarray, "3 3"]]:
    """A body's centre of mass and its inertia about it, in the root's frame and the zero pose."""
    mj = subject.mj
    data = mujoco.MjData(mj)
    mujoco.mj_kinematics(mj, data)
    root = data.xmat[subject.root].reshape(3, 3)
    turn = root.T @ data.ximat[body].reshape(3, 3)
    return (data.xipos[body] - data.xpos[subject.root]) @ root, turn @ np.diag(mj.body_inertia[body]) @ turn.T


def _joints(subject: Subject, left: int, right: int) -> Iterator[Finding]:
    mj = subject.mj
    data = mujoco.MjData(mj)
    mujoco.mj_kinematics(mj, data)
    root = data.xmat[subject.root].reshape(3, 3)
    for i in range(int(mj.body_jntnum[left])):
        a, b = int(mj.body_jntadr[left]) + i, int(mj.body_jntadr[right]) + i
        if mj.jnt_type[a] != mj.jnt_type[b] or not is_scalar(mj, a):
            continue
        where = f"joints {subject.joint_name(a)!r} and {subject.joint_name(b)!r}"
        flip = np.array([1.0, -1.0, 1.0]) * (-1.0 if mj.jnt_type[a] == mujoco.mjtJoint.mjJNT_HINGE else 1.0)
        along = float((flip * (data.xaxis[a] @ root)) @ (data.xaxis[b] @ root))
        if abs(along) < 0.9:
            continue
        image = mj.jnt_range[a] if along > 0 else -mj.jnt_range[a][::-1]
        limited = bool(mj.jnt_limited[a]), bool(mj.jnt_limited[b])
        if limited[0] != limited[1] or (all(limited) and np.abs(image - mj.jnt_range[b]).max() > _ANGLE):
            yield Finding(
                "sides",
                "note",
                "The ranges of left and right are no mirror images.",
                where,
                f"{_range(mj, a)} and {_range(mj, b)}, axes {'alike' if along > 0 else 'opposite'} in the mirror",
                "where an axis is opposite in the mirror, swap the ends of its range and change their signs",
            )
        for what, figures in _figures(mj).items():
            x, y = float(figures.get(a, 0.0)), float(figures.get(b, 0.0))
            if abs(x - y) > _FIGURE * max(abs(x), abs(y)):
                yield Finding(
                    "sides",
                    "note",
                    f"Left and right differ in their {what}.",
                    where,
                    f"{x:.4g} and {y:.4g}",
                    "give both the same, by a class of <default>",
                )


def _range(mj: mujoco.MjModel, joint: int) -> str:
    low, high = mj.jnt_range[joint]
    return f"[{low:.3g}, {high:.3g}]" if mj.jnt_limited[joint] else "no range"


def _figures(mj: mujoco.MjModel) -> dict[str, dict[int, float]]:
    """Figures by joint that have no side."""
    dofs = {j: int(mj.jnt_dofadr[j]) for j in range(mj.njnt)}
    found = {
        "armature": {j: mj.dof_armature[d] for j, d in dofs.items()},
        "damping": {j: mj.dof_damping[d][0] if mj.dof_damping.ndim > 1 else mj.dof_damping[d] for j, d in dofs.items()},
        "dry friction": {j: mj.dof_frictionloss[d] for j, d in dofs.items()},
    }
    driven = {int(mj.actuator_trnid[i, 0]): i for i in range(mj.nu) if mj.actuator_trntype[i] == 0}
    found["gain"] = {j: mj.actuator_gainprm[i, 0] for j, i in driven.items()}
    found["torque limit"] = {j: mj.actuator_forcerange[i, 1] for j, i in driven.items()}
    return found
