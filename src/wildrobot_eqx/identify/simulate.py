"""Simulates windows of a log by many variants of a robot at once, in MuJoCo's batch."""

import dataclasses
from collections.abc import Sequence

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from ..physics.base import usable_cpus
from ..physics.params import subtree_mass
from .parameters import Parameters
from .servo import commands
from .start import states
from .subject import Subject
from .windows import Window, up_of

_VEL = int(mujoco.mjtStage.mjSTAGE_VEL)


@dataclasses.dataclass(frozen=True)
class Traces:
    """What `r` variants of a robot do in `w` windows; times beyond a window's end mean nothing."""

    position: NDArray[np.float64]  # (r, w, t + 1, joints) rad, true, at the beginning of each control step
    velocity: NDArray[np.float64]  # (r, w, t + 1, joints) rad/s
    up: NDArray[np.float64] | None  # (r, w, t + 1, 3) the world's up in the frame of the model's IMU
    gyro: NDArray[np.float64] | None  # (r, w, t + 1, 3) rad/s
    load: NDArray[np.float64] | None  # (r, w, t + 1, feet) N, upwards, of the last step of the simulation
    time: NDArray[np.float64]  # (t + 1,) s


def simulate(
    subject: Subject, parameters: Parameters, rows: NDArray[np.float64], windows: Sequence[Window], threads: int = 0
) -> Traces:
    """Every variant in every window, from the state that it would have had at its start, under what was sent.

    Args:
        subject: the robot.
        parameters: what `rows` (r, p) are values of.
        rows: a variant each.
        windows: all are simulated for as long as the longest.
        threads: 0: one for each core.
    """
    r, w, parts = len(rows), len(windows), subject.substeps
    ticks = max(len(window.time) for window in windows)
    model, step = subject.model, float(subject.model.opt.timestep)
    batch = Batch(mujoco.MjModel.__copy__(model), r * w, threads or usable_cpus())
    qpos, qvel, ctrl = (batch.bind(name) for name in ("qpos", "qvel", "ctrl"))
    sensors = batch.bind("sensordata") if subject.has_imu or subject.feet else None
    servo = _Servo.of(subject, parameters, rows, w)
    vary(batch, subject, parameters, np.repeat(rows, w, axis=0))
    first, speed = states(subject, parameters, rows, windows)
    qpos[:], qvel[:] = first.reshape(r * w, -1), speed.reshape(r * w, -1)
    lines, line = _lines(subject, parameters, rows, windows, ticks * parts, step)
    shape = (ticks + 1, r * w)
    q, v = np.empty((*shape, len(subject.joints))), np.empty((*shape, len(subject.joints)))
    up = np.empty((*shape, 3)) if subject.has_imu else None
    gyro = np.empty((*shape, 3)) if subject.has_imu else None
    load = np.empty((*shape, len(subject.feet))) if subject.feet else None
    batch.forward(stage=_VEL)
    held = np.arange(r * w) % w

    def keep(tick: int) -> None:
        q[tick], v[tick] = qpos[:, subject.qpos], qvel[:, subject.dof]
        if sensors is not None and up is not None and gyro is not None:
            up[tick], gyro[tick] = up_of(sensors[:, subject.quat]), sensors[:, subject.gyro]
        if sensors is not None and load is not None:
            for i, places in enumerate(subject.loads):
                load[tick, :, i] = sensors[:, places].sum(axis=1)

    keep(0)
    row_line = np.repeat(line, w)
    whole = servo.play is None and np.ptp(lines.reshape(len(lines), w, ticks, parts, -1), axis=3).max() < 1e-12
    for tick in range(ticks):
        for part in range(1 if whole else parts):
            target = lines[row_line, held, tick * parts + part]
            ctrl[:] = servo.ctrl(target, qpos[:, subject.qpos])
            last = whole or part == parts - 1
            batch.step(nstep=parts if whole else 1, stage=_VEL if last else 0)
        keep(tick + 1)

    def lead(found: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.moveaxis(found.reshape(ticks + 1, r, w, -1), 0, 2)

    return Traces(
        lead(q),
        lead(v),
        None if up is None else lead(up),
        None if gyro is None else lead(gyro),
        None if load is None else lead(load),
        np.asarray(parts * step * np.arange(ticks + 1), np.float64),
    )


@dataclasses.dataclass(frozen=True)
class _Servo:
    """Zeros and backlash, which turn targets into the commands of MuJoCo's own actuators."""

    zero: NDArray[np.float64]  # (r * w, joints) rad
    play: NDArray[np.float64] | None  # half of it

    @staticmethod
    def of(subject: Subject, parameters: Parameters, rows: NDArray[np.float64], w: int) -> "_Servo":
        zero, play = parameters.values("servo_zero", rows), parameters.values("backlash", rows)
        none = np.zeros((len(rows), len(subject.joints)))
        half = None if play is None or not play.any() else 0.5 * np.repeat(play, w, axis=0)
        return _Servo(np.repeat(none if zero is None else zero, w, axis=0), half)

    def ctrl(self, target: NDArray[np.float64], position: NDArray[np.float64]) -> NDArray[np.float64]:
        """The command for targets and true positions, (r * w, joints) rad.

        The torque is that of the error beyond the play.
        """
        goal = target - self.zero
        return goal if self.play is None else goal - np.clip(goal - position, -self.play, self.play)


def _lines(
    subject: Subject,
    parameters: Parameters,
    rows: NDArray[np.float64],
    windows: Sequence[Window],
    count: int,
    step: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Targets in force in every step, (different, w, count, joints), and which of the different a variant has.

    Semi-implicit Euler moves a joint by a torque of this step within this step, which is half a step too early: against
    a robot targets come as much later.
    """
    slow = np.zeros((len(rows), 2))
    for column, kind in enumerate(("delay", "smoothing")):
        if (value := parameters.values(kind, rows)) is not None:
            slow[:, column] = value[:, 0]
    different, which = np.unique(slow, axis=0, return_inverse=True)
    low, high = np.asarray(subject.robot.ctrl_range, np.float64).T
    lines = np.empty((len(different), len(windows), count, len(subject.joints)))
    for i, (delay, smoothing) in enumerate(different):
        for k, window in enumerate(windows):
            target = np.clip(window.target, low, high)
            late = delay + (0.5 * step if window.real else 0.0)
            lines[i, k] = commands(window.sent, target, 0.0, step, count, float(late), float(smoothing))
    return lines, which.reshape(-1).astype(np.int64)


def vary(batch: Batch, subject: Subject, parameters: Parameters, rows: NDArray[np.float64]) -> None:
    """Give simulation i of a batch the parameters of row i; what no row changes stays the model's."""
    model = batch.model
    model.actuator_ctrllimited[:] = 0  # commands are limited before zeros are taken off
    dof = subject.dof

    def ratio(kind: str) -> NDArray[np.float64] | None:
        found = parameters.values(kind, rows)
        return None if found is None or (found == 1.0).all() else found

    if (gain := ratio("stiffness")) is not None:
        batch.expand("actuator_gainprm")[:, :, 0] *= gain
        batch.expand("actuator_biasprm")[:, :, 1:3] *= gain[:, :, None]
    if (share := ratio("voltage")) is not None:
        batch.expand("actuator_forcerange")[:] *= share[:, :, None]
    for kind, field in (("damping", "dof_damping"), ("friction", "dof_frictionloss"), ("armature", "dof_armature")):
        if (scale := ratio(kind)) is not None:
            batch.expand(field)[:, dof] *= scale
    bodies = np.array([model.body(name).id for name in subject.bodies], np.int64)
    if (scale := ratio("mass")) is not None:
        mass = batch.expand("body_mass")
        mass[:, bodies] *= scale
        batch.expand("body_inertia")[:, bodies] *= scale[:, :, None]
        batch.expand("body_subtreemass")[:] = subtree_mass(model.body_parentid, np.asarray(mass))
    shift = parameters.values("centre_of_mass", rows)
    if shift is not None and shift.any():
        batch.expand("body_ipos")[:, bodies] += shift.reshape(len(rows), len(bodies), 3)
    touching = np.flatnonzero((model.geom_contype > 0) | (model.geom_conaffinity > 0))
    if (scale := ratio("sole_friction")) is not None:
        batch.expand("geom_friction")[:, touching, 0] *= scale
        if model.npair:
            batch.expand("pair_friction")[:, :, :2] *= scale[:, :, None]
    if (scale := ratio("sole_softness")) is not None:
        batch.expand("geom_solref")[:, touching, 0] *= scale
        if model.npair:
            batch.expand("pair_solref")[:, :, 0] *= scale
