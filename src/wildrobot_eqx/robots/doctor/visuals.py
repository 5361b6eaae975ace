"""Geoms that are there to be seen and collide all the same."""

from collections.abc import Iterator

import mujoco
import numpy as np

from .finding import Finding, listed
from .subject import Subject, box_of

_MESH = int(mujoco.mjtGeom.mjGEOM_MESH)
_PART, _SAME = 0.5, 0.9  # share of a mesh's box: covered by a primitive, and by another mesh
_THIN = 0.002  # share of the robot's size: the least side of a box


def check_visuals(subject: Subject) -> Iterator[Finding]:
    """Meshes that collide beside another geom of their body that stands for them, or beside themselves."""
    mj = subject.mj
    double: list[int] = []
    for body in subject.bodies:
        own = [g for g in range(mj.ngeom) if int(mj.geom_bodyid[g]) == body]
        hard = [g for g in own if mj.geom_contype[g] or mj.geom_conaffinity[g]]
        meshes = [g for g in hard if int(mj.geom_type[g]) == _MESH]
        others = [g for g in hard if int(mj.geom_type[g]) != _MESH]
        double += [
            g
            for i, g in enumerate(meshes)
            if any(_common(subject, o, g) > _PART for o in others)
            or any(min(_common(subject, o, g), _common(subject, g, o)) > _SAME for o in meshes[:i])
        ]
    if double:
        yield Finding(
            "visuals",
            "note",
            "A mesh collides beside a geom of its body that stands for it: every contact is counted twice.",
            listed([subject.geom_name(g) for g in double]),
            f"{len(double)} meshes",
            'contype="0" conaffinity="0" on the meshes, or on what stands for them',
        )


def _common(subject: Subject, geom: int, mesh: int) -> float:
    """The share of a mesh's box that another geom's box covers."""
    a, b = box_of(subject.mj, geom), box_of(subject.mj, mesh)
    low, high = np.maximum(a.min(axis=0), b.min(axis=0)), np.minimum(a.max(axis=0), b.max(axis=0))
    common = float(np.prod(np.maximum(high - low, 0.0)))
    return common / float(np.prod(np.maximum(np.ptp(b, axis=0), _THIN * subject.size)))
