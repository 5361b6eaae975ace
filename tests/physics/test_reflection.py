"""The mirror image of a robot's state, joints without a motor included, against MuJoCo's kinematics."""

import mujoco
import numpy as np
import pytest
from helpers import shifted
from made import made

from wildrobot_eqx.physics.mujoco_tools.reflection import Reflection

BODY = """
  <worldbody>
    <body name="torso" pos="0 0 1">
      <freejoint/><geom size="0.05"/>
      <body name="left_leg" pos="0 0.1 0"><joint name="left" axis="1 0 0" range="-1 1"/><geom size="0.03"/></body>
      <body name="right_leg" pos="0 -0.1 0"><joint name="right" axis="1 0 0" range="-1 1"/><geom size="0.03"/></body>
      <body name="left_arm" pos="0.1 0.2 0.1" quat="{left}">{left_joint}<geom size="0.02"/>
        <body name="left_hand" pos="{left_hand}"><joint axis="{left_axis}"/><geom size="0.02"/></body>
      </body>
      <body name="right_arm" pos="0.1 -0.2 0.1" quat="{right}">{right_joint}<geom size="0.02"/>
        <body name="right_hand" pos="{right_hand}"><joint axis="{right_axis}"/><geom size="0.02"/></body>
      </body>
      <body name="tail" pos="-0.1 0 0" quat="{tail}"><joint type="ball"/><geom size="0.02" pos="0 0.02 0"/></body>
    </body>
  </worldbody>
  <actuator>
    <position joint="left" kp="10" inheritrange="1" forcerange="-9 9"/>
    <position joint="right" kp="10" inheritrange="1" forcerange="-9 9"/>
  </actuator>
"""
PAIRS = 'mirror_pairs = [["left", "right"]]\n[base]\nbody = "torso"\n'
BALL = '<joint type="ball"/>'
STRAIGHT, QUARTER, HALF = "1 0 0 0", "0.5 0.5 0.5 0.5", "0 0 0 1"
SKEW, MIRRORED = "0.9 0.3 0.2 0.1", "0.9 -0.3 0.2 -0.1"


def turned(quat: str, vector: np.ndarray) -> str:
    """A vector of the torso in the frame of a body that is turned by `quat` in it."""
    values = np.array([float(x) for x in quat.split()])
    turn = np.zeros(9)
    mujoco.mju_quat2Mat(turn, values / np.linalg.norm(values))
    return " ".join(f"{x:.12f}" for x in turn.reshape(3, 3).T @ vector)


def robot_of(tmp_path, left: str, right: str, tail: str = STRAIGHT, left_joint: str = BALL, right_joint: str = BALL):
    """Arms whose hands are mirror images, whatever the frames that their bodies were given."""
    mjcf = BODY.format(
        left=left,
        right=right,
        tail=tail,
        left_joint=left_joint,
        right_joint=right_joint,
        left_hand=turned(left, np.array([0.05, 0.1, -0.02])),
        right_hand=turned(right, np.array([0.05, -0.1, -0.02])),
        left_axis=turned(left, np.array([0.6, 0.0, 0.8])),
        right_axis=turned(right, np.array([-0.6, 0.0, -0.8])),
    )
    return made(tmp_path, mjcf, PAIRS)


def moving(mj: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray) -> dict[str, np.ndarray]:
    """Place of every body, and its angular and linear velocity, in the world."""
    data, found = mujoco.MjData(mj), {}
    data.qpos[:], data.qvel[:] = qpos, qvel
    mujoco.mj_forward(mj, data)
    for body in range(1, mj.nbody):
        velocity = np.zeros(6)
        mujoco.mj_objectVelocity(mj, data, mujoco.mjtObj.mjOBJ_XBODY, body, velocity, 0)
        found[mj.body(body).name] = np.concatenate([data.xpos[body], velocity])
    return found


@pytest.mark.parametrize(
    ("left", "right", "tail"),
    [
        (STRAIGHT, STRAIGHT, STRAIGHT),
        (STRAIGHT, QUARTER, QUARTER),
        (QUARTER, HALF, HALF),
        (SKEW, MIRRORED, STRAIGHT),
    ],
)
def test_ball_joints_change_sides(tmp_path, left, right, tail):
    """Once the left arm of the image hung as the left arm did."""
    robot = robot_of(tmp_path, left, right, tail)
    mj, image, rng = robot.model.mj, Reflection.of(robot), np.random.default_rng(shifted(0))
    assert image is not None
    for _ in range(5):
        qpos, qvel = rng.normal(size=mj.nq), rng.normal(size=mj.nv)
        mujoco.mj_normalizeQuat(mj, qpos)
        seen, reflected = moving(mj, qpos, qvel), moving(mj, image.qpos(qpos), image.qvel(qvel))
        for name, found in reflected.items():
            other = name.replace("left", "RIGHT").replace("right", "left").lower()
            wanted = seen[other] * [1, -1, 1, -1, 1, -1, 1, -1, 1]
            np.testing.assert_allclose(found, wanted, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    "joints", [(BALL, '<joint axis="0 0 1"/>'), ('<joint type="slide"/>', '<joint axis="0 0 1"/>')]
)
def test_joints_of_two_kinds_are_no_mirror_images(tmp_path, joints):
    assert Reflection.of(robot_of(tmp_path, STRAIGHT, STRAIGHT, STRAIGHT, *joints)) is None


def test_axes_that_do_not_lie_along_each_others_images_are_not_known(tmp_path):
    assert Reflection.of(robot_of(tmp_path, SKEW, SKEW)) is None
