"""The GPU benchmark, on whatever device there is, and its tables."""

import jax
import pytest

from wildrobot_eqx.bench import gpu
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


def test_a_case_for_which_the_device_has_no_memory_ends_nothing(monkeypatch):
    def rate(engine, native, n):
        if n == 8:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.\nBacktrace: ...")
        return {"steps_per_second": 1e6, "compile_seconds": 2.0, "memory_mb": 3.0}

    monkeypatch.setattr(gpu, "_rate", rate)
    found = bench_gpu("hopper", engines=("tree", "mjx"), sizes=(4, 8, 6), steps=0)
    assert found["physics"]["tree"]["8"] == {"skipped": "RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes."}
    assert [list(cases) for cases in found["physics"].values()] == [["4", "8", "6"]] * 2
    assert "| mjx | 8 | RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes. | | |" in table(found)
    assert "| mjx | 6 | 1,000,000 | 2 s | 3 MB |" in table(found)


def test_tables_hold_each_training_and_the_reason_of_what_was_left_out():
    found = {
        "physics": {"mjx-warp": {"skipped": "no Warp here"}},
        "train": {"cold": {"steps_per_second": 1e5, "first_update_s": 30.4, "process_seconds": 61.0}},
    }
    lines = table(found)
    assert "| mjx-warp | | no Warp here | | |" in lines
    assert "| cold cache | 100,000 | 30 s | 61 s |" in lines
