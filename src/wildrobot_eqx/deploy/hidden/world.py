"""A hidden robot's physics: MuJoCo with other parameters, and servos of its own."""

import copy
import math
from collections import deque

import mujoco
import numpy as np
from numpy.typing import NDArray

from .parameters import Hidden
from .plan import Plan

STEP = 0.001  # s
_HOT = 40.0  # degrees Celsius
_STALL_SECONDS = 2.0  # s at the torque limit after which a servo complains
_FIRM = 1e6  # kg, kg m^2: a trunk that is held does not give way
_COUNTER = 0.9  # share of the torque limit that counts as stalled


class World:
    """A robot that is not what its model says. Time is its own: `advance` moves it on.

    The hand that holds a real robot is here, too: `hang`, `put`, `jig` and `lean`.

    Args:
        plan: the model.
        hidden: in what it differs.
    """

    def __init__(self, plan: Plan, hidden: Hidden):
        self.plan, self.hidden = plan, hidden
        n = len(plan.joints)
        model = self.model = _varied(plan, hidden)
        model.opt.timestep = STEP
        self.data = mujoco.MjData(model)
        act, joint = plan.actuators, model.actuator_trnid[plan.actuators, 0]
        self._qpos, self._dof = model.jnt_qposadr[joint], model.jnt_dofadr[joint]
        gain = hidden.row("gain", n, 1.0)
        self._kp = plan.model.actuator_gainprm[act, 0] * gain
        self._kd = -plan.model.actuator_biasprm[act, 2] * gain
        forces = plan.model.actuator_forcerange[act]
        limited = plan.model.actuator_forcelimited[act].astype(bool)
        self._limit = np.where(limited, np.abs(forces).max(axis=1), plan.stall_torque)
        self._half = 0.5 * hidden.row("backlash", n, 0.0)
        self.zero = hidden.row("servo_zero", n, 0.0)
        self.loaded = np.ones(n, bool)
        self._queue = deque[tuple[float, int, float, float]]()  # when, which, to where (rad), within (s)
        self._goal = np.zeros(n)
        self._start = np.zeros(n)
        self._moved = np.zeros((n, 2))  # when a move began and when it ends, s
        self.torque = np.zeros(n)
        self._stalled = np.zeros(n)
        self._hand: NDArray[np.float64] | None = None  # qpos of the base, while it is held
        self._armature = model.dof_armature.copy()
        self._attitude, self._spin = (0.0, 0.0), np.zeros(3)
        self._aim: tuple[float, float, float] | None = None  # pitch and roll that the hand turns to, rad, and rad/s
        self._pose: NDArray[np.float64] | None = None  # joints, while they are held
        self.voltage = plan.nominal_voltage * hidden.voltage
        self.put()

    @property
    def time(self) -> float:
        """s."""
        return float(self.data.time)

    # --- the hand ------------------------------------------------------------------------------------------

    def put(self, pitch: float = 0.0, roll: float = 0.0) -> None:
        """Put the robot down in its home pose, leaning by so much (rad), and let go of it."""
        time = self.data.time
        mujoco.mj_resetData(self.model, self.data)
        self.data.time = time
        self.data.qpos[:] = self.plan.home
        self._hand = self._pose = None
        self.model.dof_armature[:] = self._armature
        if self.plan.base is not None and (pitch or roll):
            self._turn(pitch, roll)
        self._settle()

    def hang(self, height: float = 0.3) -> None:
        """Hold the trunk upright in the air, so much (m) above where it stands."""
        self.put()
        if (at := self._free()) is not None:
            self.data.qpos[at + 2] += height
            self._hand = self.data.qpos[at : at + 7].copy()
            self.model.dof_armature[self._base_dofs()] = _FIRM
        self._settle()

    def jig(self, pose: dict[str, float] | None = None, pitch: float = 0.0, roll: float = 0.0) -> None:
        """Hold the trunk, and every joint where it truly is in a pose (rad; home where it is not said)."""
        self.hang()
        if pitch or roll:
            self._turn(pitch, roll)
            if (at := self._free()) is not None:
                self._hand = self.data.qpos[at : at + 7].copy()
        joints = self.data.qpos[self._qpos].copy()
        for i, name in enumerate(self.plan.joints):
            joints[i] = (pose or {}).get(name, joints[i])
        self._pose = joints
        self.data.qpos[self._qpos] = joints
        self._settle()

    def lean(self, pitch: float, roll: float = 0.0, rate: float = 0.5) -> None:
        """From now on turn the trunk, which is held, to an attitude (rad) at some rate (rad/s)."""
        self._aim = (pitch, roll, rate)

    @property
    def leaning(self) -> bool:
        """Whether the trunk is still on its way."""
        return self._aim is not None

    # --- what a bus does -----------------------------------------------------------------------------------

    def target(self, i: int, angle: float, seconds: float, at: float) -> None:
        """A target for servo `i`: an encoder reading (rad), to be reached within some time (s), sent at `at` (s)."""
        self._queue.append((at + self.hidden.delay, i, angle, seconds))

    def encoder(self, i: int) -> float:
        """What the encoder of servo `i` reads now, rad."""
        return float(self.data.qpos[self._qpos[i]] + self.zero[i])

    def speed(self, i: int) -> float:
        """The speed of servo `i`, rad/s."""
        return float(self.data.qvel[self._dof[i]])

    def load(self, i: int) -> float:
        """The torque of servo `i` as a share of its stall torque."""
        return float(self.torque[i] / self._limit[i])

    def switch(self, i: int, on: bool) -> None:
        """Put the torque of servo `i` on or off; on, it stays where it is."""
        if on and not self.loaded[i]:
            self._goal[i] = self._start[i] = self.encoder(i)
            self._moved[i] = self.time
        self.loaded[i] = on

    def stalled(self, i: int) -> bool:
        """Whether servo `i` has been at its torque limit for too long."""
        return bool(self._stalled[i] > _STALL_SECONDS)

    def temperature(self, i: int) -> float:
        """Of servo `i`, degrees Celsius."""
        return _HOT + 10.0 * min(self._stalled[i], _STALL_SECONDS)

    # --- what an IMU reads ---------------------------------------------------------------------------------

    def imu(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Orientation (w, x, y, z), gyro (rad/s) and accelerometer (m/s^2), each in the real IMU's frame."""
        if self._hand is not None:  # it is held at rest for physics, and turns all the same
            dofs = self._base_dofs()
            self.data.qvel[dofs.start + 3 : dofs.stop] = self._spin
            mujoco.mj_forward(self.model, self.data)
            self.data.qvel[dofs] = 0.0
        read = {kind: self.data.sensor(name).data.copy() for kind, name in self.plan.sensors.items()}
        turn = np.zeros(4)
        vector = np.array(self.hidden.imu_tilt)
        angle = float(np.linalg.norm(vector))
        mujoco.mju_axisAngle2Quat(turn, vector / angle if angle else np.array([1.0, 0.0, 0.0]), angle)
        back, quat = np.zeros(4), np.zeros(4)
        mujoco.mju_negQuat(back, turn)
        mujoco.mju_mulQuat(quat, read.get("orientation", np.array([1.0, 0.0, 0.0, 0.0])), turn)
        gyro, accel = np.zeros(3), np.zeros(3)
        mujoco.mju_rotVecQuat(gyro, read.get("gyro", np.zeros(3)), back)
        mujoco.mju_rotVecQuat(accel, read.get("accelerometer", np.zeros(3)), back)
        return quat, gyro + np.array(self.hidden.gyro_bias), accel

    def advance(self, until: float) -> None:
        """Let time pass until `until`, s."""
        while self.data.time < until - 0.5 * STEP:
            self._servos()
            mujoco.mj_step(self.model, self.data)
            self._hold()
        mujoco.mj_forward(self.model, self.data)

    def _servos(self) -> None:
        now, data = self.data.time, self.data
        while self._queue and self._queue[0][0] <= now:
            _, i, angle, seconds = self._queue.popleft()
            self._start[i] = self._commanded(now)[i]
            self._goal[i], self._moved[i] = angle, (now, now + seconds)
        error = self._commanded(now) - self.zero - data.qpos[self._qpos]
        error = np.sign(error) * np.maximum(np.abs(error) - self._half, 0.0)
        speed = data.qvel[self._dof]
        share = self.voltage / self.plan.nominal_voltage
        torque = share * (self._kp * error - self._kd * speed)
        # A DC motor's line: less is left of the stall torque, the faster it turns the way that it pulls.
        left = self.plan.stall_torque * (share - np.sign(torque) * speed / self.plan.no_load_speed)
        most = np.clip(left, 0.0, self._limit * share)
        torque = np.clip(torque, -most, most) * self.loaded
        self._stalled = np.where(np.abs(torque) > _COUNTER * self._limit * share, self._stalled + STEP, 0.0)
        self.torque = torque
        full = self.plan.nominal_voltage * self.hidden.voltage
        self.voltage = max(full - self.hidden.sag * float(np.abs(torque).sum()), 0.5 * full)
        data.qfrc_applied[:] = 0.0
        data.qfrc_applied[self._dof] = torque

    def _commanded(self, now: float) -> NDArray[np.float64]:
        """Where servos are asked to be now, encoder readings: on straight lines in time."""
        begun, ends = self._moved.T
        part = np.where(ends > begun, np.clip((now - begun) / np.maximum(ends - begun, 1e-9), 0.0, 1.0), 1.0)
        return self._start + part * (self._goal - self._start)

    def _hold(self) -> None:
        at = self._free()
        if self._hand is not None and at is not None:
            self._lean_on(at)
            self.data.qpos[at : at + 7] = self._hand
            self.data.qvel[self._base_dofs()] = 0.0
        if self._pose is not None:
            self.data.qpos[self._qpos] = self._pose
            self.data.qvel[self._dof] = 0.0

    def _lean_on(self, at: int) -> None:
        """One step of the way that the hand turns the trunk."""
        if self._aim is None or self._hand is None:
            self._spin = np.zeros(3)
            return
        (pitch, roll), (to_pitch, to_roll, rate) = self._attitude, self._aim
        way = np.array([to_pitch - pitch, to_roll - roll])
        most = rate * STEP
        if (far := float(np.abs(way).max())) <= most:
            self._aim = None
        else:
            way *= most / far
        was = self._hand[3:].copy()
        self._turn(pitch + float(way[0]), roll + float(way[1]))
        self._hand[3:] = self.data.qpos[at + 3 : at + 7]
        self._spin = _rate(was, self._hand[3:])

    def _base_dofs(self) -> slice:
        first = int(self.model.jnt_dofadr[self.model.body_jntadr[self.plan.base or 0]])
        return slice(first, first + 6)

    def _free(self) -> int | None:
        """Where the base's free joint begins in qpos."""
        if self.plan.base is None:
            return None
        joint = int(self.model.body_jntadr[self.plan.base])
        free = joint >= 0 and self.model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE
        return int(self.model.jnt_qposadr[joint]) if free else None

    def _turn(self, pitch: float, roll: float) -> None:
        at = self._free()
        if at is None:
            return
        home, quat, other = self.plan.home[at + 3 : at + 7], np.zeros(4), np.zeros(4)
        mujoco.mju_axisAngle2Quat(quat, np.array([0.0, 1.0, 0.0]), pitch)
        mujoco.mju_axisAngle2Quat(other, np.array([1.0, 0.0, 0.0]), roll)
        both, turned = np.zeros(4), np.zeros(4)
        mujoco.mju_mulQuat(both, quat, other)
        mujoco.mju_mulQuat(turned, both, np.ascontiguousarray(home))
        self.data.qpos[at + 3 : at + 7] = turned
        self._attitude = (pitch, roll)

    def _settle(self) -> None:
        self._attitude = (0.0, 0.0) if self._hand is None else self._attitude
        self._spin, self._aim = np.zeros(3), None
        self.data.qvel[:] = 0.0
        here = self.data.qpos[self._qpos] + self.zero
        self._goal[:], self._start[:] = here, here
        self._moved[:] = self.data.time
        self._queue.clear()
        mujoco.mj_forward(self.model, self.data)


def _varied(plan: Plan, hidden: Hidden) -> mujoco.MjModel:
    """The model with the hidden robot's parameters, its actuators silent: the servos are applied by hand."""
    model = copy.copy(plan.model)
    dof = model.jnt_dofadr[model.actuator_trnid[plan.actuators, 0]]
    n = len(plan.joints)
    model.dof_frictionloss[dof] *= hidden.row("friction", n, 1.0)
    model.dof_damping[dof] *= hidden.row("damping", n, 1.0)
    model.actuator_gainprm[:] = 0.0
    model.actuator_biasprm[:] = 0.0
    base = 1 if plan.base is None else plan.base
    model.body_mass[base] *= hidden.trunk_mass
    model.body_inertia[base] *= hidden.trunk_mass
    model.body_ipos[base] += np.array(hidden.trunk_com)
    touching = (model.geom_contype > 0) | (model.geom_conaffinity > 0)
    model.geom_friction[touching, 0] *= hidden.sole_friction
    model.geom_solref[touching, 0] *= hidden.sole_softness
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)
    return model


def _rate(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """The angular velocity (rad/s, in the body's frame) that turns one quaternion into the other within a step."""
    velocity, back, turn = np.zeros(3), np.zeros(4), np.zeros(4)
    mujoco.mju_negQuat(back, np.ascontiguousarray(before))
    mujoco.mju_mulQuat(turn, back, np.ascontiguousarray(after))
    mujoco.mju_quat2Vel(velocity, turn, STEP)
    return velocity if math.isfinite(float(velocity.sum())) else np.zeros(3)
