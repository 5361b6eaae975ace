"""The left-right mirror image of a robot's positions and velocities, and random poses to try it on."""

import dataclasses

import mujoco
import numpy as np
from jaxtyping import Float, Int

from ...robots import Robot
from ...robots.doctor.mirrored import mirrored_bodies

_TILT = (0.1, 0.05, 0.0)  # rad, about x, y and z on the floor: no two feet bear the same
_FREE, _BALL, _SLIDE = (int(getattr(mujoco.mjtJoint, f"mjJNT_{kind}")) for kind in ("FREE", "BALL", "SLIDE"))


_MIRROR = np.diag([1.0, -1.0, 1.0])


@dataclasses.dataclass(frozen=True)
class Reflection:
    """How positions and velocities of a robot reflect in the x-z plane: entry i takes sign[i] times entry source[i]."""

    robot: Robot
    qpos_source: Int[np.ndarray, " nq"]
    qpos_sign: Float[np.ndarray, " nq"]
    qvel_source: Int[np.ndarray, " nv"]
    qvel_sign: Float[np.ndarray, " nv"]

    @staticmethod
    def of(robot: Robot) -> "Reflection | None":
        """The reflection of a robot with a mirror; None where that of a joint without a motor is not known."""
        mj, mirror = robot.model.mj, robot.mirror
        if mirror is None:
            return None
        found = Reflection(robot, np.arange(mj.nq), np.ones(mj.nq), np.arange(mj.nv), np.ones(mj.nv))
        for i, (source_, sign) in enumerate(zip(mirror.source, mirror.sign)):
            at, dof = robot.joint_qpos, robot.joint_dof
            found.pair(at[i], at[source_], dof[i], dof[source_], sign)
        data = mujoco.MjData(mj)
        data.qpos[:] = np.asarray(robot.home_qpos)
        mujoco.mj_kinematics(mj, data)
        root = 0 if robot.base is None else robot.base.body
        tree = tuple(b for b in range(1, mj.nbody) if mj.body_rootid[b] == mj.body_rootid[root])
        pairs = mirrored_bodies(mj, root, tree) if root else {}
        other = pairs | {right: left for left, right in pairs.items()}
        for joint in range(mj.njnt):
            q, v, kind = int(mj.jnt_qposadr[joint]), int(mj.jnt_dofadr[joint]), int(mj.jnt_type[joint])
            if q in robot.joint_qpos:
                continue
            if kind == _FREE:
                found.qpos_sign[q : q + 7] = (1, -1, 1, 1, -1, 1, -1)
                found.qvel_sign[v : v + 6] = (1, -1, 1, -1, 1, -1)
                continue
            body = int(mj.jnt_bodyid[joint])
            twin = int(mj.body_jntadr[other.get(body, body)]) + joint - int(mj.body_jntadr[body])
            if int(mj.jnt_type[twin]) != kind:
                return None
            if kind == _BALL:
                turn = -_frame(mj, data, joint).T @ _MIRROR @ _frame(mj, data, twin)  # from axes of the twin to its own
                if np.abs(turn).max(axis=1).min() < 0.9:
                    return None
                q_twin, v_twin = int(mj.jnt_qposadr[twin]), int(mj.jnt_dofadr[twin])
                found.qpos_source[q] = q_twin
                for i, j in enumerate(np.abs(turn).argmax(axis=1)):
                    found.pair(q + 1 + i, q_twin + 1 + int(j), v + i, v_twin + int(j), float(np.sign(turn[i, j])))
                continue
            flip = np.array([1.0, -1.0, 1.0]) * (1.0 if kind == _SLIDE else -1.0)
            along = float((flip * data.xaxis[joint]) @ data.xaxis[twin])
            if abs(along) < 0.9:
                return None
            found.pair(q, int(mj.jnt_qposadr[twin]), v, int(mj.jnt_dofadr[twin]), float(np.sign(along)))
        return found

    def pair(self, at: int, other: int, dof: int, twin: int, sign: float) -> None:
        """Let an entry of a joint, `at` in qpos and `dof` in qvel, take what its image has at `other` and `twin`."""
        self.qpos_source[at], self.qpos_sign[at] = other, sign
        self.qvel_source[dof], self.qvel_sign[dof] = twin, sign

    def pose(
        self, random: np.random.Generator, lift: float
    ) -> tuple[Float[np.ndarray, " nq"], Float[np.ndarray, " nv"]]:
        """A random pose and velocity about home; `lift` (m) raises a base that floats, which tilts in the air."""
        robot = self.robot
        qpos = np.asarray(robot.home_qpos, np.float64).copy()
        joints = list(robot.joint_qpos)
        low, high = np.asarray(robot.joint_range, np.float64).T
        qpos[joints] = np.clip(qpos[joints] + random.uniform(-0.15, 0.15, len(joints)), low, high)
        if robot.base is not None and robot.base.floating:
            at = robot.base.qpos_address
            qpos[at + 2] += lift
            tilt = random.uniform(-0.2, 0.2, 3) if lift > 0.0 else np.array(_TILT)
            mujoco.mju_quatIntegrate(qpos[at + 3 : at + 7], tilt, 1.0)
        return qpos, 0.3 * random.normal(size=robot.nv)

    def qpos(self, qpos: Float[np.ndarray, " nq"]) -> Float[np.ndarray, " nq"]:
        """The mirrored position."""
        return self.qpos_sign * qpos[self.qpos_source]

    def qvel(self, qvel: Float[np.ndarray, " nv"]) -> Float[np.ndarray, " nv"]:
        """The mirrored velocity."""
        return self.qvel_sign * qvel[self.qvel_source]


def _frame(mj: mujoco.MjModel, data: mujoco.MjData, joint: int) -> Float[np.ndarray, "3 3"]:
    """The axes, as columns in the world, of a ball joint's position: those of its body before the joint turns it."""
    turned, q = np.zeros(9), int(mj.jnt_qposadr[joint])
    mujoco.mju_quat2Mat(turned, data.qpos[q : q + 4])
    return data.xmat[mj.jnt_bodyid[joint]].reshape(3, 3) @ turned.reshape(3, 3).T
