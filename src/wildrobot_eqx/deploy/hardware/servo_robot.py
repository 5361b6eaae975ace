"""A robot of bus servos: joints by name in rad, on one line or several, and an IMU."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...errors import WildRobotError
from ..log.recorder import Health
from ..player.robot import AbstractRobot
from .bus import AbstractServoBus, ServoHealth
from .imu import MountedImu
from .lines import Lines
from .servo_bus import UNITS, ServoBus

RAD_PER_UNIT = ServoBus.step
_SMOOTH = 0.5  # fraction of a new velocity: differences of positions 0.24 degrees apart are rough


@dataclasses.dataclass(frozen=True)
class ServoMount:
    """How one joint's servo is built in: `angle = sign * (units - zero) * step`.

    A robot sets `step`, `low` and `high` to those of the mount's bus; alone they are a Hiwonder servo's.
    """

    joint: str
    id: int
    zero: float = UNITS // 2  # units at which the joint is at 0 rad
    sign: int = 1  # -1 where the servo turns the other way
    bus: int = 0  # which of the buses
    step: float = RAD_PER_UNIT  # rad
    low: int = 0  # units
    high: int = UNITS

    def angle(self, units: float) -> float:
        """The joint's angle, rad."""
        return self.sign * (units - self.zero) * self.step

    def units(self, angle: float) -> int:
        """The servo's position for an angle (rad), as near as it can be and within its travel."""
        return min(max(round(self.zero + self.sign * angle / self.step), self.low), self.high)


@dataclasses.dataclass(frozen=True)
class Overload:
    """What a robot of servos does not bear: then its torque goes off at once."""

    load: float = 0.9  # share of the stall torque, of a servo that measures it
    seconds: float = 0.5  # s, for how long
    temperature: float = 75.0  # degrees Celsius
    voltage: float = 0.0  # V, less than which the battery is empty; 0: never
    every: float = 0.25  # s, between questions of health, one servo's each; 0: none is asked


