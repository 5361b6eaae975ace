"""The golden rollout walked again: the player in plain MuJoCo goes where training went."""

import dataclasses

import numpy as np

from ..bundle.archive import damaged
from ..bundle.bundle import GOLDEN, Bundle
from ..bundle.contract import COMMAND
from ..hardware.mujoco_robot import MujocoRobot
from ..player.player import Player
from .replay import commands

TOLERANCE = 1e-3  # m and rad: engines of two machines part slowly, two policies at once


@dataclasses.dataclass(frozen=True)
class Retrace:
    """How far the simulated robot was from where training had it, at most, and where that was too far."""

    steps: int
    qpos: float  # m and rad
    wrong: str | None

    @property
    def passed(self) -> bool:
        """It went where training went."""
        return self.wrong is None


def retrace(bundle: Bundle) -> Retrace:
    """Walk the golden rollout in closed loop: same start, same commands, and nothing else is given.

    Raises:
        WildRobotError: the bundle carries no robot, or its golden vectors do not say where it was.
    """
    robot, player = MujocoRobot(bundle), Player(bundle, unguarded=True)
    rows = bundle.golden()
    shapes = {"qpos": robot.model.nq, "qvel": robot.model.nv, **({"kick": 3} if "kick" in rows else {})}
    if any(rows.get(name, np.empty(0)).shape[1:] != (size,) for name, size in shapes.items()):
        raise damaged("The golden vectors do not say where the robot was.", f"{bundle.path}, {GOLDEN}")
    robot.reset(rows["qpos"][0], rows["qvel"][0])
    player.start(ramp=False)
    worst, steps = 0.0, len(rows["qpos"]) - 1
    for k in range(steps):
        step = player.step({**robot.read(), COMMAND: commands(bundle, rows, k)})
        robot.write(dict(zip(player.joints, step.target)), player.dt)
        if "kick" in rows:
            robot.kick(rows["kick"][k])
        robot.advance()
        off = float(np.abs(robot.data.qpos - rows["qpos"][k + 1]).max())
        worst = max(worst, off) if np.isfinite(off) else np.inf
        if not worst <= TOLERANCE:
            return Retrace(k + 1, worst, f"after step {k} it is {worst:.3g} (m, rad) away from where training was")
    return Retrace(steps, worst, None)
