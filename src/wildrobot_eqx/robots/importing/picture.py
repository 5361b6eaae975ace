"""The home pose with what an import found drawn into it: axes of the root, feet and centre of mass."""

import io

import mujoco
import numpy as np
from jaxtyping import UInt8

from ..model import Model
from .importer import ImportedRobot
from .mjcf import FLOOR
from .toml import MARK

_COLOURS = ((0.9, 0.1, 0.1, 1.0), (0.1, 0.7, 0.1, 1.0), (0.15, 0.3, 0.95, 1.0))
_YELLOW = (0.95, 0.8, 0.1, 1.0)


def decorated(robot: ImportedRobot) -> tuple[Model, list[float]]:
    """A model to draw, and its pose: the robot at home, seen through, with marks that stand in the world."""
    (text,) = [data for name, data in robot.files.items() if name.endswith(".xml")]
    spec = mujoco.MjSpec.from_string(text.decode("utf-8"))
    for geom in spec.geoms:
        if geom.name != FLOOR:
            geom.rgba[3] = 0.5 if geom.contype == 0 else 1.0
    length, world = robot.leg_length, spec.worldbody

    def mark(kind: mujoco.mjtGeom, size: list[float], colour: tuple[float, ...], **where: object) -> None:
        geom = world.add_geom(type=kind, size=size, rgba=colour, **where)
        geom.contype, geom.conaffinity, geom.group, geom.mass = 0, 0, 2, 0.0

    for axis, colour in enumerate(_COLOURS):
        start = np.array([0.0, 0.0, length])
        end = start + 0.4 * length * np.eye(3)[axis]
        mark(mujoco.mjtGeom.mjGEOM_CAPSULE, [0.012 * length, 0, 0], colour, fromto=[*start, *end])
    for foot in robot.feet:
        mark(mujoco.mjtGeom.mjGEOM_SPHERE, [0.03 * length, 0, 0], _COLOURS[0], pos=list(foot))
    mark(mujoco.mjtGeom.mjGEOM_SPHERE, [0.05 * length, 0, 0], _YELLOW, pos=list(robot.com))
    mj = spec.compile()
    return Model(mj), [float(x) for x in mj.key_qpos[0]] if mj.nkey else [float(x) for x in mj.qpos0]


def as_png(pixels: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """A picture as a PNG, with the mark by which a later import knows the file for its own."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    mark, found = PngInfo(), io.BytesIO()
    mark.add_text("Comment", MARK.removeprefix("# "))
    Image.fromarray(pixels).save(found, "PNG", pnginfo=mark)
    return found.getvalue()
