"""A hidden robot excited over its bus: real bytes, in time of its own. What `bench.identify --bus` measures on."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..deploy.bringup.excite import Motion, excitation, motion_of
from ..deploy.bringup.hardware import Hardware, ImuEntry, JointEntry, Line, open_robot, released, sensors_of
from ..deploy.bringup.stance import Stance
from ..deploy.bundle.bundle import Bundle
from ..deploy.hidden.parameters import Hidden
from ..deploy.hidden.robot import HiddenRobot
from ..deploy.player.loop import drive, recorder_of
from ..deploy.player.player import Player
from .stand_in import Truth

_HOME = 2.0  # s


def record_over_bus(bundle: Bundle, hidden: Hidden, seconds: float, path: Path, seed: int = 0) -> str | None:
    """Excite a hidden robot as `robot excite` does, and write its log (.mcap); the fault that ended it, if one did.

    Its servos' zeros and its IMU's mounting are taken for the model's: nobody has calibrated it.
    """
    targets = excitation(Stance.of(bundle), seconds, seed)
    return ride(bundle, HiddenRobot(bundle, hidden), seconds, path, motion=motion_of(targets, bundle.contract.dt))


def ride(
    bundle: Bundle,
    robot: HiddenRobot,
    seconds: float,
    path: Path,
    *,
    motion: Motion | None = None,
    ask: Mapping[str, float] | None = None,
    zeros: Mapping[str, float] | None = None,
) -> str | None:
    """Let a bundle's policy, or a motion, have a hidden robot for some time, as `robot run` does; the fault, if any.

    Args:
        bundle: whose policy it is.
        robot: the hidden one, whose servos are Hiwonder's.
        seconds: s.
        path: of the log, an .mcap that does not exist yet.
        motion: targets in place of the policy's.
        ask: what is asked for, by channel.
        zeros: what is known of the encoders, rad by joint; they are taken off.
    """
    contract = bundle.contract
    ports = {"line": robot.bus_port, "imu": robot.imu_port}
    middle = robot.lines[0].middle
    joints = {
        name: JointEntry(i + 1, zero=middle + (zeros or {}).get(name, 0.0) / robot.lines[0].step)
        for i, name in enumerate(contract.joints)
    }
    name = contract.document["robot"]["name"]
    wired = Hardware(name, (Line("line"),), joints, ImuEntry("imu"), read_seconds=round(0.6 * contract.dt, 4))
    served = open_robot(
        wired, sensors_of(contract), opener=lambda path, baud: ports[path](), clock=robot.now, sleep=robot.sleep
    )
    with released(served):
        player = Player(
            bundle,
            joints=served.joints,
            limits=served.limits,
            rate=1.0 / contract.dt,
            stale_seconds=wired.coast,
            motion=motion,
        )
        served.load()
        with recorder_of(player, served, path, hardware=wired.text()) as recorder:
            return drive(player, served, ask or {}, seconds, home_seconds=_HOME, log=recorder).fault


def truth_of(hidden: Hidden, joints: int, bodies: int, share: float = 1.0) -> Truth:
    """A hidden robot's parameters as those of a stand-in: what it has wrong of its trunk is wrong of the base alone.

    Its servos pull by their gain times the `share` of the nominal voltage that its battery had.
    """
    first = np.arange(bodies) == 0

    def row(name: str, default: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return hidden.row(name, joints, default)

    return dataclasses.replace(
        Truth.draw(0, joints, bodies),
        servo_zero=row("servo_zero", 0.0),
        stiffness=share * row("gain", 1.0),
        damping=row("damping", 1.0),
        friction=row("friction", 1.0),
        backlash=row("backlash", 0.0),
        delay=hidden.delay,
        imu_tilt=np.array(hidden.imu_tilt),
        gyro_bias=np.array(hidden.gyro_bias),
        mass=np.where(first, hidden.trunk_mass, 1.0),
        centre_of_mass=first[:, None] * np.array(hidden.trunk_com),
        sole_friction=hidden.sole_friction,
        sole_softness=hidden.sole_softness,
    )
