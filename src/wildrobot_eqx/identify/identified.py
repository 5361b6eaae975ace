"""identified.toml: what was identified, as nominal values and ranges."""

import dataclasses
import datetime
import json
import math
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic import replace_bytes, writing
from ..errors import WildRobotError, nearest
from ..robots import Robot
from .fit import Fit
from .parameters import KINDS, Parameters
from .subject import Subject

FORMAT, VERSION = "wildrobot-eqx identified", 1
_MOST = 2**20  # bytes of a file
_SPREAD = 2.0  # standard deviations from a value to the ends of its range


@dataclasses.dataclass(frozen=True)
class Entry:
    """One parameter: a ratio to the model's own value, or a value in its unit."""

    kind: str
    member: str  # a joint, a body, an axis; "" where there is one
    value: float
    low: float
    high: float
    told: float  # share of the variance that was believed before and is not any more

    @property
    def name(self) -> str:
        """Such as "friction.left_knee_pitch"."""
        return f"{self.kind}.{self.member}" if self.member else self.kind


@dataclasses.dataclass(frozen=True)
class Identified:
    """What was identified of one robot."""

    robot: str
    model: str  # digest of the model whose values the ratios are to
    entries: tuple[Entry, ...]
    logs: tuple[str, ...] = ()
    created: str = ""
    ages: tuple[float, ...] = ()  # share of the joints' readings that were 0, 1, ... control steps old; () is not known

    @staticmethod
    def of(fit: Fit, logs: Sequence[str], ages: Sequence[float] = ()) -> "Identified":
        """What a fit has found; a range is two standard deviations to either side, within what is possible."""
        parameters, robot = fit.parameters, fit.parameters.subject.robot
        least, most = parameters.bounds
        entries = []
        for i, (name, kind) in enumerate(zip(parameters.names, parameters.kind_of)):
            value, off = float(fit.values[i]), _SPREAD * float(fit.deviation[i])
            low, high = max(value - off, float(least[i])), min(value + off, float(most[i]))
            middle, lowest, highest = (math.exp(v) if kind.log else v for v in (value, low, high))
            _, _, member = name.partition(".")
            entries.append(Entry(kind.name, member, middle, lowest, highest, float(np.clip(fit.told[i], 0.0, 1.0))))
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return Identified(robot.name, robot.model.digest, tuple(entries), tuple(logs), now, tuple(ages))

    def corrected(self, kind: str) -> "Identified":
        """With a kind's values at 0 and its ranges as wide as before, once they have been corrected on the robot."""
        entries = tuple(
            dataclasses.replace(one, value=0.0, low=one.low - one.value, high=one.high - one.value)
            if one.kind == kind
            else one
            for one in self.entries
        )
        return dataclasses.replace(self, entries=entries)

    def of_kind(self, kind: str) -> dict[str, Entry]:
        """Entries of a kind by member."""
        return {entry.member: entry for entry in self.entries if entry.kind == kind}

    def row(self, subject: Subject) -> tuple[Parameters, NDArray[np.float64]]:
        """Its values as those of a list of parameters, (p,).

        Raises:
            WildRobotError: it has a member that the robot lacks.
        """
        parameters = Parameters.of(subject, tuple(dict.fromkeys(entry.kind for entry in self.entries)))
        values = parameters.nominal
        place = {name: i for i, name in enumerate(parameters.names)}
        for entry in self.entries:
            if entry.name not in place:
                raise WildRobotError(
                    f"Robot {subject.robot.name!r} has no parameter {entry.name!r}.",
                    where="identified.toml",
                    hint=nearest(entry.name, place),
                )
            values[place[entry.name]] = math.log(entry.value) if KINDS[entry.kind].log else entry.value
        return parameters, values

    def write(self, path: str | Path) -> None:
        """Write it as TOML.

        What was there before is replaced.

        Raises:
            WildRobotError: the file cannot be written.
        """
        lines = [
            "# What `wildrobot-eqx identify` found. A `value` without a unit is a ratio to the model's own;",
            "# `range` is two standard deviations to either side; `told` is the share of the doubt that the logs took.",
            f"format = {json.dumps(FORMAT)}",
            f"version = {VERSION}",
            f"robot = {json.dumps(self.robot)}",
            f"model = {json.dumps(self.model)}",
            f"created = {json.dumps(self.created)}",
            f"logs = {json.dumps(list(self.logs))}",
        ]
        if self.ages:
            shares = ", ".join(f"{share:.6g}" for share in self.ages)
            lines.append(f"ages = [{shares}] # share of the joints' readings that were 0, 1, ... control steps old")
        for entry in self.entries:
            kind = KINDS[entry.kind]
            keys = ".".join(json.dumps(key) for key in entry.name.split(".", 1))
            lines += [
                "",
                f"[{keys}] # {kind.about}" + (f", {kind.unit}" if kind.unit else ", ratio"),
                f"value = {entry.value:.9g}",
                f"range = [{entry.low:.9g}, {entry.high:.9g}]",
                f"told = {entry.told:.3f}",
            ]
        text = "\n".join(lines) + "\n"
        with writing(Path(path), hint="name another file by --out"):
            replace_bytes(Path(path), text.encode())

    def check_robot(self, robot: Robot, where: str) -> None:
        """See that it is of a robot.

        Raises:
            WildRobotError: it is of another one, or the robot's model has changed since.
        """
        if self.robot != robot.name or self.model != robot.model.digest:
            what = (
                f"is of robot {self.robot!r}, and this is {robot.name!r}"
                if self.robot != robot.name
                else f"was made for another model of {robot.name!r}: its files have changed since"
            )
            raise WildRobotError(f"What was identified {what}.", where=where, hint="identify it anew from its logs")


