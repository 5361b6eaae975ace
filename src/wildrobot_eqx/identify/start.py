"""Where a simulation begins: the state that a variant of the robot would have had, by what was measured.

A robot measures neither where its base is nor how fast it moves. The joints are where their encoders say, less their
zeros; the base is turned as the IMU says, less its mounting; its lowest point touches the floor; and it moves over the
foot that stands: the lower one, or both where they are equally low.
"""

from collections.abc import Sequence

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .parameters import Parameters
from .subject import Subject
from .windows import Window

_LEVEL = 0.004  # m, within which two feet are equally low


def states(
    subject: Subject, parameters: Parameters, rows: NDArray[np.float64], windows: Sequence[Window]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first states of `r` variants in `w` windows: qpos (r, w, nq) and qvel (r, w, nv)."""
    r, w, model = len(rows), len(windows), subject.model
    qpos, qvel = np.tile(subject.home, (r, w, 1)), np.zeros((r, w, model.nv))
    given = [window.qpos is not None for window in windows]
    if all(given):
        for k, window in enumerate(windows):
            qpos[:, k], qvel[:, k] = window.qpos, window.qvel
        return qpos, qvel
    dt = subject.robot.control_dt
    zero = parameters.values("servo_zero", rows)
    joints = np.stack([window.joints for window in windows])[None]  # (1, w, 3, joints)
    if zero is not None:
        joints = joints - zero[:, None, None, :]
    joints = np.broadcast_to(joints, (r, w, 3, len(subject.joints)))
    qpos[:, :, subject.qpos] = joints[:, :, 1]
    qvel[:, :, subject.dof] = (joints[:, :, 2] - joints[:, :, 0]) / (2.0 * dt)
    if subject.base is None or subject.base_qpos is None:
        return qpos, qvel
    three = np.tile(subject.home, (r, w, 3, 1))
    three[..., subject.qpos] = joints
    at = subject.base_qpos
    three[..., at : at + 3] = 0.0
    if subject.has_imu and all(window.quat is not None for window in windows):
        three[..., at + 3 : at + 7] = [1.0, 0.0, 0.0, 0.0]
        mounted = _orientation(_forward(subject, three, ("sensordata",))["sensordata"][..., subject.quat])
        tilt = parameters.values("imu_tilt", rows)
        off = Rotation.from_rotvec(np.zeros((r, 3)) if tilt is None else tilt)
        off = Rotation.from_quat(np.repeat(off.as_quat(), 3 * w, axis=0))
        read = np.stack([np.asarray(window.quat) for window in windows])
        turned = _orientation(np.broadcast_to(read, (r, w, 3, 4))) * off.inv() * mounted.inv()
        three[..., at + 3 : at + 7] = turned.as_quat()[:, [3, 0, 1, 2]].reshape(r, w, 3, 4)
        spin = (turned_at(turned, 0, r, w).inv() * turned_at(turned, 2, r, w)).as_rotvec() / (2.0 * dt)
        qvel[:, :, subject.base + 3 : subject.base + 6] = spin.reshape(r, w, 3)
    found = _forward(subject, three, ("geom_xpos", "geom_xmat", "site_xpos"))
    feet = [foot.site for foot in subject.robot.feet]
    if feet:
        place = found["site_xpos"][..., feet, :]  # (r, w, 3, feet, 3)
        height = place[:, :, 1, :, 2]
        stands = (height < height.min(axis=2, keepdims=True) + _LEVEL)[..., None].astype(float)
        went = (place[:, :, 2] - place[:, :, 0]) / (2.0 * dt)
        qvel[:, :, subject.base : subject.base + 3] = -(stands * went).sum(axis=2) / stands.sum(axis=2)
    qpos[:, :, at + 3 : at + 7] = three[:, :, 1, at + 3 : at + 7]
    qpos[:, :, at : at + 2] = 0.0
    lowest = _lowest(subject, found["geom_xpos"][:, :, 1], found["geom_xmat"][:, :, 1])
    qpos[:, :, at + 2] = subject.home[at + 2] if lowest is None else -lowest
    return qpos, qvel


def turned_at(turned: Rotation, which: int, r: int, w: int) -> Rotation:
    """Of rotations for `r` variants, `w` windows and three times, those of one time."""
    return Rotation.from_quat(turned.as_quat().reshape(r * w, 3, 4)[:, which])


def _orientation(quat: NDArray[np.float64]) -> Rotation:
    """Rotations of quaternions (..., 4: w, x, y, z)."""
    return Rotation.from_quat(quat.reshape(-1, 4)[:, [1, 2, 3, 0]])


def _forward(subject: Subject, qpos: NDArray[np.float64], fields: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """Kinematics of poses (..., nq)."""
    lead = qpos.shape[:-1]
    batch = Batch(subject.model, int(np.prod(lead)), 1)
    bound = {name: batch.bind(name) for name in fields}
    batch.bind("qpos")[:] = qpos.reshape(-1, qpos.shape[-1])
    batch.forward(stage=int(mujoco.mjtStage.mjSTAGE_POS))
    return {name: np.array(value).reshape(*lead, *value.shape[1:]) for name, value in bound.items()}


def _lowest(subject: Subject, place: NDArray[np.float64], turned: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The height of the lowest corner of what may touch the floor, (r, w): of boxes about the geoms."""
    if not len(subject.soles):
        return None
    box = subject.model.geom_aabb[subject.soles].reshape(-1, 2, 3)
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    corners = box[:, None, 0] + signs[None] * box[:, None, 1]  # (soles, 8, 3)
    down = turned.reshape(*turned.shape[:-1], 3, 3)[..., 2, :] if turned.shape[-1] == 9 else turned[..., 2, :]
    height = place[..., subject.soles, 2][..., None] + np.einsum(
        "...gk,gck->...gc", down[..., subject.soles, :], corners
    )
    return height.min(axis=(-1, -2))
