"""Feet at home: on one height, flat, with their sites on the soles, and under the centre of mass."""

from collections.abc import Iterator

import mujoco
import numpy as np
from jaxtyping import Float

from .finding import Finding, Severity
from .subject import FootOf, Subject, box_of, lowest

_UNEVEN = (0.01, 0.03)  # share of the leg length: a note, a fault
_TILT = (3.0, 10.0)  # degrees
_SITE = (0.02, 0.1)  # share of the leg length
_LEAN = (0.02, 0.1)  # share of the leg length, of the centre of mass beyond the feet
_SOLE = 0.03  # share of the leg length: what is lower than this above the lowest point carries
_BOX = int(mujoco.mjtGeom.mjGEOM_BOX)


def check_feet(subject: Subject) -> Iterator[Finding]:
    """Heights, tilts, sites, and where the centre of mass is."""
    if subject.home is None or not subject.feet:
        return
    mj, data, leg = subject.mj, subject.at_home, subject.leg_length
    low = {foot.name: min(lowest(mj, data, g) for g in foot.geoms) for foot in subject.feet}
    uneven = max(low.values()) - min(low.values())
    if uneven > _UNEVEN[0] * leg:
        high = max(low, key=lambda name: low[name])
        yield Finding(
            "feet",
            _severity(uneven / leg, _UNEVEN),
            "In the home pose not all feet are on the floor.",
            f"foot {high!r}, {subject.home_from}",
            f"{1e3 * uneven:.3g} mm above the lowest one, {100 * uneven / leg:.2g}% of the leg length",
            "change the angles of its leg in the home pose",
        )
    for foot in subject.feet:
        yield from _sole(subject, foot, low[foot.name])
    yield from _balance(subject, min(low.values()))


def _severity(seen: float, limits: tuple[float, float]) -> Severity:
    return "fault" if seen > limits[1] else "note"


def _sole(subject: Subject, foot: FootOf, low: float) -> Iterator[Finding]:
    mj, data, leg = subject.mj, subject.at_home, subject.leg_length
    where = f"foot {foot.name!r}, {subject.home_from}"
    boxes = [g for g in foot.geoms if int(mj.geom_type[g]) == _BOX]
    for geom in boxes:
        turn = data.geom_xmat[geom].reshape(3, 3)
        tilt = float(np.degrees(np.arccos(np.clip(np.abs(turn[2]).max(), 0.0, 1.0))))
        if tilt > _TILT[0]:
            yield Finding(
                "feet",
                _severity(tilt, _TILT),
                "In the home pose a sole is not level: the robot stands on its edge.",
                where,
                f"{subject.geom_name(geom)!r} is tilted by {tilt:.3g} degrees",
                "change the angles of its ankle in the home pose, or the geom's orientation",
            )
    if foot.site is not None:
        off = abs(float(data.site_xpos[foot.site, 2]) - low)
        if off > _SITE[0] * leg:
            yield Finding(
                "feet",
                _severity(off / leg, _SITE),
                "A foot's site is not on its sole: the robot starts in the air or in the floor.",
                where,
                f"site {mj.site(foot.site).name!r} is {1e3 * off:.3g} mm from the lowest point of its geoms",
                "put the site on the sole",
            )


def _balance(subject: Subject, floor: float) -> Iterator[Finding]:
    points = np.concatenate([sole_points(subject, foot, floor) for foot in subject.feet])[:, :2]
    centre = subject.at_home.subtree_com[subject.root][:2]
    beyond = _beyond(points, centre) / subject.leg_length
    if beyond > _LEAN[0]:
        yield Finding(
            "feet",
            _severity(beyond, _LEAN) if len(points) > 2 else "note",
            "In the home pose the centre of mass is not above the feet: the robot tips over from the first step on.",
            subject.home_from,
            f"{1e3 * beyond * subject.leg_length:.3g} mm beyond the feet, {100 * beyond:.2g}% of the leg length",
            "shift the feet or the body in the home pose",
        )


def sole_points(subject: Subject, foot: FootOf, floor: float) -> Float[np.ndarray, "n 3"]:
    """Where a foot touches the floor at home, m: the low corners of its boxes, the lowest points of its other geoms."""
    mj, data = subject.mj, subject.at_home
    points: list[np.ndarray] = []
    for geom in foot.geoms:
        if lowest(mj, data, geom) > floor + _SOLE * subject.leg_length:
            continue
        turn = data.xmat[int(mj.geom_bodyid[geom])].reshape(3, 3)
        corners = data.xpos[int(mj.geom_bodyid[geom])] + box_of(mj, geom) @ turn.T
        round_ = int(mj.geom_type[geom]) in (int(mujoco.mjtGeom.mjGEOM_SPHERE), int(mujoco.mjtGeom.mjGEOM_ELLIPSOID))
        if round_:
            points.append(np.array([[*data.geom_xpos[geom, :2], floor]]))
        else:
            points.append(corners[corners[:, 2] <= np.nanmin(corners[:, 2]) + _SOLE * subject.leg_length])
    return np.concatenate(points) if points else np.array([[*data.xpos[foot.body, :2], floor]])


def _beyond(points: Float[np.ndarray, "n 2"], centre: Float[np.ndarray, " 2"]) -> float:
    """How far a point is outside of the convex hull of others, m: the largest of its distances over all directions."""
    angles = np.linspace(0.0, 2.0 * np.pi, 180, endpoint=False)
    ways = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return max(0.0, float((ways @ centre - (points @ ways.T).max(axis=0)).max()))
