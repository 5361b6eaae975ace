"""Terrain: the heightfield is MuJoCo's, robots rest on it as geometry says, on each engine that has it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from helpers import make_env, random_signals

import wildrobot_eqx as we
from wildrobot_eqx import Ground, WildRobotError, on_ground
from wildrobot_eqx.check.rules import robot_match as names
from wildrobot_eqx.physics.mjx import MjxPhysics
from wildrobot_eqx.physics.native import NativePhysics
from wildrobot_eqx.physics.tree.physics import TreePhysics
from wildrobot_eqx.robots.model import Model

ROUGH = Ground.make(slope=0.1, bumps=0.05, length=0.1, half=3.0)
SLOPE = Ground.make(slope=0.05, half=3.0)
STEP = Ground(jnp.full((61, 61), 0.7, jnp.float32).at[:, :20].set(0.0), 3.0)  # a plateau, 0.7 m high
CHEQUERED = Ground.steps(highest=0.03, tread=0.6)


def test_heights_are_those_of_mujocos_own_rays(robot):
    mj = on_ground(robot, ROUGH).model.mj
    data = mujoco.MjData(mj)
    data.qpos[2] = 50.0
    mujoco.mj_forward(mj, data)
    places = np.random.default_rng(0).uniform(-2.9, 2.9, (200, 2))
    down, hit = np.array([0.0, 0.0, -1.0]), np.zeros(1, np.int32)
    rays = [5.0 - mujoco.mj_ray(mj, data, np.array([*p, 5.0]), down, None, 1, -1, hit) for p in places]
    np.testing.assert_allclose(ROUGH.height(jnp.asarray(places, jnp.float32)), rays, atol=2e-6)


def test_a_slope_is_its_angle_and_bumps_have_their_height():
    places = jnp.asarray([[1.0, 0.3], [-2.0, 1.0], [9.0, 0.0]], jnp.float32)
    np.testing.assert_allclose(SLOPE.height(places), np.tan(0.05) * np.array([1.0, -2.0, 3.0]), atol=1e-3)
    bumps = Ground.make(bumps=0.04, half=3.0).heights
    assert (float(bumps.min()), float(bumps.max())) == (0.0, pytest.approx(0.04))


def test_only_the_floor_changes(robot):
    before, after = robot.model.mj, on_ground(robot, SLOPE).model.mj
    assert after.geom("floor").type == mujoco.mjtGeom.mjGEOM_HFIELD
    np.testing.assert_array_equal(after.geom_friction, before.geom_friction)
    np.testing.assert_array_equal(after.geom_condim, before.geom_condim)
    np.testing.assert_allclose(after.body_mass, before.body_mass)
    assert [after.sensor(i).name for i in range(after.nsensor)] == [
        before.sensor(i).name for i in range(before.nsensor)
    ]


def _rest(physics, qpos, steps):
    """The state after `steps` control steps in the home pose."""
    params, robot = physics.params(), physics.robot
    step = jax.jit(lambda state: physics.step(params, state, robot.home_joints))
    state = jax.jit(lambda q: physics.init(params, q, jnp.zeros((robot.nv,))))(qpos)
    for _ in range(steps):
        state = step(state)
    return state


ENGINES = [NativePhysics, pytest.param(MjxPhysics, marks=pytest.mark.slow)]


@pytest.mark.parametrize("engine", ENGINES)
def test_it_stands_on_a_plateau_as_high_as_that_is(robot, engine):
    """And its weight is on the floor's sensors, which name the geom that was a plane."""
    high = on_ground(robot, STEP)
    state = _rest(engine(high, 0.005), robot.home_qpos.at[2].add(0.702), 25)
    assert float(state.xpos[robot.base.body, 2]) == pytest.approx(0.7 + float(robot.home_height), abs=5e-3)
    weight = 9.81 * robot.model.mj.body_mass.sum()
    assert float(state.foot_force[:, 2].sum()) == pytest.approx(weight, rel=0.05)


