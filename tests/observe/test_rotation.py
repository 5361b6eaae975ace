"""Quaternion algebra against MuJoCo's own."""

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from wildrobot_eqx import rotation


@pytest.fixture(params=range(5))
def rng(request):
    return np.random.default_rng(request.param)


def _quat(rng):
    q = rng.normal(size=4)
    return q / np.linalg.norm(q)


def _matrix(quat):
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, np.asarray(quat, np.float64))
    return matrix.reshape(3, 3)


def _f32(x):
    return jnp.asarray(x, jnp.float32)


def test_rotate_is_mju_rot_vec_quat(rng):
    quat, vector, expected = _quat(rng), rng.normal(size=3), np.empty(3)
    mujoco.mju_rotVecQuat(expected, vector, quat)
    np.testing.assert_allclose(rotation.rotate(_f32(quat), _f32(vector)), expected, atol=2e-6)


def test_rotate_inverse_is_the_transposed_matrix(rng):
    quat, vector = _quat(rng), rng.normal(size=3)
    expected = _matrix(quat).T @ vector
    np.testing.assert_allclose(rotation.rotate_inverse(_f32(quat), _f32(vector)), expected, atol=2e-6)


def test_multiply_is_mju_mul_quat(rng):
    a, b, expected = _quat(rng), _quat(rng), np.empty(4)
    mujoco.mju_mulQuat(expected, a, b)
    np.testing.assert_allclose(rotation.quat_multiply(_f32(a), _f32(b)), expected, atol=1e-6)


def test_yaw_and_pitch_read_the_x_axis(rng):
    """Heading and elevation of the body's x axis, from its column of the rotation matrix."""
    quat = _quat(rng)
    x = _matrix(quat)[:, 0]
    np.testing.assert_allclose(rotation.yaw(_f32(quat)), np.arctan2(x[1], x[0]), atol=1e-5)
    np.testing.assert_allclose(rotation.pitch(_f32(quat)), -np.arcsin(x[2]), atol=1e-5)


def test_pitch_is_positive_nose_down():
    quat = np.empty(4)
    mujoco.mju_axisAngle2Quat(quat, np.array([0.0, 1.0, 0.0]), 0.3)
    assert (_matrix(quat) @ [1.0, 0.0, 0.0])[2] < 0.0
    np.testing.assert_allclose(rotation.pitch(_f32(quat)), 0.3, atol=1e-6)


@pytest.mark.parametrize("angle", [-3.0, -0.5, 0.0, 1.2, 3.1])
def test_quat_yaw_is_mju_axis_angle(angle):
    expected = np.empty(4)
    mujoco.mju_axisAngle2Quat(expected, np.array([0.0, 0.0, 1.0]), angle)
    quat = rotation.quat_yaw(_f32(angle))
    np.testing.assert_allclose(quat, expected, atol=1e-6)
    np.testing.assert_allclose(rotation.yaw(quat), angle, atol=1e-5)


@pytest.mark.parametrize(
    ("angle", "expected"),
    [(0.0, 0.0), (3.0, 3.0), (3.5, 3.5 - 2 * np.pi), (-3.5, 2 * np.pi - 3.5), (9.0, 9 - 2 * np.pi)],
)
def test_wrap_angle(angle, expected):
    np.testing.assert_allclose(rotation.wrap_angle(_f32(angle)), expected, atol=1e-6)
