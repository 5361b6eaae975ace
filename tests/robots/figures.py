"""Published figures of the robots that ship (tests/data/*_figures.json), and MuJoCo's of the same things."""

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

DATA = Path(__file__).parents[1] / "data"
REFLECT = np.diag([1.0, -1.0, 1.0])


@functools.cache
def figures(name: str) -> dict[str, Any]:
    return json.loads((DATA / f"{name}_figures.json").read_text())


@dataclasses.dataclass(frozen=True)
class Inertial:
    """Mass (kg), centre of mass (m) and inertia about it (kg m^2), in the axes of the world at the zero pose."""

    mass: float
    com: np.ndarray
    inertia: np.ndarray

    def __add__(self, other: "Inertial") -> "Inertial":
        """The two as one rigid body."""
        mass = self.mass + other.mass
        com = (self.mass * self.com + other.mass * other.com) / mass
        return Inertial(mass, com, self._about(com) + other._about(com))

    def _about(self, point: np.ndarray) -> np.ndarray:
        """Steiner's theorem."""
        r = self.com - point
        return self.inertia + self.mass * (r @ r * np.eye(3) - np.outer(r, r))


def tensor(xx: float, yy: float, zz: float, xy: float, xz: float, yz: float) -> np.ndarray:
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def bodies(name: str) -> dict[str, Inertial]:
    """The moving bodies, each with what is fixed to it."""
    figure = figures(name)
    moving = {joint["body"] for joint in figure["joints"]}
    found: dict[str, Inertial] = {}
    carrier: dict[str, str] = {}  # of a fixed body, the moving one
    for body in figure["bodies"]:
        inertia = tensor(*body["inertia_about_com_xx_yy_zz_xy_xz_yz"])
        more = figure.get("unmodelled_trunk_mass_kg", 0.0) if body["parent"] == "world" else 0.0
        scale = 1.0 + more / body["mass_kg"]  # at the trunk's centre of mass, inertia scaled with the mass
        own = Inertial(scale * body["mass_kg"], np.array(body["com"]), scale * inertia)
        if body["name"] in moving or body["parent"] == "world":
            found[body["name"]] = own
        else:
            carrier[body["name"]] = carrier.get(body["parent"], body["parent"])
            found[carrier[body["name"]]] += own
    return found


def joint_range(joint: dict[str, Any]) -> np.ndarray:
    """rad."""
    return np.array(joint["range_rad"]) if "range_rad" in joint else np.radians(joint["range_deg"])


def pose(mj: mujoco.MjModel, **joints: float) -> mujoco.MjData:
    """Kinematics at the zero pose but for `joints` (rad)."""
    data = mujoco.MjData(mj)
    for name, angle in joints.items():
        data.joint(name).qpos[0] = angle
    mujoco.mj_forward(mj, data)
    return data


def compiled(mj: mujoco.MjModel, data: mujoco.MjData, name: str, root: int) -> Inertial:
    """A body of the model at the pose of `data`, seen from the root body."""
    body, at = mj.body(name), data.body(name)
    turn = at.ximat.reshape(3, 3)
    return Inertial(float(body.mass[0]), at.xipos - data.xpos[root], turn @ np.diag(body.inertia) @ turn.T)
