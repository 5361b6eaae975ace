"""Joints and sites by name, places to reach, and first poses: against NumPy and MuJoCo."""

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from helpers import random_physics, shifted

import wildrobot_eqx as we
from wildrobot_eqx import check
from wildrobot_eqx.env import Env
from wildrobot_eqx.observe import ObservationStack, Signals
from wildrobot_eqx.task.point import points_in


@pytest.fixture(scope="module")
def cartpole():
    return we.load_robot("cartpole")


@pytest.fixture(scope="module")
def reacher():
    return we.load_robot("reacher")


def signals(robot, qpos, qvel, **commands) -> Signals:
    """The robot in a pose, with its sites where MuJoCo puts them."""
    data = mujoco.MjData(robot.model.mj)
    data.qpos[:], data.qvel[:] = qpos, qvel
    mujoco.mj_forward(robot.model.mj, data)
    made = {
        name: jnp.asarray(getattr(data, name), jnp.float32)
        for name in ("qpos", "qvel", "xpos", "xquat", "site_xpos", "sensordata", "actuator_force")
    }
    nothing = jnp.zeros((robot.nu,), jnp.float32)
    return Signals(dataclasses.replace(random_physics(robot), **made), nothing, nothing, nothing, commands, {})


def test_a_hinge_that_has_turned_is_where_it_was(cartpole):
    angles, velocities = (
        we.terms.HingeAngles(cartpole, ("pole",)),
        we.terms.NamedJointVelocities(cartpole, ("pole", "slider")),
    )
    seen = signals(cartpole, [0.3, 1.2 + 4.0 * np.pi], [-0.4, 2.5])
    np.testing.assert_allclose(angles(seen), [np.sin(1.2), np.cos(1.2)], atol=1e-5)
    np.testing.assert_allclose(velocities(seen), [2.5, -0.4])
    assert we.gates.HingeAt(cartpole, "pole", tolerance=0.2, target=1.1)(seen)
    assert not we.gates.HingeAt(cartpole, "pole", tolerance=0.2, target=1.5)(seen)


def test_a_joint_is_measurable_where_it_has_a_servo_or_an_encoder(cartpole):
    """The pole has a <jointpos> and a <jointvel>; without them nobody knows where it is."""
    spec = mujoco.MjSpec.from_file(str(cartpole.model.path))
    for sensor in list(spec.sensors):
        spec.delete(sensor)
    blind = dataclasses.replace(cartpole, model=we.Model(spec.compile()))
    for term in (we.terms.HingeAngles, we.terms.NamedJointVelocities):
        assert term(cartpole, ("pole",)).measurable
        assert not term(blind, ("pole",)).measurable
    assert we.terms.NamedJointVelocities(blind, ("slider",)).measurable


class Claims(we.terms.AbstractStatelessTerm):
    """It says that the robot can measure the second joint."""

    unit, frame, size, measurable, source = "rad", "joint", 1, True, "nothing"

    def __call__(self, signals):
        return signals.physics.qpos[1:2]


def test_the_checker_finds_a_term_that_reads_a_joint_without_an_encoder(cartpole):
    recipe = we.load_recipe("cartpole")(num_envs=8, physics="native")
    assert check.check_env(recipe.env).passed
    spec = mujoco.MjSpec.from_file(str(cartpole.model.path))
    for sensor in list(spec.sensors):
        spec.delete(sensor)
    blind = dataclasses.replace(cartpole, model=we.Model(spec.compile()))
    term = Claims()
    env = dataclasses.replace(
        recipe.env,
        physics=we.NativePhysics(blind, threads=1),
        observations={"policy": ObservationStack({"pole": term})},
    )
    assert [finding.leaf for finding in check.check_env(env).findings] == ["env.observations['policy'].terms['pole']"]


@pytest.mark.parametrize(
    "make",
    [
        lambda robot: we.terms.HingeAngles(robot, ("pol",)),
        lambda robot: we.terms.HingeAngles(robot, ("slider",)),
        lambda robot: we.terms.NamedJointVelocities(robot, ("tip",)),
        lambda robot: we.terms.SitePosition(robot, "top"),
        lambda robot: we.gates.SiteAt(robot, "top", "goal", 0.1),
        lambda robot: we.rewards.HingeHeight(robot, "slider"),
        lambda robot: we.resets.JointReset(robot, {"rail": (0.0, 1.0)}),
        lambda robot: we.endings.JointsBeyond(robot, velocities={"rail": 1.0}),
        lambda robot: we.commands.PointCommand(centre=(0.0,)),
        lambda robot: we.commands.PointCommand(half=(0.1, 0.1, 0.1)),
        lambda robot: we.commands.PointCommand(radius=(0.2, 0.1)),
    ],
)
def test_what_the_robot_does_not_have_is_refused(cartpole, make):
    with pytest.raises(we.WildRobotError) as error:
        make(cartpole)
    assert error.value.where


