"""Constraints between joints and bodies: joints that are rigid, joints that follow others, and what is left out."""

import dataclasses
import math
from collections.abc import Iterator, Mapping

import mujoco
import numpy as np

from ...errors import WildRobotError
from .findings import Findings
from .options import ImportOptions, matching
from .read import Source

_EQ = mujoco.mjtEq
_OF_BODIES = (int(_EQ.mjEQ_CONNECT), int(_EQ.mjEQ_WELD))
_SCALAR = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))


@dataclasses.dataclass(frozen=True)
class Mimic:
    """A joint that follows another one: q = polynomial(q of the leader), both counted from their zero in the file."""

    follower: str
    leader: str
    polynomial: tuple[float, float, float, float, float]
    zeros: tuple[float, float]  # rad, of follower and leader: 0 but where an MJCF has <joint ref>

    def angle(self, leader: float) -> float:
        """Of the follower, rad."""
        return self.zeros[0] + float(np.polynomial.polynomial.polyval(leader - self.zeros[1], self.polynomial))


def locked_joints(source: Source, options: ImportOptions, findings: Findings) -> dict[str, float]:
    """The angles (rad) of the joints that are rigid: that `--ignore` names, that the file holds, and what follows them.

    Raises:
        WildRobotError: `--ignore` names a joint that there is not.
    """
    mj = source.mj
    found = {}
    for first, second, data in _active(mj, _EQ.mjEQ_JOINT):
        if second < 0:
            found[mj.joint(first).name] = float(mj.qpos0[mj.jnt_qposadr[first]] + data[0])
    if found:
        findings.add("locked", ", ".join(found), "an equality constraint of the file", "sure")
    if options.ignore:
        scalar = [mj.joint(j).name for j in range(mj.njnt) if int(mj.jnt_type[j]) in _SCALAR]
        names = matching(options.ignore, scalar, "--ignore", "joint")
        pose = next(iter(source.poses.values()), {})
        for name in names:
            j = mj.joint(name).id
            low, high = mj.jnt_range[j] if mj.jnt_limited[j] else (-math.inf, math.inf)
            found.setdefault(name, float(np.clip(pose.get(name, 0.0), low, high)))
        findings.add("locked", ", ".join(names), "--ignore", "sure")
    following = [mimic for mimic in _all_mimics(mj) if mimic.follower not in found]
    more = {}
    for mimic in following:  # leaders first
        if mimic.leader in found:
            found[mimic.follower] = more[mimic.follower] = mimic.angle(found[mimic.leader])
    if more:
        findings.add("locked", ", ".join(more), "they follow joints that are locked", "sure")
    return found


def mimics(source: Source, joints: set[str], links: Mapping[int, int]) -> tuple[Mimic, ...]:
    """The joints that follow others, leaders first.

    Args:
        source: the robot.
        joints: those that move.
        links: for each body of the robot the one that leads its link.

    Raises:
        WildRobotError: bodies of the robot are joined by a constraint, which closes a chain, or a joint follows two.
    """
    mj = source.mj
    for first, second in _joined_bodies(mj):
        two = {first, second}
        if two & set(links) and not _holds_root(source, two, links):
            both = " and ".join(mj.body(body).name for body in sorted(two))
            raise WildRobotError(
                f"{source.path.name} closes a chain: the bodies {both} are joined by a constraint.",
                where=str(source.path),
                hint="robots here are trees; take a model in which such a linkage is one joint, or is left out",
            )
    found = [mimic for mimic in _all_mimics(mj) if {mimic.follower, mimic.leader} <= joints]
    followers = [mimic.follower for mimic in found]
    twice = next((name for name in followers if followers.count(name) > 1), None)
    if twice is not None:
        raise WildRobotError(
            f"The joint {twice!r} of {source.path.name} follows two others at once.",
            where=str(source.path),
            hint="leave one of its equality constraints, or lock it: --ignore JOINT",
        )
    return tuple(found)


def report_left_out(source: Source, findings: Findings) -> None:
    """Note what has an effect in the file and has none here: tendons, and what holds the root to the world."""
    mj = source.mj
    tied = {tendon for one in _active(mj, _EQ.mjEQ_TENDON) for tendon in one[:2]}
    acting = (mj.tendon_stiffness, mj.tendon_damping, mj.tendon_frictionloss, mj.tendon_armature, mj.tendon_limited)
    names = [
        mj.tendon(t).name or f"tendon {t}"
        for t in range(mj.ntendon)
        if t in tied or any(np.any(figure[t]) for figure in acting)
    ]
    if names:
        why = "no tendon is taken over: its springs, limits and couplings are lost"
        findings.add("tendons left out", ", ".join(names), why, "sure", check=True)
    root = {source.root: source.root}
    if any(_holds_root(source, set(two), root) for two in _joined_bodies(mj)):
        findings.add("held root", "let go", "a constraint of the file holds it to the world", "sure", check=True)


def _holds_root(source: Source, two: set[int], links: Mapping[int, int]) -> bool:
    """Whether a constraint is one between the root's link and what stands still."""
    still = {body for body in two if source.mj.body_weldid[body] == 0}
    return len(still) == 1 and all(links.get(body) == source.root for body in two - still)


def _active(mj: mujoco.MjModel, kind: mujoco.mjtEq) -> Iterator[tuple[int, int, list[float]]]:
    """The objects and figures of the equality constraints of one kind that are active from the start."""
    for e in range(mj.neq):
        if mj.eq_active0[e] and mj.eq_type[e] == kind:
            yield int(mj.eq_obj1id[e]), int(mj.eq_obj2id[e]), [float(x) for x in mj.eq_data[e]]


def _joined_bodies(mj: mujoco.MjModel) -> Iterator[tuple[int, int]]:
    for e in range(mj.neq):
        if mj.eq_active0[e] and int(mj.eq_type[e]) in _OF_BODIES:
            two = int(mj.eq_obj1id[e]), int(mj.eq_obj2id[e])
            site = mj.eq_objtype[e] == mujoco.mjtObj.mjOBJ_SITE
            yield (int(mj.site_bodyid[two[0]]), int(mj.site_bodyid[two[1]])) if site else two


def _all_mimics(mj: mujoco.MjModel) -> list[Mimic]:
    """Leaders that follow others themselves stand before those that follow them."""
    pending = [
        Mimic(
            mj.joint(first).name,
            mj.joint(second).name,
            (data[0], data[1], data[2], data[3], data[4]),
            (float(mj.qpos0[mj.jnt_qposadr[first]]), float(mj.qpos0[mj.jnt_qposadr[second]])),
        )
        for first, second, data in _active(mj, _EQ.mjEQ_JOINT)
        if second >= 0
    ]
    found: list[Mimic] = []
    while pending:
        waiting = {mimic.follower for mimic in pending}
        ready = [mimic for mimic in pending if mimic.leader not in waiting] or pending
        found += ready
        pending = [mimic for mimic in pending if mimic not in ready]
    return found
