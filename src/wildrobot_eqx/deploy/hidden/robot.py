"""A hidden robot with all its lines: bytes in, bytes out, and a clock that is moved by whoever waits."""

import heapq
import os
from typing import Literal

from ..bundle.bundle import Bundle
from ..hardware.port import AbstractPort
from .hiwonder import HiwonderLine
from .imus import AbstractImuLine, BnoLine, TextLine
from .lines import AbstractLine
from .parameters import Hidden, draw
from .plan import Plan
from .registers import DynamixelLine, FeetechLine
from .world import World

Driver = Literal["hiwonder", "dynamixel", "feetech"]
_LINES: dict[str, type[AbstractLine]] = {
    "hiwonder": HiwonderLine,
    "dynamixel": DynamixelLine,
    "feetech": FeetechLine,
}
_IMUS: dict[str, type[AbstractImuLine]] = {"text": TextLine, "bno08x": BnoLine}


class HiddenRobot:
    """A world, its servos' lines and its IMU.

    Args:
        bundle: whose robot it is a variation of, or its path; or a model.
        hidden: in what it differs, or a seed to draw that from.
        driver: the make of its servos.
        imu: the make of its IMU.
        lines: over how many lines its servos are spread, one after the other.
        baud: of the lines, bits per second.
        rate: of the IMU's readings, Hz.

    Raises:
        WildRobotError: the bundle carries no robot.
    """

    def __init__(
        self,
        bundle: Bundle | Plan | str | os.PathLike[str],
        hidden: Hidden | int = 0,
        *,
        driver: Driver = "hiwonder",
        imu: Literal["text", "bno08x"] = "text",
        lines: int = 1,
        baud: int = 115_200,
        rate: float = 100.0,
    ):
        opened = bundle if isinstance(bundle, (Bundle, Plan)) else Bundle.open(bundle)
        plan = opened if isinstance(opened, Plan) else Plan.of(opened)
        n = len(plan.joints)
        self.world = World(plan, draw(hidden, n) if isinstance(hidden, int) else hidden)
        self.lines = [_LINES[driver](self.world, list(range(i, n, lines)), baud, seed=i) for i in range(lines)]
        self.imu = _IMUS[imu](self.world, rate)
        self._now = self.world.time
        self._out: list[tuple[float, int, int, bytes]] = []  # when, order, line (-1: the IMU), bytes
        self._count = 0

    def now(self) -> float:
        """s; the world is up to half a step of physics behind or ahead."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let so much time pass, s."""
        self.advance(self._now + seconds)

    def hear(self, line: int, data: bytes) -> None:
        """Bytes on one of the lines; -1 is the IMU's."""
        if line < 0:
            self.imu.hear(data)
            return
        for when, answer in self.lines[line].hear(data, self._now):
            self._push(when, line, answer)

    def said(self, line: int) -> bytes:
        """What has been sent on a line by now and was not taken yet."""
        ready = sorted(item for item in self._out if item[2] == line and item[0] <= self._now + 1e-9)
        self._out = [item for item in self._out if item not in ready]
        heapq.heapify(self._out)
        return b"".join(item[3] for item in ready)

    def due(self, line: int) -> float | None:
        """When the next bytes of a line are out, s; None while none are under way."""
        return min((item[0] for item in self._out if item[2] == line), default=None)

    def advance(self, until: float) -> None:
        """Let time pass until `until`, s."""
        while self.imu.next <= until:
            self._now = max(self._now, self.imu.next)
            self.world.advance(self._now)
            if data := self.imu.say(self._now):
                self._push(self._now, -1, data)
        self._now = max(self._now, until)
        self.world.advance(self._now)

    def bus_port(self, line: int = 0) -> "VirtualPort":
        """A port of one of the lines, whose waiting is what moves the clock."""
        return VirtualPort(self, line)

    def imu_port(self) -> "VirtualPort":
        """The same of the IMU."""
        return VirtualPort(self, -1)

    def _push(self, when: float, line: int, data: bytes) -> None:
        self._count += 1
        heapq.heappush(self._out, (when, self._count, line, data))


class VirtualPort(AbstractPort):
    """A port of a hidden robot in the same process: to wait for bytes lets the robot's time pass, and nothing else."""

    def __init__(self, robot: HiddenRobot, line: int):
        self._robot, self._line = robot, line

    def now(self) -> float:
        return self._robot.now()

    def write(self, data: bytes) -> None:
        self._robot.hear(self._line, data)

    def read(self, timeout: float) -> bytes:
        robot = self._robot
        if data := robot.said(self._line):
            return data
        due, end = robot.due(self._line), robot.now() + max(0.0, timeout)
        robot.advance(end if due is None else min(due, end))
        return robot.said(self._line)

    def discard(self) -> None:
        self._robot.said(self._line)

    def close(self) -> None:
        pass
