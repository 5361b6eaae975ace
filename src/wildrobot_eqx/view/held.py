"""A robot without a policy in the view: servos hold what the sliders say, the home pose at first. MuJoCo alone."""

from collections.abc import Mapping

import jax.numpy as jnp
import mujoco
import numpy as np
from numpy.typing import NDArray

from ..deploy.bundle.contract import CommandChannel
from ..physics.base import control_model, nominal_ctrl
from ..physics.mujoco_tools.kinematics import base_translation
from ..robots import Ground, Robot, feed, on_ground
from .curves import Curves
from .shadow import apply_world
from .simulation import AbstractSimulation, Inside, Pose, World
from .terrain import base_height, heights

_UNITS = {"position": "rad", "motor": "N m", "velocity": "rad/s"}
_TIMESTEP = 0.005  # s


class HeldSimulation(AbstractSimulation):
    """A robot in plain MuJoCo, a channel for each actuator.

    Args:
        robot: the robot.
    """

    def __init__(self, robot: Robot):
        self._robot = robot
        self._world = World()
        self._rest = np.asarray(nominal_ctrl(robot), np.float64)
        slides = [robot.model.mj.joint(name).type[0] == mujoco.mjtJoint.mjJNT_SLIDE for name in robot.joint_names]
        units = [_UNITS[kind] for kind in robot.actuator_kind]
        units = [unit.replace("rad", "m").replace("N m", "N") if slide else unit for unit, slide in zip(units, slides)]
        bounds, reach = np.asarray(robot.ctrl_range, np.float64), np.asarray(robot.joint_range, np.float64)
        position = np.array([kind == "position" for kind in robot.actuator_kind])[:, None]
        bounds = np.where(position & np.isfinite(reach), reach, bounds)
        self._channels = tuple(
            CommandChannel(name, "target", unit, float(low), float(high), float(np.clip(rest, low, high)))
            for name, unit, (low, high), rest in zip(robot.joint_names, units, bounds, self._rest)
        )
        self._build(robot)

    def _build(self, robot: Robot) -> None:
        model, self._substeps = control_model(robot, _TIMESTEP)
        self._nominal = model.mj
        self._model = mujoco.MjModel.__copy__(model.mj)
        feed(self._model)
        self._model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        self._data = mujoco.MjData(self._model)
        self.reset()

    @property
    def title(self) -> str:
        return "holds its home pose"

    @property
    def robot(self) -> str:
        return self._robot.name

    @property
    def dt(self) -> float:
        return self._robot.control_dt

    @property
    def model(self) -> mujoco.MjModel:
        return self._model

    @property
    def base(self) -> int:
        return 0 if self._robot.base is None else self._robot.base.body

    @property
    def feet(self) -> Mapping[str, int]:
        return {foot.name: int(self._model.site_bodyid[foot.site]) for foot in self._robot.feet}

    @property
    def joints(self) -> tuple[str, ...]:
        return self._robot.joint_names

    @property
    def torque_limit(self) -> NDArray[np.float64]:
        return np.asarray(self._robot.torque_limit, np.float64)

    @property
    def channels(self) -> tuple[CommandChannel, ...]:
        return self._channels

    @property
    def engines(self) -> tuple[str, ...]:
        return ("native",)

    @property
    def world(self) -> World:
        return self._world

    @property
    def pose(self) -> Pose:
        return Pose(self._data.qpos.copy(), self._data.qvel.copy(), self._data.ctrl.copy())

    @property
    def inside(self) -> Inside:
        places = self._data.qpos[np.array(self._robot.joint_qpos, int)]
        return Inside("holds", measured=dict(zip(self.joints, places.tolist())))

    @property
    def ended(self) -> str | None:
        return None if np.isfinite(self._data.qpos).all() else "diverged"

    def reset(self) -> None:
        mujoco.mj_resetData(self._model, self._data)
        self.take_over(Pose(np.asarray(self._robot.home_qpos, np.float64), np.zeros(self._model.nv), self._rest))

    def take_over(self, pose: Pose) -> None:
        self._data.qpos[:], self._data.qvel[:], self._data.ctrl[:] = pose.qpos, pose.qvel, pose.ctrl
        mujoco.mj_forward(self._model, self._data)

    def step(self, asked: Mapping[str, float]) -> None:
        self._data.ctrl[:] = [asked.get(c.name, c.rest) for c in self._channels]
        mujoco.mj_step(self._model, self._data, self._substeps)

    def kick(self, velocity: NDArray[np.float64]) -> None:
        if self._robot.base is not None:
            self._data.qvel += base_translation(self._robot) @ velocity

    def enter(self, world: World) -> None:
        if world.terrain != self._world.terrain:
            robot = self._robot
            if world.terrain != "flat":
                field, half = heights(world.terrain, base_height(robot.home_height))
                robot = on_ground(robot, Ground(jnp.asarray(field, jnp.float32), half))
            self._build(robot)
        apply_world(self._model, self._nominal, self.base, world)
        self._world = world

    @property
    def curves(self) -> Curves | None:
        return None

    def refresh(self) -> str | None:
        return None
