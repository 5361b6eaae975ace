"""Ground for the view: level where a robot begins, uneven around it. NumPy and SciPy alone."""

import functools
from typing import SupportsFloat

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ..errors import WildRobotError
from .simulation import Terrain

HALF = 16.0  # of a field's side, in heights of the robot's base
_SPACING = 0.2  # of its grid, likewise; so are all lengths below
_LEVEL = 1.2  # about the middle
_BUMP, _LENGTH = 0.12, 0.5
_STEP, _TREAD = 0.07, 1.5
_SLOPE = np.tan(np.radians(8.0))
_BELOW = 0.5  # m, of ground below the lowest point


def base_height(height: SupportsFloat) -> float:
    """The height (m) of a robot's base in its home pose by which ground scales; of one fixed near the ground, 0.1."""
    return max(float(height), 0.1)


@functools.lru_cache(maxsize=8)
def heights(terrain: Terrain, base_height: float) -> tuple[NDArray[np.float64], float]:
    """Heights (m) on a square grid about the origin, x along the columns, and half of its side (m).

    Lengths scale with `base_height` (m): the robot's base above the ground in its home pose.
    """
    at = np.arange(-round(HALF / _SPACING), round(HALF / _SPACING) + 1) * _SPACING
    x, y = np.meshgrid(at, at)
    away = np.clip(np.hypot(x, y) / _LEVEL - 1.0, 0.0, 1.0)
    if terrain == "bumps":
        noise = gaussian_filter(np.random.default_rng(0).standard_normal(x.shape), _LENGTH / _SPACING)
        rise = _BUMP * (noise - noise.min()) / np.ptp(noise) * away
    elif terrain == "slope":
        rise = _SLOPE * np.maximum(x - _LEVEL, 0.0)
    elif terrain == "steps":
        plates = np.floor(x / _TREAD + 0.5) + np.floor(y / _TREAD + 0.5)
        rise = _STEP * (plates % 2)
    else:
        rise = np.zeros_like(x)
    return rise * base_height, float(at[-1]) * base_height


def lay(spec: mujoco.MjSpec, terrain: Terrain, base_height: float, where: str) -> None:
    """Make the plane of a model's world a field of heights; its name and contact figures stay.

    Raises:
        WildRobotError: the model has no plane, or several.
    """
    planes = [geom for geom in spec.worldbody.geoms if geom.type == mujoco.mjtGeom.mjGEOM_PLANE]
    if len(planes) != 1:
        raise WildRobotError(
            f"The robot has {len(planes)} planes in its world; exactly one is its floor.",
            where=where,
            hint="stay on flat ground",
        )
    field, half = heights(terrain, base_height)
    low, rise = float(field.min()), max(float(np.ptp(field)), 1e-3)
    rows, columns = field.shape
    elevation = ((field - low) / rise).ravel().tolist()
    spec.add_hfield(name="terrain", nrow=rows, ncol=columns, size=[half, half, rise, _BELOW], userdata=elevation)
    (floor,) = planes
    floor.type, floor.hfieldname, floor.pos = mujoco.mjtGeom.mjGEOM_HFIELD, "terrain", [0.0, 0.0, low]
