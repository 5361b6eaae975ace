"""What `robot calibrate` does: zeros, IMU, signs; results go into hardware.toml with their dates."""

import dataclasses
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np

from ..deploy.bringup.hardware import (
    Hardware,
    driver_of,
    open_robot,
    read_hardware,
    released,
    sensors_of,
    today,
    zero_of,
)
from ..deploy.bringup.measure import imu_mounting, imu_order, up_of, zeros
from ..deploy.bringup.observe import gather, wait_for_lean, watch_imu
from ..deploy.bringup.signs import judge, model_leans
from ..deploy.hardware.text_imu import TextImu
from ..errors import WildRobotError

_log = logging.getLogger(__name__)

_SECONDS, _PATIENCE = 2.0, 60.0  # s
_FOLLOWS = 0.15  # share of what is asked for: a hip that rolls between two feet on the floor goes a third of the way
_LET_GO = 4.0  # s, in which a robot that has its torque is let go of
Result = tuple[dict[str, Any], list[str]]


def calibrate_zeros(bundle: Any, path: Path, *, ask: Any, pose: str, **more: Any) -> Result:
    """The servos' zeros, from readings in a jig with the torque off."""
    hardware, contract = _wired(path, bundle), bundle.contract
    robot = open_robot(hardware, sensors_of(bundle.contract))
    with released(robot):
        ask(f"The torque goes off. Put the robot into its jig: every joint in its {pose} pose.", "Is it there?")
        robot.release()
        read, _ = gather(robot, _SECONDS)
        where = (
            dict(zip(contract.joints, contract.home.tolist())) if pose == "home" else dict.fromkeys(robot.joints, 0.0)
        )
        limits = {
            joint: (float(low), float(high)) for joint, low, high in zip(contract.joints, contract.low, contract.high)
        }
        found = zeros(robot.mounts, read, {joint: where[joint] for joint in robot.joints}, limits)
        steps = {joint: mount.step for joint, mount in robot.mounts.items()}
        before = {joint: mount.zero for joint, mount in robot.mounts.items()}
    for joint, zero in found.items():
        hardware = hardware.replace_joint(joint, zero=round(zero, 2), zeroed=today())
    hardware.save(path)
    off = {joint: math.degrees((zero - before[joint]) * steps[joint]) for joint, zero in found.items()}
    lines = [f"{joint:24} zero {zero:7.2f} units ({off[joint]:+.2f} deg)" for joint, zero in found.items()]
    return {"zeros": found, "moved_deg": off, "hardware": str(path)}, lines


def zeros_from(bundle: Any, path: Path, identified: Path) -> Result:
    """The servos' zeros as `identify` found them on a robot that stood on the floor; nothing moves.

    An encoder that reads v at the joint's true zero has its zero v further on. The file is written anew with zeros of
    0, so that no training takes them off twice; its ranges stay as wide.
    """
    from ..identify.identified import read_identified

    hardware, known = _wired(path, bundle), read_identified(identified)
    contract, found = bundle.contract, known.of_kind("servo_zero")
    if known.robot != hardware.robot or known.robot != contract.document["robot"]["name"]:
        raise WildRobotError(
            f"What was identified is of robot {known.robot!r}, and this is {hardware.robot!r}.",
            where=str(identified),
            hint="identify the robot from its own logs",
        )
    missing = [joint for joint in contract.joints if joint not in found]
    if missing:
        raise WildRobotError(
            f"It holds no servo_zero of {missing[0]!r}.", where=str(identified), hint="identify with all kinds"
        )
    units = {}
    for joint, entry in hardware.joints.items():
        if joint in found:
            bus = driver_of(hardware.buses[entry.bus])
            units[joint] = zero_of(entry, bus) + found[joint].value / (entry.sign * bus.step)
    for joint, zero in units.items():
        hardware = hardware.replace_joint(joint, zero=round(zero, 2), zeroed=today())
    hardware.save(path)
    known.corrected("servo_zero").write(identified)
    lines = [
        f"{joint:24} zero {zero:7.2f} units ({math.degrees(found[joint].value):+.2f} "
        f"± {math.degrees(0.25 * (found[joint].high - found[joint].low)):.2f} deg)"
        for joint, zero in units.items()
    ]
    document = {"zeros": units, "hardware": str(path), "identified": str(identified)}
    return document, [*lines, f"{path}: written; {identified}: its zeros are 0 now, corrected on the robot"]


