"""What a model's actuators are: the joint, the kind, the ranges and the torque limit of each."""

import dataclasses
from collections.abc import Callable

import mujoco
import numpy as np
from jaxtyping import Float

from ..errors import WildRobotError, together
from .robot import ActuatorKind

_SCALAR = {int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)}
_FIXED = int(mujoco.mjtGain.mjGAIN_FIXED)
_NONE, _AFFINE = int(mujoco.mjtBias.mjBIAS_NONE), int(mujoco.mjtBias.mjBIAS_AFFINE)


@dataclasses.dataclass(frozen=True)
class Actuators:
    """Arrays in actuator order."""

    joints: tuple[int, ...]
    kind: tuple[ActuatorKind, ...]
    ctrl_range: Float[np.ndarray, "nu 2"]  # of the command, in the unit of its kind
    joint_range: Float[np.ndarray, "nu 2"]  # rad or m, infinite where nothing limits the joint
    torque_limit: Float[np.ndarray, " nu"]  # N m or N, at the joint


def read_actuators(mj: mujoco.MjModel, where: str) -> Actuators:
    """The actuators of a model, one for each driven joint.

    Args:
        mj: the model.
        where: of errors, the model's file.

    Raises:
        WildRobotError: an actuator is not on a hinge or a slide, is of no known kind, or lacks a range.
    """

    def error(what: str, hint: str) -> WildRobotError:
        return WildRobotError(what, where=f"{where}, <actuator>", hint=hint)

    if mj.nu == 0 or (mj.actuator_trntype != mujoco.mjtTrn.mjTRN_JOINT).any():
        raise error("Its joints must be driven by actuators on joints.", "use <position joint=...>")
    if mj.na:
        raise error("It has actuators with activation states.", "use stateless actuators")
    joints = [int(j) for j in mj.actuator_trnid[:, 0]]
    names = [mj.joint(j).name for j in joints]
    wrong: list[WildRobotError] = []
    for j, name in dict(zip(joints, names)).items():
        if int(mj.jnt_type[j]) not in _SCALAR:
            wrong.append(error(f"An actuator drives the joint {name!r}, which is no hinge and no slide.", "drop it"))
        if joints.count(j) > 1:
            wrong.append(error(f"Several actuators drive the joint {name!r}.", "leave one of them"))
    for flag, attribute in ((mj.actuator_ctrllimited, "ctrlrange"), (mj.actuator_forcelimited, "forcerange")):
        if not flag.all():
            free = [name for name, ok in zip(names, flag) if not ok]
            wrong.append(error(f"Actuators without a {attribute}: {free}.", f'give them {attribute}="LOW HIGH"'))
    found = [_kind(mj, i, name, error) for i, name in enumerate(names)]
    wrong += [one for one in found if isinstance(one, WildRobotError)]
    if wrong:
        raise together("<actuator>", wrong, where=f"{where}, <actuator>", hint="mend them all")
    kind = tuple(one for one in found if not isinstance(one, WildRobotError))
    is_position = np.array([k == "position" for k in kind])[:, None]
    limited = mj.jnt_limited[joints].astype(bool)[:, None]
    free_range = np.array([-np.inf, np.inf])
    own = np.where(limited, mj.jnt_range[joints], free_range)
    commanded = np.where(is_position, mj.actuator_ctrlrange, free_range)
    joint_range = np.stack([np.maximum(own[:, 0], commanded[:, 0]), np.minimum(own[:, 1], commanded[:, 1])], axis=1)
    is_motor = np.array([k == "motor" for k in kind])
    most = np.where(is_motor, mj.actuator_gainprm[:, 0] * mj.actuator_ctrlrange[:, 1], np.inf)
    limit = np.abs(mj.actuator_gear[:, 0]) * np.minimum(mj.actuator_forcerange[:, 1], most)
    return Actuators(tuple(joints), kind, mj.actuator_ctrlrange.copy(), joint_range, limit)


def _kind(
    mj: mujoco.MjModel, i: int, name: str, error: Callable[[str, str], WildRobotError]
) -> ActuatorKind | WildRobotError:
    gain, bias = mj.actuator_gainprm[i], mj.actuator_biasprm[i]
    affine = mj.actuator_biastype[i] == _AFFINE and bias[0] == 0.0
    found: ActuatorKind | None = None
    if mj.actuator_gaintype[i] == _FIXED and gain[0] > 0.0:
        if mj.actuator_biastype[i] == _NONE or (affine and not bias[:3].any()):
            found = "motor"
        elif affine and bias[1] == -gain[0]:
            found = "position"
        elif affine and bias[1] == 0.0 and bias[2] == -gain[0]:
            found = "velocity"
    if found is None:
        return error(
            f"The actuator of joint {name!r} is none of <position>, <motor> and <velocity>.", "make it one of these"
        )
    if found != "motor" and mj.actuator_gear[i, 0] != 1.0:
        return error(
            f"The {found} actuator of joint {name!r} has a gear of {mj.actuator_gear[i, 0]:g}, so its command is not "
            f"the joint's {found}.",
            "leave out the gear, and give gains and forcerange at the joint",
        )
    return found
