"""A robot put on its feet: legs, soles and home pose, each found with the help of the others."""

import numpy as np

from ...errors import WildRobotError
from .body import Pose, PosedBody
from .findings import Findings
from .home import find_home
from .legs import Leg
from .options import ImportOptions
from .read import Source
from .sole import Sole, make_sole, symmetric_soles
from .stance import Stance, Stand, reaches


def stand_up(
    body: PosedBody, legs: tuple[Leg, ...], source: Source, options: ImportOptions, findings: Findings
) -> tuple[Stand, dict[str, float], Stance]:
    """The robot on its soles, its home pose (rad by joint) and how it stands in it.

    Raises:
        WildRobotError: a foot has no shape that can be read.
    """
    stretch = reaches(body, legs)
    reach = float(stretch.mean())
    for leg in legs:
        link = body.skeleton.links[leg.link]
        unread = [name for name in link.names if name in source.unread]
        if not link.shapes and unread:
            raise WildRobotError(
                f"The foot {link.name!r} has no shape that can be read: {source.unread[unread[0]]} is Collada.",
                where=str(source.path),
                hint="pip install pycollada, which reads it; or give the foot a box, a sphere or an STL",
            )
    pose = _tallest(body, legs, source)
    soles = _soles(body, legs, pose, reach)
    found = Findings()
    stand = Stand(body, legs, soles, stretch)
    home, stance = find_home(stand, source.poses, options, found)
    closer = _soles(body, legs, home, reach)  # seen from where it stands
    if not _same(soles, closer, reach):
        found = Findings()
        stand = Stand(body, legs, closer, stretch)
        home, stance = find_home(stand, source.poses, options, found)
    if not stance.height > 0.0:
        raise WildRobotError(
            "No standing pose was found: in the best one the root is lower than the soles.",
            where=str(source.path),
            hint="name the feet, --foot LINK once for each, or give a pose: --home JOINT=ANGLE,...",
        )
    for finding in found:
        findings.add(**vars(finding))
    _report_soles(stand, findings)
    return stand, home, stance


def _report_soles(stand: Stand, findings: Findings) -> None:
    """Note soles that the file does not show, and frictions that hold on every floor."""
    links = stand.body.skeleton.links
    assumed = [sole for sole in stand.soles if sole.assumed]
    if assumed:
        names = ", ".join(links[sole.link].name for sole in assumed)
        why = f"no shape is there: a {assumed[0].word} at the lowest frame"
        findings.add("soles", f"assumed for {names}", why, "guess", check=True)
    own = sorted({float(sole.friction[0]) for sole in stand.soles if sole.priority > 0})
    if own:
        why = "the file's feet have it: it holds, whatever friction the floor has"
        findings.add("friction", ", ".join(f"{value:g}" for value in own), why, "sure")


def _same(first: tuple[Sole, ...], second: tuple[Sole, ...], reach: float) -> bool:
    """Whether two guesses at the soles are one."""
    near = 1e-3 * reach
    return all(
        a.kind == b.kind and np.abs(a.pos - b.pos).max() < near and np.abs(a.size - b.size).max() < near
        for a, b in zip(first, second)
    )


def _tallest(body: PosedBody, legs: tuple[Leg, ...], source: Source) -> Pose:
    """Of the rest pose and the file's poses, the one in which the root is highest above the lowest foot."""

    def height(pose: Pose) -> float:
        body.pose(pose)
        return -min(body.lowest(leg.link) for leg in legs)

    poses = [body.rest, *({**body.rest, **pose} for pose in source.poses.values())]
    return max(poses, key=lambda pose: round(height(pose), 3))


def _soles(body: PosedBody, legs: tuple[Leg, ...], pose: Pose, reach: float) -> tuple[Sole, ...]:
    body.pose(body.mirrored(pose))
    soles = tuple(make_sole(body, leg, reach) for leg in legs)
    return symmetric_soles(body, soles, reach) if body.reflection.whole else soles
