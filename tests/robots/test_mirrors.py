"""The mirror of joint vectors against MuJoCo: the mirrored state is the mirror image of the state."""

import itertools

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from made import made

from wildrobot_eqx import WildRobotError

KINDS, AXES = ("slide", "hinge"), {"x": "1 0 0", "y": "0 1 0", "z": "0 0 1", "skew": "0.6 0.48 0.64"}
RIGHT = {"x": "1 0 0", "y": "0 1 0", "z": "0 0 1", "skew": "0.6 -0.48 0.64"}  # the mirror image of each line


def limb(side: str, y: float, kind: str, axis: str) -> str:
    return (
        f'<body name="{side}" pos="0.1 {y} 0.2"><joint name="{side}" type="{kind}" axis="{axis}" range="-1 1"/>'
        f'<geom size="0.05"/><site name="{side}" pos="0.1 {0.5 * y} 0.3"/></body>'
    )


def drives(*joints: str) -> str:
    own = 'kp="10" inheritrange="1" forcerange="-9 9"'
    servos = [f'<position joint="{joint}" {own}/>' for joint in joints]
    return f"<actuator>{''.join(servos)}</actuator>"


def sites(robot, joints) -> np.ndarray:
    data = mujoco.MjData(robot.model.mj)
    data.qpos[list(robot.joint_qpos)] = joints
    mujoco.mj_forward(robot.model.mj, data)
    return data.site_xpos.copy()


@pytest.mark.parametrize(("kind", "axis", "turned"), list(itertools.product(KINDS, AXES, (False, True))))
def test_a_pair_is_mirrored_as_mujoco_moves_it(tmp_path, kind, axis, turned):
    """`turned`: the right joint's axis points the other way."""
    right = " ".join(str(-float(x)) for x in RIGHT[axis].split()) if turned else RIGHT[axis]
    limbs = limb("left", 0.1, kind, AXES[axis]) + limb("right", -0.1, kind, right)
    mjcf = f"<worldbody><body name='torso'>{limbs}</body></worldbody>{drives('left', 'right')}"
    robot = made(tmp_path, mjcf, 'mirror_pairs = [["left", "right"]]\n[base]\nbody = "torso"\n')
    joints = np.array([0.3, -0.7], np.float32)
    mirrored = np.asarray(robot.mirror(jnp.asarray(joints)))
    np.testing.assert_array_equal(np.abs(mirrored), [np.float32(0.7), np.float32(0.3)])
    image = sites(robot, joints)[::-1] * [1.0, -1.0, 1.0]
    np.testing.assert_allclose(sites(robot, mirrored), image, atol=1e-6)


@pytest.mark.parametrize(("kind", "axis"), list(itertools.product(KINDS, ("x", "y", "z"))))
def test_a_joint_in_the_middle_is_mirrored_as_mujoco_moves_it(tmp_path, kind, axis):
    mjcf = f"<worldbody>{limb('one', 0.0, kind, AXES[axis])}</worldbody>{drives('one')}"
    robot = made(tmp_path, mjcf)
    mirrored = np.asarray(robot.mirror(jnp.asarray([0.4], jnp.float32)))
    image = sites(robot, [0.4]) * [1.0, -1.0, 1.0]
    np.testing.assert_allclose(sites(robot, mirrored), image, atol=1e-6)


def test_a_slide_that_keeps_its_sign_may_have_a_home(tmp_path):
    mjcf = f"<worldbody>{limb('one', 0.0, 'slide', AXES['x'])}</worldbody>{drives('one')}"
    robot = made(tmp_path, mjcf, "mirror_pairs = []\n[home]\none = 0.3\n")
    assert robot.mirror.sign == (1.0,)
    sideways = mjcf.replace('axis="1 0 0"', 'axis="0 1 0"')
    with pytest.raises(WildRobotError, match="not left-right symmetric"):
        made(tmp_path, sideways, "mirror_pairs = []\n[home]\none = 0.3\n")


def test_without_pairs_what_is_not_its_own_image_has_no_mirror(tmp_path):
    aside = f"<worldbody>{limb('one', 0.1, 'hinge', AXES['y'])}</worldbody>{drives('one')}"
    assert made(tmp_path, aside).mirror is None
    bent = f"<worldbody>{limb('one', 0.0, 'hinge', AXES['z'])}</worldbody>{drives('one')}"
    assert made(tmp_path, bent, "[home]\none = 0.3\n").mirror is None
    assert made(tmp_path, bent).mirror.sign == (-1.0,)


def test_a_slide_is_no_image_of_a_hinge(tmp_path):
    limbs = limb("left", 0.1, "slide", AXES["x"]) + limb("right", -0.1, "hinge", AXES["x"])
    mjcf = f"<worldbody><body name='torso'>{limbs}</body></worldbody>{drives('left', 'right')}"
    with pytest.raises(WildRobotError, match="no mirror images"):
        made(tmp_path, mjcf, 'mirror_pairs = [["left", "right"]]\n')
