"""What a robot lacks is not swept; limits that give way, margins, and the curves of a sweep by a gate."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import wildrobot_eqx as we
from wildrobot_eqx.evaluate.robust.gate_sweep import GateCurve, GateSweep, Level
from wildrobot_eqx.evaluate.robust.sweep_env import (
    PARAMETERS,
    levels_of,
    make_sweep_env,
    parameters_of,
    sweep_values,
    with_parameters,
)
from wildrobot_eqx.evaluate.robust.wrong_world import wrong_world
from wildrobot_eqx.gates import CommandFigures, GateLine, Limit


@pytest.fixture(scope="module")
def reach():
    return we.load_recipe("reach")(num_envs=8, physics="native")


@pytest.fixture(scope="module")
def cartpole():
    return we.load_recipe("cartpole")(num_envs=8, physics="native")


# --- what a robot lacks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("cartpole", {"latency", "voltage", "backlash", "friction", "gyro_bias"}),
        ("reacher", {"friction", "gyro_bias"}),
        ("hopper", set()),
        ("wildrobot", set()),
    ],
)
def test_what_a_robot_lacks_is_not_swept(name, lacking):
    kept, left_out = parameters_of(we.load_robot(name))
    assert set(left_out) == lacking
    assert [p.name for p in kept] == [p.name for p in PARAMETERS if p.name not in lacking]
    assert all(why.endswith(".") for why in left_out.values())


def test_a_world_leaves_out_what_a_motor_on_a_rail_cannot_have(cartpole):
    world = wrong_world(cartpole.env, 0.005)
    assert world.sources == {
        "servos": "none",
        "calibration": "standard",
        "sensing": "standard",
        "randomisers": "standard",
        "events": "none",
    }
    assert set(world.left_out) == {"servos", "ShiftCentreOfMass", "Payload", "ScaleFriction"}
    assert "position servo" in world.left_out["servos"]
    sensed = world.env.observations["policy"].sensing
    assert {name: [type(part).__name__ for part in parts] for name, parts in sensed.items()} == {
        "cart_pos": ["EncoderOffset", "ReadingResolution", "ReadingDelay"],
        "cart_vel": ["Noise", "ReadingDelay"],
        "pole": ["HingeOffset", "ReadingResolution", "ReadingDelay"],
        "pole_vel": ["Noise", "ReadingDelay"],
    }
    assert [type(r).__name__ for r in world.env.disturbances.randomisers][:2] == ["ScaleMass", "ScaleGains"]


def test_a_walking_robot_lacks_nothing_of_a_world(env):
    world = wrong_world(env, 0.005)
    assert world.left_out == {}
    assert len(world.env.disturbances.randomisers) == 9


def test_parameters_set_what_there_is(cartpole, reach):
    """The arm at the last level of each parameter; its sines and cosines read the offset that its angles read."""
    for recipe in (cartpole, reach):
        env, rows = make_sweep_env(recipe.env, 0.005), len(PARAMETERS) + 1
        values = {
            p.name: jnp.asarray(np.where(np.arange(rows) == i, p.levels[-1], p.nominal), jnp.float32)
            for i, p in enumerate(PARAMETERS)
        }
        cases, keys = sweep_values(jnp.zeros((rows,), jnp.float32), values), jnp.repeat(jax.random.key(3)[None], rows)
        reset = eqx.filter_jit(jax.vmap(lambda c, k, env=env: with_parameters(env, c).reset(k)))
        state, timestep = reset(cases, keys)
        mass = np.asarray(state.disturbances.params.body_mass.sum(axis=1))
        wanted = np.where([p.name == "mass" for p in PARAMETERS] + [False], 1.3, 1.0)
        np.testing.assert_allclose(mass / mass[-1], wanted, rtol=1e-5)
        offset = np.asarray(state.disturbances.calibration.joint_offset)
        assert (np.abs(offset).max(axis=1) > 0.0).tolist() == [p.name == "encoder_offset" for p in PARAMETERS] + [False]
        assert set(state.disturbances.servo) == (set() if recipe is cartpole else {"delay", "motor", "backlash"})
    layout = {part.name: slice(part.start, part.stop) for part in env.observations["policy"].layout}
    obs, qpos = np.asarray(timestep.obs["policy"]), np.asarray(state.physics.qpos)
    np.testing.assert_allclose(obs[:, layout["joint_pos"]] - obs[-1, layout["joint_pos"]], offset, atol=1e-6)
    sine, cosine = np.split(obs[:, layout["joint_angles"]], 2, axis=1)
    np.testing.assert_allclose(np.arctan2(sine, cosine), qpos + offset, atol=1e-5)


# --- limits and curves -----------------------------------------------------------------------------------


def test_a_margin_is_a_share_of_the_nearer_bound():
    assert Limit("x", low=0.8).margin(0.6) == pytest.approx(-0.25)
    assert Limit("x", -8.0, 4.0).margin(3.0) == pytest.approx(0.25)
    assert Limit("x", -8.0, 4.0).margin(-7.0) == pytest.approx(0.125)
    assert Limit("x", high=0.0).margin(0.3) == pytest.approx(-0.3)
    assert Limit("x", low=0.8).margin(float("nan")) == -np.inf


def test_a_limit_gives_way_outward():
    wide = Limit("x", -8.0, 4.0, cases=("a",)).loosened(0.1)
    assert (wide.low, wide.high, wide.cases) == (pytest.approx(-8.8), pytest.approx(4.4), ("a",))
    assert Limit("x", low=0.95).loosened(0.1).text == ">= 0.855"
    assert Limit("x", high=0.0).loosened(0.1).high == 0.0


def _curve(name: str, values: list[float]) -> GateCurve:
    """Success of one case at each level, of which 0.8 must be."""
    parameter, limit = {p.name: p for p in PARAMETERS}[name], Limit("success", low=0.8)

    def level(value: float) -> Level:
        line = GateLine("success", 0.0, 0.005, value, limit.text, limit.accepts(value), "in", "", "all")
        return Level(
            (CommandFigures(0.0, 0.005, True, {"success": value}, "", "all"),), (line,), (limit.margin(value),)
        )

    return GateCurve(parameter, tuple(map(level, values)))


LATE = _curve("latency", [1.0, 1.0, 0.9, 0.7, 0.9, 0.5, float("nan")])
HEAVY = _curve("mass", [0.6, 0.9, 1.0, 1.0, 1.0, 1.0, 0.8])
NEVER = _curve("voltage", [float("nan")] * 7)


def test_a_level_that_cannot_be_measured_is_the_worst():
    assert LATE.worst == 6
    assert LATE.damage == np.inf
    assert LATE.holds == pytest.approx((0.0, 0.02))
    assert NEVER.damage == 0.0
    assert NEVER.holds is None


def test_the_worst_parameter_takes_most_of_the_margin():
    sweep = GateSweep((HEAVY, NEVER), Limit("success", low=0.8), 8, 1.0, {})
    assert HEAVY.damage == pytest.approx(0.5)
    assert HEAVY.holds == pytest.approx((0.8, 1.3))
    assert sweep.worst is HEAVY
    assert "mass: at 70 % of nominal success in all is 0.60 (nominal: 1.00, must be >= 0.8)" in sweep.summary
    assert GateSweep((LATE, HEAVY), Limit("success", low=0.8), 8, 1.0, {}).worst is LATE
    alone = GateSweep((NEVER,), Limit("success", low=0.8), 8, 1.0, {})
    assert alone.worst is None
    assert alone.summary.startswith("where all are nominal, success in all is – and must be >= 0.8; no parameter")
    assert "nominal," not in sweep.summary
    json.dumps(GateSweep((LATE, NEVER), Limit("success"), 8, 1.0, {}).to_json(), allow_nan=False)


def test_levels_of_a_sweep_stand_point_by_point():
    mass = next(p for p in PARAMETERS if p.name == "mass")
    points = [("", 0.0), ("mass", 0.7), ("mass", 1.3)]
    np.testing.assert_allclose(levels_of([mass], points, 2)["mass"], [1.0, 1.0, 0.7, 0.7, 1.3, 1.3])