def test_hinge_rewards_are_their_formulas(cartpole):
    seen = signals(cartpole, [0.3, 0.4 - 2.0 * np.pi], [-0.4, 1.5])
    np.testing.assert_allclose(we.rewards.HingeHeight(cartpole, "pole")(seen), 0.5 * (1.0 + np.cos(0.4)), rtol=1e-5)
    still = we.rewards.HingeStill(cartpole, "pole", width=0.3, speed=2.0)(seen)
    np.testing.assert_allclose(still, np.exp(-((0.4 / 0.3) ** 2) - (1.5 / 2.0) ** 2), rtol=1e-4)


@pytest.mark.parametrize(
    ("qpos", "qvel", "over"),
    [([1.6, 9.0], [0.0, 0.0], False), ([-1.71, 0.0], [0.0, 0.0], True), ([0.0, 0.0], [9.0, -14.1], True)],
)
def test_joints_beyond_their_bounds_end_an_episode(cartpole, qpos, qvel, over):
    ending = we.endings.JointsBeyond(cartpole, positions={"slider": 1.7}, velocities={"pole": 14.0})
    assert bool(ending(signals(cartpole, qpos, qvel))) is over


def test_a_fingertip_is_as_far_from_its_goal_as_it_is(reacher):
    goal = np.array([0.12, -0.05], np.float32)
    qpos = np.array([0.4, -1.1])
    tip = np.array([0.12 * (f(0.4) + f(0.4 - 1.1)) for f in (np.cos, np.sin)])
    seen = signals(reacher, qpos, [0.0, 0.0], goal=we.commands.PointState(jnp.asarray(goal)))
    away = np.linalg.norm(tip - goal)
    np.testing.assert_allclose(we.terms.SitePosition(reacher, "fingertip")(seen)[:2], tip, atol=1e-6)
    np.testing.assert_allclose(we.rewards.SiteDistance(reacher, "fingertip", "goal")(seen), away, rtol=1e-5)
    near = we.rewards.SiteNear(reacher, "fingertip", "goal", width=0.1)(seen)
    np.testing.assert_allclose(near, np.exp(-((away / 0.1) ** 2)), rtol=1e-4)
    assert we.gates.SiteAt(reacher, "fingertip", "goal", tolerance=float(away) + 1e-4)(seen)
    assert not we.gates.SiteAt(reacher, "fingertip", "goal", tolerance=float(away) - 1e-4)(seen)


def points(command, n=4000):
    keys = jax.random.split(jax.random.key(shifted(3)), n)
    return np.asarray(jax.jit(jax.vmap(lambda key: command.sample(key).point))(keys))


def test_places_fill_a_ring_evenly():
    drawn = points(we.commands.PointCommand(centre=(0.1, 0.0), radius=(0.1, 0.2), angle=(-1.0, 1.5))) - [0.1, 0.0]
    radius, angle = np.hypot(*drawn.T), np.arctan2(drawn[:, 1], drawn[:, 0])
    assert 0.1 - 1e-6 <= radius.min() < 0.102
    assert 0.198 < radius.max() <= 0.2 + 1e-6
    assert -1.0 - 1e-5 <= angle.min() < -0.98
    assert 1.48 < angle.max() <= 1.5 + 1e-5
    assert np.mean(radius**2 < 0.5 * (0.1**2 + 0.2**2)) == pytest.approx(0.5, abs=0.04)  # half of the area


def test_places_fill_a_box_within_the_bounds_that_it_says():
    command = we.commands.PointCommand(centre=(0.1, 0.2, 0.3), half=(0.1, 0.0, 0.2))
    drawn, (low, high) = points(command), np.asarray(command.bounds()).T
    assert [channel.name for channel in command.channels] == ["x", "y", "z"]
    np.testing.assert_allclose(low, [0.0, 0.2, 0.1], atol=1e-6)
    np.testing.assert_allclose(drawn.min(axis=0), low, atol=2e-3)
    np.testing.assert_allclose(drawn.max(axis=0), high, atol=2e-3)


