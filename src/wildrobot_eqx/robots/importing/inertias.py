"""Masses and inertias of a file's bodies: those that no solid body has are mended, and that is told."""

from collections.abc import Collection, Mapping

import mujoco
import numpy as np
from jaxtyping import Float

from .findings import Findings
from .place import Kind
from .shapes import surface

_HEAVY = 0.01  # share of the robot's mass that a link with a mended inertia may have without a look
_DIGITS = 1e-3  # share of the largest moment, by which two others may be too small as rounding alone makes them
_MENDED = {
    "raised": "raised to what a body of a centimetre has",
    "balanced": "the two smaller moments raised, each by half of what they lack to the largest",
}
_TINY = 1e-9  # kg, of a link without mass; its inertia in kg m^2 is the same number


def solid_bodies(spec: mujoco.MjSpec, kind: Kind, findings: Findings) -> tuple[set[str], tuple[str, ...]]:
    """Bodies whose mass and inertia the file gives: the others get theirs from their geoms.

    A link of a URDF without <inertial> has no mass.

    Returns:
        Their names; and the names of those with a mass and no inertia, for `shaped_inertias`.
    """
    infer = mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_TRUE
    if kind == "mjcf" and spec.compiler.inertiafromgeom == infer:
        return set(), ()
    found: set[str] = set()
    mended: dict[str, list[mujoco.MjsBody]] = {how: [] for how in (*_MENDED, "none")}
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
    shaped = {geom.parent.name for geom in spec.geoms}
    for how in _MENDED:
        bodies = mended[how]
        if how == "raised":
            bodies = bodies + [body for body in mended["none"] if body.name not in shaped]
        if bodies:
            heaviest = max(bodies, key=lambda body: body.mass)
            findings.add(
                f"inertia of {', '.join(body.name for body in bodies)}",
                _MENDED[how],
                f"the file's is none that a body can have; the heaviest of them has {heaviest.mass:.3g} kg",
                "guess",
                check=heaviest.mass > _HEAVY * total,
            )
    return found, tuple(body.name for body in mended["none"] if body.name in shaped)


def shaped_inertias(
    mj: mujoco.MjModel, names: Collection[str], meshes: Mapping[int, Float[np.ndarray, "_ 3"]], findings: Findings
) -> None:
    """Give bodies the inertia of a solid box around their shapes, with their own mass and centre.

    Args:
        mj: the compiled model, which is changed.
        names: of the bodies.
        meshes: points of a mesh in the frame of its geom, by geom.
        findings: where it is noted.
    """
    for name in names:
        body = mj.body(name).id
        first = int(mj.body_geomadr[body])
        points = [_points(mj, g, meshes) for g in range(first, first + int(mj.body_geomnum[body]))]
        squares = np.square(np.ptp(np.concatenate(points), axis=0)) if points else np.full(3, 1e-3)
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, mj.body_iquat[body])
        box = mj.body_mass[body] / 12.0 * np.diag(squares.sum() - squares)
        least = 1e-4 * mj.body_mass[body]
        mj.body_inertia[body] = np.maximum(np.diag(turn.reshape(3, 3).T @ box @ turn.reshape(3, 3)), least)
    if names:
        heaviest = max(float(mj.body(name).mass[0]) for name in names)
        why = f"the file gives them a mass and no inertia; the heaviest has {heaviest:.3g} kg"
        findings.add(f"inertia of {', '.join(names)}", "that of a box around their shapes", why, "guess", check=True)


def _points(mj: mujoco.MjModel, geom: int, meshes: Mapping[int, Float[np.ndarray, "_ 3"]]) -> Float[np.ndarray, "n 3"]:
    """Points of a geom's surface in the frame of its body, m."""
    turn = np.zeros(9)
    mujoco.mju_quat2Mat(turn, mj.geom_quat[geom])
    own = meshes[geom] if geom in meshes else surface(int(mj.geom_type[geom]), mj.geom_size[geom])
    return np.asarray(mj.geom_pos[geom] + own @ turn.reshape(3, 3).T)


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
        how = "none" if np.abs(values).max() <= 1e-9 * body.mass else how
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
