"""How a robot that stands on its feet can move them all and leave them where they stand."""

import dataclasses

import mujoco
import numpy as np
from numpy.typing import NDArray

from ..bundle.bundle import Bundle
from ..hardware.mujoco_robot import MujocoRobot

_SAFE = 0.25  # of the way from the home pose to where the robot tips over, which the centre of mass may go
_AMPLITUDE = np.radians(9.0)  # rad, of the fastest joint of a motion of all
_TURN = np.radians(45.0)  # rad, of a joint that bears no foot
_ROOM = 0.85  # of its way to a limit, which it takes at most
_SOLE = 0.005  # m, within which geoms are equally low: they touch the floor
_LENGTH = 0.1  # m, by which places are weighed against angles


@dataclasses.dataclass(frozen=True)
class Stance:
    """A robot in its home pose, and its driven joints; rows have an entry for each of them."""

    model: mujoco.MjModel
    home: NDArray[np.float64]  # qpos
    qpos: NDArray[np.int64]  # of the driven joints
    rest: NDArray[np.float64]  # targets at home
    low: NDArray[np.float64]  # of targets
    high: NDArray[np.float64]
    servos: NDArray[np.bool_]  # whose targets are positions
    dt: float  # s, the control period

    @staticmethod
    def of(bundle: Bundle) -> "Stance":
        """That of a bundle's robot.

        Raises:
            WildRobotError: the bundle carries no robot.
        """
        contract, robot = bundle.contract, MujocoRobot(bundle)
        joints = [int(robot.model.actuator_trnid[robot.actuator(name), 0]) for name in contract.joints]
        home = np.array(contract.document["simulation"]["home_qpos"], np.float64)
        rest = np.where(contract.servos, contract.home, contract.target_rest).astype(np.float64)
        low, high = contract.target_low.astype(np.float64), contract.target_high.astype(np.float64)
        return Stance(
            *(robot.model, home, robot.model.jnt_qposadr[joints].astype(np.int64), rest),
            *(low, high, contract.servos, contract.dt),
        )


