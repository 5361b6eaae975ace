"""Masses and inertias of a file's bodies: those that no solid body has are mended, and that is told."""

import mujoco
import numpy as np

from .findings import Findings
from .place import Kind

_HEAVY = 0.01  # share of the robot's mass that a link with a mended inertia may have without a look
_DIGITS = 1e-3  # share of the largest moment, by which two others may be too small as rounding alone makes them
_MENDED = {
    "raised": "raised to what a body of a centimetre has",
    "balanced": "the two smaller moments raised, each by half of what they lack to the largest",
}
_TINY = 1e-9  # kg, of a link without mass; its inertia in kg m^2 is the same number


def solid_bodies(spec: mujoco.MjSpec, kind: Kind, findings: Findings) -> set[str]:
    """Bodies whose mass and inertia the file gives: the others get theirs from their geoms.

    A link of a URDF without <inertial> has no mass.
    """
    infer = mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_TRUE
    if kind == "mjcf" and spec.compiler.inertiafromgeom == infer:
        return set()
    found: set[str] = set()
    mended: dict[str, list[mujoco.MjsBody]] = {how: [] for how in _MENDED}
    for body in spec.bodies[1:]:
        if not body.explicitinertial and kind == "mjcf":
            continue
        found.add(body.name)
        if not body.explicitinertial or not body.mass > 0.0:
            body.explicitinertial = True
            body.mass, body.ipos, body.iquat = _TINY, [0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]
            body.fullinertia = [*[_TINY] * 3, 0.0, 0.0, 0.0]
        elif how := _mend(body):
            mended[how].append(body)
    total = sum(body.mass for body in spec.bodies[1:])
    for how, bodies in mended.items():
        if bodies:
            heaviest = max(bodies, key=lambda body: body.mass)
            findings.add(
                f"inertia of {', '.join(body.name for body in bodies)}",
                _MENDED[how],
                f"the file's is none that a body can have; the heaviest of them has {heaviest.mass:.3g} kg",
                "guess",
                check=heaviest.mass > _HEAVY * total,
            )
    return found


def _mend(body: mujoco.MjsBody) -> str:
    """Make an inertia that no solid body has one that MuJoCo takes, and say how; "" where it was good but for digits.

    MuJoCo itself would give a body whose moments break A + B >= C the mean of all three.
    """
    given = np.asarray(body.fullinertia, float)
    diagonal = bool(np.isnan(given[0]))
    if diagonal:
        given = np.concatenate([np.asarray(body.inertia, float), np.zeros(3)])
    xx, yy, zz, xy, xz, yz = given
    matrix = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    if not np.isfinite(matrix).all():
        return ""  # MuJoCo tells of it
    values, axes = np.linalg.eigh(matrix)
    raised, how = values, ""
    if values.min() <= max(1e-6 * values.max(), 1e-7 * body.mass):
        raised, how = np.maximum(values, max(1e-4 * body.mass, 1e-2 * values.max())), "raised"
    lacking = float(raised[2] - raised[0] - raised[1])
    if lacking > 0.0:
        how = how or ("balanced" if lacking > _DIGITS * raised[2] else "")
        raised = raised + (0.5 * lacking + _DIGITS**2 * raised[2]) * np.array([1.0, 1.0, 0.0])
    if raised is values:
        return ""
    full = axes @ np.diag(raised) @ axes.T
    if diagonal:
        body.inertia = np.diag(full)
    else:
        body.fullinertia = [*np.diag(full), full[0, 1], full[0, 2], full[1, 2]]
    return how
