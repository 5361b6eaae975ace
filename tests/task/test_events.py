"""Events: how often they come, how strong they are, and that a push is MuJoCo's own applied force."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from helpers import Batched, make_env, random_physics, shifted

import wildrobot_eqx as we

DT = 0.02


def run(event, physics, params, steps: int, envs: int, seed: int = 0):
    """What an event does in every step to an unchanging state: kicks of `qvel`, added gravity, its states."""
    keys = jax.random.split(jax.random.key(shifted(seed)), envs)

    def one(key):
        key_init, key_steps = jax.random.split(key)

        def step(state, key):
            after, changed, state = event(key, state, physics, params, DT)
            return state, (after.qvel - physics.qvel, changed.gravity - params.gravity, state)

        return jax.lax.scan(step, event.init(key_init, DT), jax.random.split(key_steps, steps))[1]

    return jax.jit(jax.vmap(one))(keys)


def test_kicks_come_at_their_rate_and_strength(robot):
    physics, params = random_physics(robot), we.NativePhysics(robot).params()
    kicks, gravity, _ = run(we.events.VelocityKick(robot, speed=(0.2, 0.5), interval=0.4), physics, params, 500, 8)
    kicks = np.asarray(kicks).reshape(-1, robot.nv)
    assert not np.asarray(gravity).any()
    np.testing.assert_allclose(kicks[:, 2:], 0.0, atol=1e-6)
    speed = np.linalg.norm(kicks[:, :2], axis=1)
    come = speed > 1e-3
    assert come.mean() == pytest.approx(DT / 0.4, rel=0.15)
    assert speed[come].min() >= 0.2 - 1e-5
    assert speed[come].max() <= 0.5 + 1e-5
    assert np.abs((kicks[come, :2] / speed[come, None]).mean(axis=0)).max() < 0.2, "from every side"


def test_a_kick_is_an_impulse_of_the_whole_robot(robot):
    """MuJoCo's momentum: mass times the kick."""
    physics, params = random_physics(robot), we.NativePhysics(robot).params()
    kicks = run(we.events.VelocityKick(robot, speed=(0.3, 0.3), interval=DT), physics, params, 1, 4)[0]
    mj = robot.model.mj
    for kick in np.asarray(kicks)[:, 0]:
        data = mujoco.MjData(mj)
        data.qpos[:], data.qvel[:] = np.asarray(robot.home_qpos), kick
        mujoco.mj_forward(mj, data)
        mujoco.mj_subtreeVel(mj, data)
        np.testing.assert_allclose(data.subtree_linvel[0], kick[:3], atol=1e-6)
        assert np.linalg.norm(kick[:2]) == pytest.approx(0.3, rel=1e-4)


def test_a_planar_robot_is_kicked_in_its_plane(hopper):
    physics, params = random_physics(hopper), we.NativePhysics(hopper).params()
    kicks = np.asarray(run(we.events.VelocityKick(hopper, speed=(1.0, 1.0), interval=DT), physics, params, 50, 4)[0])
    assert (np.abs(kicks[..., 0]) > 1e-3).any()
    np.testing.assert_allclose(kicks[..., 1:], 0.0, atol=1e-6)
    assert np.abs(kicks[..., 0]).max() <= 1.0 + 1e-5


def test_pushes_deliver_force_times_duration(robot):
    """Their sum over steps is the drawn impulse, whatever share of a step they end in; one at a time."""
    params = we.NativePhysics(robot).params()
    push = we.events.Push(force=(5.0, 5.0), duration=(0.07, 0.07), interval=0.5)
    _, gravity, state = run(push, random_physics(robot), params, 1000, 4)
    mass = float(params.body_mass.sum())
    force = mass * np.linalg.norm(np.asarray(gravity), axis=2)
    assert force.max() == pytest.approx(5.0, rel=1e-4)
    np.testing.assert_allclose(np.asarray(gravity)[..., 2], 0.0, atol=1e-6)
    for forces, lasts in zip(force, np.asarray(state.left)):
        begun = np.sum((forces > 0) & (np.concatenate([[0.0], lasts[:-1]]) <= 0))
        ending = lasts[-1] / DT
        assert forces.sum() * DT == pytest.approx(5.0 * (begun * 0.07 - ending * DT), rel=1e-3)
        assert begun == pytest.approx(1000 * DT / 0.57, rel=0.5)


def test_a_push_is_a_force_on_every_body_by_its_mass(robot):
    """Against `xfrc_applied` in plain MuJoCo, float64, aloft; one on the chest moves the whole as far."""
    physics = we.NativePhysics(robot, threads=1)
    params = physics.params()
    step = jax.jit(lambda params, state, ctrl: physics.step(params, state, ctrl))
    home = robot.home_qpos.at[2].add(2.0)
    state = physics.init(params, home, jnp.zeros(robot.nv, jnp.float32))
    event = we.events.Push(force=(20.0, 20.0), duration=(0.1, 0.1), interval=DT)
    mj = physics.model.mj
    spread, chest = mujoco.MjData(mj), mujoco.MjData(mj)
    mass = mj.body_mass.sum()
    for data in (spread, chest):
        data.qpos[:], data.ctrl[:] = np.asarray(home), np.asarray(robot.home_joints)
    pushed, key = event.init(jax.random.key(0), DT), jax.random.key(3)
    for _ in range(5):
        state, changed, pushed = event(key, pushed, state, params, DT)
        force = mass * np.asarray(changed.gravity - params.gravity, float)
        assert np.linalg.norm(force) == pytest.approx(20.0, rel=1e-4)
        state = step(changed, state, robot.home_joints)
        spread.xfrc_applied[:, :3] = mj.body_mass[:, None] / mass * force
        chest.xfrc_applied[mj.body("chassis").id, :3] = force
        for data in (spread, chest):
            for _ in range(physics.n_substeps):
                mujoco.mj_step(mj, data)
    np.testing.assert_allclose(state.qpos, spread.qpos, atol=2e-6)
    np.testing.assert_allclose(state.qvel, spread.qvel, atol=1e-4)
    for data in (spread, chest):
        mujoco.mj_forward(mj, data)
        mujoco.mj_subtreeVel(mj, data)
        across = data.subtree_linvel[0, :2]
        assert np.linalg.norm(across) == pytest.approx(20.0 * 0.1 / mass, rel=5e-3)
    assert np.abs(chest.qvel[6:] - spread.qvel[6:]).max() > 0.05, "joints feel a push on the chest, not a spread one"


@pytest.mark.slow
def test_a_push_in_an_env_moves_the_robot_and_leaves_its_parameters(hopper):
    calm = Batched(make_env(hopper), 2)
    push = we.events.Push(force=(6.0, 6.0), duration=(0.1, 0.1), interval=DT)
    shoved = Batched(make_env(hopper, events={"push": push}), 2)
    state, _ = shoved.hold(shoved.reset()[0], 5)
    still, _ = calm.hold(calm.reset()[0], 5)
    assert state.disturbances.params is None
    moved = np.asarray(state.physics.qvel - still.physics.qvel)[:, 0]
    assert np.abs(moved).max() > 0.1
