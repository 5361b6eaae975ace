"""Figures of a walk: by hand for robots that ship, as they were for the biped, and by scale for any other."""

import dataclasses
import json
import math
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_physics
from legged import LENGTH, legged

import wildrobot_eqx as we
from wildrobot_eqx import Scales, WalkDesign, WildRobotError, load_recipe, load_robot
from wildrobot_eqx.check.misfit import misfits
from wildrobot_eqx.evaluate.walking.meter import GaitMeter
from wildrobot_eqx.physics import PhysicsState
from wildrobot_eqx.report.tables import as_text, choices_json, choices_table

QUADRUPED = str(Path(__file__).parents[2] / "docs" / "examples" / "quadruped")


@pytest.fixture(scope="module")
def walk() -> we.Recipe:
    """The walk recipe as it ships."""
    return load_recipe("walk")()


# Lengths of thigh and shank (m), their angle from the vertical at home (rad), and sole under the last joint (m).
BY_HAND = {
    "wildrobot": (0.1926 + 0.18, 0.35, 0.0931, 3.5585),
    "hopper": (0.15 + 0.15, 0.4, 0.05, 1.6),
    QUADRUPED: (0.12 + 0.12 + 0.015, 0.7, 0.0, 2.32),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_the_scales_of_a_robot_that_ships(name):
    bones, bend, sole, mass = BY_HAND[name]
    scales = Scales.of(load_robot(name))
    length = bones * math.cos(bend) + sole
    assert scales.length == pytest.approx(length, abs=4e-4)
    assert scales.weight == pytest.approx(9.81 * mass, rel=1e-3)
    assert scales.mass == pytest.approx(mass, rel=1e-3)
    assert scales.time == pytest.approx(math.sqrt(length / 9.81), rel=1e-3)
    assert scales.speed == pytest.approx(math.sqrt(length * 9.81), rel=1e-3)


# Every figure of recipes/walk.py before it knew of scales, on the biped.
BEFORE = {
    "commands['gait'].mid_swing": [0.25, 0.75],
    "commands['gait'].period": 0.7,
    "commands['gait'].swing": 0.4,
    "commands['velocity'].deadband": 0.05,
    "commands['velocity'].heading.gain": 1.5,
    "commands['velocity'].heading.limit": 0.6,
    "commands['velocity'].interval": 4.0,
    "commands['velocity'].lin_vel_x": [0.0, 0.65],
    "commands['velocity'].stand_probability": 0.15,
    "controller.scale": [0.4] * 11,
    "endings['fallen'].max_tilt": 0.8,
    "endings['fallen'].min_height": 0.33,
    "episode_length": 8.0,
    "reset_state.base_velocity_noise": 0.1,
    "reset_state.drop": 0.005,
    "reset_state.joint_noise": 0.05,
    "reset_state.velocity_noise": 0.1,
    "rewards['alive'].weight": 4.0,
    "rewards['contacts'].load": 3.4908993,
    "rewards['contacts'].weight": 1.0,
    "rewards['deviation'].mask": [0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1],
    "rewards['deviation'].weight": -1.0,
    "rewards['foot'].height": 0.055,
    "rewards['foot'].weight": 4.0,
    "rewards['foot'].width": 0.031764396,
    "rewards['heading'].weight": 1.5,
    "rewards['heading'].width": 0.1,
    "rewards['height'].height": 0.47646594,
    "rewards['height'].weight": -20.0,
    "rewards['joint_speed'].limit": [0.8 * 5.818] * 11,
    "rewards['joint_speed'].weight": -0.05,
    "rewards['lateral'].slope": 0.0,
    "rewards['lateral'].weight": 1.0,
    "rewards['lateral'].width": 0.12,
    "rewards['rate'].weight": -0.05,
    "rewards['slip'].load": 3.4908993,
    "rewards['slip'].weight": -4.0,
    "rewards['still'].time": math.sqrt(0.02),
    "rewards['still'].weight": -1.0,
    "rewards['torque'].weight": -0.01,
    "rewards['track'].slope": 0.5,
    "rewards['track'].weight": 2.0,
    "rewards['track'].width": 0.15,
    "rewards['upright'].weight": -20.0,
    "rewards['yaw'].slope": 0.0,
    "rewards['yaw'].weight": 0.5,
    "rewards['yaw'].width": 0.40837681,
}
OF_THE_ROBOT = ("physics", "controller.home", "controller.range", "reset_state.robot", "reset_state.spread")


def test_quadrupeds_pull_against_drift_and_many_joints_train_for_longer():
    made = {name: we.WalkDesign.of(we.load_robot(name)) for name in ("wildrobot", "solo12", "wildrobot17")}
    assert made["wildrobot"].lateral_slope == made["wildrobot17"].lateral_slope == 0.0
    assert made["solo12"].lateral_slope == pytest.approx(3.127 / made["solo12"].scales.speed, rel=1e-4)
    assert [design.steps for design in made.values()] == [1_000_000, 1_000_000, 1_700_000]


def test_the_biped_walks_by_the_figures_of_before(walk):
    """Each leaf of the env that is no property of the robot, within rounding."""
    leaves = {
        jax.tree_util.keystr(path)[1:]: np.asarray(leaf)
        for path, leaf in jax.tree.leaves_with_path(eqx.filter(walk.env, eqx.is_array))
    }
    ours = {name: leaf for name, leaf in leaves.items() if not name.startswith((*OF_THE_ROBOT, "reset_state.centre"))}
    ours = {name: leaf for name, leaf in ours.items() if not name.endswith("driven.home")}
    assert ours.keys() == BEFORE.keys()
    for name, leaf in ours.items():
        np.testing.assert_allclose(leaf, BEFORE[name], rtol=2e-5, err_msg=name)
    assert (walk.learner, walk.steps) == (we.PPO(decay_steps=1_000_000), 1_000_000)
    assert walk.gate == we.gates.WalkGate()


# What a unit becomes of a robot `s` times as large, whose masses are s^3 times as large: its power of s.
POWERS = {
    "": 0.0,
    "1": 0.0,
    "rad": 0.0,
    "m": 1.0,
    "s": 0.5,
    "m/s": 0.5,
    "s/m": -0.5,
    "1/s": -0.5,
    "rad/s": -0.5,
    "N": 3.0,
    "s^2/m^2": -1.0,
    "1/m^2": -2.0,
    "1/rad^2": 0.0,
    "s^2/rad^2": 1.0,
    "1/(N m)^2": -8.0,
}


@pytest.mark.parametrize("scale", [0.25, 3.0])
@pytest.mark.parametrize("legs", [2, 4])
def test_figures_scale_as_gravity_has_it(tmp_path, legs, scale):
    one = WalkDesign.of(legged(tmp_path / "one", legs)).choices
    other = WalkDesign.of(legged(tmp_path / "other", legs, scale)).choices
    for before, after in zip(one, other, strict=True):
        assert (before.name, before.unit, before.rule) == (after.name, after.unit, after.rule)
        if isinstance(before.value, float):
            assert after.value == pytest.approx(before.value * scale ** POWERS[before.unit], rel=5e-5), before.name
        elif before.name != "weight":
            assert before.value == after.value, before.name
    assert {"1/(N m)^2", "s^2/rad^2", "N", "m/s", "1/m^2"} <= {choice.unit for choice in one}


def test_what_is_asked_for_is_taken(tmp_path):
    robot = legged(tmp_path)
    design = WalkDesign.of(robot, "pace", max_speed=0.9, action_scale=0.2, period=None, standing=False)
    own = WalkDesign.of(robot)
    assert (design.gait, design.max_speed, design.period) == ("pace", 0.9, own.period)
    assert design.action_scale == (0.2,) * robot.nu
    gait = design.make_gait(robot)
    assert (float(gait.period), gait.rests) == (pytest.approx(own.period), False)
    assert list(gait.mid_swing) == [0.25, 0.25, 0.75, 0.75]  # the left ones first
    for wrong in ("speed", "held", "scales"):
        with pytest.raises(WildRobotError, match=f"no figure '{wrong}'"):
            WalkDesign.of(robot, **{wrong: 1.0})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_speed", 0.0),
        ("max_speed", -0.3),
        ("clearance", 0.0),
        ("track_width", 0.0),
        ("action_scale", -1.0),
        ("load", float("nan")),
        ("swing", 1.0),
        ("torque_weight", float("inf")),
    ],
)
def test_a_figure_that_no_walk_has_is_refused(hopper, name, value):
    with pytest.raises(WildRobotError, match=name.replace("_", " ")) as caught:
        WalkDesign.of(hopper, **{name: value})
    assert caught.value.where == f"WalkDesign, {name}"


