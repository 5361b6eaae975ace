"""The loop that joins a player and a robot at the control rate."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from ...errors import WildRobotError, nearest
from ..bundle.bundle import Bundle
from ..bundle.contract import COMMAND
from ..log.layout import Layout
from ..log.recorder import Recorder, Tick
from .player import Player, Step
from .robot import AbstractRobot

Watch = Callable[[Mapping[str, Any], Step], None]


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


def recorder_of(
    player: Player, robot: AbstractRobot, path: str | Path | None = None, faults: str | Path | None = None, **about: Any
) -> Recorder:
    """A recorder of a player's robot: into a file where there is a `path`, and always into a ring.

    Args:
        player: whose contract names what is written down.
        robot: whether it is a simulation, whose state is written down, too.
        path: an .mcap that does not exist yet.
        faults: a folder for the last minute before a fault.
        about: more of the log's header.

    Raises:
        WildRobotError: the file cannot be written, or `mcap` is not installed.
    """
    truth = robot.truth()
    layout = Layout.of(player.bundle.contract)
    if truth is not None:
        layout = dataclasses.replace(layout, qpos=len(truth.qpos), qvel=len(truth.qvel), loads=tuple(truth.foot_force))
        document = player.bundle.contract.document
        delay = document["controller"]["delay"] * player.dt
        about = {"timestep": float(document["simulation"]["timestep"]), "delay": delay, **(about or {})}
    return Recorder(layout, path, faults=faults, simulated=truth is not None, about=about)


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
    home_seconds: float = 0.0,
    on_fault: Literal["auto", "release", "hold"] = "auto",
    log: Recorder | str | Path | None = None,
    faults: str | Path | None = None,
) -> DriveSummary:
    """Run a player on a robot, and take the torque off in the end, whatever happens.

    Nothing is sent before a reading has had the positions of all joints. The first reading is asked for
    again for as long as readings may be old (the player's `stale_seconds`), once per control
    period. Later, lost readings are coasted over for as long: older ones stand in. At a good end the robot moves to its
    safe pose before the torque goes off. An interrupt, a robot that falls and one that reports trouble, such as an
    overload, have the torque off within the control step.

    Args:
        player: a player of the robot's bundle.
        robot: the robot.
        command: what is asked for, by the contract's channels, such as `{"lin_vel_x": 0.2}` (m/s); or that as a
            function of the time since the policy took over (s).
        seconds: for how long the policy is to have the robot, s; the ramp comes on top. 0: it never has it.
        ramp: move to the home pose first.
        watch: called after every step with the readings and the `Step`.
        hold: leave the torque on at a good end, for a robot that stands by itself in its safe pose.
        rest: move to the safe pose at a good end; a simulation may do without.
        home_seconds: hold the home pose for so long before the policy takes over, s, such as for a paired trial.
        on_fault: "hold" goes to the safe pose and stays there until the time is over, "release" takes the
            torque off at once, "auto" does that of a robot that has tilted too far, and holds after any other fault.
        log: a recorder of one's own, which stays open, or a file (.mcap) to write.
        faults: a folder in which the last minute before a fault is written; that of a recorder is its own.

    Raises:
        WildRobotError: the policy was not trained to be asked for that; for longer than readings may
            be old the joints could not be found at first, or the targets not be sent; or nobody has moved the
            robot by hand, which its IMU was to be proved by.
    """
    fixed = {} if callable(command) else dict(command)
    check_channels(player.bundle, command(0.0) if callable(command) else command)
    with contextlib.ExitStack() as stack:
        if not isinstance(log, Recorder):
            log = stack.enter_context(recorder_of(player, robot, log, faults))
        loop = _Loop(player, robot, command if callable(command) else lambda t: fixed, log, watch)
        return loop.run(seconds, ramp, hold, rest, home_seconds, on_fault)


_PROOF = 60.0  # s, for which the robot waits to be moved by hand


class _Loop:
    """One drive: what was read and sent, and what went wrong."""

    def __init__(
        self,
        player: Player,
        robot: AbstractRobot,
        command: Callable[[float], Mapping[str, float]],
        log: Recorder,
        watch: Watch | None,
    ):
        self.player, self.robot, self.command, self.log, self.watch = player, robot, command, log, watch
        self.readings: dict[str, Any] = {}
        self.steps = self.late = self.failed_reads = self.failed_writes = 0
        self.walked = self.held = self.missed = 0
        self.took: list[float] = []
        self.unread: Exception | None = None
        self.trouble: str | None = None

    def run(
        self, seconds: float, ramp: bool, hold: bool, rest: bool, home_seconds: float, on_fault: str
    ) -> DriveSummary:
        player, robot = self.player, self.robot
        player.start(ramp=ramp, wait=home_seconds > 0.0 or seconds <= 0.0)
        ended_well = False
        self.start = self.good = self.sent = self.began = tick = robot.now()
        try:
            while not self._over(seconds, home_seconds, rest, on_fault):
                tick = self._step(tick)
            ended_well = player.fault is None and self.trouble is None
        finally:
            if not (hold and ended_well):
                robot.release()
                self.log.event(robot.now(), "the torque is off")
        fault = self.trouble or player.fault
        return DriveSummary(self.steps, self.late, self.failed_reads, self.failed_writes, fault, self.took)

    def _over(self, seconds: float, home_seconds: float, rest: bool, on_fault: str) -> bool:
        """Whether the last step was the last; the player takes over, or goes to rest, when it is time."""
        player, dt = self.player, self.player.dt
        if self.trouble is not None:
            return True
        if player.fault is not None and (on_fault == "release" or (on_fault == "auto" and player.tilted)):
            return True
        if not (self.walked or self.held) or (not self.walked and self.held * dt < home_seconds - 1e-9):
            return False
        if self.walked * dt < seconds - 1e-9:
            if not self.walked:
                self._take_over(home_seconds)
            return False
        if not rest or player.fault is not None or player.rested:
            return True
        player.rest()
        return False

    def _take_over(self, home_seconds: float) -> None:
        """The policy has the robot from the next step on, or as soon as the IMU is proved."""
        self.player.take_over()
        if not self.player.proved and self.held * self.player.dt > home_seconds + _PROOF:
            raise WildRobotError(
                "Nobody has leaned the robot by hand, which its IMU was to be proved by.",
                where="prove_imu",
                hint="lean it forward and back by 10 degrees while it holds its home pose",
                exit_code=1,
            )

    def _step(self, tick: float) -> float:
        """One control step that was due at `tick`; when the next one is."""
        player, robot = self.player, self.robot
        now = robot.now()
        period, self.began = now - self.began, now
        try:
            self.readings = robot.read()
            self.good = now
        except (OSError, WildRobotError) as error:  # one lost answer is no fall: the player counts the last's age
            self.failed_reads += 1
            self.unread = error
        read = robot.now()
        asked = self.command(self.walked * player.dt)
        truth = robot.truth()
        step_start = time.perf_counter()
        step = player.step({**self.readings, COMMAND: asked}, read)
        needed = time.perf_counter() - step_start
        thought, sent = robot.now(), math.nan
        if step.mode == "wait":
            if read - self.start > player.stale_seconds:
                raise WildRobotError(
                    f"The robot's joint positions cannot be read: {self.unread or step.fault}",
                    where="read",
                    hint="look at its cable and its battery; nothing was sent",
                    exit_code=1,
                ) from self.unread
        else:
            sent = self._write(step)
        self.trouble = robot.trouble()
        self.log.tick(
            Tick(
                time=read,
                readings=self.readings,
                mode=step.mode,
                fault=self.trouble or (None if step.mode == "wait" else step.fault),
                command=asked,
                target=None if math.isnan(sent) else step.target,
                observation=step.observation,
                action=step.action,
                sent=sent,
                seconds=(period, read - now, max(needed, thought - read), robot.now() - thought),
                coasting=now - self.good,
                missed=self.missed,
                failed_reads=self.failed_reads,
                failed_writes=self.failed_writes,
                health=robot.health(),
                truth=truth,
            )
        )
        if step.mode == "wait":
            self.sent = robot.now() + player.dt
            robot.wait(self.sent)
            return self.sent
        if self.watch is not None:
            self.watch(self.readings, step)
        self.steps += 1
        self.took.append(needed)
        self.held += step.mode == "hold"
        self.walked += step.mode in ("run", "safe")
        tick += player.dt
        self.missed = max(0, int((robot.now() - tick) / player.dt))
        self.late += self.missed  # what is past cannot be made up for: the next step comes at a later tick
        tick += self.missed * player.dt
        if self.trouble is None:
            robot.wait(tick)
        return tick

    def _write(self, step: Step) -> float:
        """Send the targets; when they went out, NaN if they did not."""
        player, robot = self.player, self.robot
        try:
            robot.write(dict(zip(player.joints, step.target.tolist())), player.dt)
        except (OSError, WildRobotError) as error:
            self.failed_writes += 1
            if robot.now() - self.sent > player.stale_seconds:
                raise WildRobotError(
                    f"The robot does not take targets any more: {error}",
                    where="write",
                    hint="look at its cable and its battery",
                    exit_code=1,
                ) from error
            return math.nan
        self.sent = robot.now()
        return self.sent
