"""How deep bodies stand in each other or in the floor, by MuJoCo's own collision detection."""

from typing import Any

import mujoco
import numpy as np
from jaxtyping import Float

from ...robots import Model, Robot


def deepest_contact(model: Model, qpos: Float[np.ndarray, "n nq"]) -> tuple[Float[np.ndarray, " n"], list[str]]:
    """Depth (m, 0 where nothing touches) of the deepest contact of each pose, and the two geoms or bodies that meet."""
    data = mujoco.MjData(model.mj)
    depths, pairs = np.zeros(len(qpos)), [""] * len(qpos)
    for i, pose in enumerate(qpos):
        data.qpos[:] = pose
        mujoco.mj_kinematics(model.mj, data)
        mujoco.mj_comPos(model.mj, data)
        mujoco.mj_collision(model.mj, data)
        contacts = data.contact[: data.ncon] if data.ncon else []
        for contact in contacts:
            if -contact.dist > depths[i]:
                depths[i] = -contact.dist
                pairs[i] = " and ".join(_name(model.mj, geom) for geom in contact.geom.tolist())
    return depths, pairs


def stands_on_points(robot: Robot) -> bool:
    """Whether a robot stands on one or two feet that are balls: nothing holds it upright there."""
    mj, bodies = robot.model.mj, [int(robot.model.mj.site_bodyid[foot.site]) for foot in robot.feet]
    hard = (mj.geom_contype != 0) | (mj.geom_conaffinity != 0)
    soles = mj.geom_type[np.isin(mj.geom_bodyid, bodies) & hard]
    return 0 < len(bodies) < 3 and bool((soles == int(mujoco.mjtGeom.mjGEOM_SPHERE)).all())


def _name(mj: Any, geom: int) -> str:
    return mj.geom(geom).name or mj.body(mj.geom_bodyid[geom]).name
