"""Targets that shake a standing robot such that a log of it tells its parameters, within what is safe."""

import mujoco
import numpy as np
from numpy.typing import NDArray

from ..robots import Robot
from .subject import Subject

_SAFE = 0.35  # of the way from the home pose to where the robot tips over, which the centre of mass may go
_SINGLE = np.radians(2.5)  # rad, of one joint alone
_AMPLITUDE = np.radians(12.0)  # rad, of the fastest joint of a motion of all


def excitation(robot: Robot, seconds: float, seed: int = 0) -> NDArray[np.float64]:
    """Targets of `seconds` s, (n, nu) rad, one for each control step; first and last is the home pose.

    Parts of 10 s take turns. In most, all joints move along the ways that leave both feet flat where they stand
    (squats, leans to all sides, turns of pelvis and waist), with several slow and fast sines at once. In one of three,
    single joints step by 2.5 degrees one after the other, and chirp from 0.5 to 4 Hz. The centre of mass stays within
    a third of the way to the edge of its support.
    """
    subject, dt = Subject.of(robot), robot.control_dt
    n, rng = round(seconds / dt), np.random.default_rng([seed, 0xE4])
    ways = _Ways(subject)
    home = np.asarray(robot.home_joints, np.float64)
    low, high = np.asarray(robot.ctrl_range, np.float64).T
    found, part = np.tile(home, (n, 1)), round(10.0 / dt)
    for number, start in enumerate(range(0, n, part)):
        stop = min(start + part, n)
        t = np.asarray(dt * np.arange(stop - start), np.float64)
        fade = np.clip(np.minimum(t, t[-1] - t) / 1.0, 0.0, 1.0)[:, None]
        if number % 3 == 2 or not ways.count:
            found[start:stop] += fade * _single(len(home), t, rng)
        else:
            motion = np.stack([_sines(t, rng, slow=number % 3 == 0) for _ in range(ways.count)], axis=1)
            found[start:stop] = ways.along(fade * motion)
    margin = 0.05 * (high - low)
    inside = np.clip(found, low + np.minimum(margin, home - low), high - np.minimum(margin, high - home))
    return np.asarray(inside)


def _sines(t: NDArray[np.float64], rng: np.random.Generator, *, slow: bool) -> NDArray[np.float64]:
    """A few sines, at most 1 in all."""
    rates = rng.uniform(0.06, 0.3, 3) if slow else np.append(rng.uniform(0.2, 0.6, 2), rng.uniform(1.5, 4.0, 2))
    waves = np.sin(2.0 * np.pi * rates[:, None] * t + rng.uniform(0.0, 2.0 * np.pi, len(rates))[:, None])
    size = rng.uniform(0.5, 1.0, len(rates)) * np.where(rates > 1.0, 0.08, 1.0)  # small where a stance resonates
    return (size / (3.0 * 0.75)) @ waves


