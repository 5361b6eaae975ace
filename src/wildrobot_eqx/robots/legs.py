"""A robot's legs, found by kinematics: which joints move which foot, how, and how long each leg is."""

import dataclasses
from collections.abc import Mapping, Sequence

import mujoco
import numpy as np
from jaxtyping import Float

_UPRIGHT = 0.7  # cosine from which on an axis counts as vertical
_UPPER = 0.5  # share of the leg's length above which a joint belongs to the hip
_REACH = 0.35  # of the leg's length: what a joint must move the sole, per rad, to count as swinging the leg
_ASIDE = 0.05  # m per m: how far a sole that is lifted may move aside
_AHEAD = 0.6  # of its sideways motion: what a joint must move the sole ahead or up to count as swinging it ahead


@dataclasses.dataclass(frozen=True)
class LegJoint:
    """One driven joint of a leg, in the home pose.

    Args:
        name: of the joint.
        height: of the joint's anchor above the leg's sole, m.
        upright: its axis is vertical, or nearly so.
        moves: how the sole moves, m per rad (or per m of a slide): ahead, to the left, up.
    """

    name: str
    height: float
    upright: bool
    moves: tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Leg:
    """The driven joints between the base and one foot that move no other foot, from the base down.

    Args:
        foot: its name.
        joints: the joints.
        length: height of the hip above the sole in the home pose, m; 0 where no joint is the leg's own.
    """

    foot: str
    joints: tuple[LegJoint, ...]
    length: float

    @property
    def sideways(self) -> tuple[str, ...]:
        """Joints of the hip that swing the leg neither ahead nor up: its roll and its yaw.

        A joint in the lower half of the leg, such as an ankle, is none of them. Nor is the
        vertical axis at the root of a leg that is spread sideways, which carries it ahead.
        """
        return tuple(joint.name for joint in self.joints if self._sideways(joint))

    def _sideways(self, joint: LegJoint) -> bool:
        ahead, left, up = joint.moves
        in_plane = float(np.hypot(ahead, up))
        swings = in_plane >= _REACH * self.length and in_plane > _AHEAD * abs(left)
        return joint.height > _UPPER * self.length and not swings


def find_legs(
    mj: mujoco.MjModel, qpos: Float[np.ndarray, " nq"], driven: Sequence[int], feet: Mapping[str, int]
) -> tuple[Leg, ...]:
    """The legs of a robot in a pose, in the order of its feet.

    Args:
        mj: the model.
        qpos: the pose, with x ahead, y to the left and z up.
        driven: ids of the joints with an actuator.
        feet: each foot's sole site.
    """
    data = mujoco.MjData(mj)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(mj, data)
    chains = {
        foot: [j for j in joints_above(mj, int(mj.site_bodyid[site])) if j in driven] for foot, site in feet.items()
    }
    found = []
    for foot, site in feet.items():
        others = {j for other, chain in chains.items() if other != foot for j in chain}
        sole = data.site_xpos[site]
        joints = [_joint(mj, data, j, sole) for j in chains[foot] if j not in others]
        hips = [joint.height for joint in joints if not joint.upright] or [joint.height for joint in joints]
        found.append(Leg(foot, tuple(joints), max(hips, default=0.0)))
    return tuple(found)


def _joint(mj: mujoco.MjModel, data: mujoco.MjData, j: int, sole: Float[np.ndarray, " 3"]) -> LegJoint:
    axis, arm = data.xaxis[j], sole - data.xanchor[j]
    slides = mj.jnt_type[j] == mujoco.mjtJoint.mjJNT_SLIDE
    ahead, left, up = (float(value) for value in (axis if slides else np.cross(axis, arm)))
    return LegJoint(mj.joint(j).name, float(-arm[2]), bool(abs(axis[2]) > _UPRIGHT and not slides), (ahead, left, up))


def joints_above(mj: mujoco.MjModel, body: int) -> list[int]:
    """The joints that move a body, the one nearest to the world first."""
    found: list[int] = []
    while body:
        first = int(mj.body_jntadr[body])
        found = [*range(first, first + int(mj.body_jntnum[body])), *found]
        body = int(mj.body_parentid[body])
    return found


def soles_at(mj: mujoco.MjModel, qpos: Float[np.ndarray, " nq"], sites: Sequence[int]) -> Float[np.ndarray, "feet 3"]:
    """Where sole sites are in a pose, m in the world."""
    data = mujoco.MjData(mj)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(mj, data)
    return np.asarray(data.site_xpos[list(sites)])


def lift_of(
    mj: mujoco.MjModel, qpos: Float[np.ndarray, " nq"], site: int, dofs: Sequence[int], length: float
) -> Float[np.ndarray, " dofs"] | None:
    """By how much each of a leg's joints turns, rad per m, to lift its sole straight up and keep it level.

    The least turns that do; None where they cannot, or move the sole aside by more than a twentieth of the way.

    Args:
        mj: the model.
        qpos: the pose, with z up.
        site: of the sole.
        dofs: of the leg's joints.
        length: of the leg, m, by which turns of the sole are weighed against its motion.
    """
    data = mujoco.MjData(mj)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(mj, data)
    mujoco.mj_comPos(mj, data)
    moves, turns = np.zeros((3, mj.nv)), np.zeros((3, mj.nv))
    mujoco.mj_jacSite(mj, data, moves, turns, site)
    slope = np.concatenate([moves[:, list(dofs)], length * turns[:, list(dofs)]])
    wanted = np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    found = np.linalg.pinv(slope, rcond=1e-3) @ wanted
    return np.asarray(found) if float(np.linalg.norm(slope @ found - wanted)) < _ASIDE else None
