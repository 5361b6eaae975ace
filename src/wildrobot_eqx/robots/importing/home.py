"""The home pose: one of the file's that stands, or else one that is solved for."""

import math
from collections.abc import Mapping

import numpy as np

from ...errors import WildRobotError, nearest
from .body import Pose, PosedBody
from .findings import Findings
from .options import ImportOptions
from .solve import solve
from .stance import Stance, Stand, complaints

_NAMES = ("home", "stand", "standing", "default", "half_sitting", "init", "nominal")  # likelier poses first
_DIGITS = 4  # of angles that are written
_SLIGHT = 5e-3  # rad, by which a pose that the user names may be moved without a word


def find_home(
    stand: Stand, poses: Mapping[str, Pose], options: ImportOptions, findings: Findings
) -> tuple[dict[str, float], Stance]:
    """Angles (rad) of the joints that do not follow others, symmetric where the robot is, and how it stands.

    Raises:
        WildRobotError: `--home` names no pose and no joint, or gives an angle beyond a joint's range.
    """
    body = stand.body
    if options.home is not None:
        pose, how = _asked(body, poses, options.home)
        stance = stand.measure(pose)
        wrong = complaints(stance, stand)
        findings.add("home", options.home, "--home" + how + _but(wrong), "sure", check=bool(how or wrong))
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


def _rounded(body: PosedBody, pose: Pose) -> dict[str, float]:
    """The pose as it is written: few digits, and exactly symmetric where it nearly is."""
    full = body.mirrored(pose) if body.reflection.whole else body.complete(pose)
    found = {}
    for name in body.free:
        low, high = body.common_range(name)
        found[name] = round(float(np.clip(full[name], low, high)), _DIGITS) + 0.0
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


def _asked(body: PosedBody, poses: Mapping[str, Pose], asked: str) -> tuple[dict[str, float], str]:
    """The pose that the user wants, and what of it is not as it was asked for."""
    if asked in poses:
        pose = {**body.rest, **poses[asked]}
        uneven = max(abs(pose.get(name, mean) - mean) for name, mean in body.mirrored(pose).items())
        if body.reflection.whole and uneven < _SLIGHT:
            return _rounded(body, pose), ""
        inside = {name: float(np.clip(pose[name], *body.range[name])) for name in body.free}
        moved = ", ".join(name for name in body.free if abs(inside[name] - pose[name]) > _SLIGHT)
        return _digits(inside), f"; moved into their ranges: {moved}" if moved else ""
    given = _given(body, poses, asked)
    image, sign = body.reflection.image, body.reflection.sign
    pose = {**body.rest, **given}
    for name, angle in given.items():
        other = image.get(name, name)
        if other not in given and other in pose:
            low, high = body.range[other]
            pose[other] = sign[name] * angle if low <= sign[name] * angle <= high else pose[other]
    return _digits(pose), ""


def _digits(pose: Pose) -> dict[str, float]:
    return {name: round(angle, _DIGITS) + 0.0 for name, angle in pose.items()}


def _given(body: PosedBody, poses: Mapping[str, Pose], asked: str) -> dict[str, float]:
    """The angles that the user writes out."""
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
        low, high = body.range[name]
        if not (math.isfinite(found[name]) and low <= found[name] <= high):
            raise WildRobotError(
                f"--home gives joint {name!r} the angle {found[name]:g}, beyond its range of {low:.4g} to {high:.4g}.",
                where="--home",
                hint="an angle in rad within the range",
            )
    return found


def _but(wrong: list[str]) -> str:
    return f"; but {'; '.join(wrong)}" if wrong else ""
