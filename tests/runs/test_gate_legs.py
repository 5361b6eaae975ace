"""The walk gate of robots of other sizes and with more legs: scaled limits, and lines of the gait's own."""

import dataclasses

import numpy as np
import pytest
from legged import LENGTH, legged
from puppets import gather, walk

import wildrobot_eqx as we
from wildrobot_eqx import WalkDesign
from wildrobot_eqx.evaluate.walking.meter import GaitMeter
from wildrobot_eqx.evaluate.walking.motions import Motion, limits
from wildrobot_eqx.evaluate.walking.stand_gate import StandGate
from wildrobot_eqx.evaluate.walking.walk_gate import WalkGate

# Every limit of the walk gate of the biped before it knew of scales.
BEFORE = {
    "survival": (0.99, None),
    "speed_error": (None, 0.025),
    "drift": (None, 0.2),
    "heading_error": (None, 5.0),
    "swing_peak_left": (0.03, None),
    "swing_peak_right": (0.03, None),
    "feet_down": (0.99, None),
    "travel_speed": (None, 0.01),
    "pitch": (-8.0, 8.0),
    "swing_ratio": (0.8, 1.25),
    "slip": (None, 0.05),
    "torque_rms": (None, 1.47),
    "saturated": (None, 0.02),
    "overspeed": (None, 0.01),
}


def bounds(limits) -> dict[str, tuple[float | None, float | None]]:
    return {limit.figure: (limit.low, limit.high) for limit in limits}


def test_the_biped_is_held_to_the_limits_of_before(robot):
    meter = GaitMeter(robot, 20.0, 3.0, we.gaits.two_beat(robot))
    found = WalkGate().speed_limits(meter)
    assert bounds(found) == BEFORE
    cases = {limit.figure: limit.cases for limit in found}
    assert cases["survival"] == ("0", "0.1", "0.2", "0.3", "0.4")
    assert cases["swing_peak_left"] == cases["swing_ratio"] == ("0.1", "0.2", "0.3", "0.4")
    assert cases["feet_down"] == cases["travel_speed"] == ("0",)
    assert WalkGate.up_to(0.65) == WalkGate()
    assert bounds(limits(meter, Motion("left", 0.1)))["lateral_error"] == (None, 0.025)
    assert bounds(limits(meter, Motion("turn", 0.3)))["turn_error"] == (None, 0.05)
    standing = bounds(StandGate().kick_limits(meter))
    assert (standing["displacement"], standing["base_speed"], standing["slip"]) == (
        (None, 0.1),
        (None, 0.03),
        (None, 0.05),
    )


# Figures that are lengths and speeds, by their powers of a robot's scale.
POWERS = {"speed_error": 0.5, "drift": 0.5, "travel_speed": 0.5, "slip": 0.5, "torque_rms": 4.0}


@pytest.mark.parametrize("scale", [0.25, 3.0])
def test_limits_scale_as_gravity_has_it(tmp_path, scale):
    def limits_of(scale: float, name: str):
        robot = legged(tmp_path / name, 4, scale)
        design = WalkDesign.of(robot)
        gate = WalkGate.up_to(design.max_speed)
        return gate, bounds(gate.speed_limits(GaitMeter(robot, 20.0, 3.0, design.make_gait(robot))))

    (one, before), (other, after) = limits_of(1.0, "one"), limits_of(scale, "other")
    assert before.keys() == after.keys()
    for figure, pair in before.items():
        power = 1.0 if figure.startswith("swing_peak") else POWERS.get(figure, 0.0)
        for low, high in zip(pair, after[figure], strict=True):
            assert (low is None) == (high is None)
            if low is not None:
                assert high == pytest.approx(low * scale**power, rel=1e-2), figure
    np.testing.assert_allclose(other.required, np.array(one.required) * scale**0.5, rtol=0.05)
    assert before["swing_peak_f0"][0] == pytest.approx(0.0677 * LENGTH, rel=0.01)
    assert before["speed_error"][1] == pytest.approx(0.012 * np.sqrt(9.81 * LENGTH), rel=0.01)


# --- lines of a quadruped ----------------------------------------------------------------------------------

TROT = {"mid_swing": (0.25, 0.75, 0.25, 0.75), "swing": (0.4,) * 4, "height": (0.03,) * 4, "nu": 16}
PEAKS = {f"swing_peak_f{i}" for i in range(4)}
DEFECTS = {
    "drags its feet": ({"touch": 0.2}, {"drag"}),
    "drags them heavily": (
        {"drag": True},
        PEAKS | {"swing_ratio", "pair_ratio", "duty_factor", "drag", "slip"},
    ),
    "shuffles": ({"height": (0.01,) * 4}, PEAKS),
    "keeps a foot low": ({"height": (0.03, 0.03, 0.03, 0.01)}, {"swing_peak_f3"}),
    "limps on the left": ({"swing": (0.3, 0.3, 0.45, 0.45)}, {"swing_ratio", "in_step"}),
    "limps on a diagonal": ({"swing": (0.3, 0.45, 0.3, 0.45)}, {"pair_ratio"}),
    "walks one foot after the other": ({"mid_swing": (0.1, 0.6, 0.35, 0.85)}, {"in_step"}),
    "hardly swings": ({"swing": (0.2,) * 4}, {"duty_factor"}),
    "hops": ({"swing": (0.7,) * 4}, {"duty_factor"}),
    "slips": ({"slip": 0.05}, {"slip"}),
}


@pytest.fixture(scope="module")
def quadruped(tmp_path_factory) -> tuple[we.Robot, GaitMeter]:
    robot = legged(tmp_path_factory.mktemp("quadruped"))
    return robot, GaitMeter(robot, 10.0, 3.0, we.gaits.trot(robot, swing=0.4))


def failed(quadruped, command: float = 0.2, **spoiled) -> set[str]:
    robot, meter = quadruped
    samples = walk(command, **{"weight": robot.weight, **TROT, **spoiled})
    gate = WalkGate(required=(0.0, 0.2))
    return {line.name for line in gate.judge(meter, gather(meter, samples), command, 0.005)[1] if not line.passed}


def test_a_perfect_trot_passes(quadruped):
    _, meter = quadruped
    assert failed(quadruped) == set()
    assert failed(quadruped, command=0.0) == set()
    assert (meter.left, meter.together, meter.duty) == ((0, 1), ((0, 2), (1, 3)), 0.6)
    assert meter.rests
    assert meter.more_lines


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_of_a_trot_fails_its_own_lines(quadruped, defect):
    spoiled, lines = DEFECTS[defect]
    assert failed(quadruped, **spoiled) == lines


def test_a_biped_on_points_need_not_stand_still(tmp_path):
    """It steps on the spot: no line of feet on the floor, lines of its swings instead."""
    robot = legged(tmp_path, 2)
    design = WalkDesign.of(robot)
    meter = GaitMeter(robot, 10.0, 3.0, design.make_gait(robot))
    assert (meter.rests, meter.more_lines) == (False, True)
    held = {limit.figure: limit.cases for limit in WalkGate(required=(0.0, 0.2)).speed_limits(meter)}
    assert held["feet_down"] == held["travel_speed"] == ()
    assert held["drag"] == held["duty_factor"] == held["swing_ratio"] == ("0.2",)
    assert held["survival"] == held["speed_error"] == ("0", "0.2")
    assert "in_step" not in held  # no two feet swing at once
    assert not GaitMeter(robot, 10.0, 3.0).rests  # nor where nobody knows the gait
    standing = dataclasses.replace(design, standing=True).make_gait(robot)
    assert GaitMeter(robot, 10.0, 3.0, standing).rests
