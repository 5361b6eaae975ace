"""A bundle in the view: its policy through the player of the real robot, in plain MuJoCo. Nothing here needs JAX."""

import os
import tomllib
from collections.abc import Mapping

import mujoco
import numpy as np
from numpy.typing import NDArray

from ..deploy.bundle.bundle import Bundle
from ..deploy.bundle.contract import COMMAND, CommandChannel
from ..deploy.hardware.mujoco_robot import MujocoRobot
from ..deploy.player.player import Player, Step
from .curves import Curves
from .shadow import apply_world
from .simulation import AbstractSimulation, Inside, Pose, World
from .terrain import base_height, lay


class BundleSimulation(AbstractSimulation):
    """The robot in a bundle, driven by the bundle's policy.

    Args:
        bundle: the bundle.

    Raises:
        WildRobotError: it is damaged, or carries no robot.
    """

    def __init__(self, bundle: Bundle):
        self._bundle, contract = bundle, bundle.contract
        self._machine = MujocoRobot(bundle)
        self._nominal = mujoco.MjModel.__copy__(self._machine.model)
        self._player = Player(bundle, joints=self._machine.joints, rate=1.0 / contract.dt)
        base = contract.document["simulation"]["base"]
        self._base = 0 if base is None else _id(self.model, mujoco.mjtObj.mjOBJ_BODY, base)
        self._world = World()
        limits = [joint.get("torque_limit") for joint in contract.document["joints"]]
        self._limit = np.array([np.inf if limit is None else float(limit) for limit in limits])
        self._feet = _feet(bundle, self.model)
        self._height = base_height(self._machine.position[2])
        self.reset()

    @property
    def title(self) -> str:
        training = self._bundle.contract.document["training"]
        folder = os.path.basename(os.path.dirname(os.path.abspath(self._bundle.path)))
        return f"{training.get('recipe') or 'policy'} ({folder})"

    @property
    def robot(self) -> str:
        return str(self._bundle.contract.document["robot"]["name"])

    @property
    def dt(self) -> float:
        return self._player.dt

    @property
    def model(self) -> mujoco.MjModel:
        return self._machine.model

    @property
    def base(self) -> int:
        return self._base

    @property
    def feet(self) -> Mapping[str, int]:
        return self._feet

    @property
    def joints(self) -> tuple[str, ...]:
        return self._bundle.contract.joints

    @property
    def torque_limit(self) -> NDArray[np.float64]:
        return self._limit

    @property
    def channels(self) -> tuple[CommandChannel, ...]:
        return self._bundle.contract.channels

    @property
    def engines(self) -> tuple[str, ...]:
        return ("native",)

    @property
    def world(self) -> World:
        return self._world

    @property
    def pose(self) -> Pose:
        data = self._machine.data
        return Pose(data.qpos.copy(), data.qvel.copy(), data.ctrl.copy())

    @property
    def inside(self) -> Inside:
        step, parts = self._step, self._bundle.contract.parts
        if step is None:
            return Inside("run")
        seen = {} if step.observation is None else {_named(p): step.observation[p.start : p.stop] for p in parts}
        return Inside(step.mode, step.fault or "", seen)

    @property
    def ended(self) -> str | None:
        return "diverged" if self._machine.broken else "fell" if self._machine.fallen else None

    def reset(self) -> None:
        self._machine.reset()
        self._start()

    def take_over(self, pose: Pose) -> None:
        self._machine.reset(pose.qpos, pose.qvel)
        self._start()

    def _start(self) -> None:
        self._player.start(ramp=False)
        self._step: Step | None = None

    def step(self, asked: Mapping[str, float]) -> None:
        machine, own = self._machine, {channel.name for channel in self.channels}
        command = {name: value for name, value in asked.items() if name in own}
        self._step = self._player.step({**machine.read(), COMMAND: command}, machine.now())
        if self._step.mode != "wait":
            machine.write(dict(zip(self._player.joints, self._step.target.tolist())), self.dt)
        if not machine.broken:
            machine.advance()

    def kick(self, velocity: NDArray[np.float64]) -> None:
        self._machine.kick(velocity)

    def enter(self, world: World) -> None:
        if world.terrain != self._world.terrain:

            def edit(spec: mujoco.MjSpec) -> None:
                lay(spec, world.terrain, self._height, self._bundle.path)

            self._machine = MujocoRobot(self._bundle, edit=None if world.terrain == "flat" else edit)
            self._nominal = mujoco.MjModel.__copy__(self._machine.model)
            self._start()
        apply_world(self.model, self._nominal, self._base, world)
        self._world = world

    @property
    def curves(self) -> Curves | None:
        return None

    def refresh(self) -> str | None:
        return None


def _named(part: object) -> str:
    """A part of an observation by name; of older moments with their age in control steps."""
    age = getattr(part, "age", 0)
    return str(getattr(part, "name", "")) + (f" ({age} before)" if age else "")


def _feet(bundle: Bundle, model: mujoco.MjModel) -> dict[str, int]:
    """The bodies of the feet that the bundle's robot.toml names; none where it cannot be read."""
    name = bundle.contract.document["simulation"].get("robot")
    try:
        feet = tomllib.loads(bundle.files.get(name or "", b"").decode("utf-8")).get("feet", {})
        sites = {foot: _id(model, mujoco.mjtObj.mjOBJ_SITE, str(entry["site"])) for foot, entry in feet.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {foot: int(model.site_bodyid[site]) for foot, site in sites.items() if site >= 0}


def _id(model: mujoco.MjModel, kind: mujoco.mjtObj, name: str) -> int:
    return int(mujoco.mj_name2id(model, kind, name))
