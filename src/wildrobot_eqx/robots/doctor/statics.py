"""Torques that hold a robot still on its feet: a non-negative least-squares problem over contact forces.

Contact forces are non-negative combinations of the edges of friction pyramids at the soles. They must carry what no
motor can (the base), and are otherwise chosen so that the joints' shares of their torque limits are least.
"""

import mujoco
import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

from .feet import sole_points
from .subject import Subject, lowest

_FRICTION = 0.7
_HARD = 1e3  # weight of the rows that no motor can carry against a full torque of a joint
_ERROR = 0.02  # share of the robot's weight that may be left over
_STEPS, _DAMPING, _CLOSE = 40, 1e-4, 0.01  # of the squat's solver; share of the leg length


def holding_torques(
    subject: Subject, qpos: Float[np.ndarray, " nq"], limits: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"] | None:
    """The torque of each driven joint, N m, that holds the robot still at `qpos`; None where no forces balance it.

    Args:
        subject: the robot; a root that is fixed needs no feet.
        qpos: the pose, in which the soles stand as at home.
        limits: of the driven joints' torques, N m.
    """
    mj = subject.mj
    data = mujoco.MjData(mj)
    data.qpos[:] = qpos
    mujoco.mj_forward(mj, data)
    need = data.qfrc_bias - data.qfrc_passive
    columns = _edges(subject, data)
    dofs = [int(mj.jnt_dofadr[j]) for j in subject.joints]
    own = _own_dofs(subject)
    free = [dof for dof in own if dof not in dofs]
    weight = subject.mass * float(np.linalg.norm(mj.opt.gravity))
    scale = np.zeros(mj.nv)
    scale[free] = _HARD / max(weight, 1e-9)
    scale[dofs] = 1.0 / np.maximum(limits, 1e-9)
    if columns.shape[1] == 0:
        found = np.zeros(0)
    else:
        found, _ = nnls(scale[:, None] * columns, scale * need, maxiter=20 * columns.shape[1])
    rest = need - columns @ found
    if free and float(np.abs(rest[free]).max()) > _ERROR * weight * max(1.0, subject.leg_length):
        return None
    return rest[dofs]


def _own_dofs(subject: Subject) -> list[int]:
    """The degrees of freedom of the robot's own tree."""
    mj = subject.mj
    trees = {int(mj.body_rootid[subject.root])}
    return [d for d in range(mj.nv) if int(mj.body_rootid[mj.dof_bodyid[d]]) in trees]


def _edges(subject: Subject, data: mujoco.MjData) -> Float[np.ndarray, "nv k"]:
    """Generalised forces of a unit of force along each edge of the friction pyramids at the soles."""
    mj = subject.mj
    columns: list[np.ndarray] = []
    if not subject.feet:
        return np.zeros((mj.nv, 0))
    home = subject.at_home
    floor = min(lowest(mj, home, g) for foot in subject.feet for g in foot.geoms)
    ways = np.array([[_FRICTION, 0, 1], [-_FRICTION, 0, 1], [0, _FRICTION, 1], [0, -_FRICTION, 1]])
    for foot in subject.feet:
        back = home.xmat[foot.body].reshape(3, 3)
        local = (sole_points(subject, foot, floor) - home.xpos[foot.body]) @ back
        points = data.xpos[foot.body] + local @ data.xmat[foot.body].reshape(3, 3).T
        for point in points:
            jacobian = np.zeros((3, mj.nv))
            mujoco.mj_jac(mj, data, jacobian, None, point, foot.body)
            columns += [jacobian.T @ way for way in ways]
    return np.stack(columns, axis=1)


def squat(subject: Subject, depth: float) -> Float[np.ndarray, " nq"] | None:
    """The home pose with the root `depth` (m) lower and the feet where they are; None where the legs cannot.

    Damped least squares on the driven joints, which hold each foot's place and, where it has a flat sole, its
    orientation (Buss 2004, Introduction to inverse kinematics).
    """
    from ..stand import rising

    mj = subject.mj
    lifts = rising(mj, subject.root)[:1]
    if subject.home is None or not subject.feet or not lifts:
        return None
    data = mujoco.MjData(mj)
    data.qpos[:] = subject.home
    data.qpos[lifts] -= depth
    dofs = [int(mj.jnt_dofadr[j]) for j in subject.joints]
    at = [int(mj.jnt_qposadr[j]) for j in subject.joints]
    limited = mj.jnt_limited[list(subject.joints)].astype(bool)
    low = np.where(limited, mj.jnt_range[list(subject.joints), 0], -np.inf)
    high = np.where(limited, mj.jnt_range[list(subject.joints), 1], np.inf)
    home = subject.at_home
    error = np.inf
    for _ in range(_STEPS):
        mujoco.mj_kinematics(mj, data)
        mujoco.mj_comPos(mj, data)
        rows, off = [], []
        for foot in subject.feet:
            place, turn = np.zeros((3, mj.nv)), np.zeros((3, mj.nv))
            mujoco.mj_jacBody(mj, data, place, turn, foot.body)
            rows.append(place[:, dofs])
            off.append(home.xpos[foot.body] - data.xpos[foot.body])
            if any(int(mj.geom_type[g]) == int(mujoco.mjtGeom.mjGEOM_BOX) for g in foot.geoms):
                rows.append(subject.leg_length * turn[:, dofs])
                wrong = np.zeros(3)
                inverse, spin = np.zeros(4), np.zeros(4)
                mujoco.mju_negQuat(inverse, data.xquat[foot.body])
                mujoco.mju_mulQuat(spin, home.xquat[foot.body], inverse)
                mujoco.mju_quat2Vel(wrong, spin, 1.0)
                off.append(subject.leg_length * wrong)
        jacobian, wanted = np.concatenate(rows), np.concatenate(off)
        error = float(np.abs(wanted).max())
        if error < 0.1 * _CLOSE * subject.leg_length:
            break
        step = jacobian.T @ np.linalg.solve(
            jacobian @ jacobian.T + _DAMPING * subject.leg_length**2 * np.eye(len(wanted)), wanted
        )
        data.qpos[at] = np.clip(data.qpos[at] + np.clip(step, -0.3, 0.3), low, high)
    return data.qpos.copy() if error < _CLOSE * subject.leg_length else None
