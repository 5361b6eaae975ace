"""Figures of a file that no motor has: gains that are placeholders, and torque limits without a bound."""

import numpy as np

from .drives import Drive

_GIVES = 0.5  # rad: a position gain of the file that lets a leg sag so far at home is a placeholder
_LEAST = 0.01  # rad: an error at which no servo gives all of its torque
_IMPLAUSIBLE = 3.0  # times weight and leg: a torque limit beyond it is a placeholder
_SWINGS = 1.8  # g / L: half a radian to and fro in a walk's period of 3.3 sqrt(L / g)
_USUAL = 0.35  # times weight and leg: the torque limit that takes its place


def too_weak(drives: tuple[Drive, ...], held: dict[str, float], legs: set[str]) -> str:
    """Why the file's position gains are none: a joint of a leg that they let sag as no robot's does; "" of others."""
    sags = {d.joint: held[d.joint] / max(d.kp, 1e-9) for d in drives if d.kind == "position" and d.joint in legs}
    worst = max(sags, key=lambda name: sags[name], default="")
    if not worst or sags[worst] < _GIVES:
        return ""
    kp = next(drive.kp for drive in drives if drive.joint == worst)
    return f"with {kp:.3g} N m/rad {worst} would sag by {sags[worst]:.2g} rad at home"


def too_stiff(kp: float, torque: float) -> str:
    """Why a position gain of the file (N m/rad) is none for what its motor gives (N m); "" of others."""
    return f"{kp:.4g} N m/rad asks for all of the torque at {torque / kp:.2g} rad" if kp * _LEAST > torque else ""


def swinging(armature: float, height: float) -> float:
    """The torque (N m) that swings a rotor (kg m^2) half a radian to and fro in a walk of so high a robot (m)."""
    return _SWINGS * armature * 9.81 / height


def torque_limit(drive: Drive, scale: float, swing: float, held: float) -> tuple[float, str]:
    """The torque limit (N m) and why.

    Args:
        drive: what the file says.
        scale: weight times leg length, N m.
        swing: what it takes to swing the joint's own rotor in a walk, N m.
        held: by the joint at home, N m.
    """
    if drive.torque < _IMPLAUSIBLE * (scale + swing):
        return drive.torque, {"none": "the joint's own limit", "motor": "the motor's range"}.get(
            drive.kind, "the actuator's force range"
        )
    usual = max(_USUAL * scale, 2.5 * held) + 2.0 * swing
    told = f"the file says {drive.torque:.4g} N m" if np.isfinite(drive.torque) else "the file says none"
    return usual, f"assumed: {told}; {_USUAL:g} times weight and leg length" + (
        ", and what swings the rotor" if swing > 0.1 * scale else ""
    )