class Ways:
    """Motions of all joints that leave the feet where they stand, as they stand; and joints that bear no foot.

    Feet are the bodies whose lowest corners touch the floor in the home pose. A robot that has no free base, or fewer
    than two feet, has no ways.

    Args:
        stance: whose.
    """

    count: int  # of ways
    turned: NDArray[np.int64]  # driven joints that bear no foot, such as a waist's

    def __init__(self, stance: Stance):
        self.stance, self.model = stance, stance.model
        self.data = mujoco.MjData(stance.model)
        self.count, self.turned = 0, np.zeros(0, np.int64)
        joints = [int(np.flatnonzero(stance.model.jnt_qposadr == at)[0]) for at in stance.qpos]
        self._pose(stance.home[stance.qpos])
        self.soles = self._soles()
        self.feet = list(dict.fromkeys(int(self.model.geom_bodyid[geom]) for geom in self.soles))
        if len(self.feet) < 2 or not (self.model.jnt_type == mujoco.mjtJoint.mjJNT_FREE).any():
            return
        bears = set[int]()
        for foot in self.feet:
            body = foot
            while body:
                bears.add(body)
                body = int(self.model.body_parentid[body])
        free = np.array([int(self.model.jnt_bodyid[joint]) not in bears for joint in joints])
        self.turned = np.flatnonzero(free & stance.servos)
        self.legs = np.flatnonzero(~free & stance.servos)
        self.place, self.attitude = self._seen(stance.home[stance.qpos])
        _, size, right = np.linalg.svd(self._slope(stance.home[stance.qpos])[:, self.legs])
        rank = int((size > 1e-3 * size[0]).sum())
        basis = np.zeros((len(self.legs) - rank, len(joints)))
        basis[:, self.legs] = right[rank:]
        self.count = len(basis)
        if self.count:
            basis *= _AMPLITUDE / np.abs(basis).max(axis=1, keepdims=True)
        self.basis = basis
        room = np.minimum(stance.rest - stance.low, stance.high - stance.rest)[self.turned]
        self.turns = np.minimum(_TURN, _ROOM * np.maximum(room, 0.0))

    def along(self, motion: NDArray[np.float64], turns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Joints (n, joints) for coordinates along the ways (n, ways), made smaller where that would not be safe.

        The centre of mass stays within a third of the way to the edge of its support.

        Args:
            motion: (n, ways), from -1 to 1.
            turns: (n, turned) of the joints that bear no foot, likewise.
        """
        home, scale = self.stance.home[self.stance.qpos], 1.0
        for _ in range(6):
            raw = home + scale * motion @ self.basis
            raw[:, self.turned] += turns * self.turns
            joints = self._closed(raw)
            far = self._far(joints[::5])
            if far <= _SAFE:
                break
            scale *= 0.9 * _SAFE / far
        return joints

    def _closed(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        """The nearest joints with the feet as at home, by Newton's method."""
        joints, shift = joints.copy(), np.zeros(joints.shape[1])
        inverse = np.zeros((joints.shape[1], 6 * (len(self.feet) - 1)))
        inverse[self.legs] = np.linalg.pinv(self._slope(self.stance.home[self.stance.qpos])[:, self.legs], rcond=1e-3)
        for row in joints:
            raw = row.copy()
            row += shift  # what the last one needed is a good guess
            for _ in range(3):
                row -= inverse @ self._off(row)
            shift = row - raw
        return joints

    def _pose(self, joints: NDArray[np.float64]) -> None:
        self.data.qpos[:] = self.stance.home
        self.data.qpos[self.stance.qpos] = joints
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)

    def _corners(self, geom: int) -> NDArray[np.float64]:
        """The corners of the box about a geom, (8, 3) m in the world."""
        centre, half = self.model.geom_aabb[geom].reshape(2, 3)
        signs = 2.0 * np.array(list(np.ndindex(2, 2, 2))) - 1.0
        return self.data.geom_xpos[geom] + (centre + signs * half) @ self.data.geom_xmat[geom].reshape(3, 3).T

    def _soles(self) -> list[int]:
        """Geoms of the robot that touch the floor in the pose that was taken last."""
        touching = (self.model.geom_contype > 0) | (self.model.geom_conaffinity > 0)
        geoms = [int(g) for g in np.flatnonzero(touching & (self.model.geom_bodyid > 0))]
        lowest = {geom: float(self._corners(geom)[:, 2].min()) for geom in geoms}
        return [geom for geom in geoms if lowest[geom] < min(lowest.values()) + _SOLE]

    def _seen(self, joints: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Place (m) and rotation of every other foot in the frame of the first."""
        self._pose(joints)
        first, *others = self.feet
        turned = self.data.xmat[first].reshape(3, 3)
        place = [turned.T @ (self.data.xpos[foot] - self.data.xpos[first]) for foot in others]
        attitude = [turned.T @ self.data.xmat[foot].reshape(3, 3) for foot in others]
        return np.array(place), np.array(attitude)

    def _off(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        place, turned = self._seen(joints)
        gone = (place - self.place) / _LENGTH
        wrong = turned @ self.attitude.transpose(0, 2, 1)
        angle = 0.5 * np.stack(
            [wrong[:, 2, 1] - wrong[:, 1, 2], wrong[:, 0, 2] - wrong[:, 2, 0], wrong[:, 1, 0] - wrong[:, 0, 1]], axis=1
        )
        if len(self.feet) > 2:
            angle[:] = 0.0  # feet of four legs and more are points
        return np.concatenate([gone, angle], axis=1).reshape(-1)

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
        self._pose(self.stance.home[self.stance.qpos])
        corners = np.concatenate([self._corners(geom) for geom in self.soles])
        corners = self._beside(corners[corners[:, 2] < corners[:, 2].min() + 0.02])
        low, high = corners.min(axis=0)[:2], corners.max(axis=0)[:2]
        rest = self._beside(self.data.subtree_com[0])[:2]
        worst = 0.0
        for row in joints:
            self._pose(row)
            off = self._beside(self.data.subtree_com[0])[:2] - rest
            room = np.where(off > 0.0, high - rest, rest - low)
            worst = max(worst, float((np.abs(off) / np.maximum(room, 1e-3)).max()))
        return worst

    def _beside(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the world (..., 3) in the frame of the first foot."""
        return (points - self.data.xpos[self.feet[0]]) @ self.data.xmat[self.feet[0]].reshape(3, 3)