class ServoRobot(AbstractRobot):
    """Joints on servo buses, and an IMU.

    A servo that measures no velocity has the difference of its positions over time, smoothed. One bus may be too slow
    to read every servo in every control period (an answer takes 2 to 4 ms): several lines are read at the same time,
    and a line's servos are read in turn, `reads` of them per control period or as many as `seconds` allow. How old
    each value is stands in `joint_ages` and `sensor_ages`, and `time` is that of the oldest, so that the player knows.
    A servo that does not answer keeps its last value, which ages.

    Args:
        buses: the lines.
        mounts: one per joint.
        imu: a mounted IMU; or a function that reads one: sensors by the contract's names, each a sequence of numbers;
            of a robot with foot switches also `foot_switches` by foot. None: there is none.
        reads: joints to read per control period and bus; all if None.
        seconds: for how long to read a line in a control period, s; as long as it takes if None.
        overload: when the torque goes off.
        clock: s; it must not run backwards.
        sleep: waits for so long, s.

    Raises:
        WildRobotError: two joints share a servo, or a mount is wrong.
    """

    def __init__(
        self,
        buses: Sequence[AbstractServoBus],
        mounts: Sequence[ServoMount],
        imu: MountedImu | Callable[[], Mapping[str, Any]] | None = None,
        *,
        reads: int | None = None,
        seconds: float | None = None,
        overload: Overload | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
    ):
        self.buses, self.imu, self._clock = tuple(buses), imu, clock
        self._sleep = time.sleep if sleep is None else sleep
        _check(mounts, self.buses, reads)
        fitted = [dataclasses.replace(m, **_travel(self.buses[m.bus])) for m in mounts]
        self.mounts = {mount.joint: mount for mount in fitted}
        of_line = [[mount for mount in fitted if mount.bus == bus] for bus in range(len(self.buses))]
        self._names = [{mount.id: mount.joint for mount in line} for line in of_line]
        self._lines = Lines(self.buses, [[mount.id for mount in line] for line in of_line], reads, seconds, clock)
        self._at: dict[str, tuple[float, float]] = {}  # when (s) and where (rad) a joint was last seen
        self._velocity = dict.fromkeys(self.mounts, 0.0)
        self._load: dict[str, tuple[float, float]] = {}  # of a joint: its load, and since when (s) it is too high
        self._overload = Overload(every=0.0) if overload is None else overload
        self._health: dict[str, ServoHealth] = {}
        self._asked, self._turn = -math.inf, 0
        self._values: tuple[float, dict[str, Any]] | None = None

    @property
    def joints(self) -> tuple[str, ...]:
        return tuple(self.mounts)

    @property
    def limits(self) -> dict[str, tuple[float, float]]:
        """How far each servo can turn (rad), as `Player` asks."""
        ends = {joint: (mount.angle(mount.low), mount.angle(mount.high)) for joint, mount in self.mounts.items()}
        return {joint: (min(pair), max(pair)) for joint, pair in ends.items()}

    def now(self) -> float:
        return self._clock()

    def read(self) -> dict[str, Any]:
        self._lines.go()
        found = self._lines.read()
        for names, line in zip(self._names, found):
            for id, reading in line.items():
                self._see(names[id], reading.time, reading.position, reading.velocity, reading.load)
        if not any(found):
            raise WildRobotError(
                "No servo answered.", where="the servo bus", hint="look at its cable and its supply", exit_code=1
            )
        self._ask_health()  # here, where no targets are on the line
        sensors = self._sense()
        if isinstance(self.imu, MountedImu) and self._values is None:
            raise WildRobotError(
                "The IMU has not said anything yet.",
                where="imu",
                hint="look at its plug, its port, its baud and its driver",
                exit_code=1,
            )
        now = self._clock()
        ages = {joint: now - seen for joint, (seen, _) in self._at.items()}
        sensed = now if self._values is None else self._values[0]
        return {
            **sensors,
            "time": min([sensed, *(seen for seen, _ in self._at.values())]),
            "joint_positions": {joint: angle for joint, (_, angle) in self._at.items()},
            "joint_velocities": {joint: self._velocity[joint] for joint in self._at},
            "joint_ages": ages,
            "sensor_ages": dict.fromkeys(sensors, now - sensed),
        }

    def write(self, targets: Mapping[str, float], seconds: float) -> None:
        for bus, line in enumerate(self.buses):
            mounts = [mount for mount in self.mounts.values() if mount.bus == bus and mount.joint in targets]
            line.write({mount.id: mount.units(targets[mount.joint]) for mount in mounts}, round(1e3 * seconds))

    def wait(self, until: float) -> None:
        self._sleep(max(0.0, until - self._clock()))

    def release(self) -> None:
        self._lines.stop()
        for bus in self.buses:
            for _ in range(3):  # a broadcast has no answer: say it more than once
                with contextlib.suppress(OSError, WildRobotError, ValueError):
                    bus.torque(False)

    def load(self, joints: Iterable[str] | None = None) -> None:
        """Put the torque on, of all joints or of some, where they are.

        Raises:
            OSError: a port is gone.
        """
        for joint in self.mounts if joints is None else joints:
            self.buses[self.mounts[joint].bus].torque(True, self.mounts[joint].id)

    def health(self) -> Health:
        temperature = {joint: one.temperature for joint, one in self._health.items()}
        loads = {joint: load for joint, (load, _) in self._load.items()}
        volts = [one.voltage for one in self._health.values() if math.isfinite(one.voltage)]
        return Health(
            sum(bus.timeouts for bus in self.buses),
            sum(bus.damaged for bus in self.buses),
            sum(bus.strays for bus in self.buses),
            min(volts) if volts else math.nan,
            temperature,
            loads,
        )

    def trouble(self) -> str | None:
        limits, now = self._overload, self._clock()
        for joint, (load, since) in self._load.items():
            if now - since > limits.seconds:
                return f"the servo of {joint!r} is overloaded: {100 * abs(load):.0f}% of its torque"
        for joint, one in self._health.items():
            if one.faults:
                return f"the servo of {joint!r} reports: {', '.join(one.faults)}"
            if one.temperature > limits.temperature:
                return f"the servo of {joint!r} is too hot: {one.temperature:.0f} degrees"
            if one.voltage < limits.voltage:
                return f"the battery is empty: {one.voltage:.1f} V at {joint!r}"
        return None

    def close(self) -> None:
        """Give the ports back."""
        for bus in self.buses:
            with contextlib.suppress(OSError):
                bus.close()
        if isinstance(self.imu, MountedImu):
            with contextlib.suppress(OSError):
                self.imu.imu.close()

    def _see(self, joint: str, now: float, position: float, velocity: float | None, load: float | None) -> None:
        mount = self.mounts[joint]
        angle = mount.angle(position)
        if velocity is not None:
            self._velocity[joint] = mount.sign * velocity * mount.step
        elif joint in self._at:
            then, before = self._at[joint]
            if now > then:
                self._velocity[joint] += _SMOOTH * ((angle - before) / (now - then) - self._velocity[joint])
        self._at[joint] = (now, angle)
        if load is not None:
            _, since = self._load.get(joint, (0.0, math.inf))
            self._load[joint] = (load, min(since, now) if abs(load) > self._overload.load else math.inf)

    def _sense(self) -> dict[str, Any]:
        """The IMU's values, and since when they stand; a mounted one's last where it is silent."""
        if self.imu is None:
            return {}
        if not isinstance(self.imu, MountedImu):
            return dict(self.imu())
        with contextlib.suppress(OSError):
            self._values = self.imu.read() or self._values
        return {} if self._values is None else self._values[1]

    def _ask_health(self) -> None:
        """Ask one servo for its health, now and then: questions take the bus's time."""
        every, now = self._overload.every, self._clock()
        if not every or now - self._asked < every:
            return
        joint = tuple(self.mounts)[self._turn % len(self.mounts)]
        self._asked, self._turn = now, self._turn + 1
        bus = self.buses[self.mounts[joint].bus]
        retries, bus.retries = bus.retries, 0
        try:
            with contextlib.suppress(OSError, WildRobotError):
                self._health[joint] = bus.health(self.mounts[joint].id)
        finally:
            bus.retries = retries


