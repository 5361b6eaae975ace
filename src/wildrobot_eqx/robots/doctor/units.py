"""Units of the whole: mass against size, geoms against joints, gravity."""

from collections.abc import Iterator

import numpy as np

from .finding import Finding, listed
from .subject import Subject, box_of

_THIN, _DENSE = 0.02, 5000.0  # kg/m^3, the robot's mass over the cube of its longest side
_LARGER = 10.0  # a geom over the robot
_GRAVITY = (1.0, 15.0)  # m/s^2: from the moon's to half more than the earth's


def check_units(subject: Subject) -> Iterator[Finding]:
    """Mass over size, geoms that dwarf the robot, and gravity."""
    mj = subject.mj
    size = max(subject.size, 1e-6)
    density = subject.mass / size**3
    many = len(subject.bodies) > 2  # the joints of fewer parts do not tell their size
    if many and not _THIN < density < _DENSE:
        heavy = density > 1.0
        yield Finding(
            "units",
            "fault",
            f"The robot is too {'heavy' if heavy else 'light'} for its size.",
            f"the tree of {subject.body_name(subject.root)!r}",
            f"{subject.mass:.3g} kg within {size:.3g} m, {density:.3g} kg/m^3 of such a cube; robots have 5 to 200",
            "masses are in kg (not in g), lengths in m (not in mm)" if heavy else "masses are in kg, lengths in m",
        )
    large = [g for g in range(mj.ngeom) if int(mj.geom_bodyid[g]) in subject.bodies]
    wide = {g: float(np.ptp(box_of(mj, g), axis=0).max()) for g in large}
    over = [g for g, width in wide.items() if many and width > _LARGER * size]
    if over:
        worst = max(over, key=lambda g: wide[g])
        yield Finding(
            "units",
            "fault",
            "A part is far larger than the whole robot.",
            listed([subject.geom_name(g) for g in over]),
            f"{wide[worst]:.3g} m wide, the robot's joints are within {size:.3g} m",
            'meshes in mm take scale="0.001 0.001 0.001"',
        )
    gravity = mj.opt.gravity
    strength = float(np.linalg.norm(gravity))
    if not _GRAVITY[0] < strength < _GRAVITY[1] or -gravity[2] < 0.99 * strength:
        yield Finding(
            "units",
            "fault",
            "Gravity is not that of the earth, or does not point down.",
            "<option gravity>",
            f"{gravity[0]:.3g}, {gravity[1]:.3g}, {gravity[2]:.3g} m/s^2",
            'gravity="0 0 -9.81": m/s^2, z up',
        )
