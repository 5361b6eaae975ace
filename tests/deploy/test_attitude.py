"""The complementary filter against motions whose orientation is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from wildrobot_eqx import rotation
from wildrobot_eqx.deploy.player.attitude import GRAVITY, Attitude, exp, multiply

DT = 0.02  # s


def _accel(quat: np.ndarray) -> np.ndarray:
    """What an accelerometer at rest reads: gravity upwards, in its own frame."""
    up = rotation.rotate_inverse(jnp.asarray(quat, jnp.float32), jnp.asarray([0.0, 0.0, GRAVITY], jnp.float32))
    return np.asarray(up, np.float64)


def _tilt(a: np.ndarray, b: np.ndarray) -> float:
    """The angle between what two orientations call up, degrees."""
    return float(np.degrees(np.arccos(np.clip(_accel(a) @ _accel(b) / GRAVITY**2, -1.0, 1.0))))


def test_the_first_reading_is_taken_for_one_at_rest():
    rng = np.random.default_rng(0)
    for _ in range(50):
        quat = rng.normal(size=4)
        quat /= np.linalg.norm(quat)
        found = Attitude().update([0.0, 0.0, 0.0], _accel(quat), DT)
        assert np.linalg.norm(found) == pytest.approx(1.0)
        assert _tilt(found, quat) < 0.1
        assert float(rotation.yaw(jnp.asarray(found, jnp.float32))) == pytest.approx(0.0, abs=1e-3)


def test_it_turns_with_the_gyro():
    """A gyro alone, about axes that change: the heading, too, is followed."""
    rng = np.random.default_rng(1)
    quat, attitude = np.array([1.0, 0.0, 0.0, 0.0]), Attitude()
    attitude.update([0.0] * 3, _accel(quat), DT)
    for _ in range(500):
        rate = rng.normal(size=3) * 2.0
        quat = multiply(quat, exp(rate * DT))
        found = attitude.update(rate, _accel(quat), DT)
    assert abs(found @ quat) == pytest.approx(1.0, abs=1e-4)


def test_a_wrong_tilt_fades_and_a_bias_is_learned():
    attitude = Attitude(gain=1.0, bias_gain=0.1)
    attitude.update([0.0] * 3, [3.0, 0.0, 9.0], DT)  # pushed while it was switched on
    level = np.array([1.0, 0.0, 0.0, 0.0])
    bias = np.array([0.02, -0.01, 0.0])
    found = [attitude.update(bias, [0.0, 0.0, GRAVITY], DT) for _ in range(3000)]
    assert _tilt(found[0], level) > 15.0
    assert _tilt(found[250], level) < 3.0  # five seconds at 1/s
    assert _tilt(found[-1], level) < 0.1
    np.testing.assert_allclose(attitude.bias, bias, atol=1e-3)


def test_a_footfall_is_not_taken_for_up():
    """A reading far from gravity's size counts for nothing; none at all is no reading of up either."""
    attitude = Attitude()
    before = attitude.update([0.0] * 3, [0.0, 0.0, GRAVITY], DT)
    for force in ([15.0, 0.0, GRAVITY], [0.0, 0.0, 0.0], [2.0, 0.0, 0.0]):
        assert np.array_equal(attitude.update([0.0] * 3, force, DT), before)
    attitude.start()
    assert np.array_equal(attitude.update([0.0] * 3, [0.0] * 3, DT), [1.0, 0.0, 0.0, 0.0])


def test_it_follows_a_simulated_imu(walk):
    """Readings of the golden rollout, in which the robot moves about."""
    rows = walk.golden()
    attitude = Attitude()
    off = [
        _tilt(attitude.update(gyro, accel, DT), quat)
        for gyro, accel, quat in zip(
            rows["sensor/chest_imu_gyro"], rows["sensor/chest_imu_accel"], rows["sensor/chest_imu_quat"]
        )
    ]
    assert np.median(off) < 5.0
