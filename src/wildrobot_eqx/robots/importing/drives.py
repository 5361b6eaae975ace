"""What drives each joint in the file: its actuator, its limits, and what a position control makes of it."""

import dataclasses
from collections.abc import Collection, Mapping

import mujoco
import numpy as np

from ...errors import WildRobotError
from .findings import Findings
from .options import ImportOptions, matching
from .read import Source

_TRN, _DYN, _GAIN, _BIAS = mujoco.mjtTrn, mujoco.mjtDyn, mujoco.mjtGain, mujoco.mjtBias
_ON_JOINT = {int(_TRN.mjTRN_JOINT), int(_TRN.mjTRN_JOINTINPARENT)}
_FASTEST = 100.0  # rad/s: no joint is as fast
_SCALAR = {int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)}


@dataclasses.dataclass(frozen=True)
class Drive:
    """What the file says of one joint's motor, seen at the joint."""

    joint: str
    kind: str  # "position", "motor", "velocity", or "none" where the file has no actuator
    kp: float  # N m/rad, 0 where it must be chosen
    kv: float  # N m s/rad, likewise
    torque: float  # N m, infinite where the file does not say
    target: tuple[float, float]  # rad, of a position command; infinite where the file does not say
    speed: float  # rad/s, 0 where the file does not say


def read_drives(
    source: Source, options: ImportOptions, findings: Findings, followers: set[str], locked: Collection[str]
) -> tuple[Drive, ...]:
    """The driven joints, in the order of the actuators, or of the joints where the file has none.

    Args:
        source: the robot.
        options: `actuated` names joints, and overrules.
        findings: where it is noted.
        followers: joints that follow others, which have no motor.
        locked: joints that are rigid; actuators on them do nothing.

    Raises:
        WildRobotError: no actuator drives a joint, or one is a muscle.
    """
    mj = source.mj
    below = [j for j in range(mj.njnt) if _is_below(mj, int(mj.jnt_bodyid[j]), source.root)]
    scalar = [mj.joint(j).name for j in below if int(mj.jnt_type[j]) in _SCALAR and mj.joint(j).name not in locked]
    found: dict[str, Drive] = {}
    others: list[str] = []
    for i in range(mj.nu):
        joint = int(mj.actuator_trnid[i, 0])
        if int(mj.actuator_trntype[i]) in _ON_JOINT and mj.joint(joint).name in locked:
            continue
        if int(mj.actuator_trntype[i]) not in _ON_JOINT or mj.joint(joint).name not in scalar:
            others.append(mj.actuator(i).name or f"actuator {i}")
            continue
        name = mj.joint(joint).name
        new = _drive(source, i, joint)
        found[name] = _joined(found[name], new) if name in found else new
    lagging = [mj.actuator(i).name or f"actuator {i}" for i in range(mj.nu) if int(mj.actuator_dyntype[i])]
    if lagging:
        why = "no engine here has activation states of actuators"
        findings.add("lags left out", f"of {len(lagging)} actuators, such as {lagging[0]}", why, "sure", check=True)
    if others:
        findings.add("actuators left out", ", ".join(others), "they drive no hinge and no slide", "sure", check=True)
    if mj.nu and not found:
        raise WildRobotError(
            f"No actuator of {source.path.name} drives a joint: all act through tendons, sites or bodies.",
            where=str(source.path),
            hint="take a model with actuators on joints, or name driven joints: --actuated '*'",
        )
    if not found or options.actuated:
        names = [name for name in scalar if name not in followers]
        chosen = matching(options.actuated, scalar, "--actuated", "joint") if options.actuated else names
        kept = [name for name in found if name in chosen] + [name for name in chosen if name not in found]
        found = {name: found.get(name) or _idle(source, name) for name in kept}
        why = "--actuated" if options.actuated else "the file has no actuators; joints that follow others have none"
        findings.add("actuated", f"{len(found)} joints", why, "sure" if options.actuated else "likely")
    else:
        idle = [name for name in scalar if name not in found and name not in followers]
        findings.add("actuated", f"{len(found)} joints", "the file's actuators, in their order", "sure")
        if idle:
            findings.add("without a motor", ", ".join(idle), "no actuator drives them", "sure", check=True)
    kinds = sorted({drive.kind for drive in found.values()})
    if set(kinds) & {"motor", "velocity"}:
        findings.add(
            "motors", "become position actuators", f"the file's are {' and '.join(kinds)}: a PD at the joint", "sure"
        )
    return tuple(found.values())


