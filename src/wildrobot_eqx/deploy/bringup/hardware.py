"""hardware.toml: how one robot is wired and calibrated. It stays beside the robot, and no bundle holds it."""

import contextlib
import dataclasses
import datetime
import json
import math
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import WildRobotError, nearest
from ..bundle.contract import Contract
from ..hardware.bno08x import Bno08x
from ..hardware.bus import AbstractServoBus
from ..hardware.dynamixel import DynamixelBus
from ..hardware.feetech import FeetechBus
from ..hardware.imu import AbstractImu, MountedImu
from ..hardware.port import AbstractPort, SerialPort
from ..hardware.servo_bus import ServoBus
from ..hardware.servo_robot import Overload, ServoMount, ServoRobot
from ..hardware.text_imu import COLUMNS, TextImu
from ..player.attitude import Attitude

MARK = "# Written by `wildrobot-eqx robot`. Angles in rad, times in s, zeros in the servo's units."
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_DRIVERS = ("hiwonder", "dynamixel", "feetech")
_IMUS = ("text", "bno08x")
Opener = Callable[[str, int], AbstractPort]


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of servos."""

    port: str
    driver: str = "hiwonder"
    baud: int = 115_200
    timeout: float = 0.012  # s, for one answer; some USB adapters keep bytes for 16 ms (their latency timer)


@dataclasses.dataclass(frozen=True)
class ImuEntry:
    """The IMU, and what is known of its mounting."""

    port: str
    driver: str = "text"
    baud: int = 115_200
    columns: tuple[str, ...] = COLUMNS  # of a text IMU
    degrees: bool = False
    g: bool = False
    mounting: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)  # from its frame to that of the model's IMU
    proved: str | None = None  # the day on which its order and frame were proved by motion


@dataclasses.dataclass(frozen=True)
class JointEntry:
    """One joint's servo, and what is known of it."""

    id: int
    bus: int = 0
    sign: int = 1
    zero: float = math.nan  # units; NaN: the middle of its travel
    zeroed: str | None = None  # the day on which it was measured
    signed: str | None = None  # the day on which the joint and its sign were seen to be right


@dataclasses.dataclass(frozen=True)
class Hardware:
    """All of a hardware.toml."""

    robot: str
    buses: tuple[Line, ...]
    joints: dict[str, JointEntry]
    imu: ImuEntry | None = None
    coast: float = 0.25  # s, how old readings may be
    read_seconds: float = 0.012  # s, for which a line is read in a control period
    load: float = 0.9  # share of the stall torque, and
    load_seconds: float = 0.5  # s, for how long: then the torque goes off
    temperature: float = 75.0  # degrees Celsius, likewise
    voltage: float = 0.0  # V, likewise when there is less; 0: never

    def replace_joint(self, name: str, **changes: Any) -> "Hardware":
        """With one joint's entry changed."""
        return dataclasses.replace(
            self, joints={**self.joints, name: dataclasses.replace(self.joints[name], **changes)}
        )

    def unproved(self) -> list[str]:
        """What has not been measured yet, in words."""
        zeros = [name for name, joint in self.joints.items() if joint.zeroed is None]
        signs = [name for name, joint in self.joints.items() if joint.signed is None]
        found = [f"the zeros of {', '.join(zeros)}"] if zeros else []
        found += [f"the signs of {', '.join(signs)}"] if signs else []
        if self.imu is not None and self.imu.proved is None:
            found.append("the order and the mounting of the IMU")
        return found

    def text(self) -> str:
        """As the file has it."""
        lines = [MARK]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name not in ("buses", "joints", "imu"):
                lines.append(f"{field.name} = {_value(value)}")
        tables: list[tuple[str, Any]] = [("[[bus]]", bus) for bus in self.buses]
        tables += [] if self.imu is None else [("[imu]", self.imu)]
        tables += [(f"[joints.{_key(name)}]", joint) for name, joint in self.joints.items()]
        for head, entry in tables:
            values = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
            known = {k: v for k, v in values.items() if v is not None and not (isinstance(v, float) and math.isnan(v))}
            lines += ["", head, *(f"{key} = {_value(value)}" for key, value in known.items())]
        return "\n".join(lines) + "\n"

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            WildRobotError: it cannot be written.
        """
        partial = path.with_name(f".{path.name}.new")
        try:
            partial.write_text(self.text(), encoding="utf-8")
            os.replace(partial, path)
        except OSError as error:
            raise WildRobotError(
                f"It cannot be written: {error.strerror or error}", where=str(path), exit_code=1
            ) from error


def read_hardware(path: str | Path) -> Hardware:
    """Read a hardware.toml.

    Raises:
        WildRobotError: there is none, or it is no such file; the error names the entry.
    """
    where = str(path)
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise WildRobotError(
            f"The hardware.toml cannot be read: {error.strerror or error}",
            where=where,
            hint="make one by: wildrobot-eqx robot scan BUNDLE --port /dev/ttyUSB0 --out hardware.toml",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WildRobotError(f"It is no TOML: {error}", where=where, hint="mend that line") from error
    buses, joints, imu = document.pop("bus", []), document.pop("joints", {}), document.pop("imu", None)
    if not isinstance(buses, list) or not isinstance(joints, dict) or not buses or not joints:
        raise WildRobotError("It names no bus, or no joint.", where=where, hint="[[bus]] and [joints.NAME]")
    found = Hardware(
        buses=tuple(_entry(Line, bus, f"{where}, bus {i}") for i, bus in enumerate(buses)),
        joints={name: _entry(JointEntry, joint, f"{where}, joints.{name}") for name, joint in joints.items()},
        imu=None if imu is None else _entry(ImuEntry, imu, f"{where}, imu"),
        **_checked(Hardware, document, where, leave=("buses", "joints", "imu")),
    )
    for name, entry in [*((f"bus {i}", bus) for i, bus in enumerate(found.buses)), ("imu", found.imu)]:
        known = _IMUS if name == "imu" else _DRIVERS
        if entry is not None and entry.driver not in known:
            raise WildRobotError(
                f"There is no driver {entry.driver!r}.", where=f"{where}, {name}", hint=nearest(entry.driver, known)
            )
    return found


def open_robot(
    hardware: Hardware,
    sensors: Mapping[str, str],
    *,
    opener: Opener = SerialPort,
    clock: Callable[[], float] | None = None,
    sleep: Callable[[float], None] | None = None,
) -> ServoRobot:
    """Open the ports of a robot.

    Args:
        hardware: how it is wired.
        sensors: what the model calls the IMU's "orientation", "gyro" and "accelerometer".
        opener: opens a port by its path and baud.
        clock: s, of the ports; the system's if None.
        sleep: waits for so long, s; the system's if None.

    Raises:
        WildRobotError: a port cannot be opened, a library is missing, or the wiring contradicts itself.
    """
    buses = [open_bus(line, opener) for line in hardware.buses]
    mounts = [
        ServoMount(name, j.id, zero_of(j, buses[j.bus]) if 0 <= j.bus < len(buses) else 0.0, j.sign, j.bus)
        for name, j in hardware.joints.items()  # ServoRobot says what is wrong with a bus that there is not
    ]
    imu = None if hardware.imu is None else _mounted(hardware.imu, sensors, opener)
    overload = Overload(hardware.load, hardware.load_seconds, hardware.temperature, hardware.voltage)
    more: dict[str, Any] = {} if clock is None else {"clock": clock}
    return ServoRobot(buses, mounts, imu, seconds=hardware.read_seconds, overload=overload, sleep=sleep, **more)


def open_bus(line: Line, opener: Opener = SerialPort) -> AbstractServoBus:
    """Open one line.

    Raises:
        WildRobotError: its port cannot be opened, or its library is missing.
    """
    port, driver = opener(line.port, line.baud), driver_of(line)
    if driver is ServoBus:
        return ServoBus(port, line.timeout, baud=line.baud)
    return driver(port, line.baud, line.timeout)


def driver_of(line: Line) -> type[Any]:
    """The class of a line's bus: it knows the servos' units and their travel."""
    return {"dynamixel": DynamixelBus, "feetech": FeetechBus}.get(line.driver, ServoBus)


@contextlib.contextmanager
def released(robot: ServoRobot) -> Iterator[None]:
    """Whatever happens, the torque goes off in the end, and the ports are given back."""
    try:
        yield
    finally:
        robot.release()
        robot.close()


def sensors_of(contract: Contract) -> dict[str, str]:
    """What a bundle's robot calls the orientation, the gyro and the accelerometer of its first IMU."""
    names: dict[str, str] = {}
    for sensor in contract.document["sensors"]:
        names.setdefault(sensor["kind"], sensor["name"])
    return names