def read_identified(path: str | Path) -> Identified:
    """Read an identified.toml.

    Raises:
        WildRobotError: there is no such file, or it is none.
    """
    where = str(path)

    def wrong(what: str) -> WildRobotError:
        return WildRobotError(what, where=where, hint="a file that `wildrobot-eqx identify` wrote")

    try:
        data = Path(path).read_bytes()[: _MOST + 1]
    except OSError as error:
        raise wrong(f"It cannot be read: {error.strerror or error}.") from error
    try:
        if len(data) > _MOST:
            raise ValueError("it is too long")
        document: dict[str, Any] = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise wrong(f"This is no TOML: {str(error).splitlines()[0]}.") from error
    if document.get("format") != FORMAT:
        raise wrong("This file holds nothing that was identified.")
    if document.get("version") != VERSION:
        raise wrong(f"The file has version {document.get('version')!r}, and this program reads {VERSION}.")
    head = {key: document.get(key) for key in ("robot", "model", "created")}
    if not all(isinstance(value, str) for value in head.values()):
        raise wrong("The robot or its model is not said.")
    entries = []
    for kind, found in document.items():
        if not isinstance(found, dict):
            continue
        if kind not in KINDS:
            raise wrong(f"It has a parameter {kind!r}, which this program does not know.")
        table = {"": found} if "value" in found else found
        entries += [_entry(kind, member, item, wrong) for member, item in table.items()]
    logs = document.get("logs", [])
    names = tuple(str(log) for log in logs) if isinstance(logs, list) else ()
    ages = document.get("ages", [])
    if not isinstance(ages, list) or not all(_is_number(age) and age >= 0.0 for age in ages):
        raise wrong("Its `ages` are no shares.")
    made = str(head["created"])
    return Identified(str(head["robot"]), str(head["model"]), tuple(entries), names, made, tuple(map(float, ages)))


def _entry(kind: str, member: str, item: Any, wrong: Any) -> Entry:
    item = item if isinstance(item, dict) else {}
    span = item.get("range")
    numbers = [item.get("value"), *(span if isinstance(span, list) else []), item.get("told")]
    if len(numbers) != 4 or not all(_is_number(n) for n in numbers):
        raise wrong(f"[{kind}{'.' if member else ''}{member}] has no value, range and told.")
    value, low, high, told = map(float, numbers)
    if not low <= value <= high or (KINDS[kind].log and low <= 0.0):
        raise wrong(f"[{kind}{'.' if member else ''}{member}] has no range about its value.")
    return Entry(kind, member, value, low, high, told)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
