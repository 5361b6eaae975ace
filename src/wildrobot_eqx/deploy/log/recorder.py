"""Writes down what a robot reads and does, step by step: into a file, and into a ring of the last minute."""

import contextlib
import dataclasses
import datetime
import logging
import math
import time as wall
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import WildRobotError
from ..bundle.contract import COMMAND, POSITIONS, SWITCHES, VELOCITIES
from .file import LogFile
from .layout import Layout

AGES, SENSOR_AGES = "joint_ages", "sensor_ages"  # of readings: s, by joint and by sensor
_log = logging.getLogger(__name__)
INFO, ERROR = 20, 40


@dataclasses.dataclass(frozen=True)
class Health:
    """How a bus and its servos are: counts since it was opened, and what was last measured; NaN is not known."""

    timeouts: int = 0  # questions without an answer
    damaged: int = 0  # answers with a wrong checksum
    strays: int = 0  # answers to another question
    voltage: float = math.nan  # V
    temperature: Mapping[str, float] = dataclasses.field(default_factory=dict)  # degrees Celsius, by joint
    load: Mapping[str, float] = dataclasses.field(default_factory=dict)  # share of the stall torque, by joint


@dataclasses.dataclass(frozen=True)
class Truth:
    """What only a simulation knows, when the control step began."""

    qpos: NDArray[np.floating[Any]]
    qvel: NDArray[np.floating[Any]]
    foot_force: Mapping[str, float] = dataclasses.field(default_factory=dict)  # N, upwards on each foot
    fallen: bool = False


@dataclasses.dataclass(frozen=True)
class Tick:
    """One control step. Times are s, on the robot's clock; arrays are in the order of the layout."""

    time: float  # when it began
    readings: Mapping[str, Any]  # as a player takes them, with `joint_ages` and `sensor_ages` where they are known
    mode: str
    fault: str | None = None
    command: Mapping[str, float] = dataclasses.field(default_factory=dict)
    target: NDArray[np.floating[Any]] | None = None
    observation: NDArray[np.floating[Any]] | None = None
    action: NDArray[np.floating[Any]] | None = None
    sent: float = math.nan  # when the targets went out
    seconds: tuple[float, float, float, float] = (math.nan,) * 4  # since the last step; reading, thinking, writing
    coasting: float = 0.0
    missed: int = 0
    failed_reads: int = 0
    failed_writes: int = 0
    health: Health = dataclasses.field(default_factory=Health)
    truth: Truth | None = None


