"""What a user may say to the importer, and names that are patterns."""

import dataclasses
import fnmatch
from collections.abc import Iterable, Sequence

from ...errors import WildRobotError, nearest


@dataclasses.dataclass(frozen=True)
class ImportOptions:
    """What an import cannot know, or should do otherwise. Names are exact or patterns such as `*_finger_*`."""

    name: str | None = None  # of the robot; that of its file otherwise
    feet: tuple[str, ...] = ()  # links that are feet
    imu: str | None = None  # a site or link
    home: str | None = None  # a keyframe, an SRDF's state, or `joint=angle,...` (rad)
    servo: tuple[str, ...] = ()  # `NAME` of all joints, or `JOINTS=NAME`
    actuated: tuple[str, ...] = ()  # joints that have a motor
    ignore: tuple[str, ...] = ()  # joints that are locked at their home angle
    meshes: bool = True  # meshes are read; without them links are only their joints and primitives


def matching(patterns: Sequence[str], names: Iterable[str], option: str, kind: str) -> list[str]:
    """The names that any of the patterns fits, in their own order.

    Args:
        patterns: exact names, or patterns with `*` and `?`.
        names: those that there are.
        option: the option that the patterns come from, such as "--ignore".
        kind: what the names are of, such as "joint".

    Raises:
        WildRobotError: a pattern fits no name.
    """
    names = list(names)
    for pattern in patterns:
        if not fnmatch.filter(names, pattern) and pattern not in names:
            raise WildRobotError(f"There is no {kind} {pattern!r}.", where=option, hint=nearest(pattern, names))
    return [name for name in names if name in patterns or any(fnmatch.fnmatchcase(name, p) for p in patterns)]
