"""Which joint moved, and which way: the lean of a standing robot against that of its model."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..bundle.bundle import Bundle
from ..hardware.mujoco_robot import MujocoRobot

_LEAST = math.radians(0.25)  # rad: less lean says nothing
_MOVE = 1.0  # s, there; and as long to settle


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a joint's motion has shown."""

    joint: str
    lean: tuple[float, float]  # rad, by which the robot pitched and rolled
    model: tuple[float, float]  # rad, by which its model does
    proved: bool  # the two agree, and no other joint or sign fits better
    wrong: str | None  # what contradicts the model, in words


def model_leans(bundle: Bundle, move: float) -> dict[str, tuple[float, float]]:
    """By how much the bundle's robot pitches and rolls (rad) on the floor when a joint moves by `move` (rad).

    Raises:
        WildRobotError: the bundle carries no robot.
    """
    found = {}
    contract = bundle.contract
    for i, name in enumerate(contract.joints):
        if not contract.servos[i]:
            continue
        robot = MujocoRobot(bundle)
        _run(robot, contract.home, 1.0)
        before = _attitude(robot)
        for part in np.linspace(0.0, 1.0, max(2, round(_MOVE / contract.dt))):
            target = contract.home.copy()
            target[i] = np.clip(target[i] + part * move, contract.target_low[i], contract.target_high[i])
            _run(robot, target, contract.dt)
        _run(robot, target, _MOVE)
        after = _attitude(robot)
        found[name] = (after[0] - before[0], after[1] - before[1])
    return found


def judge(joint: str, lean: tuple[float, float], leans: Mapping[str, tuple[float, float]]) -> Verdict:
    """Hold the lean that a joint's motion caused against the model's.

    Args:
        joint: which was to move, in the model's positive sense.
        lean: rad, by which the robot pitched and rolled.
        leans: what its model does, by joint.
    """
    seen, own = np.array(lean), np.array(leans.get(joint, (0.0, 0.0)))
    if float(np.linalg.norm(own)) < _LEAST:
        return Verdict(joint, lean, (float(own[0]), float(own[1])), False, None)
    fits = {
        (name, sign): float(np.linalg.norm(seen - sign * np.array(model)))
        for name, model in leans.items()
        for sign in (1, -1)
        if float(np.linalg.norm(model)) >= _LEAST
    }
    best, sign = min(fits, key=lambda key: fits[key])
    off = fits[(joint, 1)] / float(np.linalg.norm(own))
    wrong = None
    if float(np.linalg.norm(seen)) < 0.3 * float(np.linalg.norm(own)):
        wrong = "the robot hardly leaned: another servo moved, or none"
    elif fits[(joint, -1)] < fits[(joint, 1)] and off > 1.0:
        wrong = "it leaned the other way: its sign is wrong"
    elif best != joint and off > 0.6 and fits[(best, sign)] < 0.5 * fits[(joint, 1)]:
        wrong = f"it leaned as {best!r} does" + (", the other way" if sign < 0 else "")
    return Verdict(joint, lean, (float(own[0]), float(own[1])), wrong is None and off < 0.6, wrong)


def _run(robot: MujocoRobot, target: NDArray[np.float32], seconds: float) -> None:
    robot.write(dict(zip(robot.joints, target.tolist())), seconds)
    robot.wait(robot.now() + seconds)


def _attitude(robot: MujocoRobot) -> tuple[float, float]:
    """Pitch (nose down) and roll (right side down) of the base, rad."""
    turned = robot.up
    return math.atan2(-turned[0], turned[2]), math.atan2(turned[1], turned[2])