@pytest.mark.parametrize("engine", ENGINES)
def test_soles_rest_on_the_slope(robot, engine):
    """The lowest corner of each sole is where the ground is, and no other is far above: 15 cm of slope are 7.5 mm."""
    place = jnp.asarray([1.0, 0.0, float(SLOPE.height(jnp.asarray([1.0, 0.0]))) + 0.005], jnp.float32)
    state = _rest(engine(on_ground(robot, SLOPE), 0.005), robot.home_qpos.at[:3].add(place), 25)
    mj, above = robot.model.mj, []
    for foot in robot.feet:
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, np.asarray(state.xquat[mj.site_bodyid[foot.site]], np.float64))
        for x, y in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            corner = np.asarray(state.site_xpos[foot.site]) + turn.reshape(3, 3) @ [x * 0.07425, y * 0.0451, 0.0]
            above.append(corner[2] - float(SLOPE.height(jnp.asarray(corner[:2], jnp.float32))))
    assert min(above[:4]) == pytest.approx(0.0, abs=2e-3)
    assert min(above[4:]) == pytest.approx(0.0, abs=2e-3)
    assert max(above) < 0.015


@pytest.mark.parametrize("engine", ENGINES)
def test_robots_of_one_batch_stand_on_steps_of_their_own_heights(robot, engine):
    """Drawn 8 and 25 mm: from a plate to its neighbour along x, the base rises by just that."""
    stepped = on_ground(robot, CHEQUERED)
    physics, heights = engine(stepped, 0.005), np.array([0.008, 0.025], np.float32)
    reset = we.resets.HomeReset(stepped, joint_noise=0.0, velocity_noise=0.0, ground=CHEQUERED, steps=(0.0, 0.0))

    def first(step, plate):
        drawn = eqx.tree_at(lambda r: r.steps, reset, jnp.stack([step, step]))
        qpos, qvel = drawn(jax.random.key(0), {})
        # In the middle of a plate, facing along x, just above the drawn place's higher plate.
        middle = plate * 0.6 + 0.25 - CHEQUERED.half
        qpos = qpos.at[0].set(middle).at[2].set(robot.home_qpos[2] + step + 0.002)
        return qpos.at[3:7].set(robot.home_qpos[3:7]), qvel

    @jax.jit
    @jax.vmap
    def stand(step, plate):
        params = physics.params()
        state = physics.init(params, *first(step, plate))
        return jax.lax.fori_loop(0, 25, lambda _, state: physics.step(params, state, robot.home_joints), state)

    state = stand(jnp.asarray(np.repeat(heights, 2)), jnp.asarray([30.0, 31.0, 30.0, 31.0]))
    rise = np.abs(np.diff(np.asarray(state.xpos[:, robot.base.body, 2]).reshape(2, 2), axis=1))[:, 0]
    np.testing.assert_allclose(rise, heights, atol=1e-3)


def test_the_height_of_an_episodes_steps_is_drawn_and_its_range_is_an_array(robot):
    reset = we.resets.HomeReset(robot, ground=CHEQUERED, steps=(0.005, 0.02))
    draw = eqx.filter_jit(lambda reset, keys: jax.vmap(lambda key: reset(key, {}))(keys)[0])
    place = np.asarray(draw(reset, jax.random.split(jax.random.key(0), 256))[:, :2])
    around = place[:, None] + np.stack(np.meshgrid(np.arange(-1.2, 1.3, 0.1), [0.0]), axis=-1).reshape(1, -1, 2)
    found = np.asarray(CHEQUERED.height(jnp.asarray(around, jnp.float32))).max(axis=1)
    assert found.min() == pytest.approx(0.005, abs=4e-4)
    assert found.max() == pytest.approx(0.02, abs=4e-4)
    assert found.std() > 0.004
    narrow = eqx.tree_at(lambda r: r.steps, reset, jnp.asarray([0.01, 0.01], jnp.float32))
    assert np.ptp(np.asarray(draw(narrow, jax.random.split(jax.random.key(1), 256))[:, 1])) < 1e-5


