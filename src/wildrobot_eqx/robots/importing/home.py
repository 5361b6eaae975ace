"""The home pose: one of the file's that stands, or else one that is solved for."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from ...errors import WildRobotError, nearest
from .body import Pose, PosedBody, lateral, swings
from .findings import Findings
from .options import ImportOptions
from .stance import Stance, Stand, complaints, hip

_NAMES = ("home", "stand", "standing", "default", "half_sitting", "init", "nominal")  # likelier poses first
_STRETCH = {"two": 0.95, "more": 0.78}  # share of a leg's reach in a solved pose
_BENT = (0.35, 0.7)  # rad, from which the search sets out: hip and knee of two legs, and of more
_DIGITS = 4  # of angles that are written


def find_home(
    stand: Stand, poses: Mapping[str, Pose], options: ImportOptions, findings: Findings
) -> tuple[dict[str, float], Stance]:
    """Angles (rad) of the joints that do not follow others, symmetric where the robot is, and how it stands.

    Raises:
        WildRobotError: `--home` names no pose and no joint.
    """
    body = stand.body
    if options.home is not None:
        pose = _rounded(body, {**body.rest, **_asked(body, poses, options.home)})
        stance = stand.measure(pose)
        wrong = complaints(stance, stand)
        findings.add("home", options.home, "--home" + _but(wrong), "sure", check=bool(wrong))
        return pose, stance
    refused = []
    for name in sorted(poses, key=lambda name: (_rank(name), name)):
        pose = {joint: _off_limit(body, joint, angle) for joint, angle in {**body.rest, **poses[name]}.items()}
        wrong = complaints(stand.measure(pose), stand)
        if wrong:
            near = _rounded(body, solve(stand, pose, stay=1.0))
            stance = stand.measure(near)
            moved = max(abs(near[joint] - pose.get(joint, 0.0)) for joint in near)
            if not complaints(stance, stand) and moved < 0.35:
                why = f"the pose {name!r} of the file, moved by up to {moved:.2f} rad: {'; '.join(wrong)}"
                findings.add("home", f"{name!r}, mended", why, "likely", check=True)
                return near, stance
            refused.append(f"{name!r} is not taken: {'; '.join(wrong)}")
            continue
        pose = _rounded(body, body.mirrored(pose))
        findings.add("home", repr(name), "a pose of the file that stands", "sure")
        return pose, stand.measure(pose)
    pose = _rounded(body, solve(stand, body.rest))
    stance = stand.measure(pose)
    wrong = complaints(stance, stand)
    why = "; ".join([*refused[:3], "soles level, centre of mass above the feet, legs bent"])
    findings.add("home", "solved", why + _but(wrong), "guess" if wrong else "likely", check=True)
    return pose, stance


def solve(stand: Stand, start: Pose, stay: float = 0.0) -> dict[str, float]:
    """A standing pose near `start`: of several tries, with knees either way, the best.

    Args:
        stand: the robot on its feet.
        start: angles of all joints; those of the legs are the ones that change.
        stay: how much departures from `start` weigh, beside soles and balance.
    """
    from scipy.optimize import least_squares

    body = stand.body
    moving = [name for name in dict.fromkeys(n for leg in stand.legs for n in leg.joints) if name in body.free]
    image, sign = body.reflection.image, body.reflection.sign
    mine = [n for i, n in enumerate(moving) if image.get(n) not in moving[:i]]
    low, high = np.array([body.common_range(n) for n in mine]).T
    off = np.where(np.isfinite(high - low), 0.03 * (high - low), 0.0)
    low, high = np.maximum(low + off, -np.pi), np.minimum(high - off, np.pi)

    def spread(x: Float[np.ndarray, " n"]) -> dict[str, float]:
        pose = {**start, **dict(zip(mine, map(float, x)))}
        for name in mine:
            other = image.get(name, name)
            if other in moving and other != name:
                pose[other] = sign[name] * pose[name]
        return pose

    best, least = dict(start), np.inf
    for k, first in enumerate(_starts(stand, mine, start, stay)):
        x0 = np.clip(first, low + 1e-6, high - 1e-6)
        found = least_squares(
            lambda x, x0=x0: _misses(stand, spread(x), x - x0, stay), x0, bounds=(low, high), max_nfev=60, x_scale=0.3
        )
        cost = float(found.cost) * (1.0 if k == 0 else 1.5)  # knees the usual way, unless it is much worse
        if cost < least - 1e-9:
            best, least = spread(found.x), cost
    return best


def _starts(stand: Stand, mine: list[str], start: Pose, stay: float) -> list[Float[np.ndarray, " n"]]:
    """Where the search sets out from: the pose itself, or its legs bent one way and the other."""
    here = np.array([start.get(name, 0.0) for name in mine])
    if stay:
        return [here]
    two = len(stand.legs) <= 2
    bend, found = _BENT[0 if two else 1], []
    # A turn by +y takes a leg that hangs down to the rear: knees of two legs point forward, of more legs back.
    for way in (-1.0, 1.0) if two else (1.0, -1.0):
        x = here.copy()
        for leg in stand.legs:
            swinging = [name for name in leg.joints if swings(stand.body, name) and name in mine]
            for name, angle in zip(swinging, (way * bend, -2.0 * way * bend, way * bend)):
                i = mine.index(name)
                x[i] = angle * np.sign(lateral(stand.body, name))
        found.append(x)
    return [*found, here]


def _misses(
    stand: Stand, pose: Pose, moved: Float[np.ndarray, " n"], stay: float
) -> Float[np.ndarray, " m"]:
    """What a standing pose has small: by squares, in shares of the legs' reach and in rad."""
    body, scale, two = stand.body, stand.scale, len(stand.legs) <= 2
    data = body.pose(pose)
    feet = stand.supports()
    points = np.concatenate(feet)
    ends = np.array([foot.mean(axis=0) for foot in feet])
    hips = np.array([data.xanchor[body.mj.joint(hip(body, leg)).id] for leg in stand.legs])
    middle = ends.mean(axis=0)
    stretch = stand.stretches() - _STRETCH["two" if two else "more"]
    under = (ends - hips)[:, :2] / scale
    hanging = np.array([float(swings(body, hip(body, leg))) for leg in stand.legs])  # 0 of legs that sprawl
    yaw = [
        (body.data.xmat[sole.link + 1].reshape(3, 3) @ sole.mat)[1, 0] for sole in stand.soles if sole.flat
    ]
    return np.concatenate(
        [
            30.0 * (points[:, 2] - points[:, 2].mean()) / scale,
            10.0 * (data.subtree_com[1, :2] - middle[:2]) / scale,
            (0.3 if stay else 2.0) * stretch,
            (0.1 if stay else 0.5) * hanging * under[:, 1],
            (0.1 if two or stay else 0.5) * hanging * under[:, 0],
            np.array(yaw),
            (0.03 + stay) * moved,
        ]
    )


