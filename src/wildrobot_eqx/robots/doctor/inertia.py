"""Masses and inertias that no part of a robot can have: units of g or mm, forgotten masses, flat tensors.

A body's inertia and its mass bound each other. Of all bodies of one mass and density a solid sphere has the least
inertia, so mass and inertia together give a least density; no metal is denser than osmium (22,600 kg/m^3). In the
other direction, the box of equal inertia is the body's own size or larger: lighter than air, or larger than all
that the model shows of the body, means an inertia that is too large.
"""

from collections.abc import Iterator

import numpy as np

from .finding import Finding, Severity
from .subject import Subject, box_of

_OSMIUM, _NO_MATTER, _AIR = 22_600.0, 1e5, 1.2  # kg/m^3
_REACH, _FAR_REACH = 2.0, 3.0  # radius of gyration over the farthest point of the body that the model shows
_SMALL = 1e-3  # share of the robot's mass below which a wrong inertia harms little
_FLAT = 1e-4  # slack of the triangle inequality, share of the largest moment
_MASSLESS = 1e-7  # kg, and share of the robot's mass
_DUST = 1e-6  # share of the robot's mass, of a frame that is welded to a link


def check_inertia(subject: Subject) -> Iterator[Finding]:
    """Of every body that moves: mass, density, size and the triangle inequality."""
    for body in subject.bodies:
        where = f"body {subject.body_name(body)!r}"
        mass, moments = float(subject.mj.body_mass[body]), np.sort(subject.mj.body_inertia[body])
        if _group_mass(subject, body) <= max(_MASSLESS, _MASSLESS * subject.mass):
            if subject.mj.body_weldid[body] == body:
                yield Finding(
                    "inertia",
                    "fault",
                    "A moving body has no mass: forces on it give it endless accelerations.",
                    where,
                    f"{mass:.1g} kg",
                    "give it its part's mass, or merge its joint with the next one",
                )
        elif subject.mj.body(body).name in subject.mended:
            continue
        elif mass > _DUST * subject.mass and moments[0] > 0.0:
            yield from _impossible(subject, body, mass, moments, where)


def _group_mass(subject: Subject, body: int) -> float:
    """The mass of a body and of all that is welded to it, kg."""
    weld = subject.mj.body_weldid
    return float(subject.mj.body_mass[weld == weld[body]].sum())


def _impossible(subject: Subject, body: int, mass: float, moments: np.ndarray, where: str) -> Iterator[Finding]:
    second = np.maximum(0.5 * moments.sum() - moments, 0.0)  # integral of x^2, y^2 and z^2 over the mass
    radius = float(np.sqrt(second.sum() / mass))  # of gyration, about the centre of mass
    sphere = mass / (4.0 / 3.0 * np.pi * (np.sqrt(5.0 / 3.0) * radius) ** 3)
    sides = 2.0 * np.sqrt(3.0 * second / mass)
    box = mass / float(np.prod(sides)) if sides.min() > 0.0 else np.inf
    extent = _extent(subject, body)
    small = mass < _SMALL * subject.mass
    size = f"{mass:.3g} kg, moments {', '.join(f'{m:.2g}' for m in moments)} kg m^2"
    if sphere > _OSMIUM:
        factor = (sphere / 1000.0) ** (2.0 / 3.0)
        yield Finding(
            "inertia",
            "fault" if sphere > _NO_MATTER else "note",
            "Its inertia is too small for its mass: no metal is that dense.",
            where,
            f"{size}: at least {sphere:.3g} kg/m^3 (osmium: {_OSMIUM:g}); water: {factor:.2g} times that inertia",
            "the inertia is in kg m^2 (not in t m^2, nor in kg mm^2 times 1e-9), the mass in kg (not in g)",
        )
    elif box < _AIR or (extent is not None and radius > _REACH * extent):
        severe: Severity = "fault" if box < _AIR or (extent is not None and radius > _FAR_REACH * extent) else "note"
        seen = f"its mass is {1e3 * radius:.3g} mm from its centre on average"
        seen += "" if extent is None else f", its farthest point {1e3 * extent:.3g} mm"
        yield Finding(
            "inertia",
            "note" if small else severe,
            "Its inertia is too large for its size: more than all of its mass at its farthest point.",
            where,
            f"{size}: {seen}",
            "the inertia is in kg m^2 (not in g m^2 or kg mm^2), about the centre of mass; 1 is a placeholder",
        )
    slack = float(moments[0] + moments[1] - moments[2]) / float(moments[2])
    if slack < _FLAT and sphere <= _OSMIUM:
        yield Finding(
            "inertia",
            "note",
            "Its inertia is that of a sheet without thickness: drawn masses or rounding make it impossible.",
            where,
            f"the smaller principal moments exceed the largest one by {100 * slack:.2g}%",
            "take the inertia from the CAD anew",
        )


def _extent(subject: Subject, body: int) -> float | None:
    """How far the farthest point that the model shows of a body is from its centre of mass, m; None without geoms."""
    mj = subject.mj
    geoms = [g for g in range(mj.ngeom) if int(mj.geom_bodyid[g]) == body]
    if not geoms:
        return None
    children = [c for c in range(mj.nbody) if int(mj.body_parentid[c]) == body]
    points = np.concatenate([np.zeros((1, 3)), mj.body_pos[children], *(box_of(mj, geom) for geom in geoms)])
    return float(np.linalg.norm(points - mj.body_ipos[body], axis=1).max())
