"""Which links are feet: the ends of legs, lowest where the robot stands."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from ...errors import WildRobotError, nearest
from .body import Pose, PosedBody, searched
from .findings import Findings
from .options import ImportOptions, matching

_NEAR = 0.15  # share of the robot's height within which ends of legs count as equally low
_UPRIGHT = 0.6  # share of the greatest height of the root, above which a pose has a say in what the feet are
_HANGING = (4, 6)  # feet that are believed of legs turned down: two ends that hang are arms as well
_TURNS = 13  # angles that are tried of a joint that turns a leg down
_SAME_SOLE = 0.04  # and within which a link before the end is as low as the end
_FEET = ("foot", "feet", "sole", "toe", "ankle", "calf", "shank", "paw", "leg")
_WORDS = (*_FEET, "lower", "tip")


@dataclasses.dataclass(frozen=True)
class Leg:
    """A chain that ends in a foot."""

    link: int  # the foot
    joints: tuple[str, ...]  # from the trunk on, those that it does not share with other legs


class WheelsError(WildRobotError):
    """The robot stands on wheels."""

    def __init__(self, wheel: str):
        super().__init__(
            f"The robot stands on wheels, such as {wheel!r}, and not on feet.",
            where="robots import",
            hint="name links that are feet: --foot LINK, once for each",
        )


def find_legs(
    body: PosedBody, poses: Mapping[str, Pose], driven: set[str], options: ImportOptions, findings: Findings, where: str
) -> tuple[Leg, ...]:
    """The legs, from left to right and from front to back.

    Args:
        body: the robot.
        poses: in which it may stand; the rest pose is tried after them.
        driven: joints with a motor.
        options: `feet` names links, and overrules.
        findings: where the feet are noted.
        where: of errors, the robot's file.

    Raises:
        WildRobotError: there are no feet: it is an arm, or stands on its base.
        WheelsError: it stands on wheels.
    """
    links = body.skeleton.links
    if options.feet:
        names = [name for link in links for name in link.names]
        chosen = matching(options.feet, names, "--foot", "link")
        feet = list(dict.fromkeys(body.skeleton.frames[name][0] for name in chosen))
        findings.add("feet", ", ".join(links[f].name for f in feet), "--foot", "sure")
        body.pose(next(iter(poses.values()), body.rest))
    else:
        feet = _lowest_ends(body, poses, driven, findings)
    if not feet or feet == [0]:
        raise WildRobotError(
            "No feet were found: no leg with two driven joints ends lower than the root, as in an arm, or in a robot "
            "that stands on its base.",
            where=where,
            hint="name the feet: --foot LINK, once for each; links: " + nearest("foot", [link.name for link in links]),
        )
    shared = set.intersection(*(set(body.path(f)) for f in feet)) if len(feet) > 1 else set()
    legs = [Leg(f, tuple(name for name in body.path(f) if name not in shared)) for f in feet]
    for leg in legs:
        if not leg.joints:
            raise WildRobotError(
                f"The foot {links[leg.link].name!r} has no joint of its own, which no other foot hangs on.",
                where="--foot" if options.feet else where,
                hint="name the last link of each leg: --foot LINK, once for each",
            )
    return tuple(_ordered(body, legs))


def _lowest_ends(body: PosedBody, poses: Mapping[str, Pose], driven: set[str], findings: Findings) -> list[int]:
    found: dict[str, list[int]] = {}
    for name, pose in {**poses, "rest": body.rest}.items():
        feet = _feet_in(body, pose, driven)
        if feet:
            found[name] = feet
    if not found:
        return _hanging_ends(body, driven, findings)
    counts = [sorted(feet) for feet in found.values()]
    tall = {name: _tall(body, {**poses, "rest": body.rest}[name], feet) for name, feet in found.items()}
    at = max(found, key=lambda name: (counts.count(sorted(found[name])), round(tall[name], 3)))
    best = sorted(found[at])
    names = [body.skeleton.links[f].name for f in best]
    called = all(any(word in n.lower() for n in body.skeleton.links[f].names for word in _WORDS) for f in best)
    upright = [name for name in found if tall[name] > _UPRIGHT * tall[at]]
    agreed = len({tuple(sorted(found[name])) for name in upright}) == 1
    why = f"ends of legs, lowest in the pose {at!r}" + ("" if agreed else "; other poses have others lowest")
    findings.add("feet", ", ".join(names), why, "sure" if called and agreed else "likely", check=not agreed)
    body.pose(poses.get(at, body.rest))
    return best


def _hanging_ends(body: PosedBody, driven: set[str], findings: Findings) -> list[int]:
    """The ends of four or six legs, each turned down as far as it goes: a zero pose may hold legs out or folded."""
    parents = {link.parent for link in body.skeleton.links}
    pose = dict(body.rest)
    for end in range(len(body.skeleton.links)):
        own = [name for name in body.path(end) if name in driven and name in body.free]
        if end in parents or len(own) < 2:
            continue
        for name in 2 * own:
            heights = {}
            for angle in np.linspace(*searched(body.range[name]), _TURNS):
                body.pose({**pose, name: float(angle)})
                heights[float(angle)] = body.lowest(end)
            pose[name] = min(heights, key=lambda angle: (round(heights[angle], 6), abs(angle)))
    pose = body.mirrored(pose)
    feet = _feet_in(body, pose, driven)
    if len(feet) not in _HANGING:
        return []
    body.rest_in(pose)
    body.pose(pose)
    why = "ends of legs, turned down; the file has no pose in which they are lowest"
    findings.add("feet", ", ".join(body.skeleton.links[f].name for f in feet), why, "likely", check=True)
    return feet


def are_feet(body: PosedBody, legs: tuple[Leg, ...]) -> bool:
    """Whether the ends of all legs have a name that no hand has."""
    names = [" ".join(body.skeleton.links[leg.link].names).lower() for leg in legs]
    return all(any(word in name for word in _FEET) for name in names)


def _tall(body: PosedBody, pose: Pose, feet: list[int]) -> float:
    """The height of the root above the lowest of feet, m."""
    body.pose(pose)
    return -min(body.lowest(f) for f in feet)


def _feet_in(body: PosedBody, pose: Pose, driven: set[str]) -> list[int]:
    """The ends of legs that are lowest in a pose; none where another part of the robot is lower.

    Raises:
        WheelsError: the lowest of all are wheels.
    """
    body.pose(pose)
    links = body.skeleton.links
    parents = {link.parent for link in links}
    ends = [i for i in range(len(links)) if i not in parents and len(set(body.path(i)) & driven) >= 2]
    wheels = [i for i in range(len(links)) if i not in parents and _is_wheel(body, i)]
    ends = [i for i in ends if i not in wheels]
    if not ends and not wheels:
        return []
    low = {i: body.lowest(i) for i in range(len(links))}
    least = min((low[i] for i in ends), default=0.0)
    if wheels and min(low[i] for i in wheels) < least - _SAME_SOLE * abs(least):
        raise WheelsError(links[min(wheels, key=lambda i: low[i])].name)
    if least >= -1e-6 or min(low.values()) < least - _SAME_SOLE * abs(least):
        return []
    feet = [i for i in ends if low[i] - least < _NEAR * abs(least)]
    image = body.reflection.image
    joint = {i: links[i].joints[0].name for i in feet}
    paired = [i for i in feet if body.link_of.get(image.get(joint[i], ""), -1) in feet]
    feet = paired if len(paired) >= 2 else feet
    return sorted({_sole_link(body, i, low, driven) for i in feet})


def _is_wheel(body: PosedBody, link: int) -> bool:
    """Whether a link turns without end about an axis, around which its rim goes all the way."""
    joint = body.skeleton.links[link].joints[-1]
    if not body.skeleton.links[link].shapes or np.isfinite(body.range.get(joint.name, (0.0, 0.0))).any():
        return False
    away = body.points(link) - joint.pos
    away = away - np.outer(away @ joint.axis, joint.axis)
    far = np.linalg.norm(away, axis=1)
    rim = away[far > 0.9 * far.max()]
    first = rim[0] / np.linalg.norm(rim[0])
    angle = np.arctan2(rim @ np.cross(joint.axis, first), rim @ first)
    return len(np.unique(np.floor(angle / (0.25 * np.pi)).astype(int) % 8)) == 8


def _sole_link(body: PosedBody, end: int, low: Mapping[int, float], driven: set[str]) -> int:
    """The end of a leg, or the link before it where that is as low and larger, as before a toe."""
    links, parent = body.skeleton.links, body.skeleton.links[end].parent
    if parent <= 0 or low[parent] > low[end] + _SAME_SOLE * abs(low[end]) or not links[parent].shapes:
        return end
    if not links[end].shapes or len(set(body.path(parent)) & driven) < 2:
        return parent if not links[end].shapes else end
    extent = {i: float(np.prod(np.ptp(body.world(i, body.points(i)), axis=0)[:2])) for i in (end, parent)}
    return parent if extent[parent] > extent[end] else end


def _ordered(body: PosedBody, legs: list[Leg]) -> list[Leg]:
    """Left legs from front to back, then those in the middle, then right legs from back to front."""
    at = {leg.link: body.world(leg.link, body.points(leg.link)) for leg in legs}
    near = 0.1 * body.size
    place = {link: points[points[:, 2] < points[:, 2].min() + near].mean(axis=0) for link, points in at.items()}
    middle = 0.02 * body.size
    left = sorted((leg for leg in legs if place[leg.link][1] > middle), key=lambda leg: -place[leg.link][0])
    right = sorted((leg for leg in legs if place[leg.link][1] < -middle), key=lambda leg: place[leg.link][0])
    return [*left, *(leg for leg in legs if abs(place[leg.link][1]) <= middle), *right]


def foot_names(xs: list[float], ys: list[float]) -> tuple[str, ...]:
    """Names of feet by their places (m, x forward and y left), in the order of `find_legs`."""
    sides = ["left" if y > 0.0 else "right" for y in ys]
    if len(xs) == 1:
        return ("foot",)
    names = []
    for side, x in zip(sides, xs):
        ranks = sorted((other for other, s in zip(xs, sides) if s == side), reverse=True)
        rows = {1: ("",), 2: ("front_", "hind_"), 3: ("front_", "middle_", "hind_")}
        row = rows.get(len(ranks), tuple(f"row{i + 1}_" for i in range(len(ranks))))
        names.append(f"{row[ranks.index(x)]}{side}")
    return tuple(names)