class Recorder:
    """Keeps the last minute of control steps, and writes all of them where there is a file.

    What a driver hands over can be anything: what is no number becomes NaN, and nothing here stops a robot. A disk
    that is full ends the file with a notice, and the ring goes on.

    Args:
        layout: whose steps they are.
        path: the file, an .mcap; None: only the ring.
        faults: a folder for the ring, which is written there after a fault; None: it is not.
        seconds: how much the ring holds, s.
        simulated: whether the robot is a simulation.
        about: more of the header, such as who made the log.

    Raises:
        WildRobotError: the file exists or cannot be written, or `mcap` is not installed.
    """

    def __init__(
        self,
        layout: Layout,
        path: str | Path | None = None,
        *,
        faults: str | Path | None = None,
        seconds: float = 60.0,
        simulated: bool = False,
        about: Mapping[str, Any] | None = None,
    ):
        self.layout, self.path = layout, None if path is None else Path(path)
        self.written: Path | None = None  # where the ring was last written
        self._messages = layout.messages()
        self._faults = None if faults is None else Path(faults)
        self._ring = deque[tuple[str, float, bytes]]()
        self._seconds, self._ticks, self._fault = seconds, 0, ""
        self._epoch: float | None = None
        now = datetime.datetime.now(datetime.UTC)
        self._header = {
            **layout.header(),
            "source": "simulation" if simulated else "robot",
            "started": now.isoformat(timespec="seconds"),
            **(about or {}),
        }
        self._file = None if path is None else LogFile(Path(path), self._messages, self._header)
        if self._faults is not None:
            LogFile.need()

    def tick(self, tick: Tick) -> None:
        """One control step; after a new fault the ring is written."""
        k, self._ticks = self._ticks, self._ticks + 1
        when = {"time": tick.time, "tick": k}
        layout, readings, health = self.layout, tick.readings, tick.health
        age = tick.time - _number(readings.get("time"))
        joints, ages = _map(readings.get(AGES)), _map(readings.get(SENSOR_AGES))
        fields: dict[str, dict[str, Any]] = {
            "/tick": {
                **when,
                "sent": tick.sent,
                "seconds": tick.seconds,
                "age": age,
                "coasting": tick.coasting,
                "missed": tick.missed,
                "failed_reads": tick.failed_reads,
                "failed_writes": tick.failed_writes,
                "mode": tick.mode,
                "fault": tick.fault,
            },
            "/joints": {
                **when,
                "position": _row(readings.get(POSITIONS), layout.measured),
                "velocity": _row(readings.get(VELOCITIES), layout.measured),
                "age": [_number(joints.get(name, age)) for name in layout.measured],
            },
            "/sensors": {
                **when,
                **{
                    field: _vector(readings.get(name), size)
                    for field, (name, size) in zip(layout.sensor_fields(), layout.sensors.items())
                },
                "age": [_number(ages.get(name, age)) for name in layout.sensors],
            },
            "/feet": {**when, "switch": _row(readings.get(SWITCHES), layout.feet)},
            "/command": {**when, "asked": _row(tick.command or readings.get(COMMAND), layout.channels)},
            "/bus": {
                **when,
                "timeouts": health.timeouts,
                "damaged": health.damaged,
                "strays": health.strays,
                "voltage": health.voltage,
                "temperature": _row(health.temperature, layout.joints),
                "load": _row(health.load, layout.joints),
            },
        }
        if tick.action is not None:
            fields["/policy"] = {**when, "observation": _vector(tick.observation, layout.observation)}
            fields["/policy"]["action"] = _vector(tick.action, layout.action)
        if tick.target is not None and len(tick.target):
            fields["/targets"] = {**when, "target": _vector(tick.target, len(layout.joints))}
        if (truth := tick.truth) is not None:
            loads = _row(truth.foot_force, layout.loads)
            fields["/truth"] = {**when, "qpos": _vector(truth.qpos, layout.qpos), "foot_force": loads}
            fields["/truth"] |= {"qvel": _vector(truth.qvel, layout.qvel), "fallen": truth.fallen}
        for topic, values in fields.items():
            if topic in self._messages:
                self._add(topic, tick.time, values)
        if tick.fault and tick.fault != self._fault:
            self.event(tick.time, tick.fault, ERROR)
            self.write_ring()
        self._fault = tick.fault or ""

    def event(self, time: float, message: str, level: int = INFO) -> None:
        """Something worth a line, at `time` (s, on the robot's clock)."""
        self._add("/events", time, {"time": time, "level": level, "message": message})

    def write_ring(self) -> Path | None:
        """Write the last minute into the folder of faults; its file, or None where there is no such folder."""
        if self._faults is None:
            return None
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
        try:
            self._faults.mkdir(parents=True, exist_ok=True)
            names = [f"fault-{stamp}.mcap", *(f"fault-{stamp}-{i}.mcap" for i in range(2, 100))]
            free = next(path for name in names if not (path := self._faults / name).exists())
            with contextlib.closing(LogFile(free, self._messages, {**self._header, "ring": True})) as file:
                for topic, time, data in self._ring:
                    file.add(topic, self._stamp(time), data)
        except (OSError, WildRobotError, StopIteration) as error:
            _log.warning(f"the last minute could not be written: {error}")
            return None
        self.written = free
        _log.info(f"the last minute is in {free}")
        return free

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            file, self._file = self._file, None
            self._safely(file.close)

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _add(self, topic: str, time: float, values: Mapping[str, Any]) -> None:
        data = self._messages[topic].encode(values)
        self._ring.append((topic, time, data))
        while self._ring and self._ring[0][1] < time - self._seconds:
            self._ring.popleft()
        if (file := self._file) is not None:
            self._safely(lambda: file.add(topic, self._stamp(time), data))

    def _safely(self, write: Any) -> None:
        try:
            write()
        except OSError as error:
            if self._file is not None:
                file, self._file = self._file, None
                file.give_up()
            _log.warning(f"the log {self.path} ends here: {error.strerror or error}")

    def _stamp(self, time: float) -> int:
        """ns since 1970 of a time on the robot's clock."""
        if self._epoch is None:
            self._epoch = wall.time() - time
        return round((time + self._epoch) * 1e9)


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _row(values: Any, names: Sequence[str]) -> list[float]:
    values = _map(values)
    return [_number(values.get(name)) for name in names]


def _vector(value: Any, size: int) -> NDArray[np.float64]:
    try:
        row = np.asarray(value, np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        row = np.zeros(0)
    return row if row.size == size else np.full(size, np.nan)
