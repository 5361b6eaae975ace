"""Where the IMU lies: a site with a gyro, something called IMU, or else the root."""

import numpy as np
from jaxtyping import Float

from .findings import Findings
from .options import ImportOptions, matching
from .skeleton import Frame, Skeleton

_ALIGNED = 0.02  # rad: an IMU that is turned by less has the root's axes


def find_imu(
    skeleton: Skeleton, candidates: tuple[tuple[str, str], ...], options: ImportOptions, findings: Findings
) -> tuple[int, Float[np.ndarray, " 3"]]:
    """The link and the place (m, in its frame) of the IMU; its axes are the root's, x forward and z up.

    Raises:
        WildRobotError: `--imu` names no site and no link.
    """
    if options.imu is not None:
        known = {**skeleton.frames, **skeleton.sites}
        (name, *_) = matching([options.imu], known, "--imu", "site or link")
        findings.add("imu", f"at {name}", "--imu" + _turned(known[name]), "sure", check=bool(_turned(known[name])))
        return known[name][0], known[name][1]
    found = [
        (kind, name, (skeleton.sites if kind == "site" else skeleton.frames)[name])
        for kind, name in candidates
        if name in (skeleton.sites if kind == "site" else skeleton.frames)
    ]
    found.sort(key=lambda candidate: candidate[2][0] != 0)  # those on the root first
    if found:
        kind, name, frame = found[0]
        on_root = frame[0] == 0
        why = f"the file's {kind} of that name" + _turned(frame)
        if not on_root:
            why += f"; it lies on {skeleton.links[frame[0]].name}, not on the root"
        findings.add("imu", f"at {name}", why, "likely", check=not on_root or bool(_turned(frame)))
        return frame[0], frame[1]
    findings.add("imu", f"at the origin of {skeleton.links[0].name}", "the file has none", "guess", check=True)
    return 0, np.zeros(3)


def _turned(frame: Frame) -> str:
    """What to say of an IMU whose axes are not the root's."""
    angle = float(np.arccos(np.clip(0.5 * (np.trace(frame[2]) - 1.0), -1.0, 1.0)))
    if angle < _ALIGNED:
        return ""
    return f"; there it is turned by {np.degrees(angle):.0f} degrees, here it has the robot's axes: turn its readings"
