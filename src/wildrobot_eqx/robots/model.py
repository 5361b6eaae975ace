"""A compiled MuJoCo model as a static value: compared by content, so reloading changes nothing."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from ..errors import WildRobotError


class Model:
    """A compiled `mujoco.MjModel`, hashed and compared by its content.

    Two loads of one file are equal, also from copies of its folder, so a static field that holds one never
    makes a jitted function retrace. Treat `mj` as read-only; derive variants with `edit`.

    Args:
        mj: the model.
        path: the file that it was compiled from, if any; it plays no part in comparisons.
    """

    __slots__ = ("digest", "mj", "path")

    def __init__(self, mj: mujoco.MjModel, path: Path | None = None):
        digest = hashlib.sha256()
        for name, value in _fields(mj):
            array = np.asarray(value)
            digest.update(f"{name} {array.dtype} {array.shape} ".encode())
            digest.update(array.tobytes())
        self.mj, self.path, self.digest = mj, path, digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Model(nq={self.mj.nq}, nv={self.mj.nv}, nu={self.mj.nu}, sha256={self.digest[:8]})"

    def edit(self, change: Callable[[mujoco.MjModel], None]) -> "Model":
        """A copy on which `change(mj)` has run, such as setting `mj.opt.timestep`."""
        mj = mujoco.MjModel.__copy__(self.mj)
        change(mj)
        return Model(mj, self.path)


_VALUES = (np.ndarray, np.generic, int, float, bytes)
_OF_PATHS = ("paths", "npaths", "nbuffer")  # where meshes lie on this machine, and how much memory that takes


def _fields(struct: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every number and text of a model by name, but for the paths of its files."""
    for name in dir(struct):  # sorted
        if name.startswith("_") or name in _OF_PATHS or name.endswith("_pathadr"):
            continue
        value = getattr(struct, name)
        if isinstance(value, _VALUES):
            yield prefix + name, value
        elif not callable(value):
            yield from _fields(value, f"{prefix}{name}.")


def compile_mjcf(path: Path) -> Model:
    """Compile an MJCF file.

    Raises:
        WildRobotError: the file is missing, or MuJoCo refuses it.
    """
    if not os.path.isfile(path):  # also of a name that no file can have
        raise WildRobotError(
            f"The MJCF file {path.name!r} is missing.",
            where=str(path),
            hint="check the 'model' key of robot.toml, or restore the file",
        )
    try:
        mj = mujoco.MjModel.from_xml_path(str(path))
    except ValueError as error:
        raise WildRobotError(
            f"MuJoCo cannot compile {path.name}: {' '.join(str(error).split())}",
            where=str(path),
            hint="mend the element named above",
        ) from error
    check_numbers(mj, path)
    return Model(mj, path)


_HUGE = 1e30
"""Larger numbers overflow in single precision; MuJoCo itself takes those beyond 1e10 for no simulation."""


def check_numbers(mj: mujoco.MjModel, path: Path) -> None:
    """Refuse a model with numbers that no simulation can hold, such as a position of 1e300 m.

    What is no number at all passes: MuJoCo refuses it where it matters, and the doctor finds it in limits.

    Raises:
        WildRobotError: it has some.
    """
    for name, value in _fields(mj):
        array = np.asarray(value)
        if array.dtype.kind == "f" and (np.abs(array) >= _HUGE).any():
            largest = array.flat[np.nanargmax(np.abs(array))]
            raise WildRobotError(
                f"{path.name} has a number that is far too large: {name} holds {largest:g}.",
                where=str(path),
                hint="look for it in the file; lengths are in m, masses in kg, angles in what `compiler` says",
            )
