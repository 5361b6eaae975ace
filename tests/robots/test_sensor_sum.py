"""A foot of several geoms reads the sum of its sensors, wherever they lie."""

import jax.numpy as jnp
import numpy as np

from wildrobot_eqx.robots.parts import Sensor, SensorSum


def test_the_sum_reads_every_part():
    both = SensorSum((Sensor("heel", 1, 3), Sensor("toe", 6, 3)))
    data = jnp.asarray([9.0, 1.0, 2.0, 3.0, 9.0, 9.0, 10.0, 20.0, 30.0])
    np.testing.assert_array_equal(both.read(data), [11.0, 22.0, 33.0])
    assert both.size == 3
