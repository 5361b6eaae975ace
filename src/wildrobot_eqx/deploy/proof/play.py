"""Some seconds in plain MuJoCo through the player: what a bundle does, without JAX."""

import dataclasses
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.bundle import Bundle
from ..hardware.mujoco_robot import MujocoRobot
from ..player.loop import check_channels, drive
from ..player.player import Player, Step

AXES = ("lin_vel_x", "lin_vel_y", "ang_vel_z")  # channels of a robot that walks: m/s, m/s, rad/s
WARMUP = 2.0  # s after a change of the command that do not count for the speed


@dataclasses.dataclass(frozen=True)
class WalkFigures:
    """How a robot walked that was asked to, from the moment that the policy had it."""

    commanded: dict[str, float]  # of `AXES` what was asked for
    reached: dict[str, float]  # of the same, means after the warm-up
    distance: float  # m, along the heading that it started with
    drift: float  # m, to the left of that
    heading_error: float  # rad, in the end
    speeds: NDArray[np.float32]  # m/s, a row per control step, ahead: at that moment, as it looked first, or looks


@dataclasses.dataclass(frozen=True)
class Played:
    """What became of a robot. Rows are of control steps, the ramp included."""

    seconds: float  # s, asked for
    upright: float  # s, until it fell
    command: dict[str, float]  # by channel
    fault: str | None
    step_us: dict[str, float]  # what a step of the player took: p50, p99 and the most, microseconds
    qpos: NDArray[np.float32]
    fell: NDArray[np.bool_]  # true from the fall on
    active: NDArray[np.bool_]  # the policy has the robot
    walk: WalkFigures | None  # of a robot that is asked to walk

    @property
    def survived(self) -> bool:
        """It was upright to the end, and the policy had it."""
        return self.upright >= self.seconds - 1e-6 and self.fault is None

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        walk = self.walk
        walked: dict[str, Any] = {}
        if walk is not None:
            reached = {name: _plain(value) for name, value in walk.reached.items()}
            error = {name: _plain(abs(walk.reached[name] - value)) for name, value in walk.commanded.items()}
            walked = {
                "reached": reached,
                "error": error,
                "distance_m": _plain(walk.distance),
                "drift_m": _plain(walk.drift),
                "heading_error_deg": _plain(math.degrees(walk.heading_error)),
            }
        return {
            "survived": self.survived,
            "seconds": self.seconds,
            "upright_s": round(self.upright, 3),
            "command": self.command,
            "fault": self.fault,
            "player_us": {name: round(value, 1) for name, value in self.step_us.items()},
            **walked,
        }


def play(
    bundle: Bundle,
    command: Mapping[str, float],
    seconds: float,
    ramp: bool = True,
    look: Callable[[MujocoRobot], None] | None = None,
    log: str | os.PathLike[str] | None = None,
) -> Played:
    """Let the policy have the bundle's own robot for some seconds.

    Args:
        bundle: the bundle.
        command: what it is asked for, by channel; of the others, nothing.
        seconds: s, from the moment that the policy has the robot.
        ramp: begin as a robot does, with the way to the home pose.
        look: shown the robot after every control step.
        log: a file (.mcap) to write.

    Raises:
        WildRobotError: the bundle is damaged or carries no robot, or its policy was not trained for such a command.
    """
    check_channels(bundle, command)
    robot = MujocoRobot(bundle)
    player = Player(bundle, joints=robot.joints, rate=1.0 / bundle.contract.dt)
    track = _Track(robot, look)
    path = None if log is None else Path(log)
    summary = drive(player, robot, command, seconds, ramp=ramp, watch=track, rest=False, on_fault="hold", log=path)
    active = np.array(track.active)
    upright = ~np.array(track.fell)
    until = int(upright[active].argmin()) if not upright[active].all() else int(active.sum())
    asked = {channel.name: float(command.get(channel.name, channel.rest)) for channel in bundle.contract.channels}
    walks = AXES[0] in asked and bundle.contract.document["simulation"]["base"] is not None
    took = np.array(summary.step_seconds) * 1e6
    return Played(
        seconds=seconds,
        upright=until * player.dt,
        command=asked,
        fault=summary.fault,
        step_us={"p50": float(np.percentile(took, 50)), "p99": float(np.percentile(took, 99)), "max": float(max(took))},
        qpos=np.array(track.qpos, np.float32),
        fell=~np.logical_and.accumulate(upright),
        active=active,
        walk=_walk(track, active, until, asked, player) if walks else None,
    )


def held_heading(player: Player) -> float:
    """The heading that a walking policy is to hold, rad from its first; it moves on while it is asked to turn."""
    targets = (value for name, value in player.state.items() if name.startswith("state.") and name.endswith(".target"))
    return float(next(targets, np.zeros(1))[0])


def _walk(
    track: "_Track", active: NDArray[np.bool_], until: int, asked: Mapping[str, float], player: Player
) -> WalkFigures:
    dt, turns = player.dt, bool(asked.get(AXES[2]))
    places, headings = np.array(track.position), np.array(track.heading)
    place, angle = places[active], float(headings[int(active.argmax())])
    c, s = math.cos(angle), math.sin(angle)
    along = (place - place[0]) @ np.array([[c, -s], [s, c]])  # forward, left
    last = max(until - 1, 0)
    warm = min(round(WARMUP / dt), last // 2)
    # Ahead is where it looked at first, or where it looks, if it is to turn.
    heading = np.unwrap(headings[active])
    moves = np.diff(place, axis=0)
    ahead = heading[:-1] if turns else np.full(len(moves), angle)
    forward = moves[:, 0] * np.cos(ahead) + moves[:, 1] * np.sin(ahead)
    left = moves[:, 1] * np.cos(ahead) - moves[:, 0] * np.sin(ahead)
    means = dict(zip(AXES, (forward, left, np.diff(heading))))
    commanded = {name: asked[name] for name in AXES if name in asked and (asked[name] or name == AXES[0])}
    moved = np.diff(places, axis=0, prepend=places[:1]) / dt
    looking = headings if turns else np.full(len(moved), angle)
    return WalkFigures(
        commanded=commanded,
        reached={n: float(means[n][warm:last].mean() / dt) if last > warm else math.nan for n in commanded},
        distance=float(along[last, 0]),
        drift=float(along[last, 1]),
        heading_error=(headings[-1] - angle - held_heading(player) + math.pi) % (2.0 * math.pi) - math.pi,
        speeds=np.asarray(moved[:, 0] * np.cos(looking) + moved[:, 1] * np.sin(looking), np.float32),
    )


class _Track:
    """Notes where the robot is at every control step."""

    def __init__(self, robot: MujocoRobot, look: Callable[[MujocoRobot], None] | None):
        self.robot, self.look = robot, look
        self.active: list[bool] = []
        self.position: list[np.ndarray] = []
        self.heading: list[float] = []
        self.qpos: list[np.ndarray] = []
        self.fell: list[bool] = []

    def __call__(self, readings: Mapping[str, Any], step: Step) -> None:
        robot = self.robot
        self.active.append(step.mode != "ramp")
        self.position.append(robot.position[:2])
        self.heading.append(robot.heading)
        self.qpos.append(robot.data.qpos.copy())
        self.fell.append(robot.fallen)
        if self.look is not None:
            self.look(robot)


def _plain(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None
