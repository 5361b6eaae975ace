"""How well a robot stands in a pose: soles, balance, limits, torques and symmetry, as figures."""

import dataclasses

import mujoco
import numpy as np
from jaxtyping import Float

from .body import Pose, PosedBody, searched, swings
from .legs import Leg
from .sole import Sole

_SAMPLES = 150  # poses by which the reach of a leg is found


@dataclasses.dataclass(frozen=True)
class Stance:
    """Figures of one pose; lengths in m, angles in rad."""

    height: float  # of the root above the soles
    spread: float  # between the lowest and the highest support
    margin: float  # of the centre of mass inside the supports' outline; negative outside
    off: float  # of the centre of mass from the middle of the feet
    reach: float  # the least share of its reach to which a leg is stretched
    stretch: float  # and the greatest
    tight: str  # a joint that is on or beyond its limit, or ""
    lower: str  # another link that is lower than the soles, or ""
    torque: Float[np.ndarray, " joints"]  # N m, that holds each joint of `PosedBody.names`
    askew: float  # greatest difference between a joint and its mirror image


class Stand:
    """A robot with its soles, held against the floor in one pose after another."""

    def __init__(
        self, body: PosedBody, legs: tuple[Leg, ...], soles: tuple[Sole, ...], reaches: Float[np.ndarray, " legs"]
    ):
        self.body, self.legs, self.soles, self.reaches = body, legs, soles, reaches
        self.scale = float(reaches.mean())  # the mean reach of the legs, m
        self._feet = {leg.link for leg in legs}
        self._count = np.array([len(sole.supports) for sole in soles])
        self._first = np.concatenate([[0], np.cumsum(self._count)[:-1]])
        self._link = np.repeat([sole.link + 1 for sole in soles], self._count)
        self._at = np.concatenate([sole.supports for sole in soles])
        self._drop = np.repeat([sole.radius for sole in soles], self._count)[:, None] * np.array([0.0, 0.0, 1.0])
        self._reach = Reach(body, legs)

    def points(self) -> Float[np.ndarray, "points 3"]:
        """The feet's points on the floor, in the body's pose, foot after foot."""
        data = self.body.data
        return (
            data.xpos[self._link]
            + np.einsum("nij,nj->ni", data.xmat[self._link].reshape(-1, 3, 3), self._at)
            - self._drop
        )

    def middles(self, points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "feet 3"]:
        """The middle of each foot's own points."""
        return np.add.reduceat(points, self._first) / self._count[:, None]

    def supports(self) -> list[Float[np.ndarray, "n 3"]]:
        """Each foot's points on the floor, in the body's pose."""
        return np.split(self.points(), self._first[1:])

    def stretches(self) -> Float[np.ndarray, " legs"]:
        """How far each leg is stretched in the body's pose, as a share of its reach."""
        return self._reach() / self.reaches

    def measure(self, pose: Pose) -> Stance:
        """The figures of a pose."""
        body, data = self.body, self.body.pose(pose)
        full = body.complete(pose)
        feet = self.supports()
        points = np.concatenate(feet)
        floor = float(points[:, 2].min())
        com = data.subtree_com[1]
        middle = np.mean([foot.mean(axis=0) for foot in feet], axis=0)
        stretch = self.stretches()
        return Stance(
            height=float(data.xpos[1, 2]) - floor,
            spread=float(np.ptp(points[:, 2])),
            margin=_margin(points[:, :2], com[:2]),
            off=float(np.linalg.norm(com[:2] - middle[:2])),
            reach=float(stretch.min()),
            stretch=float(stretch.max()),
            tight=next((name for name in body.free if _beyond(full[name], body.range[name])), ""),
            lower=self._lower(floor),
            torque=self._torque(feet),
            askew=max(abs(full[name] - mean) for name, mean in body.mirrored(pose).items()),
        )

    def _lower(self, floor: float) -> str:
        body = self.body
        root = float(body.data.xpos[1, 2])
        for i, link in enumerate(body.skeleton.links):
            if i not in self._feet and link.shapes and body.lowest(i) + root < floor - 0.01 * self.scale:
                return link.name
        return ""

    def _torque(self, feet: list[Float[np.ndarray, "n 3"]]) -> Float[np.ndarray, " joints"]:
        """What holds the joints against gravity, with forces of the floor that point straight up."""
        from scipy.optimize import nnls

        body, mj, data = self.body, self.body.mj, self.body.data
        data.qvel[:] = 0.0
        mujoco.mj_forward(mj, data)
        rows = []
        for sole, foot in zip(self.soles, feet):
            for point in foot:
                jacobian = np.zeros((3, mj.nv))
                mujoco.mj_jac(mj, data, jacobian, None, point, sole.link + 1)
                rows.append(jacobian[2])
        lift = np.array(rows).T
        weight = np.array([0.0, 0.0, 1.0, 1.0 / self.scale, 1.0 / self.scale, 0.0])[:, None]
        # A little of each force is penalised, so that feet that could share a load do.
        system = np.concatenate([weight * lift[:6], 1e-3 * np.eye(lift.shape[1])])
        force, _ = nnls(system, np.concatenate([weight[:, 0] * data.qfrc_bias[:6], np.zeros(lift.shape[1])]))
        held = data.qfrc_bias - data.qfrc_passive - lift @ force
        return held[[body.dof[name] for name in body.names]]


