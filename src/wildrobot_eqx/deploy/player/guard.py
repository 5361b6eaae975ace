"""What stands between a policy and the servos: readings that can be trusted, targets that can be followed."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import nearest
from ..bundle.contract import COMMAND, POSITIONS, SWITCHES, VELOCITIES, Contract

TIME = "time"
_UNIT = 0.05  # how far from 1 the length of a quaternion may be: a bus may round it
_EXACT = 1e-5  # up to which it is left as it is


@dataclasses.dataclass(frozen=True)
class Reading:
    """Readings that passed: float32 arrays in the contract's order."""

    time: float  # s, when they were taken
    sensors: dict[str, NDArray[np.float32]]
    positions: NDArray[np.float32]  # of the measured joints, rad; m of slides
    velocities: NDArray[np.float32]  # rad/s; m/s of slides
    switches: NDArray[np.float32]  # of the contract's feet: 1 is closed, 0 open
    command: NDArray[np.float32]  # of the contract's channels


class Unfit(Exception):  # noqa: N818 - a verdict on readings, not a mistake of the user
    """Readings that must not be acted on; the text says why."""


class Tilted(Unfit):
    """The robot has tilted too far."""


class Guard:
    """Takes readings apart and refuses what cannot be true: not finite, stale, out of range, fallen over.

    Args:
        contract: the bundle's contract.
        quaternion: the order in which the robot's IMU gives its quaternions.
        trusting: let pass what is finite and fresh, wherever the robot is.
        stale: how old readings may be, s; the contract's time if None.
    """

    def __init__(
        self, contract: Contract, quaternion: str = "wxyz", trusting: bool = False, stale: float | None = None
    ):
        safety = contract.document["safety"]
        self._contract = contract
        self._stale = float(safety["stale_seconds"]) if stale is None else stale
        tilt = safety["tilt"]
        self._compass = None if tilt is None or trusting else str(tilt["sensor"])
        self._upright = np.array([0.0, 0.0, 1.0] if tilt is None else tilt["upright"], np.float64)
        self._level = -math.inf if tilt is None else math.cos(min(float(tilt["max"]), math.pi))
        margin = np.float32(math.inf if trusting else safety["position_margin"])
        self._low, self._high = contract.low - margin, contract.high + margin
        self._turned = [3, 0, 1, 2] if quaternion == "xyzw" else None
        self._quats = {s["name"] for s in contract.document["sensors"] if s["kind"] == "orientation"}
        self._still = np.zeros_like(contract.low)
        self._channels = {channel.name: i for i, channel in enumerate(contract.channels)}
        self._rest = np.array([channel.rest for channel in contract.channels], np.float32)
        self.start()

    def start(self) -> None:
        """Forget when the last readings were taken."""
        self._taken = self._called = -math.inf

    def __call__(self, readings: Mapping[str, Any], now: float | None) -> Reading:
        """The readings as arrays.

        Raises:
            Unfit: they must not be acted on.
        """
        if not isinstance(readings, Mapping):
            raise Unfit("there are no readings")
        time = self._fresh(readings.get(TIME), now)
        sensors = {name: self._sensor(name, size, readings) for name, size in self._contract.sensors.items()}
        positions = self.positions(readings)
        velocities = self._joints(VELOCITIES, readings) if self._contract.needs_velocities else self._still
        if self._compass is not None:
            self._level_enough(sensors[self._compass])
        switches = self._switches(readings.get(SWITCHES))
        return Reading(time, sensors, positions, velocities, switches, self._command(readings.get(COMMAND)))

    def positions(self, readings: Mapping[str, Any]) -> NDArray[np.float32]:
        """Where the measured joints are, rad or m, in the contract's order.

        Raises:
            Unfit: one is unknown, or reads what it cannot be.
        """
        if not isinstance(readings, Mapping):
            raise Unfit("there are no readings")
        positions = self._joints(POSITIONS, readings)
        for i in np.flatnonzero((positions < self._low) | (positions > self._high)):
            raise Unfit(f"the joint {self._contract.measured[i]!r} reads {positions[i]:.3f}, far beyond its limits")
        return positions

    def _fresh(self, taken: Any, now: float | None) -> float:
        """When the readings were taken; repeated ones age by a control period at each call."""
        time = _number(taken)
        if time is None:
            raise Unfit(f"the readings have no {TIME!r}")
        if now is None:
            now = time if time > self._taken else self._called + self._contract.dt
        before, self._called = self._called, now
        if not math.isfinite(now):
            raise Unfit("the clock is not finite")
        if time < self._taken or now < before:
            raise Unfit("the clock ran backwards")
        if now - before > self._stale and before > -math.inf:
            raise Unfit(f"the control loop stood still for {now - before:.3f} s")
        if now - time > self._stale:
            raise Unfit(f"the readings are stale: {now - time:.3f} s old")
        if time - now > self._contract.dt:
            raise Unfit(f"the readings come from {time - now:.3f} s in the future")
        self._taken = time
        return time

    def _sensor(self, name: str, size: int, readings: Mapping[str, Any]) -> NDArray[np.float32]:
        value = _vector(readings.get(name), size)
        if value is None:
            raise Unfit(f"the sensor {name!r} is missing, or does not read {size} finite numbers")
        if name in self._quats:
            if self._turned is not None:
                value = value[self._turned]
            length = math.sqrt(float(value @ value))
            if abs(length - 1.0) > _UNIT:
                raise Unfit(f"the quaternion {name!r} has the length {length:.3f}, not 1")
            if abs(length - 1.0) > _EXACT:
                value = value / np.float32(length)
        return value

    def _joints(self, kind: str, readings: Mapping[str, Any]) -> NDArray[np.float32]:
        entries = readings.get(kind)
        if not isinstance(entries, Mapping):
            raise Unfit(f"the readings have no {kind!r} by joint name")
        names = self._contract.measured
        missing = [name for name in names if name not in entries]
        if missing:
            raise Unfit(f"{kind!r} lacks the joint {missing[0]!r}")
        value = _vector([entries[name] for name in names], len(names))
        if value is None:
            raise Unfit(f"{kind!r} holds something that is no finite number")
        return value

    def _switches(self, entries: Any) -> NDArray[np.float32]:
        """Which of the feet's switches are closed; none where the policy reads none."""
        feet = self._contract.feet
        if not feet:
            return np.zeros((0,), np.float32)
        missing = [name for name in feet if not isinstance(entries, Mapping) or name not in entries]
        if missing:
            raise Unfit(f"{SWITCHES!r} lacks the foot {missing[0]!r}")
        assert isinstance(entries, Mapping)
        value = _vector([entries[name] for name in feet], len(feet))
        if value is None or not np.isin(value, (0.0, 1.0)).all():
            raise Unfit(f"{SWITCHES!r} holds something that is neither on nor off")
        return value

    def _level_enough(self, quat: NDArray[np.float32]) -> None:
        w, x, y, z = (float(entry) for entry in quat)
        up = (2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y))  # R^T (0, 0, 1)
        cosine = sum(a * b for a, b in zip(up, self._upright))
        if cosine < self._level:
            raise Tilted(f"the robot is tilted by {math.degrees(math.acos(max(cosine, -1.0))):.0f} degrees")

    def _command(self, command: Any) -> NDArray[np.float32]:
        """What is asked for, by the contract's channels; of what is absent, nothing."""
        values = self._rest.copy()
        if command is None and not self._channels:
            return values
        if not isinstance(command, Mapping):
            raise Unfit(f"the readings have no {COMMAND!r} by channel")
        for name, entry in command.items():
            if name not in self._channels:
                raise Unfit(f"{COMMAND!r} names {name!r}, which is no channel: {nearest(str(name), self._channels)}")
            value = _number(entry)
            if value is None:
                raise Unfit(f"{COMMAND!r} has no finite {name!r}")
            values[self._channels[name]] = value
        return values


def _number(value: Any) -> float | None:
    """A finite number, or None."""
    vector = _vector([value], 1)
    return None if vector is None else float(value)


def _vector(value: Any, size: int) -> NDArray[np.float32] | None:
    """A float32 vector of finite numbers, or None: nothing that a driver hands over may raise here."""
    if value is None or isinstance(value, (str, bytes)):
        return None
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(value, np.float32)
    except (TypeError, ValueError, OverflowError):
        return None
    return array if array.shape == (size,) and np.isfinite(array).all() else None


def slew(
    target: NDArray[np.float32], before: NDArray[np.float32], step: NDArray[np.float32] | Sequence[float] | float
) -> NDArray[np.float32]:
    """The target, no further than `step` (rad per control period) from the one before."""
    reach = np.asarray(step, np.float32)
    return np.minimum(np.maximum(target, before - reach), before + reach)
