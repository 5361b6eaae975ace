"""A standing pose, solved for: soles level, centre of mass above the feet, legs bent and under the hips."""

import mujoco
import numpy as np
from jaxtyping import Float

from .body import Pose, lateral, searched, swings, turned
from .stance import Stand, hip

_STRETCH = {"two": 0.95, "more": 0.78}  # share of a leg's reach in a solved pose, by the number of legs
_BENT = {"two": 0.35, "more": 0.7}  # rad, from which the search sets out
_INSIDE = 0.03  # share of a joint's range that is kept from either end


def solve(stand: Stand, start: Pose, stay: float = 0.0) -> dict[str, float]:
    """A standing pose near `start`: of several tries, with knees either way, the best.

    Args:
        stand: the robot on its feet.
        start: angles of all joints; those of the legs are the ones that change.
        stay: how much departures from `start` weigh, beside soles and balance; 0 where it may be far from standing.
    """
    from scipy.optimize import least_squares

    body = stand.body
    moving = [name for name in dict.fromkeys(n for leg in stand.legs for n in leg.joints) if name in body.free]
    image = body.reflection.image
    mine = [name for i, name in enumerate(moving) if image.get(name) not in moving[:i]]
    ranges = [body.common_range(name) for name in mine]
    (low, high), (least, most) = np.array(ranges).T, np.array([searched(limits) for limits in ranges]).T
    off = np.where(np.isfinite(high - low), _INSIDE * (high - low), 0.0)
    low, high = np.maximum(low + off, least), np.minimum(high - off, most)
    best, lowest = dict(start), np.inf
    for k, first in enumerate(_starts(stand, mine, start, stay)):
        x0 = np.clip(first, low + 1e-6, high - 1e-6)
        misses = _Misses(stand, start, mine, moving, x0, stay)
        found = least_squares(misses, x0, bounds=(low, high), max_nfev=60, x_scale=0.3, ftol=1e-9, xtol=1e-7)
        cost = float(found.cost) * (1.0 if k == 0 else 1.5)  # knees the usual way, unless it is much worse
        if cost < lowest - 1e-9:
            best, lowest = misses.pose(found.x), cost
    return best


def _starts(stand: Stand, mine: list[str], start: Pose, stay: float) -> list[Float[np.ndarray, " n"]]:
    """Where the search sets out from: the pose itself, or its legs bent one way and the other."""
    here = np.array([start.get(name, 0.0) for name in mine])
    if stay:
        return [here]
    two = len(stand.legs) <= 2
    bend, found = _BENT["two" if two else "more"], []
    # A turn by +y takes a leg that hangs down to the rear: knees of two legs point forward, of more legs back.
    for way in (-1.0, 1.0) if two else (1.0, -1.0):
        x = here.copy()
        for leg in stand.legs:
            swinging = [name for name in leg.joints if swings(stand.body, name) and name in mine]
            for name, angle in zip(swinging, (way * bend, -2.0 * way * bend, way * bend)):
                i = mine.index(name)
                x[i] = turned(stand.body.common_range(name), angle * np.sign(lateral(stand.body, name)))
        found.append(x)
    return [*found, here]


class _Misses:
    """What a standing pose has small: by squares, in shares of the legs' reach and in rad."""

    def __init__(
        self, stand: Stand, start: Pose, mine: list[str], moving: list[str], x0: Float[np.ndarray, " n"], stay: float
    ):
        self.stand, self.start, self.mine, self.x0, self.stay = stand, start, mine, x0, stay
        body, image = stand.body, stand.body.reflection.image
        self.mirrored = [
            (image[name], i, body.reflection.sign[image[name]])
            for i, name in enumerate(mine)
            if image.get(name, name) != name and image[name] in moving
        ]
        self.hips = [body.mj.joint(hip(body, leg)).id for leg in stand.legs]
        self.hanging = np.array([float(swings(body, hip(body, leg))) for leg in stand.legs])  # 0 of legs that sprawl
        self.flat = [sole for sole in stand.soles if sole.flat]
        two = len(stand.legs) <= 2
        self.reach = _STRETCH["two" if two else "more"]
        self.weights = (0.3, 0.1, 0.1) if stay else (2.0, 0.5, 0.1 if two else 0.5)  # stretch, sideways, forward
        body.pose(start)
        self.base = body.data.qpos.copy()
        self.at = np.array([body.qpos[name] for name in mine])
        self.at_image = np.array([body.qpos[name] for name, _, _ in self.mirrored], int)
        self.of = np.array([i for _, i, _ in self.mirrored], int)
        self.sign = np.array([sign for _, _, sign in self.mirrored])

    def pose(self, x: Float[np.ndarray, " n"]) -> dict[str, float]:
        """The angles of all joints."""
        found = {**self.start, **dict(zip(self.mine, map(float, x)))}
        return {**found, **{name: sign * float(x[i]) for name, i, sign in self.mirrored}}

    def __call__(self, x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
        stand, body, scale = self.stand, self.stand.body, self.stand.scale
        if body.skeleton.mimics:
            data = body.pose(self.pose(x))
        else:  # quicker
            data = body.data
            data.qpos[:] = self.base
            data.qpos[self.at] = x
            data.qpos[self.at_image] = self.sign * x[self.of]
            mujoco.mj_kinematics(body.mj, data)
            mujoco.mj_comPos(body.mj, data)
        points = stand.points()
        ends = stand.middles(points)
        under = (ends - data.xanchor[self.hips])[:, :2] / scale
        yaw = [float(data.xmat[sole.link + 1].reshape(3, 3)[1] @ sole.mat[:, 0]) for sole in self.flat]
        stretch, sideways, forward = self.weights
        return np.concatenate(
            [
                30.0 * (points[:, 2] - points[:, 2].mean()) / scale,
                10.0 * (data.subtree_com[1, :2] - ends.mean(axis=0)[:2]) / scale,
                stretch * (stand.stretches() - self.reach),
                sideways * self.hanging * under[:, 1],
                forward * self.hanging * under[:, 0],
                np.array(yaw),
                (0.03 + self.stay) * (x - self.x0),
            ]
        )