def complaints(stance: Stance, stand: Stand) -> list[str]:
    """What is wrong with a pose for standing; nothing of a good one."""
    scale, found = stand.scale, []
    if stance.spread > 0.004 * scale:
        found.append(f"its soles are not level (by {1e3 * stance.spread:.0f} mm)")
    thin = len(stand.soles) <= 2 and not any(sole.flat for sole in stand.soles)
    if stance.margin < (-0.05 if thin else 0.0) * scale:
        found.append(f"its centre of mass is {-1e3 * stance.margin:.0f} mm outside of its feet")
    if stance.reach < 0.45:
        found.append(f"its legs are folded (to {stance.reach:.0%} of their reach)")
    if stance.height < 0.35 * scale:
        found.append(f"its root is only {1e3 * stance.height:.0f} mm above its soles")
    if stance.lower:
        found.append(f"{stance.lower} is lower than its soles")
    if stance.tight:
        found.append(f"{stance.tight} is at its limit")
    if stance.stretch > 0.995:
        found.append("its legs are straight")
    if stance.askew > 0.03 and stand.body.reflection.whole:
        found.append(f"it is not left-right symmetric (by {stance.askew:.2f} rad)")
    return found


def hip(body: PosedBody, leg: Leg) -> str:
    """The joint from which a leg's reach is counted: the first that swings it forward, or its first."""
    for name in leg.joints:
        if swings(body, name):
            return name
    return leg.joints[0]


class Reach:
    """The distance between hip and ankle of each leg, m; to the end of the foot's link where a leg has no ankle."""

    def __init__(self, body: PosedBody, legs: tuple[Leg, ...]):
        self.data = body.data
        swinging = [[name for name in leg.joints if swings(body, name)] for leg in legs]
        self.hips = [body.mj.joint(hip(body, leg)).id for leg in legs]
        self.ankles = [body.mj.joint(names[-1]).id if len(names) > 2 else -1 for names in swinging]
        self.ends = [(leg.link + 1, body.end(leg.link)) for leg in legs]

    def __call__(self) -> Float[np.ndarray, " legs"]:
        """The distances in the body's pose."""
        data = self.data
        ends = [
            data.xanchor[ankle] if ankle >= 0 else data.xpos[link] + data.xmat[link].reshape(3, 3) @ end
            for ankle, (link, end) in zip(self.ankles, self.ends)
        ]
        return np.linalg.norm(np.array(ends) - data.xanchor[self.hips], axis=1)


def reaches(body: PosedBody, legs: tuple[Leg, ...]) -> Float[np.ndarray, " legs"]:
    """The greatest distance between hip and ankle of each leg, m."""
    random, reach = np.random.default_rng(0), Reach(body, legs)
    most = np.zeros(len(legs))
    swinging = {leg.link: [name for name in leg.joints if swings(body, name)] or leg.joints for leg in legs}
    moving = {name: searched(body.range[name]) for leg in legs for name in swinging[leg.link] if name in body.free}
    for sample in range(_SAMPLES):
        pose = dict(body.rest)
        if sample:
            pose |= {name: float(random.uniform(*limits)) for name, limits in moving.items()}
        body.pose(pose)
        most = np.maximum(most, reach())
    return most


def _beyond(angle: float, limits: tuple[float, float]) -> bool:
    low, high = limits
    slack = 0.01 * (high - low) if np.isfinite(high - low) else 0.0
    return not low + slack <= angle <= high - slack


def _margin(points: Float[np.ndarray, "n 2"], at: Float[np.ndarray, " 2"]) -> float:
    """How far a place lies inside of the outline of points, m; minus its distance from a line or a point."""
    from scipy.spatial import ConvexHull, QhullError

    points = np.unique(np.round(points, 6), axis=0)
    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):
        middle = points.mean(axis=0)
        along = np.linalg.svd(points - middle)[2][0] if len(points) > 1 else np.zeros(2)
        reach = np.abs((points - middle) @ along).max()
        nearest = middle + along * np.clip((at - middle) @ along, -reach, reach)
        return -float(np.linalg.norm(at - nearest))
    return -float((hull.equations[:, :2] @ at + hull.equations[:, 2]).max())
