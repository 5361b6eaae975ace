"""Make a motion clip: the biped squats, bows and waves its hips, feet flat and centre of mass above them.

The figures of the motion are below. A least-squares solver finds the joints of each frame with MuJoCo's kinematics.
Run it as `python docs/examples/make_clip.py [FILE]`; robots/wildrobot/clips/squat_bow_wave.json is what it writes.
"""

import sys
from pathlib import Path

import mujoco
import numpy as np

import wildrobot_eqx as we

ROBOT = "wildrobot"
RATE = 25.0  # frames per second
HOME = {"drop": 0.0, "pitch": 0.0, "hips": 0.0, "waist": 0.0}
# Time (s), and what is asked for then: how far the base sinks (m), its pitch (rad, nose down), the left hip's roll,
# which moves the hips to the left (rad), and the waist's yaw (rad). The last pose is the first, so that the clip loops.
KEYS = [
    (0.0, HOME),
    (0.2, HOME),
    (0.8, {**HOME, "drop": 0.06, "pitch": 0.45}),
    (1.1, {**HOME, "drop": 0.06, "pitch": 0.45}),
    (1.7, HOME),
    (2.3, {**HOME, "pitch": 0.6, "drop": -0.005}),
    (2.6, {**HOME, "pitch": 0.6, "drop": -0.005}),
    (3.2, HOME),
    (3.52, {**HOME, "hips": 0.13, "waist": 0.3}),
    (3.98, {**HOME, "hips": -0.13, "waist": -0.3}),
    (4.44, {**HOME, "hips": 0.13, "waist": 0.3}),
    (4.9, {**HOME, "hips": -0.13, "waist": -0.3}),
    (5.22, HOME),
    (5.4, HOME),
]
BASE = ("x", "y", "z", "roll", "pitch", "yaw")


def target(time: float) -> dict[str, float]:
    """What is asked for at a time (s): from key to key along minimum-jerk curves, which start and end at rest."""
    i = min(sum(time >= at for at, _ in KEYS[1:]), len(KEYS) - 2)
    (start, here), (end, there) = KEYS[i], KEYS[i + 1]
    s = (time - start) / (end - start)
    s = s**3 * (10.0 - 15.0 * s + 6.0 * s**2)
    return {name: here[name] + s * (there[name] - here[name]) for name in here}


class Solver:
    """Finds poses whose feet stay where the home pose has them."""

    def __init__(self, robot: we.Robot):
        self.robot, self.model = robot, robot.model.mj
        self.data = mujoco.MjData(self.model)
        self.feet = [foot.site for foot in robot.feet]
        self.base = robot.base.body
        self.place(np.array(robot.home_qpos, float))
        self.sole = [self.data.site_xpos[site].copy() for site in self.feet]
        self.com, self.height = self.data.subtree_com[self.base].copy(), self.data.xpos[self.base, 2]

    def joint(self, name: str) -> tuple[int, int]:
        """Where a joint lies in `qpos` and in `qvel`."""
        i = self.robot.joint_names.index(name)
        return self.robot.joint_qpos[i], self.robot.joint_dof[i]

    def place(self, qpos: np.ndarray) -> None:
        """Kinematics of a pose, `data.qpos`."""
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)

    def solve(self, wanted: dict[str, float]) -> np.ndarray:
        """The `qpos` of what is wanted, by Gauss-Newton from the last pose: 16 equations for 16 free coordinates."""
        qpos = self.data.qpos.copy()
        qpos[self.joint("waist_yaw")[0]] = wanted["waist"]
        for _ in range(50):
            self.place(qpos)
            error, slope = self.equations(wanted)
            if np.abs(error).max() < 1e-10:
                return qpos
            mujoco.mj_integratePos(self.model, qpos, -np.linalg.lstsq(slope, error, rcond=1e-6)[0], 1.0)
        raise SystemExit(f"no pose has its feet flat and {wanted}: ask for less")

    def equations(self, wanted: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """How far the pose is from what is wanted, and how that changes with the coordinates."""
        model, data, nv = self.model, self.data, self.model.nv
        errors, slopes = [], []
        for site, sole in zip(self.feet, self.sole):
            linear, angular = np.zeros((3, nv)), np.zeros((3, nv))
            mujoco.mj_jacSite(model, data, linear, angular, site)
            errors += [data.site_xpos[site] - sole, turn(data.site_xmat[site].reshape(3, 3))]
            slopes += [linear, angular]
        linear, angular, com = np.zeros((3, nv)), np.zeros((3, nv)), np.zeros((3, nv))
        mujoco.mj_jacBody(model, data, linear, angular, self.base)
        mujoco.mj_jacSubtreeCom(model, data, com, self.base)
        _, pitch, yaw = euler(data.xmat[self.base].reshape(3, 3))
        hips, hips_dof = self.joint("left_hip_roll")
        errors.append([data.subtree_com[self.base][0] - self.com[0], data.xpos[self.base, 2] - self.height])
        errors.append([pitch - wanted["pitch"], data.qpos[hips] - wanted["hips"]])
        errors[-2][1] += wanted["drop"]
        slopes += [com[:1], linear[2:], [-np.sin(yaw), np.cos(yaw), 0.0] @ angular[None], np.eye(nv)[[hips_dof]]]
        slope = np.concatenate(slopes)
        slope[:, self.joint("waist_yaw")[1]] = 0.0  # which is not solved for
        return np.concatenate(errors), slope


def turn(matrix: np.ndarray) -> np.ndarray:
    """The rotation vector of a rotation matrix, rad."""
    quat, vector = np.zeros(4), np.zeros(3)
    mujoco.mju_mat2Quat(quat, matrix.ravel())
    mujoco.mju_quat2Vel(vector, quat, 1.0)
    return vector


def euler(matrix: np.ndarray) -> tuple[float, float, float]:
    """Roll, pitch and yaw (rad) of a rotation matrix: a turn about x, then one about y, then one about z."""
    return (
        np.arctan2(matrix[2, 1], matrix[2, 2]),
        -np.arcsin(matrix[2, 0]),
        np.arctan2(matrix[1, 0], matrix[0, 0]),
    )


def main(path: Path) -> None:
    """Solve every frame and write the clip."""
    robot = we.load_robot(ROBOT)
    solver = Solver(robot)
    times = np.arange(round(KEYS[-1][0] * RATE)) / RATE  # a clip that loops goes on from its last frame to its first
    joints, base = [], []
    for time in times:
        qpos = solver.solve(target(time))
        joints.append(qpos[list(robot.joint_qpos)])
        at = robot.base.qpos_address
        base.append([*qpos[at : at + 3], *euler(solver.data.xmat[solver.base].reshape(3, 3))])
    we.write_clip(
        path,
        rate=RATE,
        loop=True,
        joints=dict(zip(robot.joint_names, np.array(joints).T)),
        base=dict(zip(BASE, np.array(base).T)),
    )
    lowest, highest = np.min(joints, axis=0), np.max(joints, axis=0)
    for name, low, high in zip(robot.joint_names, lowest, highest):
        print(f"{name:18} {low:+.3f} to {high:+.3f} rad")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "squat_bow_wave.json"))
