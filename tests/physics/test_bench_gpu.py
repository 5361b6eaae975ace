"""The GPU benchmark, on whatever device there is, and its tables."""

import pytest

from wildrobot_eqx.bench.gpu import bench_gpu, table


@pytest.mark.slow
def test_engines_are_measured_and_shown_in_a_table():
    found = bench_gpu("hopper", engines=("tree", "mjx-warp"), sizes=(4,), steps=0)
    case = found["physics"]["tree"]["4"]
    assert case["steps_per_second"] > 0
    assert case["compile_seconds"] > 0
    lines = table(found)
    assert f"| tree | 4 | {case['steps_per_second']:,.0f} |" in "\n".join(lines)
    assert not found["train"]


def test_tables_hold_each_training_and_the_reason_of_what_was_left_out():
    found = {
        "physics": {"mjx-warp": {"skipped": "no Warp here"}},
        "train": {"cold": {"steps_per_second": 1e5, "first_update_s": 30.4, "process_seconds": 61.0}},
    }
    lines = table(found)
    assert "| mjx-warp | | no Warp here | | |" in lines
    assert "| cold cache | 100,000 | 30 s | 61 s |" in lines