@pytest.mark.parametrize("shape", [{"half": (0.1, 0.1)}, {"radius": (0.1, 0.2)}])
def test_a_held_place_is_asked_for_and_nothing_else(shape):
    """Whatever is drawn, and however often it is drawn again."""
    command = we.commands.PointCommand(interval=0.02, **shape)
    value = jnp.asarray([0.05, -0.07], jnp.float32)
    held = command.hold(value)
    np.testing.assert_allclose(points(held, 20), np.tile(value, (20, 1)), atol=0.0)
    physics = random_physics(we.load_robot("reacher"))
    state = command.sample(jax.random.key(0))
    again = held.step(jax.random.key(1), state, physics, 0.02, {})
    np.testing.assert_array_equal(again.point, value)
    np.testing.assert_array_equal(command.set(state, value).point, value)
    assert jax.tree.structure(held) == jax.tree.structure(command)


def test_a_place_without_a_redraw_stays():
    command = we.commands.PointCommand(radius=(0.1, 0.2))
    state = command.sample(jax.random.key(0))
    again = command.step(jax.random.key(1), state, random_physics(we.load_robot("reacher")), 0.02, {})
    np.testing.assert_array_equal(again.point, state.point)


def test_films_mark_every_place_in_three_coordinates():
    states = {
        "b": we.commands.PointState(jnp.array([1.0, 2.0])),
        "a": we.commands.PointState(jnp.array([3.0, 4.0, 5.0])),
        "c": (),
    }
    np.testing.assert_array_equal(points_in(states), [[3.0, 4.0, 5.0], [1.0, 2.0, np.nan]])
    assert points_in({}).shape == (0, 3)


def test_joints_begin_evenly_in_their_ranges_and_the_rest_at_home(cartpole):
    reset = we.resets.JointReset(cartpole, {"pole": (3.0, 3.2)}, {"slider": (-0.5, 0.5)})
    qpos, qvel = jax.vmap(lambda key: reset(key, {}))(jax.random.split(jax.random.key(shifted(0)), 500))
    pole, slider = np.asarray(qpos[:, 1]), np.asarray(qvel[:, 0])
    assert (pole.min(), pole.max()) == pytest.approx((3.0, 3.2), abs=2e-3)
    assert (slider.min(), slider.max()) == pytest.approx((-0.5, 0.5), abs=1e-2)
    assert not np.asarray(qpos[:, 0]).any()
    assert not np.asarray(qvel[:, 1]).any()
    assert abs(np.corrcoef(pole, slider)[0, 1]) < 0.15  # two keys


def test_a_share_of_episodes_begins_the_other_way(cartpole):
    one, other = (we.resets.JointReset(cartpole, {"pole": (angle, angle)}) for angle in (1.0, 2.0))
    reset = we.resets.MixedReset(one, other, probability=0.25)
    qpos, _ = jax.vmap(lambda key: reset(key, {}))(jax.random.split(jax.random.key(shifted(0)), 2000))
    assert set(np.unique(qpos[:, 1])) == {1.0, 2.0}
    assert np.mean(np.asarray(qpos[:, 1]) == 2.0) == pytest.approx(0.25, abs=0.05)


def test_an_env_of_them_keeps_the_contract(reacher):
    goal = we.commands.PointCommand(radius=(0.1, 0.2))
    terms = {"tip": we.terms.SitePosition(reacher, "fingertip"), "goal": we.terms.CommandTerm("goal", goal.observed)}
    env = Env(
        physics=we.NativePhysics(reacher, threads=1),
        controller=we.controllers.JointPosition(reacher),
        observations={
            "policy": ObservationStack({"goal": terms["goal"]}),
            "critic": ObservationStack(terms, policy=False),
        },
        rewards={"near": we.rewards.SiteNear(reacher, "fingertip", "goal", width=0.01)},
        endings={"far": we.endings.JointsBeyond(reacher, positions={"elbow": 2.0})},
        reset_state=we.resets.MixedReset(
            we.resets.JointReset(reacher, {"elbow": (0.0, 1.0)}), we.resets.HomeReset(reacher)
        ),
        commands={"goal": goal},
    )
    assert check.check_env(env).findings == ()
