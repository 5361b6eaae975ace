"""An imported robot put to the proof: it holds its home pose in MuJoCo for some seconds."""

import dataclasses

import mujoco
import numpy as np

_SECONDS, _STEP = 2.0, 0.005  # s; the step is that of training
_TILT = 0.35  # rad
_SINK = 0.15  # share of its height by which the root may sink
_DEPTH = 0.03  # share of its height by which feet may be in the floor


@dataclasses.dataclass(frozen=True)
class Trial:
    """What happened."""

    stands: bool
    seconds: float  # s
    tilt: float  # rad, of the root at the end
    sank: float  # m, of the root
    depth: float  # m, the deepest contact at the end
    carried: float  # share of the weight that the feet carry at the end
    torque: float  # the greatest share of a torque limit at the end
    joint: str  # whose that is
    wrong: str  # in words, where it does not stand


def hold_home(mj: mujoco.MjModel, seconds: float = _SECONDS) -> Trial:
    """Let a robot hold the keyframe called `home`, let down from a little above the floor."""
    mj = mujoco.MjModel.__copy__(mj)
    mj.opt.timestep = _STEP
    data = mujoco.MjData(mj)
    home = mujoco.mj_name2id(mj, mujoco.mjtObj.mjOBJ_KEY, "home")
    if home < 0:
        return Trial(False, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, "", "it has joints that no pose can be given")
    mujoco.mj_resetDataKeyframe(mj, data, home)
    height = float(data.qpos[2])
    for _ in range(round(seconds / _STEP)):
        mujoco.mj_step(mj, data)
        if not np.isfinite(data.qpos).all() or abs(data.qpos[2]) > 100.0 * height:
            return Trial(False, seconds, np.pi, height, 0.0, 0.0, 0.0, "", "its simulation diverges")
    mujoco.mj_forward(mj, data)
    up = 1.0 - 2.0 * (data.qpos[4] ** 2 + data.qpos[5] ** 2)
    tilt, sank = float(np.arccos(np.clip(up, -1.0, 1.0))), height - float(data.qpos[2])
    depth = max((-float(contact.dist) for contact in data.contact), default=0.0)
    force, lift = np.zeros(6), 0.0
    for i in range(data.ncon):
        mujoco.mj_contactForce(mj, data, i, force)
        lift += float(force[0] * data.contact[i].frame[2])
    weight = float(mj.body_subtreemass[0] * np.linalg.norm(mj.opt.gravity))
    share = np.abs(data.actuator_force) / mj.actuator_forcerange[:, 1]
    worst = int(np.argmax(share))
    wrong = []
    if tilt > _TILT:
        wrong.append(f"it tips over (by {np.degrees(tilt):.0f} degrees)")
    elif sank > _SINK * height:
        wrong.append(f"it sinks by {1e3 * sank:.0f} mm")
    if depth > _DEPTH * height:
        wrong.append(f"its feet are {1e3 * depth:.0f} mm in the floor")
    return Trial(
        stands=not wrong,
        seconds=seconds,
        tilt=tilt,
        sank=sank,
        depth=depth,
        carried=abs(lift) / weight,
        torque=float(share[worst]),
        joint=mj.actuator(worst).name,
        wrong="; ".join(wrong),
    )