def today() -> str:
    """The date, for an entry."""
    return datetime.date.today().isoformat()


def _mounted(entry: ImuEntry, sensors: Mapping[str, str], opener: Opener) -> MountedImu:
    port = opener(entry.port, entry.baud)
    imu: AbstractImu = (
        Bno08x(port) if entry.driver == "bno08x" else TextImu(port, entry.columns, degrees=entry.degrees, g=entry.g)
    )
    estimates = entry.driver == "bno08x" or "qw" in entry.columns
    return MountedImu(imu, sensors, entry.mounting, None if estimates else Attitude())


def zero_of(joint: JointEntry, bus: Any) -> float:
    """A servo's zero, units; the middle of the travel of its bus's servos where none was measured."""
    return float((bus.low + bus.high + 1) // 2) if math.isnan(joint.zero) else joint.zero


def _entry(kind: Any, given: Any, where: str) -> Any:
    if not isinstance(given, dict):
        raise WildRobotError("It is no table.", where=where, hint="key = value lines below it")
    return kind(**_checked(kind, given, where))


def _checked(kind: Any, given: Mapping[str, Any], where: str, leave: tuple[str, ...] = ()) -> dict[str, Any]:
    """Values that fit the fields of a dataclass."""
    fields = {field.name: field for field in dataclasses.fields(kind) if field.name not in leave}
    found = {}
    for name, value in given.items():
        if name not in fields:
            raise WildRobotError(f"{name!r} is not known.", where=where, hint=nearest(name, fields))
        default: Any = fields[name].default
        wanted: tuple[type, ...] = (str,)
        if isinstance(default, bool):
            wanted = (bool,)
        elif isinstance(default, float):
            wanted = (int, float)
        elif isinstance(default, int) or fields[name].type is int:
            wanted = (int,)
        elif isinstance(default, tuple):
            wanted = (list,)
        wrong = not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted)
        if isinstance(value, list) and not wrong:
            kinds = (str,) if default and isinstance(default[0], str) else (int, float)
            wrong = not all(isinstance(item, kinds) for item in value) or (
                kinds != (str,) and len(value) != len(default)
            )
            value = tuple(value)
        if wrong or (isinstance(value, float) and not math.isfinite(value)):
            raise WildRobotError(f"{name} cannot be {value!r}.", where=where, hint=f"such as {_value(default)}")
        found[name] = float(value) if isinstance(default, float) else value
    missing = [
        name
        for name, field in fields.items()
        if name not in found and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise WildRobotError(f"It lacks {missing[0]!r}.", where=where, hint=f"add {missing[0]} = ...")
    return found


def _key(name: str) -> str:
    return name if _BARE.match(name) else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(value) if isinstance(value, str) else repr(value)
