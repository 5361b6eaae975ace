"""Which geoms may touch, and by what parameters, as plain Python values known while tracing."""

import dataclasses
from typing import Any, NamedTuple

import mujoco
import numpy as np

from .spatial import Vec

PLANE, SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX = (
    int(getattr(mujoco.mjtGeom, f"mjGEOM_{n}")) for n in ("PLANE", "SPHERE", "CAPSULE", "ELLIPSOID", "CYLINDER", "BOX")
)
ON_PLANES = {SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX}
"""Shapes that may touch a plane."""
ON_EACH_OTHER = {(SPHERE, SPHERE), (SPHERE, CAPSULE), (CAPSULE, CAPSULE), (SPHERE, BOX)}
"""Shapes that may touch each other, in MuJoCo's order."""
MIN_MU = 1e-5  # mjMINMU: a contact's least friction
_TINY = 1e-15  # mjMINVAL


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two geoms that may touch; mixed parameters as MuJoCo mixes them.

    Contacts act on `body`, which moves; so does `other`, which is None where the other geom never moves.
    """

    first: int  # geoms in MuJoCo's order: by shape, a plane first
    second: int
    kinds: tuple[int, int]
    sizes: tuple[Vec, Vec]
    body: int
    other: int | None
    acts_on_first: bool  # `body` has the first geom, for the second never moves
    condim: int
    margin: float
    solref: tuple[float, ...]
    solimp: tuple[float, ...]
    friction_of: tuple[int, ...]  # geoms of whose friction the larger counts
    listed: int | None  # the <pair> whose friction counts in place of the geoms'
    invweight: float


class Found(NamedTuple):
    """Pairs of geoms that may touch, each in MuJoCo's order."""

    planes: list[tuple[int, int]]  # a plane that never moves, and a geom
    still: list[tuple[int, int]]  # one of the two never moves, and is no plane
    moving: list[tuple[int, int]]  # both move


def numbers(a: Any) -> Any:
    """The numbers of an array, as many as there are: a vector, a quaternion, a range."""
    return tuple(float(x) for x in np.asarray(a).ravel())


def disabled(mj: mujoco.MjModel, *names: str) -> bool:
    """Whether any of these features is switched off."""
    return any(mj.opt.disableflags & int(getattr(mujoco.mjtDisableBit, f"mjDSBL_{name}")) for name in names)


def contact_pairs(mj: mujoco.MjModel) -> Found:
    """Pairs of geoms that may touch, one of which moves: a <pair> of two that never do has no force.

    Source of the rules: MuJoCo's documentation, Computation, "Collision detection", Selection.
    """
    found = Found([], [], [])
    if disabled(mj, "CONTACT", "CONSTRAINT"):
        return found
    excluded = {int(s) for s in mj.exclude_signature}
    weld, parent = mj.body_weldid, mj.body_parentid
    chosen: set[tuple[int, int]] = set()
    for a in range(mj.ngeom):
        for b in range(a + 1, mj.ngeom):
            body = sorted((int(mj.geom_bodyid[a]), int(mj.geom_bodyid[b])))
            w1, w2 = (int(weld[x]) for x in body)
            p1, p2 = (int(weld[parent[w]]) for w in (w1, w2))
            touches = (mj.geom_contype[a] & mj.geom_conaffinity[b]) or (mj.geom_contype[b] & mj.geom_conaffinity[a])
            related = w1 and w2 and (w1 == p2 or w2 == p1) and not disabled(mj, "FILTERPARENT")
            if touches and w1 != w2 and not related and (body[0] << 16) + body[1] not in excluded:
                chosen.add((a, b))
    chosen |= {(min(pair), max(pair)) for pair in zip(mj.pair_geom1.tolist(), mj.pair_geom2.tolist())}
    for a, b in sorted(chosen):
        first, second = (a, b) if mj.geom_type[a] <= mj.geom_type[b] else (b, a)
        moves = [bool(weld[mj.geom_bodyid[g]]) for g in (first, second)]
        if not any(moves):
            continue
        if mj.geom_type[first] == PLANE and not moves[0] and mj.geom_type[second] != PLANE:
            found.planes.append((first, second))
        else:
            (found.moving if all(moves) else found.still).append((first, second))
    return found


def listed_pair(mj: mujoco.MjModel, a: int, b: int) -> int | None:
    """The index of the <pair> of these geoms, if the model lists one."""
    for i, pair in enumerate(zip(mj.pair_geom1.tolist(), mj.pair_geom2.tolist())):
        if set(pair) == {a, b}:
            return i
    return None


def pair_of(mj: mujoco.MjModel, first: int, second: int) -> Pair:
    """Two geoms in MuJoCo's order, one of which moves, with their contact's parameters.

    Source of the mixing rules: MuJoCo's documentation, Modeling, "Contact parameters".
    """
    p1, p2 = int(mj.geom_priority[first]), int(mj.geom_priority[second])
    bodies = [int(mj.geom_bodyid[g]) for g in (first, second)]
    moves = [bool(mj.body_weldid[b]) for b in bodies]
    listed = listed_pair(mj, first, second)
    friction: tuple[int, ...] = ()
    margin = float(mj.geom_margin[first] + mj.geom_margin[second])
    if listed is not None:
        condim, solref, solimp = int(mj.pair_dim[listed]), mj.pair_solref[listed], mj.pair_solimp[listed]
        margin = float(mj.pair_margin[listed])
    elif p1 != p2:
        chosen = first if p1 > p2 else second
        condim, solref, solimp, friction = (
            int(mj.geom_condim[chosen]),
            mj.geom_solref[chosen],
            mj.geom_solimp[chosen],
            (chosen,),
        )
    else:
        s1, s2 = float(mj.geom_solmix[first]), float(mj.geom_solmix[second])
        share = s1 / (s1 + s2) if min(s1, s2) >= _TINY else 0.5 if max(s1, s2) < _TINY else float(s1 >= _TINY)
        refs = mj.geom_solref[first], mj.geom_solref[second]
        mixed = share * refs[0] + (1 - share) * refs[1]
        solref = mixed if refs[0][0] > 0 and refs[1][0] > 0 else np.minimum(*refs)
        solimp = share * mj.geom_solimp[first] + (1 - share) * mj.geom_solimp[second]
        condim, friction = int(max(mj.geom_condim[first], mj.geom_condim[second])), (first, second)
    return Pair(
        first=first,
        second=second,
        kinds=(int(mj.geom_type[first]), int(mj.geom_type[second])),
        sizes=(numbers(mj.geom_size[first]), numbers(mj.geom_size[second])),
        body=bodies[1] if moves[1] else bodies[0],
        other=bodies[0] if all(moves) else None,
        acts_on_first=not moves[1],
        condim=condim,
        margin=margin,
        solref=numbers(solref),
        solimp=numbers(solimp),
        friction_of=friction,
        listed=listed,
        invweight=float(mj.body_invweight0[bodies[1], 0] + mj.body_invweight0[bodies[0], 0]),
    )
