"""A robot as the player sees it, and the loop that joins the two at the control rate."""

import abc
import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...errors import WildRobotError, nearest
from ..bundle.bundle import Bundle
from ..bundle.contract import COMMAND
from .player import Player, Step

Watch = Callable[[Mapping[str, Any], Step], None]


class AbstractRobot(abc.ABC):
    """Joints that can be read and driven, and sensors, by name."""

    @property
    @abc.abstractmethod
    def joints(self) -> tuple[str, ...]:
        """The names of its joints, those that are only measured included."""

    @abc.abstractmethod
    def now(self) -> float:
        """The present, s, on the clock of the readings' `time`; it never runs backwards."""

    @abc.abstractmethod
    def read(self) -> dict[str, Any]:
        """The readings of this moment, all that `Player.step` takes but for the command.

        Raises:
            OSError, WildRobotError: they cannot be had; the loop goes on with older ones for a moment.
        """

    @abc.abstractmethod
    def write(self, targets: Mapping[str, float], seconds: float) -> None:
        """Send targets by joint, positions (rad) of servos, each to be reached within `seconds`: the control period.

        Raises:
            OSError, WildRobotError: they could not be sent.
        """

    @abc.abstractmethod
    def wait(self, until: float) -> None:
        """Let time pass until `until`, s."""

    @abc.abstractmethod
    def release(self) -> None:
        """Take the torque off all joints. Never raises: it is the last resort."""


@dataclasses.dataclass(frozen=True)
class DriveSummary:
    """How a drive went."""

    steps: int  # the final way to the safe pose included
    late: int  # control periods that were missed: reading, thinking and writing took too long
    failed_reads: int
    failed_writes: int
    fault: str | None  # why the robot ended in its safe pose, if it did
    step_seconds: list[float]  # what each of the player's steps took


def check_channels(bundle: Bundle, names: Iterable[str]) -> None:
    """See that a policy was trained to be asked for these channels.

    Raises:
        WildRobotError: it was not.
    """
    known = [channel.name for channel in bundle.contract.channels]
    for name in names:
        if name not in known:
            raise WildRobotError(
                f"The policy cannot be asked for {name!r}: its training never did.",
                where=f"{bundle.path}, command",
                hint=nearest(name, known),
            )


def drive(
    player: Player,
    robot: AbstractRobot,
    command: Mapping[str, float] | Callable[[float], Mapping[str, float]],
    seconds: float,
    *,
    ramp: bool = True,
    watch: Watch | None = None,
    hold: bool = False,
    rest: bool = True,
) -> DriveSummary:
    """Run a player on a robot, and take the torque off in the end, whatever happens.

    Nothing is sent before a reading has had the positions of all joints. The first reading is asked for
    again for as long as readings may be old (the contract's `stale_seconds`), once per control
    period. At a good end the robot moves to its safe pose before the torque goes off.

    Args:
        player: a player of the robot's bundle.
        robot: the robot.
        command: what is asked for, by the contract's channels, such as `{"lin_vel_x": 0.2}` (m/s); or that as a
            function of the time since the policy took over (s).
        seconds: for how long the policy is to have the robot, s; the ramp comes on top.
        ramp: move to the home pose first.
        watch: called after every step with the readings and the `Step`.
        hold: leave the torque on at a good end, for a robot that stands by itself in its safe pose.
        rest: move to the safe pose at a good end; a simulation may do without.

    Raises:
        WildRobotError: the policy was not trained to be asked for that, or for longer than readings may
            be old the joints could not be found at first, or the targets not be sent.
    """
    fixed = None if callable(command) else dict(command)
    check_channels(player.bundle, command(0.0) if callable(command) else command)
    patience = float(player.bundle.contract.document["safety"]["stale_seconds"])
    player.start(ramp=ramp)
    readings: dict[str, Any] = {}
    late = failed_reads = failed_writes = steps = walked = 0
    took: list[float] = []
    ended_well = False
    start = tick = sent = robot.now()
    unread: Exception | None = None
    try:
        while True:
            if walked * player.dt >= seconds - 1e-9:
                if not rest or player.fault is not None or player.rested or not walked:
                    break
                player.rest()
            try:
                readings = robot.read()
            except (OSError, WildRobotError) as error:  # one lost answer is no fall: the player counts the last's age
                failed_reads += 1
                unread = error
            asked = command(walked * player.dt) if callable(command) else fixed
            step_start = time.perf_counter()
            step = player.step({**readings, COMMAND: asked}, robot.now())
            needed = time.perf_counter() - step_start
            if step.mode == "wait":
                if robot.now() - start > patience:
                    raise WildRobotError(
                        f"The robot's joint positions cannot be read: {unread or step.fault}",
                        where="read",
                        hint="look at its cable and its battery; nothing was sent",
                        exit_code=1,
                    ) from unread
                tick = sent = robot.now() + player.dt
                robot.wait(tick)
                continue
            try:
                robot.write(dict(zip(player.joints, step.target.tolist())), player.dt)
                sent = robot.now()
            except (OSError, WildRobotError) as error:
                failed_writes += 1
                if robot.now() - sent > patience:
                    raise WildRobotError(
                        f"The robot does not take targets any more: {error}",
                        where="write",
                        hint="look at its cable and its battery",
                        exit_code=1,
                    ) from error
            if watch is not None:
                watch(readings, step)
            steps += 1
            took.append(needed)
            walked += step.mode != "ramp"
            tick += player.dt
            behind = int((robot.now() - tick) / player.dt)
            if behind > 0:  # what is past cannot be made up for: the next step comes at a later tick
                late += behind
                tick += behind * player.dt
            robot.wait(tick)
        ended_well = player.fault is None
    finally:
        if not (hold and ended_well):
            robot.release()
    return DriveSummary(steps, late, failed_reads, failed_writes, player.fault, took)
