"""The comparison of trainers runs, and its figures are those of the runs behind it."""

import pytest

from wildrobot_eqx.bench.trainers import _compared, bench_trainers


def test_the_comparison_divides_ours_by_theirs():
    def case(speed, start, returns):
        return {"steps_per_second": speed, "steps_per_second_from_start": start, "returns": returns}

    found = {
        "ppo_native": case(12_000.0, 4_000.0, [30.0, 50.0]),
        "brax_ppo_native": case(6_000.0, 2_000.0, [10.0, 20.0]),
        "brax_ppo_mjx": case(2_000.0, 500.0, [99.0]),
    }
    assert _compared(found) == {
        "speed_of_ours_on_native_over_brax_on_mjx": 6.0,
        "the_same_from_process_start": 8.0,
        "return_of_ours_less_that_of_brax_on_native": 25.0,
    }


@pytest.mark.slow
def test_both_trainers_are_measured(heard):
    found = bench_trainers("hop", steps=20_000, seeds=1, engines=("native",))
    assert [line.startswith("training") for line in heard.messages if line.startswith(("training", "  "))] == [
        True,
        False,
    ] * 2
    for name in ("ppo_native", "brax_ppo_native"):
        figures = found[name]
        assert figures["steps_per_second"] > figures["steps_per_second_from_start"] > 0.0
        assert 0.0 < figures["first_update_s"] < figures["wall_s"]
        assert figures["cores_busy"] > 0.1
        assert len(figures["returns"]) == 1
        assert figures["returns"][0] > 5.0  # a hopper that stands for a while
