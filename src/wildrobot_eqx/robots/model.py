"""A compiled MuJoCo model as a static value: compared by content, so reloading changes nothing."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np

from ..errors import WildRobotError


class Model:
    """A compiled `mujoco.MjModel`, hashed and compared by its bytes.

    Two loads of one file are equal, so a static field that holds one never makes a
    jitted function retrace. Treat `mj` as read-only; derive variants with `edit`.

    Args:
        mj: the model.
        path: the file that it was compiled from, if any; it plays no part in comparisons.
    """

    __slots__ = ("digest", "mj", "path")

    def __init__(self, mj: mujoco.MjModel, path: Path | None = None):
        buffer = np.empty(mujoco.mj_sizeModel(mj), np.uint8)
        mujoco.mj_saveModel(mj, None, buffer)
        self.mj, self.path = mj, path
        self.digest = hashlib.sha256(buffer.tobytes()).hexdigest()

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
        return Model(mujoco.MjModel.from_xml_path(str(path)), path)
    except ValueError as error:
        raise WildRobotError(
            f"MuJoCo cannot compile {path.name}: {' '.join(str(error).split())}",
            where=str(path),
            hint="mend the element named above",
        ) from error
