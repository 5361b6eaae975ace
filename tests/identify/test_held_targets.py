import numpy as np
import pytest

from wildrobot_eqx.identify.servo import commands

SENT = np.array([0.0, 0.02, 0.04, 0.06])
TARGET = np.array([[0.0, 1.0], [1.0, 0.5], [-1.0, 0.2], [0.5, 0.0]])


@pytest.mark.parametrize(("delay", "smoothing"), [(0.0, 0.0), (0.007, 0.0), (0.013, 0.02), (0.05, 0.011)])
def test_commands_are_the_mean_of_what_is_in_force(delay, smoothing):
    step, count = 0.004, 20
    found = commands(SENT, TARGET, 0.0, step, count, delay, smoothing)
    width = max(step, smoothing)
    for k in range(count):
        middle = (k + 0.5) * step - 0.5 * smoothing
        moments = middle + ((np.arange(1000) + 0.5) / 1000 - 0.5) * width
        expected = TARGET[np.maximum(np.searchsorted(SENT + delay, moments, side="right") - 1, 0)].mean(axis=0)
        np.testing.assert_allclose(found[k], expected, atol=3e-3)


def test_without_a_delay_a_target_is_held_exactly():
    found = commands(SENT, TARGET, 0.0, 0.004, 20, 0.0, 0.0)
    np.testing.assert_allclose(found, np.repeat(TARGET, 5, axis=0), atol=1e-12)


def test_commands_change_continuously_with_the_delay():
    one, other = (commands(SENT, TARGET, 0.0, 0.004, 20, delay, 0.0) for delay in (0.006, 0.0061))
    assert 0.0 < np.abs(one - other).max() < 0.06