def _is_below(mj: mujoco.MjModel, body: int, root: int) -> bool:
    while body and body != root:
        body = int(mj.body_parentid[body])
    return body == root


def _drive(source: Source, i: int, j: int) -> Drive:
    mj, gear = source.mj, float(source.mj.actuator_gear[i, 0])
    name, gain, bias = mj.joint(j).name, mj.actuator_gainprm[i], mj.actuator_biasprm[i]
    muscle = int(_DYN.mjDYN_MUSCLE), int(_GAIN.mjGAIN_MUSCLE)
    if int(mj.actuator_dyntype[i]) == muscle[0] or int(mj.actuator_gaintype[i]) == muscle[1]:
        raise WildRobotError(
            f"The actuator of joint {name!r} is a muscle, and no engine here has muscles.",
            where=str(source.path),
            hint="take a model with motors",
        )
    affine = int(mj.actuator_biastype[i]) == int(_BIAS.mjBIAS_AFFINE)
    limit = abs(gear) * float(np.abs(mj.actuator_forcerange[i]).max()) if mj.actuator_forcelimited[i] else np.inf
    limit = min(limit, _joint_limit(mj, j))
    if affine and bias[1] < 0.0:
        low, high = sorted(float(x) / gear for x in mj.actuator_ctrlrange[i]) if gear else (0.0, 0.0)
        target = (low, high) if mj.actuator_ctrllimited[i] and low < high else (-np.inf, np.inf)
        scaled = gain[0] != -bias[1]  # the command is no angle, as where radians are sent in another unit
        target = (-np.inf, np.inf) if scaled else target
        return Drive(name, "position", -bias[1] * gear**2, -bias[2] * gear**2, limit, target, _speed(source, name))
    if affine and bias[2] < 0.0:
        return Drive(name, "velocity", 0.0, -bias[2] * gear**2, limit, (-np.inf, np.inf), _speed(source, name))
    most = float(np.abs(mj.actuator_ctrlrange[i]).max()) if mj.actuator_ctrllimited[i] else np.inf
    limit = min(limit, abs(gear) * abs(float(gain[0])) * most)
    return Drive(name, "motor", 0.0, 0.0, limit, (-np.inf, np.inf), _speed(source, name))


def _joined(first: Drive, second: Drive) -> Drive:
    """Two actuators of one joint, such as a position and a velocity servo that together are a PD."""
    kinds = {first.kind, second.kind}
    kind = "position" if "position" in kinds else first.kind
    target = max(first.target[0], second.target[0]), min(first.target[1], second.target[1])
    return dataclasses.replace(
        first,
        kind=kind,
        kp=first.kp + second.kp,
        kv=first.kv + second.kv,
        torque=max(first.torque, second.torque),
        target=target,
    )


def _idle(source: Source, name: str) -> Drive:
    limit = _joint_limit(source.mj, source.mj.joint(name).id)
    return Drive(name, "none", 0.0, 0.0, limit, (-np.inf, np.inf), _speed(source, name))


def _joint_limit(mj: mujoco.MjModel, j: int) -> float:
    """What the joint itself may bear, such as the effort of a URDF; 0 there means that nobody says."""
    most = float(np.abs(mj.jnt_actfrcrange[j]).max()) if mj.jnt_actfrclimited[j] else 0.0
    return most if most > 0.0 else np.inf


def _speed(source: Source, name: str) -> float:
    """What the file says, but for placeholders."""
    speed = source.speeds.get(name, 0.0)
    return speed if speed < _FASTEST else 0.0


def split_servos(options: ImportOptions, joints: Mapping[str, object] | list[str]) -> dict[str, str]:
    """The servo that `--servo` gives to each joint.

    Raises:
        WildRobotError: it names joints that there are not.
    """
    found: dict[str, str] = {}
    for item in options.servo:
        pattern, equals, name = item.partition("=")
        chosen = matching([pattern], list(joints), "--servo", "driven joint") if equals else list(joints)
        found |= dict.fromkeys(chosen, name if equals else item)
    return found
