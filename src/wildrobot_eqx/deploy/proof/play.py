"""A walk in plain MuJoCo through the player: what a bundle does, without JAX."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.bundle import Bundle
from ..hardware.mujoco_robot import MujocoRobot
from ..player.loop import check_steering, drive
from ..player.player import Player, Step

_UNITS = {"lateral": "mps", "turn": "radps"}
WARMUP = 2.0  # s after a change of the command that do not count for the speed


@dataclasses.dataclass(frozen=True)
class Walked:
    """One walk, from the moment that the policy had the robot."""

    seconds: float  # s, asked for
    upright: float  # s, until it fell
    command: float  # m/s
    speed: float  # m/s, mean after the warm-up; of a robot that turns, ahead as it looks
    distance: float  # m, along the heading that it started with
    drift: float  # m, to the left of that
    heading_error: float  # rad, in the end
    fault: str | None
    step_us: dict[str, float]  # what a step of the player took: p50, p99 and the most, microseconds
    qpos: NDArray[np.float32]  # a row per control step, the ramp included
    speeds: NDArray[np.float32]  # m/s, likewise: at that moment, ahead as `speed` has it
    commands: NDArray[np.float32]  # m/s, likewise
    fell: NDArray[np.bool_]  # likewise: true from the fall on
    active: NDArray[np.bool_]  # likewise: the policy has the robot
    beside: dict[str, float] = dataclasses.field(default_factory=dict)  # commanded: "lateral" (m/s), "turn" (rad/s)
    reached: dict[str, float] = dataclasses.field(default_factory=dict)  # of these, means after the warm-up

    @property
    def survived(self) -> bool:
        """It was upright to the end."""
        return self.upright >= self.seconds - 1e-6 and self.fault is None

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        error = abs(self.speed - self.command)
        return {
            "survived": self.survived,
            "seconds": self.seconds,
            "upright_s": round(self.upright, 3),
            "command_mps": self.command,
            "speed_mps": _plain(self.speed),
            "speed_error_mps": _plain(error),
            **{f"{name}_command_{_UNITS[name]}": value for name, value in self.beside.items()},
            **{f"{name}_{_UNITS[name]}": _plain(value) for name, value in self.reached.items()},
            "distance_m": _plain(self.distance),
            "drift_m": _plain(self.drift),
            "heading_error_deg": _plain(math.degrees(self.heading_error)),
            "fault": self.fault,
            "player_us": {name: round(value, 1) for name, value in self.step_us.items()},
        }


def play(
    bundle: Bundle,
    speed: float,
    seconds: float,
    ramp: bool = True,
    look: Callable[[MujocoRobot], None] | None = None,
    lateral: float = 0.0,
    turn: float = 0.0,
) -> Walked:
    """Walk `seconds` as commanded, on the bundle's own robot.

    Args:
        bundle: the bundle.
        speed: m/s.
        seconds: s, from the moment that the policy has the robot.
        ramp: begin as a robot does, with the way to the home pose.
        look: shown the robot after every control step.
        lateral: m/s, to the left.
        turn: rad/s, to the left.

    Raises:
        WildRobotError: the bundle is damaged or carries no robot, or its policy was not trained to walk so.
    """
    beside = {name: value for name, value in (("lateral", lateral), ("turn", turn)) if value}
    for name in beside:
        check_steering(bundle, name)
    robot = MujocoRobot(bundle)
    player = Player(bundle, joints=robot.joints, rate=1.0 / bundle.contract.dt)
    track = _Track(robot, look)
    others: dict[str, Any] = {name: lambda _, value=value: value for name, value in beside.items()}
    went = drive(player, robot, lambda _: speed, seconds, ramp=ramp, watch=track, rest=False, **others)
    walking = np.array(track.walking)
    place = np.array(track.position)[walking]
    upright = ~np.array(track.fell)
    dt = player.dt
    start, angle = place[0], track.heading[int(walking.argmax())]
    c, s = math.cos(angle), math.sin(angle)
    along = (place - start) @ np.array([[c, -s], [s, c]])  # forward, left
    until = int(upright[walking].argmin()) if not upright[walking].all() else len(along)
    last = max(until - 1, 0)
    warm = min(round(WARMUP / dt), last // 2)
    # Ahead is where it looked at first, or where it looks, if it is to turn.
    heading = np.unwrap(np.array(track.heading)[walking])
    moves = np.diff(place, axis=0)
    ahead = heading[:-1] if turn else np.full(len(moves), angle)
    forward = moves[:, 0] * np.cos(ahead) + moves[:, 1] * np.sin(ahead)
    left = moves[:, 1] * np.cos(ahead) - moves[:, 0] * np.sin(ahead)
    means = {"speed": forward, "lateral": left, "turn": np.diff(heading)}
    mean = {name: float(m[warm:last].mean() / dt) if last > warm else math.nan for name, m in means.items()}
    moved = np.diff(np.array(track.position), axis=0, prepend=np.array(track.position)[:1]) / dt
    looking = np.array(track.heading) if turn else np.full(len(moved), angle)
    took = np.array(went.step_seconds) * 1e6
    return Walked(
        seconds=seconds,
        upright=until * dt,
        command=speed,
        speed=mean["speed"],
        distance=float(along[last, 0]),
        drift=float(along[last, 1]),
        heading_error=(track.heading[-1] - angle - player.held_heading + math.pi) % (2.0 * math.pi) - math.pi,
        fault=went.fault,
        step_us={"p50": float(np.percentile(took, 50)), "p99": float(np.percentile(took, 99)), "max": float(max(took))},
        qpos=np.array(track.qpos, np.float32),
        speeds=np.asarray(moved[:, 0] * np.cos(looking) + moved[:, 1] * np.sin(looking), np.float32),
        commands=np.where(walking, np.float32(speed), np.float32(0.0)).astype(np.float32),
        fell=~np.logical_and.accumulate(upright),
        active=walking,
        beside=beside,
        reached={name: mean[name] for name in beside},
    )


class _Track:
    """Notes where the robot is at every control step."""

    def __init__(self, robot: MujocoRobot, look: Callable[[MujocoRobot], None] | None):
        self.robot, self.look = robot, look
        self.walking: list[bool] = []
        self.position: list[np.ndarray] = []
        self.heading: list[float] = []
        self.qpos: list[np.ndarray] = []
        self.fell: list[bool] = []

    def __call__(self, readings: Mapping[str, Any], step: Step) -> None:
        robot = self.robot
        self.walking.append(step.mode != "ramp")
        self.position.append(robot.position[:2])
        self.heading.append(robot.heading)
        self.qpos.append(robot.data.qpos.copy())
        self.fell.append(robot.fallen)
        if self.look is not None:
            self.look(robot)


def _plain(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None
