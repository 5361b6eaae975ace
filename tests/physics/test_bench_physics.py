"""The physics benchmark runs, and counts every case against the bare loop."""

import pytest

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.physics.bench import bench_physics


def test_bench_physics():
    result = bench_physics("hopper", num_envs=4, seconds=0.0)
    assert list(result) == ["bare", "bare_fresh", "native"]
    assert result["bare"]["share_of_bare"] == 1.0
    for case in result.values():
        assert case["steps_per_second"] > 0
        assert case["turns"] >= 5
        assert case["share_of_bare"] == pytest.approx(case["steps_per_second"] / result["bare"]["steps_per_second"])


def test_unknown_backend():
    with pytest.raises(WildRobotError, match="no physics backend 'nativ'"):
        bench_physics("hopper", backends=("nativ",), num_envs=2, seconds=0.0)
