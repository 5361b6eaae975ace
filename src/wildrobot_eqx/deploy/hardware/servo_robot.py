"""A robot of serial bus servos: joints by name in rad, on one bus or several."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import WildRobotError
from ..player.robot import AbstractRobot
from .servo_bus import UNITS, ServoBus

RAD_PER_UNIT = math.radians(240.0 / UNITS)
_SMOOTH = 0.5  # fraction of a new velocity: differences of positions 0.24 degrees apart are rough


@dataclasses.dataclass(frozen=True)
class ServoMount:
    """How one joint's servo is built in: `angle = sign * (units - zero) * 0.24 degrees`."""

    joint: str
    id: int
    zero: int = UNITS // 2  # units at which the joint is at 0 rad
    sign: int = 1  # -1 where the servo turns the other way
    bus: int = 0  # which of the buses

    def angle(self, units: float) -> float:
        """The joint's angle, rad."""
        return self.sign * (units - self.zero) * RAD_PER_UNIT

    def units(self, angle: float) -> int:
        """The servo's position for an angle (rad), as near as it can be and within its travel."""
        return min(max(round(self.zero + self.sign * angle / RAD_PER_UNIT), 0), UNITS)


class ServoRobot(AbstractRobot):
    """Joints on servo buses, and an IMU of your own.

    These servos measure no velocity: it is the difference of positions over time, smoothed. One
    bus may be too slow to read every servo in every control period (an answer takes 2 to 4 ms):
    give the robot several, or let it read `reads` joints in turn. Readings are as old as the
    oldest joint's, so that the player knows.

    Args:
        buses: the lines.
        mounts: one per joint.
        imu: reads the IMU: sensors by the contract's names, each a sequence of numbers; of a robot
            with foot switches also `foot_switches` by foot.
        reads: joints to read per control period and bus; all if None.
        clock: s; it must not run backwards.

    Raises:
        WildRobotError: two joints share a servo, or a mount is wrong.
    """

    def __init__(
        self,
        buses: Sequence[ServoBus],
        mounts: Sequence[ServoMount],
        imu: Callable[[], Mapping[str, Sequence[float] | Mapping[str, float]]],
        *,
        reads: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._buses, self._mounts, self._imu = tuple(buses), {mount.joint: mount for mount in mounts}, imu
        self._reads, self._clock = reads, clock
        self._check(mounts)
        self._next = [0] * len(self._buses)
        self._at: dict[str, tuple[float, float]] = {}  # when (s) and where (rad) a joint was last seen
        self._velocity = dict.fromkeys(self._mounts, 0.0)

    @property
    def joints(self) -> tuple[str, ...]:
        return tuple(self._mounts)

    @property
    def limits(self) -> dict[str, tuple[float, float]]:
        """How far each servo can turn (rad), as `Player` asks."""
        ends = {joint: (mount.angle(0), mount.angle(UNITS)) for joint, mount in self._mounts.items()}
        return {joint: (min(pair), max(pair)) for joint, pair in ends.items()}

    def now(self) -> float:
        return self._clock()

    def read(self) -> dict[str, Any]:
        for bus in range(len(self._buses)):
            for mount in self._turn(bus):
                self._see(mount)
        return {
            **self._imu(),
            "time": min(seen for seen, _ in self._at.values()),
            "joint_positions": {joint: angle for joint, (_, angle) in self._at.items()},
            "joint_velocities": dict(self._velocity),
        }

    def write(self, targets: Mapping[str, float], seconds: float) -> None:
        for bus, line in enumerate(self._buses):
            mounts = [mount for mount in self._mounts.values() if mount.bus == bus and mount.joint in targets]
            line.move_together({mount.id: mount.units(targets[mount.joint]) for mount in mounts}, round(1e3 * seconds))

    def wait(self, until: float) -> None:
        time.sleep(max(0.0, until - self._clock()))

    def release(self) -> None:
        for bus in self._buses:
            for _ in range(3):  # a broadcast has no answer: say it more than once
                with contextlib.suppress(OSError, WildRobotError):
                    bus.torque(False)

    def _turn(self, bus: int) -> list[ServoMount]:
        """The servos of a bus whose turn it is; every one that has not been seen yet."""
        mounts = [mount for mount in self._mounts.values() if mount.bus == bus]
        unseen = [mount for mount in mounts if mount.joint not in self._at]
        if unseen or self._reads is None or self._reads >= len(mounts):
            return unseen or mounts
        start = self._next[bus]
        self._next[bus] = (start + self._reads) % len(mounts)
        return [mounts[(start + i) % len(mounts)] for i in range(self._reads)]

    def _see(self, mount: ServoMount) -> None:
        angle = mount.angle(self._buses[mount.bus].position(mount.id))
        now = self._clock()
        if mount.joint in self._at:
            then, before = self._at[mount.joint]
            if now > then:
                new = (angle - before) / (now - then)
                self._velocity[mount.joint] += _SMOOTH * (new - self._velocity[mount.joint])
        self._at[mount.joint] = (now, angle)

    def _check(self, mounts: Sequence[ServoMount]) -> None:
        joint_at: dict[tuple[int, int], str] = {}
        for mount in mounts:
            wrong = None
            if (mount.bus, mount.id) in joint_at:
                wrong = f"The joints {joint_at[mount.bus, mount.id]!r} and {mount.joint!r} share the servo {mount.id}."
            elif not 0 <= mount.bus < len(self._buses):
                wrong = f"The joint {mount.joint!r} is on bus {mount.bus}, and there are {len(self._buses)}."
            elif mount.sign not in (-1, 1) or not 0 <= mount.zero <= UNITS:
                wrong = f"The joint {mount.joint!r} has a sign of {mount.sign} and a zero of {mount.zero} units."
            if wrong is not None:
                raise WildRobotError(wrong, where="mounts", hint="mend that ServoMount")
            joint_at[mount.bus, mount.id] = mount.joint
        if len(self._mounts) < len(mounts) or (self._reads is not None and self._reads < 1):
            raise WildRobotError(
                "A joint has two mounts, or no joint is to be read.", where="mounts, reads", hint="one mount per joint"
            )