def calibrate_imu(bundle: Any, path: Path, *, ask: Any, **more: Any) -> Result:
    """The IMU's order by motion, and its mounting from a level and a leaned pose; the torque is off."""
    hardware = _wired(path, bundle)
    entry = hardware.imu
    if entry is None:
        raise WildRobotError("It names no IMU.", where=str(path), hint="add [imu] with its driver and port")
    tilt = bundle.contract.document["safety"]["tilt"]
    upright = (0.0, 0.0, 1.0) if tilt is None else tilt["upright"]
    plain = dataclasses.replace(entry, mounting=(1.0, 0.0, 0.0, 0.0))
    robot = open_robot(dataclasses.replace(hardware, imu=plain), sensors_of(bundle.contract))
    with released(robot):
        ask("Hold the robot level and still, as in its home pose.", "Is it?")
        level = watch_imu(robot, _SECONDS)
        _log.info("now lean it nose down by about 20 degrees, and hold it there")
        moving = wait_for_lean(robot, _PATIENCE)
        leaned = watch_imu(robot, _SECONDS)
        swapped = isinstance(getattr(robot.imu, "imu", None), TextImu)
        order = imu_order([*level, *moving])
        mounting = imu_mounting(up_of(level), up_of(leaned), upright)
    columns = entry.columns
    if order.order == "xyzw":
        if not swapped:
            raise WildRobotError(
                "The IMU's quaternion comes in another order than its driver says.",
                where="imu",
                hint="is that the driver for this IMU?",
            )
        places = {"qw": "qx", "qx": "qy", "qy": "qz", "qz": "qw"}
        columns = tuple(places.get(name, name) for name in columns)
    turn = (float(mounting[0]), float(mounting[1]), float(mounting[2]), float(mounting[3]))
    turn = (round(turn[0], 6), round(turn[1], 6), round(turn[2], 6), round(turn[3], 6))
    hardware = dataclasses.replace(
        hardware, imu=dataclasses.replace(entry, mounting=turn, columns=columns, proved=today())
    )
    hardware.save(path)
    angle = math.degrees(2.0 * math.acos(min(1.0, abs(turn[0]))))
    document = {"order": order.order, "missed": order.missed, "mounting": list(turn), "hardware": str(path)}
    return document, [
        f"quaternions come as {order.order}: the other order misses the gyro by "
        f"{100 * max(order.missed.values()):.0f}%",
        f"mounted askew by {angle:.2f} degrees against the model",
    ]


