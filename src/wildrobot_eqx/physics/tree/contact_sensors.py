"""Sensors of contacts: net forces between what a sensor names, and touch.

Source: MuJoCo's documentation, XML reference, "sensor/contact" (matching, direction convention) and "sensor/touch".
"""

import dataclasses

import mujoco
import numpy as np
from jaxtyping import Bool, Int

from .cones import Axes
from .constraints import Touch
from .rays import hits
from .scalar import Scalar, where
from .spatial import ZERO, Mat, Vec, add, apply_transposed, neg, scale, sub

_OBJECT = mujoco.mjtObj
_GEOM, _BODY, _SUBTREE = int(_OBJECT.mjOBJ_GEOM), int(_OBJECT.mjOBJ_BODY), int(_OBJECT.mjOBJ_XBODY)
MATCHED = {_GEOM, _BODY, _SUBTREE}
"""What a contact sensor may name on either side: a geom, a body, or a body with all below it."""


@dataclasses.dataclass(frozen=True)
class Side:
    """What one side of a contact sensor matches."""

    kind: int
    index: int

    def geoms(self, mj: mujoco.MjModel) -> Bool[np.ndarray, " ngeom"]:
        """Which geoms belong to it."""
        if self.kind == _GEOM:
            return np.arange(mj.ngeom) == self.index
        inside = np.arange(mj.nbody) == self.index
        if self.kind == _SUBTREE:
            for body in range(self.index + 1, mj.nbody):
                inside[body] = inside[mj.body_parentid[body]]
        return inside[mj.geom_bodyid]


def sides(mj: mujoco.MjModel, sensor: int) -> tuple[Side | None, Side | None]:
    """Both sides of a contact sensor, None where it names nothing; of any other sensor, no sides."""
    if int(mj.sensor_type[sensor]) != int(mujoco.mjtSensor.mjSENS_CONTACT):
        return None, None
    named = ((mj.sensor_objtype, mj.sensor_objid), (mj.sensor_reftype, mj.sensor_refid))
    first, second = (Side(int(kind[sensor]), int(i[sensor])) if i[sensor] >= 0 else None for kind, i in named)
    return first, second


def directions(mj: mujoco.MjModel, named: tuple[Side | None, Side | None]) -> Int[np.ndarray, "ngeom ngeom"]:
    """The sign of the force of a contact, by its geoms in MuJoCo's order, in a sensor of the force on its second side.

    1 if the contact matches as it is, or both ways; -1 if with its geoms swapped; 0 if it does not match.
    """
    first, second = (np.ones(mj.ngeom, bool) if side is None else side.geoms(mj) for side in named)
    matches = first[:, None] & second
    return np.where(matches, 1, np.where(matches.T, -1, 0))


def net_force(
    mj: mujoco.MjModel, touches: list[Touch], contact: list[Axes], named: tuple[Side | None, Side | None]
) -> Vec:
    """The net force of the contacts that match on the sensor's second side, N, world frame."""
    world: Vec = ZERO
    signs = directions(mj, named)
    for touch, force in zip(touches, contact):
        pair = touch.contact.pair
        sign = signs[pair.first, pair.second] * (-1 if pair.acts_on_first else 1)
        if sign:
            world = (add if sign > 0 else sub)(world, contact_force(touch, force))
    return world


def contact_force(touch: Touch, force: Axes) -> Vec:
    """The force of a contact on the pair's body, N, world frame."""
    world: Vec = ZERO
    for axis, f in zip(touch.contact.frame, force):
        world = add(world, scale(f, axis))
    return world


def touch_force(
    touches: list[Touch],
    contact: list[Axes],
    body: int,
    offset: Vec,
    rotation: Mat,
    shape: tuple[int, tuple[float, ...]],
) -> Scalar:
    """The sum of normal forces of a body's contacts whose ray, from the contact out of the body, meets a site's shape.

    Args:
        touches: all contacts.
        contact: force of each, in its own axes.
        body: the site's.
        offset: of the site from the origin of the body's tree.
        rotation: of the site.
        shape: of the site, and its size.
    """
    result: Scalar = 0.0
    for touch, force in zip(touches, contact):
        normal = touch.contact.frame[0]
        ours, theirs = (touch.body, touch.offset, neg(normal)), (touch.other, touch.contact.other_offset, normal)
        for its, at, out in (ours, theirs):
            if its == body and at is not None:
                point, ray = (apply_transposed(rotation, v) for v in (sub(at, offset), out))
                result = result + where(hits(*shape, point, ray), force[0], 0.0)
    return result
