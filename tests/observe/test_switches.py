"""Foot switches: what closes them, how they mirror, and which robots have them."""

import dataclasses
import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_signals, with_switches

from wildrobot_eqx import Robot, Signals, WildRobotError, load_robot
from wildrobot_eqx.paths import data_dir
from wildrobot_eqx.terms import FootSwitches

WEIGHT = 34.9  # N, of the biped


def _signals(robot: Robot, *forces: tuple[float, float, float]) -> Signals:
    signals = random_signals(robot)
    physics = dataclasses.replace(signals.physics, foot_force=jnp.asarray(forces, jnp.float32))
    return dataclasses.replace(signals, physics=physics)


@pytest.mark.parametrize(
    ("left", "right", "closed"),
    [(0.0, 0.0, [0, 0]), (0.11, 0.09, [1, 0]), (0.09, 0.11, [0, 1]), (0.5, 1.5, [1, 1])],
)
def test_a_switch_closes_at_a_share_of_the_weight(left, right, closed, robot):
    """The vertical force alone counts, each foot's by itself."""
    term = FootSwitches(with_switches(robot), threshold=0.1)
    assert float(term.threshold) == pytest.approx(0.1 * WEIGHT, rel=2e-3)
    value = term(_signals(robot, (30.0, 0.0, left * WEIGHT), (0.0, -30.0, right * WEIGHT)))
    assert value.dtype == jnp.float32
    np.testing.assert_array_equal(value, closed)


def test_the_sides_swap_in_the_mirror(robot):
    term = FootSwitches(with_switches(robot))
    value = term(_signals(robot, (0.0, 0.0, 20.0), (0.0, 0.0, 0.0)))
    np.testing.assert_array_equal(term.mirror(value), [0, 1])


@pytest.fixture
def folder(tmp_path) -> Path:
    return Path(shutil.copytree(data_dir("robots") / "wildrobot", tmp_path / "robot"))


def _edit(folder: Path, old: str, new: str) -> Path:
    toml = folder / "robot.toml"
    text = toml.read_text()
    assert text.count(old) == 1
    toml.write_text(text.replace(old, new))
    return folder


def test_robot_toml_says_which_feet_have_one(folder):
    assert not any(foot.switch for foot in load_robot(folder).feet)
    for side in ("left", "right"):
        with pytest.raises(WildRobotError) as caught:
            FootSwitches(load_robot(folder))
        assert caught.value.where == f"robot.toml, [feet.{side}]"
        _edit(folder, f"[feet.{side}]", f"[feet.{side}]\nswitch = true")
    robot = load_robot(folder)
    assert FootSwitches(robot).feet == robot.feet


def test_a_switch_is_there_or_not(folder):
    with pytest.raises(WildRobotError) as caught:
        load_robot(_edit(folder, "[feet.left]", "[feet.left]\nswitch = 3"))
    assert caught.value.where.endswith("[feet.left]")


def test_robot_toml_says_what_a_servo_bears(folder):
    assert load_robot(folder).servo.continuous_torque is None
    robot = load_robot(_edit(folder, "[servo]", "[servo]\ncontinuous_torque = 1.2"))
    assert robot.servo.continuous_torque.tolist() == pytest.approx([1.2] * robot.nu)


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.0, float("nan")])
def test_a_threshold_that_no_foot_could_tell_is_refused(threshold, robot):
    with pytest.raises(WildRobotError) as caught:
        FootSwitches(with_switches(robot), threshold)
    assert caught.value.where == "FootSwitches, threshold"