def calibrate_signs(bundle: Any, path: Path, *, ask: Any, move: float, **more: Any) -> Result:
    """Every joint moved a little while the robot stands: its encoder must follow, and the lean be the model's."""
    from ..deploy.player.loop import drive
    from ..deploy.player.player import Player

    hardware, contract = _wired(path, bundle), bundle.contract
    leans = model_leans(bundle, move)
    robot = open_robot(hardware, sensors_of(bundle.contract))
    driven = [i for i in range(len(contract.joints)) if contract.servos[i]]
    span = 4.0  # s, of each joint: there, rest, back, rest

    def motion(t: float) -> Any:
        which, at = divmod(t, span)
        target = np.where(contract.servos, contract.home, contract.target_rest)
        if int(which) < len(driven):
            part = min(at, 1.0) if at < 2.0 else max(0.0, 3.0 - at)
            i = driven[int(which)]
            target[i] = np.clip(target[i] + move * part, contract.target_low[i], contract.target_high[i])
        return np.asarray(target, np.float32)

    rows: list[tuple[float, np.ndarray[Any, Any], tuple[float, float]]] = []
    began: list[float] = []

    def watch(readings: Any, step: Any) -> None:
        if step.mode == "run":
            began.append(robot.now()) if not began else None
            at = np.array([readings["joint_positions"].get(name, math.nan) for name in contract.joints])
            rows.append((len(rows) * contract.dt, at, _attitude(bundle, readings)))

    with released(robot):
        player = Player(bundle, joints=robot.joints, limits=robot.limits, stale_seconds=hardware.coast, motion=motion)
        ask(
            "Hold the robot upright on the floor: the torque comes on, and it takes its home pose. Let go within "
            f"{_LET_GO:.0f} s. Then each joint moves a little, one after the other."
        )
        robot.load()
        went = drive(player, robot, {}, span * len(driven), home_seconds=_LET_GO, watch=watch)
    if went.fault is not None:
        raise WildRobotError(f"The robot stopped: {went.fault}", where="signs", hint="mend that first", exit_code=1)
    time = np.array([row[0] for row in rows])
    at, lean = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    lines, found, wrong = [], {}, []
    for k, i in enumerate(driven):
        name = contract.joints[i]
        rest = (time >= k * span - 0.5) & (time < k * span) if k else time < 0.1
        there = (time >= k * span + 1.5) & (time < k * span + 2.0)
        went_by = np.nanmean(at[there], axis=0) - np.nanmean(at[rest], axis=0)
        tilt = lean[there].mean(axis=0) - lean[rest].mean(axis=0)
        verdict = judge(name, (float(tilt[0]), float(tilt[1])), leans)
        own = float(went_by[i])
        text = verdict.wrong
        if not _FOLLOWS * move < own:
            text = f"its encoder moved by {math.degrees(own):+.1f} degrees, and {math.degrees(move):.1f} were asked for"
        found[name] = {
            "moved_deg": math.degrees(own),
            "lean_deg": [math.degrees(v) for v in verdict.lean],
            "model_deg": [math.degrees(v) for v in verdict.model],
            "proved": verdict.proved and text is None,
            "wrong": text,
        }
        state = text or (
            "as the model" if verdict.proved else "the lean says nothing of it: look, or hang the robot up"
        )
        lines.append(f"{name:24} {state}")
        if text is not None:
            wrong.append(f"{name}: {text}")
    if wrong:
        raise WildRobotError(
            f"The robot contradicts its model: {'; '.join(wrong)}.",
            where=str(path),
            hint="set sign and id of these joints right, and try again; nothing was written",
            exit_code=1,
        )
    for name, one in found.items():
        if one["proved"]:
            hardware = hardware.replace_joint(name, signed=today())
    hardware.save(path)
    return {"joints": found, "hardware": str(path)}, lines


def _attitude(bundle: Any, readings: Any) -> tuple[float, float]:
    """Pitch and roll of the base by the sensor that measures the tilt, rad."""
    tilt = bundle.contract.document["safety"]["tilt"]
    w, x, y, z = readings.get("" if tilt is None else tilt["sensor"], (1.0, 0.0, 0.0, 0.0))
    up = (2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y))
    return math.atan2(-up[0], up[2]), math.atan2(up[1], up[2])


def _wired(path: Path, bundle: Any) -> Hardware:
    """The robot's wiring, which must be of the bundle's robot.

    Raises:
        WildRobotError: it is not.
    """
    hardware = read_hardware(path)
    missing = [name for name in bundle.contract.joints if name not in hardware.joints]
    if missing:
        raise WildRobotError(
            f"It wires no joint {missing[0]!r}, which the bundle's robot has.", where=str(path), hint="add its table"
        )
    return hardware
