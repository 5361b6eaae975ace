"""Whether one simulation step is stable: the linearised step of the robot in the air, by finite differences.

An eigenvalue outside of the unit circle grows from step to step. That happens where gains or damping are too large for
a light link and the step's length; a real robot does not have it, so a policy learns of a vibration that is none.
"""

from collections.abc import Iterator

import mujoco
import numpy as np
from jaxtyping import Float

from .finding import Finding
from .subject import Subject, is_scalar
from .torque import is_position

TIMESTEP = 0.005  # s, that of the engines
_SMALL = 1e-5  # rad, rad/s
_GROWS, _RINGS = 1.02, -0.8  # eigenvalues: modulus, real part
_DISABLED = (
    mujoco.mjtDisableBit.mjDSBL_CONTACT | mujoco.mjtDisableBit.mjDSBL_CONSTRAINT | mujoco.mjtDisableBit.mjDSBL_GRAVITY
)


def check_stiffness(subject: Subject) -> Iterator[Finding]:
    """The eigenvalues of one step of 5 ms about the home pose, at rest."""
    mj = mujoco.MjModel.__copy__(subject.mj)
    mj.opt.timestep = TIMESTEP
    mj.opt.disableflags |= int(_DISABLED)
    data = mujoco.MjData(mj)
    data.qpos[:] = mj.qpos0 if subject.home is None else subject.home
    for a in range(mj.nu):
        if is_position(mj, a):
            data.ctrl[a] = data.qpos[mj.jnt_qposadr[mj.actuator_trnid[a, 0]]] * mj.actuator_gear[a, 0]
    mujoco.mj_forward(mj, data)
    values, vectors = np.linalg.eig(_linearised(mj, data))
    worst = int(np.argmax(np.abs(values)))
    if np.abs(values[worst]) > _GROWS:
        yield Finding(
            "stiffness",
            "fault",
            "One step of simulation is unstable: gains or damping are too large for a link's inertia.",
            _joint_of(subject, vectors[:, worst]),
            f"a vibration grows {np.abs(values[worst]):.3g} times in each step of {1e3 * TIMESTEP:g} ms",
            'more armature, less kp or kv, integrator="implicitfast", or a shorter physics timestep',
        )
        return
    worst = int(np.argmin(values.real))
    if values[worst].real < _RINGS:
        yield Finding(
            "stiffness",
            "note",
            "One step of simulation is stiff: a joint swings to and fro from step to step.",
            _joint_of(subject, vectors[:, worst]),
            f"it keeps {100 * abs(values[worst].real):.0f}% of its swing in each step of {1e3 * TIMESTEP:g} ms",
            'more armature, less kp or kv, integrator="implicitfast", or a shorter physics timestep',
        )


def _linearised(mj: mujoco.MjModel, data: mujoco.MjData) -> Float[np.ndarray, "n n"]:
    """How one step moves small changes of position and velocity, by central differences, with any integrator."""
    start = data.qpos.copy()
    ahead = mujoco.MjData(mj)

    def step(change: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        mujoco.mj_resetData(mj, ahead)
        ahead.ctrl[:], ahead.qpos[:], ahead.qvel[:] = data.ctrl, start, change[mj.nv :]
        mujoco.mj_integratePos(mj, ahead.qpos, change[: mj.nv], 1.0)
        mujoco.mj_step(mj, ahead)
        moved = np.zeros(mj.nv)
        mujoco.mj_differentiatePos(mj, moved, 1.0, start, ahead.qpos)
        return np.concatenate([moved, ahead.qvel])

    rows = _SMALL * np.eye(2 * mj.nv)
    return np.stack([(step(row) - step(-row)) / (2.0 * _SMALL) for row in rows], axis=1)


def _joint_of(subject: Subject, vector: np.ndarray) -> str:
    """The joint that takes most part in a mode."""
    mj = subject.mj
    speed = np.abs(vector[mj.nv : 2 * mj.nv])
    speed[[d for d in range(mj.nv) if not is_scalar(mj, int(mj.dof_jntid[d]))]] *= 1e-3
    return f"joint {subject.joint_name(int(mj.dof_jntid[int(np.argmax(speed))]))!r}"
