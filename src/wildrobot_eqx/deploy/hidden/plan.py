"""The model that a hidden robot is a variation of: a bundle's robot."""

import dataclasses
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from ..bundle.bundle import Bundle
from ..hardware.mujoco_robot import MujocoRobot


@dataclasses.dataclass(frozen=True)
class Plan:
    """A compiled robot, and which of its parts are driven and measured."""

    model: mujoco.MjModel
    joints: tuple[str, ...]
    actuators: NDArray[np.int64]
    home: NDArray[np.float64]  # qpos
    base: int | None  # body
    sensors: dict[str, str]  # of the IMU: name by kind, "orientation", "gyro", "accelerometer"
    nominal_voltage: float = 11.1  # V
    no_load_speed: float = 5.8  # rad/s
    stall_torque: float = 4.4  # N m

    @staticmethod
    def of(bundle: Bundle) -> "Plan":
        """A bundle's robot, nominal.

        Raises:
            WildRobotError: the bundle carries none.
        """
        robot, document = MujocoRobot(bundle), bundle.contract.document
        sensors: dict[str, str] = {}
        for sensor in document["sensors"]:
            sensors.setdefault(sensor["kind"], sensor["name"])
        base: Any = document["simulation"]["base"]
        return Plan(
            robot.model,
            bundle.contract.joints,
            np.array([robot.actuator(name) for name in bundle.contract.joints]),
            np.array(document["simulation"]["home_qpos"], np.float64),
            None if base is None else robot.model.body(base).id,
            sensors,
            no_load_speed=float(document["joints"][0]["no_load_speed"]),
            stall_torque=float(document["joints"][0]["stall_torque"]),
        )
