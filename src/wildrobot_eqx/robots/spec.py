"""robot.toml, read and checked by itself: every key has its kind before any model is compiled."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import WildRobotError, nearest, together
from .keys import BASE, BODY, CONTROL, FOOT, IMU, SERVO, TOP, TOP_KEYS, Key

_LARGEST = float(np.finfo(np.float32).max)


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
    feet: dict[str, dict[str, Any]]  # a site, sensors and a flag, by foot
    imu: dict[str, dict[str, str]]  # sensors, by IMU
    bodies: dict[str, dict[str, str]]  # the MJCF's body, and perhaps a sensor of its place, by free body
    servo: dict[str, float]  # of all joints
    servos: dict[str, dict[str, float]]  # of one joint each, by joint
    control: dict[str, float]  # of all joints
    controls: dict[str, dict[str, float]]  # of one joint each, by joint

    def error(self, what: str, table: str = "", hint: str = "mend robot.toml") -> WildRobotError:
        """A mistake in `table`, or among the keys above the first one."""
        return _error(self.path, what, table, hint)


def read_spec(path: Path) -> Spec:
    """Read a robot.toml.

    Raises:
        WildRobotError: it is no TOML, or keys are missing, unknown or of the wrong kind: all of them are told.
    """
    spec, mistakes = parse_spec(path)
    if mistakes:
        raise all_of(path, mistakes)
    return spec


def all_of(path: Path, mistakes: list[WildRobotError]) -> WildRobotError:
    """All mistakes of one robot.toml in one error."""
    return together("robot.toml", mistakes, where=str(path), hint="mend them all")


def parse_spec(path: Path) -> tuple[Spec, list[WildRobotError]]:
    """A robot.toml as far as it can be understood, and all of its mistakes; what is wrong is left out.

    Raises:
        WildRobotError: it is no TOML.
    """
    try:
        spec = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _error(path, f"robot.toml cannot be read: {error.strerror}", "", "see that it may be read") from error
    except (ValueError, RecursionError) as error:  # no TOML, no text, or tables within tables without end
        raise _error(path, f"robot.toml is not valid TOML: {error}", "", "mend that line") from error
    read = _Reader(path, spec)
    top = read.top()
    servo, servos = read.by_joint("servo", SERVO)
    control, controls = read.by_joint("control", CONTROL)
    found = Spec(
        path=path,
        name=top.get("name", ""),
        description=top.get("description", ""),
        model=top.get("model", ""),
        control_dt=top.get("control_dt", 0.02),
        min_root_height=top.get("min_root_height"),
        mirror_pairs=top.get("mirror_pairs"),
        home=read.home(),
        base=read.keys("base", read.table("base"), BASE) if "base" in spec else None,
        feet=read.tables("feet", FOOT),
        imu=read.tables("imu", IMU),
        bodies=read.tables("bodies", BODY),
        servo=servo,
        servos=servos,
        control=control,
        controls=controls,
    )
    return found, read.mistakes


def _error(path: Path, what: str, table: str, hint: str) -> WildRobotError:
    return WildRobotError(what, where=f"{path}, [{table}]" if table else str(path), hint=hint)


class _Reader:
    """Takes keys out of a parsed robot.toml, and keeps what is wrong with them."""

    def __init__(self, path: Path, spec: dict[str, Any]):
        self.path, self.spec = path, spec
        self.mistakes: list[WildRobotError] = []

    def wrong(self, what: str, table: str, hint: str) -> None:
        self.mistakes.append(_error(self.path, what, table, hint))

    def top(self) -> dict[str, Any]:
        """The keys above the first table."""
        for key in self.spec:
            if key not in TOP_KEYS:
                self.wrong(f"robot.toml has no key {key!r}.", "", nearest(key, TOP_KEYS))
        given = {key.name: self.spec.get(key.name) for key in TOP if key.required or key.name in self.spec}
        return self.values("", given, TOP)

    def table(self, key: str) -> dict[str, Any]:
        value = self.spec.get(key, {})
        if isinstance(value, dict):
            return value
        self.wrong(f"The key {key!r} must be a table, got {value!r}.", "", f"write a table [{key}]")
        return {}

    def home(self) -> dict[str, float]:
        key = Key("JOINT", "angle", "")
        pairs = ((joint, self.value("home", joint, angle, key)) for joint, angle in self.table("home").items())
        return {joint: angle for joint, angle in pairs if angle is not None}

    def keys(self, table: str, given: dict[str, Any], keys: tuple[Key, ...]) -> dict[str, Any]:
        """The values of one table: what it lacks, what means nothing and what is of the wrong kind is told."""
        names = [key.name for key in keys]
        unknown = [name for name in given if name not in names]
        for key in keys:
            if key.required and key.name not in given:
                close = nearest(key.name, unknown)
                hint = f'add {key.name} = "..."'
                if close.startswith("did"):  # the wrong word and the missing one are one mistake
                    hint, unknown = f"{hint}; {close}", [name for name in unknown if f"mean {name!r}" not in close]
                self.wrong(f"[{table}] lacks the key {key.name!r}, the name of a {key.of}.", table, hint)
        for name in unknown:
            self.wrong(f"[{table}] has no key {name!r}.", table, nearest(name, names))
        return self.values(table, {name: value for name, value in given.items() if name in names}, keys)

    def values(self, table: str, given: dict[str, Any], keys: tuple[Key, ...]) -> dict[str, Any]:
        """Those of the given values that are of their key's kind."""
        kinds = {key.name: key for key in keys}
        found = {name: self.value(table, name, value, kinds[name]) for name, value in given.items()}
        return {name: value for name, value in found.items() if value is not None}

    def value(self, table: str, name: str, value: Any, key: Key) -> Any:
        """A value of the right kind, or None and a mistake."""
        of = f"The key {name!r}" + (f" of [{table}]" if table else "")
        if key.kind == "pairs":
            return self.pairs(value)
        if key.kind == "angle":
            if _is_number(value):
                return float(value)
            self.wrong(
                f"[home] must give joint {name!r} an angle in rad, got {value!r}.", table, f"such as {name} = 0.35"
            )
        elif key.kind in ("positive", "number"):
            if _is_number(value) and value >= 0 and (key.kind == "number" or value > 0):
                return float(value)
            kind = "a positive number" if key.kind == "positive" else "a number that is not negative"
            self.wrong(f"The key {name!r} must be {kind}, got {value!r}.", table, f"such as {key.such_as or '1.0'}")
        elif key.kind == "flag":
            if isinstance(value, bool):
                return value
            self.wrong(f"{of} must be true or false, got {value!r}.", table, f"{name} = true")
        elif key.kind == "names" and isinstance(value, list):
            if value and all(isinstance(item, str) for item in value) and len(set(value)) == len(value):
                return tuple(value)
            self.wrong(
                f"{of} must be names, each of them once, got {value!r}.", table, f'write {name} = ["...", "..."]'
            )
        else:
            if isinstance(value, str):
                return (value,) if key.kind == "names" else value
            what = "a string" if key.kind == "text" else "a name"
            self.wrong(f"{of} must be {what}, got {value!r}.", table, f'write {name} = "..."')
        return None

    def tables(self, key: str, keys: tuple[Key, ...]) -> dict[str, dict[str, Any]]:
        """The sub-tables [key.NAME]; none where the key is missing."""
        if key not in self.spec:
            return {}
        found = self.table(key)
        hint = f"write a table [{key}.NAME] for each, with the keys {', '.join(k.name for k in keys if k.required)}"
        if not found and isinstance(self.spec[key], dict):
            self.wrong(f"[{key}] is empty.", key, f"{hint}; or leave [{key}] out")
        stray = [name for name, table in found.items() if not isinstance(table, dict)]
        if stray:
            what = f"[{key}] holds the key {stray[0]!r}; it must hold tables of keys, [{key}.NAME]."
            self.wrong(what, key, hint)
        return {name: self.keys(f"{key}.{name}", found[name], keys) for name in found if name not in stray}

    def pairs(self, found: Any) -> tuple[tuple[str, str], ...] | None:
        """Pairs of joint names, each name in one pair at most."""
        hint = 'such as mirror_pairs = [["left_knee", "right_knee"]]'
        seen: set[str] = set()
        good: list[tuple[str, str]] = []
        for pair in found if isinstance(found, list) else [found]:
            two = isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair)
            if not two:
                self.wrong(f"'mirror_pairs' must hold pairs of joint names, got {pair!r}.", "", hint)
                continue
            twice = [name for i, name in enumerate(pair) if name in seen or name in pair[:i]]
            for name in twice:
                self.wrong(f"'mirror_pairs' names the joint {name!r} twice.", "", "drop one of them")
            good += [] if twice else [(pair[0], pair[1])]
            seen |= set(pair)
        return tuple(good)

    def by_joint(self, key: str, keys: tuple[Key, ...]) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
        """The figures of [key], and those of each [key.JOINT]."""
        table = self.table(key)
        own = {joint: figures for joint, figures in table.items() if isinstance(figures, dict)}
        return (
            self.keys(key, {name: value for name, value in table.items() if name not in own}, keys),
            {joint: self.keys(f"{key}.{joint}", figures, keys) for joint, figures in own.items()},
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST
