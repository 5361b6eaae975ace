"""`run --identified`: what was identified becomes nominal values and ranges of a recipe."""

import dataclasses

import jax
import numpy as np
import pytest

import wildrobot_eqx as we
from wildrobot_eqx.errors import WildRobotError
from wildrobot_eqx.identify.identified import Entry, Identified
from wildrobot_eqx.recipes.identified import with_identified
from wildrobot_eqx.recipes.recipe import load_recipe
from wildrobot_eqx.train.session import reopen, start

KNEE = "left_knee_pitch"
ENTRIES = (
    Entry("servo_zero", KNEE, 0.02, 0.015, 0.025, 0.9),
    Entry("imu_tilt", "y", 0.03, 0.028, 0.032, 0.9),
    Entry("delay", "", 0.012, 0.011, 0.013, 0.9),
    Entry("backlash", KNEE, 0.01, 0.008, 0.012, 0.9),
    Entry("stiffness", KNEE, 0.8, 0.75, 0.85, 0.9),
    Entry("mass", "waist", 1.1, 1.05, 1.15, 0.9),
    Entry("centre_of_mass", "waist.x", 0.004, 0.003, 0.005, 0.9),
    Entry("sole_softness", "", 2.0, 1.5, 2.5, 0.5),
)


@pytest.fixture(scope="module")
def identified(robot):
    return Identified(robot.name, robot.model.digest, ENTRIES, ("a.mcap",))


@pytest.fixture(scope="module")
def function():
    return load_recipe("stand")


@pytest.fixture(scope="module")
def recipe(function):
    return function(physics="native")


def test_the_world_is_as_identified(recipe, robot, identified):
    world = with_identified(recipe, identified).env.disturbances
    params = world.draw(jax.random.key(1), recipe.env.physics.params())
    i, nominal = robot.joint_names.index(KNEE), recipe.env.physics.params()
    gain = float(params.actuator_gainprm[i, 0] / nominal.actuator_gainprm[i, 0])
    assert 0.75 <= gain <= 0.85
    others = [np.delete(each.actuator_gainprm[:, 0], i) for each in (params, nominal)]
    np.testing.assert_allclose(*others)
    np.testing.assert_allclose(world.servos.parts["delay"].seconds, [0.011, 0.013])
    np.testing.assert_allclose(world.servos.parts["backlash"].play, [0.008, 0.012])
    drawn = world.calibration(jax.random.key(0), robot.nu)
    assert float(drawn.joint_offset[i]) == pytest.approx(0.02, abs=0.0051)
    assert np.abs(np.delete(drawn.joint_offset, i)).max() <= 0.0051
    assert float(drawn.imu_rotation[1]) == pytest.approx(0.03, abs=0.0021)
    assert world.events.keys() == recipe.env.disturbances.events.keys()


def test_the_policy_reads_as_late_and_as_wrong_as_the_robot(recipe, identified):
    known = dataclasses.replace(identified, ages=(0.5, 0.25, 0.25))
    sensing = with_identified(recipe, known).env.observations["policy"].sensing
    kinds = {name: [type(part).__name__ for part in parts] for name, parts in sensing.items()}
    assert kinds["joint_pos"] == ["EncoderOffset", "RoundRobin"]
    assert kinds["joint_vel"] == ["RoundRobin"]
    assert kinds["gravity"] == kinds["gyro"] == ["MountingError"]
    np.testing.assert_allclose(sensing["joint_vel"][0].ages, [0.5, 0.25, 0.25])


def test_the_recipes_own_ranges_give_way(recipe, identified):
    old, new = recipe.env.disturbances.randomisers, with_identified(recipe, identified).env.disturbances.randomisers
    assert len(new) == len(old) + 1
    gains = next(r for r in new if isinstance(r, we.randomise.ScaleGains))
    np.testing.assert_allclose(gains.range, 1.0)
    masses = next(r for r in new if isinstance(r, we.randomise.ScaleMass))
    np.testing.assert_allclose(masses.range, next(r for r in old if isinstance(r, we.randomise.ScaleMass)).range)


def test_another_robots_is_refused(recipe, identified):
    other = dataclasses.replace(identified, model="0" * 64)
    with pytest.raises(WildRobotError, match="another model") as error:
        with_identified(recipe, other, "found.toml")
    assert error.value.where == "found.toml"


def test_a_run_keeps_what_it_was_made_with(function, identified, tmp_path):
    identified.write(tmp_path / "found.toml")
    options = {**function.options, "physics": "native"}
    recipe, folder = start(function, options, [], tmp_path / "run", identified=tmp_path / "found.toml")
    assert folder.identified.is_file()
    (tmp_path / "found.toml").unlink()
    again, _ = reopen(folder, trust=False)
    assert len(again.env.disturbances.randomisers) == len(recipe.env.disturbances.randomisers)
    worlds = [each.env.disturbances for each in (again, recipe)]
    np.testing.assert_allclose(*(world.calibration.joint_mean for world in worlds))
    folder.identified.write_text(folder.identified.read_text().replace("0.02\n", "0.021\n"))
    with pytest.raises(WildRobotError, match="hash differs"):
        reopen(folder, trust=False)
