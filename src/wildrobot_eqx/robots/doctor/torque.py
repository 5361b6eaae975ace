"""Whether motors and gains can hold the robot: torque headroom and sag, at home and in a squat."""

from collections.abc import Iterator

import mujoco
import numpy as np
from jaxtyping import Float

from .finding import Finding
from .statics import holding_torques, squat
from .subject import Subject

_NOTE, _FAULT = 0.6, 1.0  # share of a torque limit
_SAG = (0.2, 0.5)  # rad, a position servo behind its target
_DEPTHS = (0.2, 0.15, 0.1, 0.05)  # of the squat, share of the leg length


def check_torque(subject: Subject) -> Iterator[Finding]:
    """Static torques against limits and gains."""
    if subject.home is None or (subject.floating and not subject.feet):
        return
    limits = torque_limits(subject)
    poses = {f"standing at home ({subject.home_from})": subject.home}
    for depth in _DEPTHS:
        low = squat(subject, depth * subject.leg_length)
        if low is not None:
            poses[f"in a squat {100 * depth:.0f}% of the leg length deep"] = low
            break
    told: set[int] = set()
    for pose, qpos in poses.items():
        torques = holding_torques(subject, qpos, np.where(np.isfinite(limits), limits, 1e3))
        if torques is None:
            continue
        for i, joint in enumerate(subject.joints):
            if joint not in told:
                found = [*_headroom(subject, joint, abs(float(torques[i])), float(limits[i]), pose)]
                told |= {joint} if found else set()
                yield from found


def _headroom(subject: Subject, joint: int, torque: float, limit: float, pose: str) -> Iterator[Finding]:
    where = f"joint {subject.joint_name(joint)!r}"
    if torque > _NOTE * limit:
        yield Finding(
            "torque",
            "fault" if torque > _FAULT * limit else "note",
            "A joint has little or no torque left beside what holds the robot still.",
            where,
            f"{torque:.3g} of {limit:.3g} N m, {pose}",
            "a stronger servo, a higher forcerange, or a pose that bends the joint less",
        )
    gain = position_gain(subject, joint)
    if gain is not None and torque < limit and torque / gain > _SAG[0]:
        sag = torque / gain
        yield Finding(
            "torque",
            "fault" if sag > _SAG[1] else "note",
            "The gain is too low to hold the robot: the joint gives way under its weight.",
            where,
            f"{sag:.3g} rad behind its target with kp = {gain:.3g} N m/rad, {pose}; "
            f"{torque / (0.5 * _SAG[0]):.3g} N m/rad would do",
            "a higher kp, with kv or armature to go with it",
        )


def torque_limits(subject: Subject) -> Float[np.ndarray, " n"]:
    """The most that each driven joint's motor gives, N m; infinite where nothing says it."""
    mj = subject.mj
    found = np.full(len(subject.joints), np.inf)
    for i, joint in enumerate(subject.joints):
        if mj.jnt_actfrclimited[joint]:
            found[i] = float(np.abs(mj.jnt_actfrcrange[joint]).max())
        for a in range(mj.nu):
            if int(mj.actuator_trnid[a, 0]) != joint or mj.actuator_trntype[a] != mujoco.mjtTrn.mjTRN_JOINT:
                continue
            gear = abs(float(mj.actuator_gear[a, 0]))
            if mj.actuator_forcelimited[a]:
                found[i] = min(found[i], gear * float(np.abs(mj.actuator_forcerange[a]).max()))
            if mj.actuator_ctrllimited[a] and mj.actuator_biastype[a] == mujoco.mjtBias.mjBIAS_NONE:
                most = float(np.abs(mj.actuator_gainprm[a, 0] * mj.actuator_ctrlrange[a]).max())
                found[i] = min(found[i], gear * most)
    return found


def position_gain(subject: Subject, joint: int) -> float | None:
    """The gain of a joint's position servo, N m/rad; None of other actuators."""
    mj = subject.mj
    for a in range(mj.nu):
        if int(mj.actuator_trnid[a, 0]) == joint and is_position(mj, a):
            return float(-mj.actuator_biasprm[a, 1]) * float(mj.actuator_gear[a, 0]) ** 2
    return None


def is_position(mj: mujoco.MjModel, actuator: int) -> bool:
    """Whether an actuator is a position servo on a joint."""
    affine = mj.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_AFFINE
    on_joint = mj.actuator_trntype[actuator] == mujoco.mjtTrn.mjTRN_JOINT
    return bool(on_joint and affine and mj.actuator_biasprm[actuator, 1] < 0.0)
