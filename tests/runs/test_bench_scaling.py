"""The model of `bench scaling`: what it predicts, and that it finds its costs again in cases that follow it."""

import dataclasses

import pytest

from wildrobot_eqx.bench.scaling import Costs, _told, predict, table
from wildrobot_eqx.bench.scaling_case import Case

COSTS = Costs(
    env=2e-4,
    collect=5e-3,
    env_update=1e-4,
    update=8e-3,
    exchange=3e-4,
    byte=1e-9,
    gradients=200_000,
    env_data=14_000,
    env_pool=400,
    steps=20,
    other=8,
)


def test_one_device_exchanges_nothing():
    parts = predict(COSTS, 128, 1)
    assert parts["all_reduce"] == parts["exchange"] == 0.0
    assert parts["all"] == pytest.approx(5e-3 + 128 * 2e-4 + 8e-3 + 128 * 1e-4)


def test_two_devices_halve_the_envs_and_pay_for_it():
    parts = predict(COSTS, 128, 2)
    assert parts["collect"] == pytest.approx(5e-3 + 64 * 2e-4)
    assert parts["update"] == pytest.approx(8e-3 + 64 * 1e-4)
    assert parts["all_reduce"] == pytest.approx(20 * (3e-4 + 200_000 * 1e-9))
    assert parts["exchange"] == pytest.approx(8 * 3e-4 + 64 * 14_400 * 1e-9)


def test_groups_leave_rollouts_where_they_are():
    saved = predict(COSTS, 128, 4)["exchange"] - predict(COSTS, 128, 4, grouped=True)["exchange"]
    assert saved == pytest.approx(0.75 * 128 * 14_000 * 1e-9)


def _case(case):
    """What a machine that follows the model would measure."""
    cut = predict(COSTS, case.num_envs, case.processes, case.groups > 1)
    sizes = {name: getattr(COSTS, name) for name in ("gradients", "env_data", "env_pool", "steps")}
    seconds = {"iteration": cut["all"], "collect": cut["collect"], "update": cut["update"]}
    return {**seconds, "steps": 20 * case.num_envs, "sizes": sizes, "exchange": COSTS.exchange, "byte": COSTS.byte}


def test_the_costs_of_a_machine_that_follows_the_model_are_found_again():
    base = Case(128, (0,))
    cases = {
        "1 process of 1 core": base,
        "1 process of 1 core, half the envs": dataclasses.replace(base, num_envs=64),
        "1 process of 2 cores": base,
        "1 process of 2 cores, twice the envs": dataclasses.replace(base, num_envs=256),
        "2 processes of 1 core": dataclasses.replace(base, processes=2),
        "2 processes of 1 core, twice the envs": dataclasses.replace(base, processes=2, num_envs=256),
        "2 processes of 1 core, grouped": dataclasses.replace(base, processes=2, groups=2),
    }
    told = _told(cases, {name: _case(case) for name, case in cases.items()})
    assert told["costs"] == pytest.approx(dataclasses.asdict(COSTS))
    for name in (name for name in cases if name.startswith("2 processes")):
        assert told["predicted"][name]["all"] == pytest.approx(told["seconds per iteration"][name])
    assert 1.0 < told["speed-up"]["strong"] < told["speed-up"]["weak"] < 2.0
    assert told["speed-up"]["strong, one process"] == pytest.approx(1.0)
    rows = table(told)
    rate = told["steps per second"]["2 processes of 1 core"]
    assert rate == pytest.approx(2560 / 0.0455, rel=1e-3)
    assert f"| 2 processes of 1 core | 45.5 | 45.5 | {rate:,.0f} |" in rows
    assert "a = 300 us, b = 1.000 ns; S = 20, G = 200,000 bytes" in rows[-1]