def _travel(bus: AbstractServoBus) -> dict[str, Any]:
    return {"step": bus.step, "low": bus.low, "high": bus.high}


def _check(mounts: Sequence[ServoMount], buses: Sequence[AbstractServoBus], reads: int | None) -> None:
    joint_at: dict[tuple[int, int], str] = {}
    for mount in mounts:
        wrong = None
        if (mount.bus, mount.id) in joint_at:
            wrong = f"The joints {joint_at[mount.bus, mount.id]!r} and {mount.joint!r} share the servo {mount.id}."
        elif not 0 <= mount.bus < len(buses):
            wrong = f"The joint {mount.joint!r} is on bus {mount.bus}, and there are {len(buses)}."
        elif mount.sign not in (-1, 1) or not buses[mount.bus].low <= mount.zero <= buses[mount.bus].high:
            wrong = f"The joint {mount.joint!r} has a sign of {mount.sign} and a zero of {mount.zero} units."
        if wrong is not None:
            raise WildRobotError(wrong, where="mounts", hint="mend that ServoMount")
        joint_at[mount.bus, mount.id] = mount.joint
    if len({mount.joint for mount in mounts}) < len(mounts) or (reads is not None and reads < 1):
        raise WildRobotError(
            "A joint has two mounts, or no joint is to be read.", where="mounts, reads", hint="one mount per joint"
        )