def test_episodes_begin_above_the_ground_at_places_of_their_own(robot):
    reset = we.resets.HomeReset(robot, ground=ROUGH, spread=2.0)
    qpos, _ = eqx.filter_jit(lambda keys: jax.vmap(lambda key: reset(key, {}))(keys))(
        jax.random.split(jax.random.key(0), 64)
    )
    assert float(jnp.std(qpos[:, 0])) > 0.8
    clearance = qpos[:, 2] - robot.home_qpos[2] - ROUGH.height(qpos[:, :2])
    assert float(clearance.min()) > 0.0
    assert float(clearance.max()) < 0.12
    plain, same = we.resets.HomeReset(robot)(jax.random.key(3), {})[0], reset(jax.random.key(3), {})[0]
    np.testing.assert_array_equal(plain[3:], same[3:])  # everything else is drawn as without


def test_it_has_fallen_by_its_height_above_the_ground(robot):
    signals = random_signals(robot)
    low = float(robot.min_root_height)
    for height, fallen in ((0.7 + low + 0.01, False), (0.7 + low - 0.01, True)):
        body = robot.base.body
        physics = signals.physics
        xpos = physics.xpos.at[body].set(jnp.asarray([2.0, 0.0, height]))
        xquat = physics.xquat.at[body].set(jnp.asarray([1.0, 0.0, 0.0, 0.0]))
        standing = type(physics)(**{**vars(physics), "xpos": xpos, "xquat": xquat})
        current = type(signals)(**{**vars(signals), "physics": standing})
        assert bool(we.endings.Fallen(robot, ground=STEP)(current)) is fallen


def test_an_env_walks_on_it_and_keeps_its_contract(robot):
    """Whatever measures a height has the ground; what does not is found, with the fix."""
    rough = on_ground(robot, ROUGH)
    parts = {
        "observations": {
            "policy": we.ObservationStack({"gyro": we.terms.AngularVelocity(rough)}),
            "critic": we.ObservationStack({"height": we.terms.BaseHeight(rough, ground=ROUGH)}, policy=False),
        },
        "rewards": {
            "feet": we.rewards.FeetClearance(rough, ground=ROUGH),
            "height": we.rewards.BaseHeightError(rough, ground=ROUGH),
        },
        "reset_state": we.resets.HomeReset(rough, ground=ROUGH),
        "endings": {"fallen": we.endings.Fallen(rough, ground=ROUGH)},
    }
    assert we.check.check_env(make_env(rough, **parts)).passed
    blind = make_env(rough, **{**parts, "rewards": {"feet": we.rewards.FeetClearance(rough)}})
    (finding,) = names.foreign(blind)
    assert finding.leaf == "env.rewards['feet'].ground"
    assert "on_ground" in finding.before
    (finding,) = names.foreign(make_env(robot, endings={"fallen": we.endings.Fallen(robot, ground=ROUGH)}))
    assert "the floor is a plane" in finding.before


def test_the_tree_engine_refuses_it_and_says_why(robot):
    with pytest.raises(WildRobotError, match=r"still geoms of a hfield(.|\n)*take --physics native"):
        TreePhysics(on_ground(robot, SLOPE))


def test_what_cannot_be_is_reported(robot):
    with pytest.raises(WildRobotError, match="No ground has a slope"):
        Ground.make(slope=1.5)
    with pytest.raises(WildRobotError, match="No ground has steps"):
        Ground.steps(tread=0.1)
    with pytest.raises(WildRobotError, match="no ground with steps"):
        we.resets.HomeReset(robot, ground=SLOPE, steps=(0.0, 0.01))
    with pytest.raises(WildRobotError, match="does not come from an MJCF file"):
        on_ground(we.Robot(**{**vars(robot), "model": Model(robot.model.mj)}), SLOPE)