def test_slower_commands_are_told_from_standing():
    """With what a user gives, the gate's slowest speed is asked for, and a robot that stands earns as little."""
    recipe = load_recipe("walk")(max_speed=0.3, physics="native")
    assert recipe.gate.unasked(recipe.env) == ()
    assert misfits(recipe.env) == ()
    rules = {choice.name: choice.rule for choice in recipe.choices}
    assert rules["max_speed"] == "as given"
    assert rules["period"] != "as given"


@pytest.mark.parametrize("length", [0.43, 0.4876, 0.57, 0.585])
def test_a_gate_asks_for_speeds_at_which_feet_must_swing(robot, length):
    """Rounding the gate's slowest speed takes it below that for no leg length."""
    gate = we.gates.WalkGate.up_to(0.311782 * math.sqrt(9.81 * length))
    meter = GaitMeter(robot, gate.seconds, gate.warmup)
    meter = dataclasses.replace(meter, scales=dataclasses.replace(meter.scales, length=length))
    (cases,) = {limit.cases for limit in gate.speed_limits(meter) if limit.figure.startswith("swing_peak")}
    assert cases == tuple(f"{v:g}" for v in gate.required[1:])


def test_a_gait_by_the_number_of_legs(tmp_path):
    """Opposite feet swing half a cycle apart, those of a diagonal or of a tripod at once."""
    swings = {2: [0.25, 0.75], 4: [0.25, 0.75, 0.25, 0.75], 6: [0.25, 0.75, 0.25, 0.75, 0.25, 0.75]}
    for legs, name in ((2, "two_beat"), (4, "trot"), (6, "tripod")):
        robot = legged(tmp_path / name, legs)
        design = WalkDesign.of(robot)
        assert (design.gait, design.scales.legs) == (name, legs)
        assert list(design.make_gait(robot).mid_swing) == swings[legs]
    with pytest.raises(WildRobotError, match="No gait is known for the 3 feet"):
        WalkDesign.of(legged(tmp_path / "three", 3))
    with pytest.raises(WildRobotError, match="tripod is a gait of six feet"):
        we.gaits.tripod(load_robot(QUADRUPED))


