"""robot.toml, read and checked by itself: every key has its kind before any model is compiled."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import WildRobotError, nearest

TOP_KEYS = (
    *("name", "description", "model", "control_dt", "min_root_height", "mirror_pairs"),
    *("home", "base", "feet", "imu", "servo", "bodies"),
)
FOOT_KEYS = ("site", "force", "linvel")
FOOT_FLAGS = ("switch",)
IMU_KEYS = ("gyro", "accel", "quat")
BASE_KEYS = ("body", "linvel", "angvel")
BODY_KEYS = ("body",)
BODY_SENSORS = ("tracker",)
_LARGEST = float(np.finfo(np.float32).max)
SERVO_KEYS = ("stall_torque", "no_load_speed", "continuous_torque")


@dataclasses.dataclass(frozen=True)
class Spec:
    """What a robot.toml says; the names in it are not yet held against a model."""

    path: Path
    name: str
    description: str
    model: str  # file name of the MJCF
    control_dt: float  # s
    min_root_height: float | None  # m
    mirror_pairs: tuple[tuple[str, str], ...] | None
    home: dict[str, float]  # rad, by joint
    base: dict[str, str] | None  # a body and sensors, each of which may be missing
    feet: dict[str, dict[str, str]]  # a site and sensors, by foot
    switches: tuple[str, ...]  # feet that carry a switch
    imu: dict[str, dict[str, str]]  # sensors, by IMU
    bodies: dict[str, str]  # the MJCF's body, by free body
    trackers: dict[str, str]  # a sensor of its place, by free body that has one
    servo: dict[str, float]  # of all joints
    servos: dict[str, dict[str, float]]  # of one joint each, by joint

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
    servo, servos = read.servo()
    found = Spec(
        path=path,
        name=read.text("name"),
        description=read.text("description") if "description" in spec else "",
        model=read.text("model"),
        control_dt=read.number("control_dt", spec.get("control_dt"), positive=True, such_as="0.02"),
        min_root_height=read.number("min_root_height", spec["min_root_height"], such_as="0.2")
        if "min_root_height" in spec
        else None,
        mirror_pairs=read.pairs() if "mirror_pairs" in spec else None,
        home={joint: read.angle(joint, angle) for joint, angle in read.optional("home").items()},
        base=read.base() if "base" in spec else None,
        feet=read.tables("feet", FOOT_KEYS, FOOT_FLAGS),
        switches=read.switches(),
        imu=read.tables("imu", IMU_KEYS),
        bodies={name: table["body"] for name, table in read.tables("bodies", BODY_KEYS, BODY_SENSORS).items()},
        trackers=read.trackers(),
        servo=servo,
        servos=servos,
    )
    read.known("", spec, TOP_KEYS)
    return found


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

    def optional(self, key: str) -> dict[str, Any]:
        return self.table(key) if key in self.spec else {}

    def known(self, table: str, given: dict[str, Any], keys: tuple[str, ...]) -> None:
        """Refuse a key that means nothing: a wrong word would otherwise go unnoticed."""
        for key in given:
            if key not in keys:
                what = f"[{table}] has no key {key!r}." if table else f"robot.toml has no key {key!r}."
                raise _error(self.path, what, table, nearest(key, keys))

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

    def names(self, table: str, given: Any, keys: tuple[str, ...], flags: tuple[str, ...] = ()) -> dict[str, str]:
        """The names that `table` gives to `keys`, all of which it must have; `flags` may stand beside them."""
        for key in keys:
            if key not in given:
                close = nearest(key, [k for k in given if k not in keys])
                hint = f'add {key} = "..."' + (f"; {close}" if close.startswith("did") else "")
                what = f"the name of a {key if key in ('site', 'body') else 'sensor'}"
                raise _error(self.path, f"[{table}] lacks the key {key!r}, {what}.", table, hint)
        self.known(table, given, (*keys, *flags))
        return {key: self.name(table, key, given[key]) for key in keys}

    def name(self, table: str, key: str, value: Any) -> str:
        if not isinstance(value, str):
            what = f"The key {key!r} of [{table}] must be a name, got {value!r}."
            raise _error(self.path, what, table, f'write {key} = "..."')
        return value

    def base(self) -> dict[str, str]:
        """[base], each of whose keys may be missing."""
        table = self.table("base")
        self.known("base", table, BASE_KEYS)
        return {key: self.name("base", key, table[key]) for key in BASE_KEYS if key in table}

    def tables(self, key: str, fields: tuple[str, ...], flags: tuple[str, ...] = ()) -> dict[str, dict[str, str]]:
        """The sub-tables [key.NAME]; none where the key is missing."""
        if key not in self.spec:
            return {}
        found = self.table(key)
        hint = f"write a table [{key}.NAME] for each, with the keys {', '.join(fields)}"
        if not found:
            raise _error(self.path, f"[{key}] is empty.", key, f"{hint}; or leave [{key}] out")
        for name, table in found.items():
            if not isinstance(table, dict):
                what = f"[{key}] holds the key {name!r}; it must hold tables of keys, [{key}.NAME]."
                raise _error(self.path, what, key, hint)
        return {name: self.names(f"{key}.{name}", table, fields, flags) for name, table in found.items()}

    def switches(self) -> tuple[str, ...]:
        """The feet whose table says `switch = true`."""
        found = []
        for name, table in (self.table("feet") if "feet" in self.spec else {}).items():
            has = table.get("switch", False)
            if not isinstance(has, bool):
                what = f"The key 'switch' of [feet.{name}] must be true or false, got {has!r}."
                raise _error(self.path, what, f"feet.{name}", "switch = true")
            found += [name] if has else []
        return tuple(found)

    def trackers(self) -> dict[str, str]:
        """The sensor that each free body's table calls its `tracker`, where it has one."""
        tables = self.optional("bodies")
        return {
            name: self.name(f"bodies.{name}", "tracker", table["tracker"])
            for name, table in tables.items()
            if "tracker" in table
        }

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

    def servo(self) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
        """The figures of [servo], and those of each [servo.JOINT]."""
        table = self.optional("servo")
        own = {joint: figures for joint, figures in table.items() if isinstance(figures, dict)}
        return (
            self.figures("servo", {key: value for key, value in table.items() if key not in own}),
            {joint: self.figures(f"servo.{joint}", figures) for joint, figures in own.items()},
        )

    def figures(self, table: str, given: dict[str, Any]) -> dict[str, float]:
        self.known(table, given, SERVO_KEYS)
        return {key: self.number(key, value, table, positive=True) for key, value in given.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST
