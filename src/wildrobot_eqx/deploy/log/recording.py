"""A log in memory: one row per control step, of a robot or of a simulation alike."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import WildRobotError
from .file import not_ours, read_messages
from .layout import FORMAT, VERSION


@dataclasses.dataclass(frozen=True)
class Event:
    """One line of a log."""

    time: float  # s, on the robot's clock
    level: int  # 20: information, 40: an error
    message: str


@dataclasses.dataclass(frozen=True)
class Recording:
    """The control steps of a log, n rows of float64 unless it is said, NaN where nothing is known.

    A row is a control step: readings were taken at its beginning (`time`) or `age` before, and its `target`, made from
    them, went out at `sent` and stood until the next row's. In a simulation `qpos` and `qvel` are the state at `time`,
    before the target acts. Joint columns of `target` are in the order of `joints`, those of readings in that of
    `measured`.
    """

    header: dict[str, Any]  # robot, dt (s), source ("robot" or "simulation"), bundle and model (digests), started, ...
    joints: tuple[str, ...]  # those that are driven
    measured: tuple[str, ...]  # joints, and then those that are only measured
    feet: tuple[str, ...]
    channels: tuple[str, ...]
    tick: NDArray[np.int64]  # (n,) control steps since the start; a gap is a step that the log lacks
    time: NDArray[np.float64]  # (n,) s, on the robot's clock, when the step began
    mode: NDArray[np.str_]  # (n,) "wait", "ramp", "hold", "run" or "safe"
    fault: NDArray[np.str_]  # (n,) "" where nothing is wrong
    position: NDArray[np.float64]  # (n, measured) rad; m of slides
    velocity: NDArray[np.float64]  # (n, measured) rad/s; m/s of slides
    age: NDArray[np.float64]  # (n, measured) s, of the position at `time`
    sensors: dict[str, NDArray[np.float64]]  # by name (n, size), as the driver read them; quaternions w, x, y, z
    sensor_age: dict[str, NDArray[np.float64]]  # by name (n,) s
    switches: NDArray[np.float64]  # (n, feet) 1 while closed
    command: NDArray[np.float64]  # (n, channels) what was asked for
    observation: NDArray[np.float64]  # (n, observation) what the policy saw; NaN where it was not asked
    action: NDArray[np.float64]  # (n, action)
    target: NDArray[np.float64]  # (n, joints) what was sent: rad of servos; NaN where nothing was
    sent: NDArray[np.float64]  # (n,) s, when it went out
    timing: dict[str, NDArray[np.float64]]  # (n,) s: "period", "reading", "thinking", "writing", "coasting", "age"
    counts: dict[str, NDArray[np.float64]]  # (n,) "missed", "failed_reads", "failed_writes", "timeouts", "damaged", ...
    voltage: NDArray[np.float64]  # (n,) V
    temperature: NDArray[np.float64]  # (n, joints) degrees Celsius
    load: NDArray[np.float64]  # (n, joints) share of the stall torque
    qpos: NDArray[np.float64] | None  # (n, nq) of a simulation
    qvel: NDArray[np.float64] | None  # (n, nv)
    foot_force: NDArray[np.float64] | None  # (n, feet of the model) N, upwards
    fallen: NDArray[np.bool_] | None  # (n,)
    events: tuple[Event, ...]
    cut: str | None  # why the file ends before its end; None: it is whole

    @property
    def dt(self) -> float:
        """The control period, s."""
        return float(self.header["dt"])

    @property
    def simulated(self) -> bool:
        """Whether a simulation wrote it."""
        return self.header["source"] == "simulation"

    def sensor(self, kind: str) -> str | None:
        """The first sensor whose name ends in `kind`, such as "quat" or "gyro"; None if there is none."""
        return next((name for name in self.sensors if name.endswith(kind)), None)

    def ages(self, most: int = 20) -> NDArray[np.float64]:
        """The share of the joints' readings that were 0, 1, ... control steps old, for `we.sensing.RoundRobin`.

        Older ones than `most` steps count as that old.
        """
        old = self.age[np.isfinite(self.age)]
        counts = np.bincount(np.clip(np.round(old / self.dt), 0, most).astype(np.int64))
        return counts / counts.sum() if counts.size else np.ones(1)

    def between(self, start: float, stop: float) -> "Recording":
        """The rows whose time since the first one lies in [start, stop), s."""
        since = self.time - self.time[0] if len(self.time) else self.time
        return self.rows((since >= start) & (since < stop))

    def rows(self, which: NDArray[Any]) -> "Recording":
        """Some of the rows, by a mask or by indices."""
        n = len(self.time)

        def cut(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: cut(item) for name, item in value.items()}
            return value[which] if isinstance(value, np.ndarray) and len(value) == n else value

        changed = {f.name: cut(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name != "header"}
        return dataclasses.replace(self, **changed)


def read_log(path: str | Path) -> Recording:
    """Read a log; one that was cut off up to there.

    Args:
        path: an .mcap that `drive(log=)`, `robot run --log` or `log record` wrote.

    Raises:
        WildRobotError: there is no such file, it is no log or of another version, it holds no control step, or
            `mcap` is not installed.
    """
    path = Path(path)
    header: dict[str, Any] | None = None
    rows: dict[str, dict[int, dict[str, Any]]] = {}
    events: list[Event] = []
    cut = None
    for topic, value in read_messages(path):
        if topic == "header":
            header = _checked(value, path)
        elif topic == "cut":
            cut = value
        elif topic == "/events":
            events.append(Event(float(value["time"][0]), int(value["level"][0]), value["message"]))
        elif "tick" in value:
            rows.setdefault(topic, {})[int(value["tick"][0])] = value
    if header is None:
        raise not_ours(path, "it has no header")
    ticks = sorted(rows.get("/tick", ()))
    if not ticks:
        raise not_ours(path, "it holds no control step")
    return _recording(header, rows, ticks, tuple(events), cut)


_ROOM = 10_000  # names, numbers: more is no robot


def _checked(header: Any, path: Path) -> dict[str, Any]:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise not_ours(path, "its header is another")
    if header.get("version") != VERSION:
        raise WildRobotError(
            f"The log has version {header.get('version')!r}, and this program reads {VERSION}.",
            where=str(path),
            hint="update wildrobot-eqx, or record it anew",
        )
    names = all(
        isinstance(header.get(key), list) and all(isinstance(name, str) for name in header[key])
        for key in ("joints", "measured", "feet", "channels", "loads")
    )
    sizes = all(
        isinstance(header.get(key), int) and 0 <= header[key] <= _ROOM
        for key in ("observation", "action", "qpos", "qvel")
    )
    sensors = header.get("sensors")
    read = isinstance(sensors, dict) and all(isinstance(n, int) and 0 < n <= _ROOM for n in sensors.values())
    dt, source = header.get("dt"), header.get("source")
    if not (names and sizes and read and isinstance(dt, float) and dt > 0.0 and source in ("robot", "simulation")):
        raise not_ours(path, "its header is damaged")
    return header


def _recording(
    header: dict[str, Any],
    rows: dict[str, dict[int, dict[str, Any]]],
    ticks: list[int],
    events: tuple[Event, ...],
    cut: str | None,
) -> Recording:
    def table(topic: str, field: str, size: int) -> NDArray[np.float64]:
        found, out = rows.get(topic, {}), np.full((len(ticks), size), np.nan)
        for i, k in enumerate(ticks):
            value = found.get(k, {}).get(field)
            if value is not None and not isinstance(value, str) and value.size == size:
                out[i] = value
        return out

    def column(topic: str, field: str) -> NDArray[np.float64]:
        return table(topic, field, 1)[:, 0]

    def text(field: str) -> NDArray[np.str_]:
        return np.array([str(rows["/tick"][k].get(field, "")) for k in ticks])

    m, nu = len(header["measured"]), len(header["joints"])
    sensors = header["sensors"]
    fields = header.get("sensor_fields") or dict(zip(sensors, sensors))
    sensor_age = table("/sensors", "age", len(sensors))
    seconds = table("/tick", "seconds", 4)
    simulated = "/truth" in rows
    return Recording(
        header=header,
        joints=tuple(header["joints"]),
        measured=tuple(header["measured"]),
        feet=tuple(header["feet"]),
        channels=tuple(header["channels"]),
        tick=np.array(ticks, np.int64),
        time=column("/tick", "time"),
        mode=text("mode"),
        fault=text("fault"),
        position=table("/joints", "position", m),
        velocity=table("/joints", "velocity", m),
        age=table("/joints", "age", m),
        sensors={name: table("/sensors", str(fields.get(name)), size) for name, size in sensors.items()},
        sensor_age={name: sensor_age[:, i] for i, name in enumerate(sensors)},
        switches=table("/feet", "switch", len(header["feet"])),
        command=table("/command", "asked", len(header["channels"])),
        observation=table("/policy", "observation", header["observation"]),
        action=table("/policy", "action", header["action"]),
        target=table("/targets", "target", nu),
        sent=column("/tick", "sent"),
        timing={
            **{name: seconds[:, i] for i, name in enumerate(("period", "reading", "thinking", "writing"))},
            **{name: column("/tick", name) for name in ("coasting", "age")},
        },
        counts={
            **{name: column("/tick", name) for name in ("missed", "failed_reads", "failed_writes")},
            **{name: column("/bus", name) for name in ("timeouts", "damaged", "strays")},
        },
        voltage=column("/bus", "voltage"),
        temperature=table("/bus", "temperature", nu),
        load=table("/bus", "load", nu),
        qpos=table("/truth", "qpos", header["qpos"]) if simulated else None,
        qvel=table("/truth", "qvel", header["qvel"]) if simulated else None,
        foot_force=table("/truth", "foot_force", len(header["loads"])) if simulated else None,
        fallen=column("/truth", "fallen") > 0.5 if simulated else None,
        events=events,
        cut=cut,
    )