@pytest.mark.parametrize("yaw", [False, True])
@pytest.mark.parametrize("legs", [2, 4])
def test_joints_are_held_by_what_they_move(tmp_path, legs, yaw):
    """Rolls and yaws of hips, waist and arms; pitches, knees and ankles are free. Their names are numbers."""
    robot = legged(tmp_path, legs, arms=True, yaw=yaw)
    rolls = {f"{10 * i}" for i in range(legs)}
    yaws = {f"{10 * i + 9}" for i in range(legs)} if yaw else set()
    assert set(WalkDesign.of(robot).held) == rolls | yaws | {"70", "71", "72"}
    for leg in robot.legs:
        assert leg.length == pytest.approx(LENGTH, abs=1e-6)
        assert len(leg.joints) == 4 + yaw


def test_a_leg_that_is_spread_swings_about_the_vertical():
    """A hexapod's root joint carries the foot ahead: it is not held."""
    coxa, femur = we.LegJoint("coxa", 0.1, True, (0.2, 0.05, 0.0)), we.LegJoint("femur", 0.1, False, (0.0, 0.1, 0.2))
    leg = we.Leg("foot", (coxa, femur), 0.1)
    assert leg.sideways == ()
    turned = dataclasses.replace(leg, joints=(we.LegJoint("yaw", 0.1, True, (0.02, 0.01, 0.0)), *leg.joints))
    assert turned.sideways == ("yaw",)


def test_feet_that_are_points_bear_no_biped(tmp_path):
    assert not legged(tmp_path / "two", 2).can_stand
    assert legged(tmp_path / "soles", 2, box=True).can_stand
    assert legged(tmp_path / "four", 4).can_stand
    assert all(load_robot(name).can_stand for name in BY_HAND)


def test_a_robot_that_cannot_stand_steps_on_the_spot(tmp_path):
    """Its clock never rests, nothing pays for standing still, and its gate asks for no feet on the floor."""
    robot = legged(tmp_path, 2)
    recipe = load_recipe("walk")(robot=str(tmp_path / "made"), physics="native")
    assert not recipe.env.commands["gait"].rests
    assert "still" not in recipe.env.rewards
    state = recipe.env.commands["gait"].sample(jax.random.key(0))
    still = recipe.env.commands["velocity"].hold(jnp.zeros((1,), jnp.float32)).sample(jax.random.key(0))
    key, physics = jax.random.key(1), random_physics(robot)
    moved = recipe.env.commands["gait"].step(key, state, physics, 0.02, {"velocity": still})
    assert float(still.is_moving) == 0.0
    assert float(moved.phase) > 0.0
    assert float(moved.is_moving) == 1.0
    assert {limit.figure for limit in recipe.gate.limits(recipe.env)} >= {"drag", "duty_factor"}
    told = [limit for limit in recipe.gate.limits(recipe.env) if limit.figure in ("feet_down", "travel_speed")]
    assert [limit.cases for limit in told] == [(), ()]