def _single(joints: int, t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """One joint after the other: a step up, one down, and a chirp."""
    moved = np.zeros((len(t), joints))
    each = t[-1] / joints
    for turn, joint in enumerate(rng.permutation(joints)):
        s = (t - turn * each) / each
        at = (s >= 0.0) & (s < 1.0)
        steps = np.where(s < 0.2, 1.0, np.where(s < 0.4, -1.0, 0.0))
        u = np.clip((s - 0.4) / 0.6, 0.0, 1.0)
        chirp = np.sin(2.0 * np.pi * 0.6 * each * (0.5 * u + 0.5 * 3.5 * u * u)) * np.minimum(1.0, 8.0 * (1.0 - u))
        moved[at, joint] = _SINGLE * np.where(s < 0.4, steps, 0.6 * chirp)[at]
    return moved


class _Ways:
    """Motions of all joints that leave the feet where they stand, as they stand."""

    def __init__(self, subject: Subject):
        self.subject, self.model = subject, subject.model
        self.data = mujoco.MjData(subject.model)
        self.sites = [foot.site for foot in subject.robot.feet]
        self.count, self.home = 0, subject.home[subject.qpos]
        if subject.base is None or len(self.sites) < 2:
            return
        self.place, self.turned = self._feet(self.home)
        _, size, right = np.linalg.svd(self._slope(self.home))
        rank = int((size > 1e-3 * size[0]).sum())
        self.basis = right[rank:]  # (ways, joints)
        self.count = len(self.basis)
        self.basis = _AMPLITUDE * self.basis / np.abs(self.basis).max(axis=1, keepdims=True)

    def along(self, motion: NDArray[np.float64]) -> NDArray[np.float64]:
        """Joints (n, joints) for coordinates along the ways (n, ways), made smaller where that would not be safe."""
        scale = 1.0
        for _ in range(6):
            joints = self._closed(self.home + scale * motion @ self.basis)
            far = self._far(joints[::5])
            if far <= _SAFE:
                break
            scale *= 0.9 * _SAFE / far
        return joints

    def _closed(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        """The nearest joints with the feet as at home, by Newton's method."""
        joints, shift = joints.copy(), np.zeros(joints.shape[1])
        inverse = np.linalg.pinv(self._slope(self.home), rcond=1e-3)
        for row in joints:
            raw = row.copy()
            row += shift  # what the last one needed is a good guess
            for _ in range(3):
                row -= inverse @ self._off(row)
            shift = row - raw
        return joints

    def _pose(self, joints: NDArray[np.float64]) -> None:
        self.data.qpos[:] = self.subject.home
        self.data.qpos[self.subject.qpos] = joints
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)

    def _feet(self, joints: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Place (m) and rotation of every other foot in the frame of the first."""
        self._pose(joints)
        first = self.data.site_xmat[self.sites[0]].reshape(3, 3)
        place = [first.T @ (self.data.site_xpos[s] - self.data.site_xpos[self.sites[0]]) for s in self.sites[1:]]
        turned = [first.T @ self.data.site_xmat[s].reshape(3, 3) for s in self.sites[1:]]
        return np.array(place), np.array(turned)

    def _off(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        place, turned = self._feet(joints)
        found = [((place - self.place) / 0.1).reshape(-1)]
        if len(self.sites) == 2:
            wrong = turned[0] @ self.turned[0].T
            found.append(
                0.5 * np.array([wrong[2, 1] - wrong[1, 2], wrong[0, 2] - wrong[2, 0], wrong[1, 0] - wrong[0, 1]])
            )
        return np.concatenate(found)

    def _slope(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        at, step = self._off(joints), 1e-5
        columns = []
        for j in range(len(joints)):
            moved = joints.copy()
            moved[j] += step
            columns.append((self._off(moved) - at) / step)
        return np.stack(columns, axis=1)

    def _far(self, joints: NDArray[np.float64]) -> float:
        """How far the centre of mass goes of the way to the edge of the feet, at most, beyond where it is at home."""
        worst = 0.0
        low, high = self._support()
        for row in (self.home, *joints):
            self._pose(row)
            foot = self.data.site_xmat[self.sites[0]].reshape(3, 3)
            centre = foot.T @ (self.data.subtree_com[0] - self.data.site_xpos[self.sites[0]])
            if row is self.home:
                rest = centre[:2]
                continue
            off = centre[:2] - rest
            room = np.where(off > 0.0, high - rest, rest - low)
            worst = max(worst, float((np.abs(off) / np.maximum(room, 1e-3)).max()))
        return worst

    def _support(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The box about the soles in the frame of the first foot, m."""
        self._pose(self.home)
        foot = self.data.site_xmat[self.sites[0]].reshape(3, 3)
        points = []
        for geom in self.subject.soles:
            centre, half = self.model.geom_aabb[geom].reshape(2, 3)
            turned = self.data.geom_xmat[geom].reshape(3, 3)
            for signs in np.ndindex(2, 2, 2):
                corner = self.data.geom_xpos[geom] + turned @ (centre + (2.0 * np.array(signs) - 1.0) * half)
                points.append(foot.T @ (corner - self.data.site_xpos[self.sites[0]]))
        low = [p for p in points if p[2] < 0.02]
        return np.min(low, axis=0)[:2], np.max(low, axis=0)[:2]
