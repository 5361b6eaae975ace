"""A log in windows: what was measured, what was sent, and where a simulation of each window begins."""

import dataclasses
import itertools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from ..deploy.log.recording import Recording
from ..errors import WildRobotError
from .subject import Subject

_FALLEN = 0.7  # rad of tilt
_BEFORE = 0.5  # s before a fall, which tell nothing either
_SMOOTH = 7  # control steps, over which readings are smoothed where a simulation begins


@dataclasses.dataclass(frozen=True)
class Window:
    """Control steps of a log that are simulated in one go. Times are s since its first step; NaN is not known."""

    log: int  # which of the logs
    first: int  # its first row in that log
    time: NDArray[np.float64]  # (t,) when each control step began
    position: NDArray[np.float64]  # (t, joints) rad, as they were read
    age: NDArray[np.float64]  # (t, joints) s
    up: NDArray[np.float64] | None  # (t, 3) the world's up in the IMU's frame
    gyro: NDArray[np.float64] | None  # (t, 3) rad/s
    imu_age: NDArray[np.float64]  # (t,) s
    scored: NDArray[np.bool_]  # (t,) those that count: not the first ones, in which the beginning is forgotten
    sent: NDArray[np.float64]  # (k,) s, when each target went out, those before the window included
    target: NDArray[np.float64]  # (k, joints) rad
    joints: NDArray[np.float64]  # (3, joints) smoothed readings a control step before, at, and after the start
    quat: NDArray[np.float64] | None  # (3, 4) orientation of the IMU, at the same times
    qpos: NDArray[np.float64] | None  # (nq,) of a simulation's log: its state at the start
    qvel: NDArray[np.float64] | None  # (nv,)
    real: bool = True  # whether a robot wrote it, whose motion is continuous; a simulation's is not


def cut(
    subject: Subject, log: Recording, seconds: float, warm_up: float, number: int = 0, *, truth: bool = False
) -> list[Window]:
    """A log in windows of `seconds` that count, each begun `warm_up` before them.

    Windows lie where targets were sent, all joints were read, and the robot had not fallen. One that would be shorter
    than half of that is left out. With `truth` they begin where a simulation's log says that it was.

    Raises:
        WildRobotError: no window fits into the log, or a simulation's state is asked for that the log lacks.
    """
    if truth and log.qpos is None:
        raise WildRobotError("The log holds no state of a simulation.", where="log", hint="leave --truth away")
    n, dt = len(log.time), log.dt
    position, joints = log.position[:, : len(subject.joints)], _smooth(log, subject)
    usable = np.asarray(np.isfinite(log.target).all(axis=1)) & np.isfinite(joints).all(axis=1)
    usable &= np.isfinite(log.time)
    up, gyro, quat, imu_age = _imu(subject, log)
    if quat is not None:
        usable &= np.isfinite(quat).all(axis=1)
    if up is not None:
        usable &= _stands(subject, up)
    gaps = np.flatnonzero(np.diff(log.tick) > 1)  # rows after which the log lacks control steps
    count, before = max(round(seconds / dt), 1), round(warm_up / dt)
    sent_rows = np.asarray(np.isfinite(log.target).all(axis=1))
    sent = np.where(np.isfinite(log.sent), log.sent, log.time)
    found: list[Window] = []
    for start, stop in _runs(usable, gaps, n):
        at = start
        while stop - at >= before + max(count // 2, 1):
            last = min(at + before + count, stop)
            rows, t0 = slice(at, last), float(log.time[at])
            around = np.clip(np.array([at - 1, at, at + 1]), start, stop - 1)
            history = np.flatnonzero(sent_rows[:last])
            history = history[history >= max(0, at - 1 - round(0.3 / dt))]
            found.append(
                Window(
                    log=number,
                    first=at,
                    time=log.time[rows] - t0,
                    position=position[rows],
                    age=np.nan_to_num(log.age[rows, : len(subject.joints)]),
                    up=None if up is None else up[rows],
                    gyro=None if gyro is None else gyro[rows],
                    imu_age=imu_age[rows],
                    scored=np.arange(last - at) >= before,
                    sent=sent[history] - t0,
                    target=log.target[history],
                    joints=joints[around],
                    quat=None if quat is None else quat[around],
                    qpos=log.qpos[at] if truth and log.qpos is not None else None,
                    qvel=log.qvel[at] if truth and log.qvel is not None else None,
                    real=not log.simulated,
                )
            )
            at += count
    if not found:
        raise WildRobotError(
            f"The log holds no {seconds + warm_up:g} s in a row in which targets were sent and everything was read.",
            where="log",
            hint="shorter windows, by --window and --warm-up, or another log",
        )
    return found


def _stands(subject: Subject, up: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Control steps in which the robot is not tilted, by its IMU, so far that it falls, nor does so soon after."""
    near = up @ subject.up_at_home > math.cos(_FALLEN)
    beyond = ~(near | ~np.isfinite(up).all(axis=1))
    steps = max(1, round(_BEFORE / subject.robot.control_dt))
    soon = np.convolve(beyond[::-1].astype(float), np.ones(steps))[: len(beyond)][::-1]
    return np.asarray(soon < 0.5)


def _runs(usable: NDArray[np.bool_], gaps: NDArray[np.int64], n: int) -> list[tuple[int, int]]:
    """Where rows are usable without a gap: first rows and ends."""
    edges = [0, *(int(k) + 1 for k in gaps), n]
    found = []
    for a, b in itertools.pairwise(edges):
        good = np.concatenate([[False], usable[a:b], [False]]).astype(np.int8)
        change = np.diff(good)
        found += [(a + int(i), a + int(j)) for i, j in zip(np.flatnonzero(change > 0), np.flatnonzero(change < 0))]
    return found


def _smooth(log: Recording, subject: Subject) -> NDArray[np.float64]:
    """Readings of the joints, smoothed and brought to the time at which the control step began."""
    read = log.position[:, : len(subject.joints)].copy()
    age = np.nan_to_num(log.age[:, : len(subject.joints)])
    for column in read.T:
        good = np.isfinite(column)
        if good.any() and not good.all():
            lost = np.flatnonzero(~good)
            filled = np.interp(lost, np.flatnonzero(good), column[good])
            near = np.minimum.accumulate(np.where(good, 0, 1)[::-1])[::-1]  # 1 behind the last reading
            column[lost] = np.where(near[lost] > 0, np.nan, filled)
    if len(read) < _SMOOTH or not np.isfinite(read).all():
        return read
    speed = savgol_filter(read, _SMOOTH, 2, deriv=1, delta=log.dt, axis=0)
    return savgol_filter(read, _SMOOTH, 2, axis=0) + speed * age


def _imu(
    subject: Subject, log: Recording
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, NDArray[np.float64] | None, NDArray[np.float64]]:
    """The world's up and the rates in the IMU's frame, its orientation, and its readings' ages."""
    ages = np.zeros(len(log.time))
    if not subject.has_imu or subject.quat_name not in log.sensors:
        return None, None, None, ages
    quat = log.sensors[subject.quat_name]
    gyro = log.sensors.get(subject.gyro_name or "")
    return up_of(quat), gyro, quat, np.nan_to_num(log.sensor_age[subject.quat_name])


def up_of(quat: NDArray[np.float64]) -> NDArray[np.float64]:
    """The world's up in the frame of an orientation (..., 4: w, x, y, z), (..., 3)."""
    w, x, y, z = np.moveaxis(quat, -1, 0)
    return np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z], axis=-1)
