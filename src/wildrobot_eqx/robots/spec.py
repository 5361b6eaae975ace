"""robot.toml, read and checked by itself: every key has its kind before any model is compiled."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import WildRobotError, nearest

FOOT_KEYS = ("site", "force", "linvel")
IMU_KEYS = ("gyro", "accel", "quat")
BASE_KEYS = ("linvel", "angvel")
_LARGEST = float(np.finfo(np.float32).max)
SERVO_KEYS = ("stall_torque", "no_load_speed")


@dataclasses.dataclass(frozen=True)
class Spec:
    """What a robot.toml says; the names in it are not yet held against a model."""

    path: Path
    name: str
    description: str
    model: str  # file name of the MJCF
    control_dt: float  # s
    min_root_height: float  # m
    mirror_pairs: tuple[tuple[str, str], ...]
    home: dict[str, float]  # rad, by joint
    base: dict[str, str]  # sensors
    feet: dict[str, dict[str, str]]  # a site and sensors, by foot
    imu: dict[str, dict[str, str]]  # sensors, by IMU
    servo: dict[str, float]

    def error(self, what: str, table: str = "", hint: str = "mend robot.toml") -> WildRobotError:
        """A mistake in `table`, or among the keys above the first one."""
        return _error(self.path, what, table, hint)


def read_spec(path: Path) -> Spec:
    """Read a robot.toml.

    Raises:
        WildRobotError: it is no TOML, or a key is missing or of the wrong kind.
    """
    try:
        spec = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _error(path, f"robot.toml cannot be read: {error.strerror}", "", "see that it may be read") from error
    except (ValueError, RecursionError) as error:  # no TOML, no text, or tables within tables without end
        raise _error(path, f"robot.toml is not valid TOML: {error}", "", "mend that line") from error
    read = _Reader(path, spec)
    return Spec(
        path=path,
        name=read.text("name"),
        description=read.text("description") if "description" in spec else "",
        model=read.text("model"),
        control_dt=read.number("control_dt", spec.get("control_dt"), positive=True, such_as="0.02"),
        min_root_height=read.number("min_root_height", spec.get("min_root_height", 0.0), such_as="0.2"),
        mirror_pairs=read.pairs(),
        home={joint: read.angle(joint, angle) for joint, angle in read.table("home").items()},
        base=read.names("base", read.table("base"), BASE_KEYS),
        feet=read.tables("feet", FOOT_KEYS),
        imu=read.tables("imu", IMU_KEYS),
        servo=read.servo(),
    )


def _error(path: Path, what: str, table: str, hint: str) -> WildRobotError:
    return WildRobotError(what, where=f"{path}, [{table}]" if table else str(path), hint=hint)


class _Reader:
    """Takes keys out of a parsed robot.toml and names the one that is wrong."""

    def __init__(self, path: Path, spec: dict[str, Any]):
        self.path, self.spec = path, spec

    def text(self, key: str) -> str:
        value = self.spec.get(key)
        if not isinstance(value, str):
            raise _error(self.path, f"The key {key!r} must be a string, got {value!r}.", "", f'write {key} = "..."')
        return value

    def table(self, key: str) -> dict[str, Any]:
        value = self.spec.get(key)
        if not isinstance(value, dict):
            raise _error(self.path, f"The key {key!r} must be a table, got {value!r}.", "", f"write a table [{key}]")
        return value

    def number(self, key: str, value: Any, table: str = "", positive: bool = False, such_as: str = "1.0") -> float:
        kind = "a positive number" if positive else "a number that is not negative"
        if not _is_number(value) or value < 0 or (positive and value == 0):
            raise _error(self.path, f"The key {key!r} must be {kind}, got {value!r}.", table, f"such as {such_as}")
        return float(value)

    def angle(self, joint: str, value: Any) -> float:
        if not _is_number(value):
            what = f"[home] must give joint {joint!r} an angle in rad, got {value!r}."
            raise _error(self.path, what, "home", f"such as {joint} = 0.35")
        return float(value)

    def names(self, table: str, given: Any, keys: tuple[str, ...]) -> dict[str, str]:
        """The names that `table` gives to `keys`."""
        for key in keys:
            if key not in given:
                close = nearest(key, [k for k in given if k not in keys])
                hint = f'add {key} = "..."' + (f"; {close}" if close.startswith("did") else "")
                what = "the name of a site" if key == "site" else "the name of a sensor"
                raise _error(self.path, f"[{table}] lacks the key {key!r}, {what}.", table, hint)
            if not isinstance(given[key], str):
                what = f"The key {key!r} of [{table}] must be a name, got {given[key]!r}."
                raise _error(self.path, what, table, f'write {key} = "..."')
        return {key: given[key] for key in keys}

    def tables(self, key: str, fields: tuple[str, ...]) -> dict[str, dict[str, str]]:
        """The sub-tables [key.NAME], at least one."""
        found = self.table(key)
        hint = f"write a table [{key}.NAME] for each, with the keys {', '.join(fields)}"
        if not found:
            raise _error(self.path, f"[{key}] is empty; a robot needs at least one.", key, hint)
        for name, table in found.items():
            if not isinstance(table, dict):
                what = f"[{key}] holds the key {name!r}; it must hold tables of keys, [{key}.NAME]."
                raise _error(self.path, what, key, hint)
        return {name: self.names(f"{key}.{name}", table, fields) for name, table in found.items()}

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Pairs of joint names, each name in one pair at most."""
        found = self.spec.get("mirror_pairs", [])
        hint = 'such as mirror_pairs = [["left_knee", "right_knee"]]'
        seen: set[str] = set()
        for pair in found if isinstance(found, list) else [found]:
            two = isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair)
            if not two:
                raise _error(self.path, f"'mirror_pairs' must hold pairs of joint names, got {pair!r}.", "", hint)
            for name in pair:
                if name in seen:
                    raise _error(self.path, f"'mirror_pairs' names the joint {name!r} twice.", "", "drop one of them")
                seen.add(name)
        return tuple((left, right) for left, right in found)

    def servo(self) -> dict[str, float]:
        table = self.table("servo") if "servo" in self.spec else {}
        for key in table:
            if key not in SERVO_KEYS:
                raise _error(self.path, f"[servo] has no key {key!r}.", "servo", nearest(key, SERVO_KEYS))
        return {key: self.number(key, value, "servo", positive=True) for key, value in table.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST
