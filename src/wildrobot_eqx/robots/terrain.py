"""Terrain: a robot's floor as a heightfield of figures."""

import dataclasses

import mujoco
import numpy as np

from ..errors import WildRobotError
from .ground import Ground
from .model import Model
from .robot import Robot

_NAME = "terrain"
_BASE = 0.5  # m, of ground below the lowest point
_LEAST = 1e-3  # m, the least elevation that MuJoCo takes


def on_ground(robot: Robot, ground: Ground) -> Robot:
    """The robot with its MJCF's floor, a plane, made the heightfield; the name and all of its contact figures stay.

    The `native` engine and `mjx` simulate it, the `tree` engine refuses it. Give the same
    ground to `HomeReset`, by which the gates measure, too, and to whatever else measures a
    height: `Fallen`, `FeetClearance`, `BaseHeightError`, `BaseHeight`.

    Raises:
        WildRobotError: the robot does not come from a file, or has no plane to replace, or several.
    """
    path = robot.model.path
    if path is None:
        raise WildRobotError(
            f"The robot {robot.name!r} does not come from an MJCF file, so its floor cannot be replaced.",
            where="on_ground",
            hint="take a robot of load_robot",
        )
    spec = mujoco.MjSpec.from_file(str(path))
    planes = [geom for geom in spec.worldbody.geoms if geom.type == mujoco.mjtGeom.mjGEOM_PLANE]
    if len(planes) != 1:
        raise WildRobotError(
            f"The robot {robot.name!r} has {len(planes)} planes in its world; exactly one is the floor.",
            where=str(path),
            hint="give the worldbody one geom of type plane",
        )
    heights = np.asarray(ground.heights, np.float64)
    low, rise = float(heights.min()), max(float(np.ptp(heights)), _LEAST)
    spec.add_hfield(
        name=_NAME,
        nrow=heights.shape[0],
        ncol=heights.shape[1],
        size=[ground.half, ground.half, rise, _BASE],
        userdata=((heights - low) / rise).ravel().tolist(),
    )
    (floor,) = planes
    floor.type, floor.hfieldname, floor.pos = mujoco.mjtGeom.mjGEOM_HFIELD, _NAME, [0.0, 0.0, low]
    return dataclasses.replace(robot, model=Model(spec.compile(), path), ground=ground)


def is_on_ground(robot: Robot) -> bool:
    """Whether the robot's floor is a `Ground`."""
    mj = robot.model.mj
    return any(mj.hfield(i).name == _NAME for i in range(mj.nhfield))
