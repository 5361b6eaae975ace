"""The physics benchmark runs, and counts every case against the bare loop."""

import jax
import pytest

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.bench.growth import bench_growth
from wildrobot_eqx.bench.physics import EngineCase, bench_physics


def test_bench_physics():
    result = bench_physics("hopper", engines=("native", "mjx-warp"), num_envs=4, seconds=0.0)
    assert list(result) == ["bare", "bare_fresh", "native", "mjx-warp"]
    assert result["bare"]["fraction_of_bare"] == result["native"]["times_native"] == 1.0
    assert result["native"]["compile_seconds"] > 0
    assert result["native"]["memory_mb"] > 0
    if "skipped" in result["mjx-warp"]:  # no Warp on most machines
        assert list(result["mjx-warp"]) == ["skipped"]
        assert "warp" in result.pop("mjx-warp")["skipped"].lower()
    for case in result.values():
        assert case["steps_per_second"] > 0
        assert case["turns"] >= 5
        assert case["fraction_of_bare"] == pytest.approx(case["steps_per_second"] / result["bare"]["steps_per_second"])


def test_an_engine_for_which_the_device_has_no_memory_ends_nothing(monkeypatch):
    def of(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory.\nBacktrace: ...")

    monkeypatch.setattr(EngineCase, "of", of)
    result = bench_physics("hopper", num_envs=2, seconds=0.0)
    assert result["native"] == {"skipped": "RESOURCE_EXHAUSTED: Out of memory."}
    assert result["bare_fresh"]["steps_per_second"] > 0


def test_unknown_backend():
    with pytest.raises(WildRobotError, match="no physics engine 'nativ'"):
        bench_physics("hopper", engines=("nativ",), num_envs=2, seconds=0.0)


@pytest.mark.slow
def test_growth_counts_joints_and_contacts():
    found = bench_growth(legs=(2,), num_envs=16)
    assert [(case["joints"], case["contact_points"]) for case in found.values()] == [(6.0, 8.0)]
    assert all(case["tree_steps_per_second"] > 0 and case["bare_steps_per_second"] > 0 for case in found.values())