def test_action_scales_follow_gains_and_limits(tmp_path):
    """2.11 torque limits over the gain, within bounds; 0.7 of a narrow range."""
    robot = legged(tmp_path)
    assert WalkDesign.of(robot).action_scale == pytest.approx((2.11 * 4.0 / 20.0,) * robot.nu)

    def scales(**changes: object) -> tuple[float, ...]:
        return WalkDesign.of(dataclasses.replace(robot, **changes)).action_scale

    assert scales(torque_limit=robot.torque_limit * 9.0) == (0.6,) * robot.nu
    assert scales(torque_limit=robot.torque_limit * 0.1) == (0.15,) * robot.nu
    narrow = robot.joint_range.at[0].set(jnp.asarray([-0.1, 0.1]))
    assert scales(joint_range=narrow)[0] == pytest.approx(0.14)


def test_slow_servos_get_time_and_wider_targets(tmp_path):
    """Ten times the damping: the clock leaves them 6 of their time constants, and a unit of action is twice as wide."""
    robot = legged(tmp_path)
    design = WalkDesign.of(robot)
    rate = 20.0 / 0.4
    assert design.period == pytest.approx(3.293854 * design.scales.time, rel=1e-4)
    assert design.period > 6.0 / rate

    def damped(mj) -> None:
        mj.dof_damping[6:] = 3.6

    slow = WalkDesign.of(dataclasses.replace(robot, model=robot.model.edit(damped)))
    assert slow.period == pytest.approx(6.0 * 4.0 / 20.0)
    assert slow.max_speed * slow.period == pytest.approx(design.max_speed * design.period, rel=1e-4)
    stronger = dataclasses.replace(robot, model=robot.model.edit(damped), torque_limit=robot.torque_limit * 9.0)
    assert WalkDesign.of(stronger).action_scale == pytest.approx((1.2,) * robot.nu)
    assert WalkDesign.of(stronger, period=0.4).period == 0.4


def test_a_robot_upside_down_is_refused():
    """Its soles are above its hips: no length to scale by."""
    robot = load_robot("hopper")
    folded = dataclasses.replace(robot, home_height=jnp.asarray(-0.1, jnp.float32), feet=robot.feet)
    turned = folded.home_qpos.at[robot.joint_qpos[0]].set(math.pi)
    with pytest.raises(WildRobotError, match="above its soles"):
        WalkDesign.of(eqx.tree_at(lambda r: r.home_qpos, folded, turned))
    with pytest.raises(WildRobotError, match="Scales needs feet"):
        Scales.of(load_robot("reacher"))


def test_a_gait_tells_how_much_of_its_swings_is_lifted(robot):
    gait = we.gaits.two_beat(robot)
    state = gait.sample(jax.random.key(0))
    state = dataclasses.replace(state, phase=jnp.float32(0.5 * math.pi), moving=jnp.float32(1.0))  # the left one swings

    def told(*load: float) -> tuple[float, float]:
        force = jnp.zeros((2, 3), jnp.float32).at[:, 2].set(jnp.asarray(load))
        physics: PhysicsState = dataclasses.replace(random_physics(robot), foot_force=force)
        found = gait.metrics(state, physics)
        return float(found["feet_to_lift"]), float(found["feet_lifted"])

    assert told(0.0, 35.0) == (0.5, 0.5)
    assert told(0.5, 35.0) == (0.5, 0.0)
    assert told(17.0, 0.0) == (0.5, 0.0)


def test_the_table_says_what_was_chosen_and_why(walk):
    """As text for a log, and as JSON for `check --json`."""
    text = as_text(choices_table(walk.choices))
    lines = {line.split("│")[1].strip(): line for line in text.splitlines() if line.startswith("│")}
    assert {"leg length", "gait", "max speed", "held", "torque weight"} <= lines.keys()
    assert [word in lines["max speed"] for word in ("0.65", "m/s", "0.312 sqrt(g L)")] == [True] * 3
    assert "right_hip_roll, left_hip_roll" in lines["held"]
    told = {row["name"]: row["value"] for row in json.loads(json.dumps(choices_json(walk.choices)))}
    assert (told["gait"], told["period"], told["standing"]) == ("two_beat", 0.7, True)
    assert set(told) - {"leg length", "weight", "time", "speed", "legs"} == {
        field.name for field in dataclasses.fields(WalkDesign) if field.name not in ("scales", "given")
    }
