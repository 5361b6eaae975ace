"""Geoms that are there to be seen and collide all the same."""

from collections.abc import Iterator

import mujoco
import numpy as np

from .finding import Finding, listed
from .subject import Subject, box_of

_MESH = int(mujoco.mjtGeom.mjGEOM_MESH)
_WITHIN = 0.002  # share of the robot's size by which a primitive may stand out of the mesh that it stands for


def check_visuals(subject: Subject) -> Iterator[Finding]:
    """Meshes that collide beside the primitives that stand for them, on one body."""
    mj = subject.mj
    double: list[int] = []
    for body in subject.bodies:
        hard = [
            g
            for g in range(mj.ngeom)
            if int(mj.geom_bodyid[g]) == body and (mj.geom_contype[g] or mj.geom_conaffinity[g])
        ]
        meshes = [g for g in hard if int(mj.geom_type[g]) == _MESH]
        others = [g for g in hard if int(mj.geom_type[g]) != _MESH]
        double += [g for g in meshes if any(_stands_for(subject, o, g) for o in others)]
    if double:
        yield Finding(
            "visuals",
            "note",
            "A mesh collides beside a primitive that stands for it: every contact is counted twice.",
            listed([subject.geom_name(g) for g in double]),
            f"{len(double)} meshes",
            'contype="0" conaffinity="0" on the meshes, or on the primitives',
        )


def _stands_for(subject: Subject, primitive: int, mesh: int) -> bool:
    """Whether a primitive covers the best part of a mesh's box."""
    a, b = box_of(subject.mj, primitive), box_of(subject.mj, mesh)
    slack = _WITHIN * subject.size
    low, high = np.maximum(a.min(axis=0), b.min(axis=0)), np.minimum(a.max(axis=0), b.max(axis=0))
    common = float(np.prod(np.maximum(high - low, 0.0)))
    return common > 0.5 * float(np.prod(np.maximum(np.ptp(b, axis=0), slack)))