def _rounded(body: PosedBody, pose: Pose) -> dict[str, float]:
    """The pose as it is written: few digits, and exactly symmetric where it nearly is."""
    full = body.mirrored(pose) if body.reflection.whole else body.complete(pose)
    found = {name: round(full[name], _DIGITS) + 0.0 for name in body.free}
    if body.reflection.whole:
        for first, second in body.reflection.pairs:
            if first in found and second in found:
                found[second] = body.reflection.sign[second] * found[first] + 0.0
        for name, other in body.reflection.image.items():
            if name == other and name in found and body.reflection.sign[name] < 0.0:
                found[name] = 0.0
    return found


def _off_limit(body: PosedBody, name: str, angle: float) -> float:
    """The angle, moved by a little where it is on its limit; one beyond it stays, and is complained about."""
    low, high = body.range.get(name, (-np.inf, np.inf))
    off = 0.015 * (high - low) if np.isfinite(high - low) else 0.0
    moved = float(np.clip(angle, low + off, high - off))
    return moved if abs(moved - angle) < 2.0 * off else angle


def _rank(name: str) -> int:
    words = [i for i, word in enumerate(_NAMES) if word in name.lower()]
    return words[0] if words else len(_NAMES)


def _asked(body: PosedBody, poses: Mapping[str, Pose], asked: str) -> dict[str, float]:
    if asked in poses:
        return dict(poses[asked])
    found = {}
    for item in filter(None, (part.strip() for part in asked.split(","))):
        name, equals, angle = item.partition("=")
        try:
            if not equals or name not in body.free:
                raise ValueError
            found[name] = float(angle)
        except ValueError as error:
            known = [*poses, *body.free] if not equals else body.free
            raise WildRobotError(
                f"--home names no pose and no joint: {item!r}.",
                where="--home",
                hint=f"a pose of the file, or JOINT=ANGLE,... in rad; {nearest(name, known)}",
            ) from error
    return found


def _but(wrong: list[str]) -> str:
    return f"; but {'; '.join(wrong)}" if wrong else ""
