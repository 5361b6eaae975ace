"""The native engine against plain mj_step, and what it owes to JAX."""

import dataclasses
from contextlib import ExitStack

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from engines import restless
from helpers import replace
from mujoco_reference import reference

from wildrobot_eqx import NativePhysics, WildRobotError
from wildrobot_eqx.deploy.hardware import mujoco_robot
from wildrobot_eqx.physics import ScaleFriction, ScaleGains, ScaleMass, native
from wildrobot_eqx.robots import feed

N = 6


def assert_state(state, i: int, expected: dict) -> None:
    for name, value in expected.items():
        # the engine computes in float64 and hands over float32: half a unit in the last place
        np.testing.assert_allclose(getattr(state, name)[i], value, rtol=1e-7, atol=1e-9, err_msg=name)


def row(tree, i: int):
    return jax.tree.map(lambda a: a[i], tree)


def assert_same_bits(a, b) -> None:
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def test_init_is_mj_forward(engine):
    robot, params = engine.robot, engine.params(N)
    rng = np.random.default_rng(0)
    qpos = jnp.broadcast_to(robot.home_qpos, (N, robot.nq)) + jnp.asarray(0.01 * rng.normal(size=(N, robot.nq)), "f4")
    qvel = jnp.asarray(rng.normal(size=(N, robot.nv)), jnp.float32)
    state = engine.init(params, qpos, qvel)
    for i in range(N):
        zero = np.zeros(robot.nv)
        assert_state(state, i, reference(engine.physics, row(params, i), qpos[i], qvel[i], zero, robot.home_joints, 0))


def test_step_is_mj_step(engine):
    state, _ = restless(engine, N, 10)
    params, ctrl = engine.params(N), engine.home(N)
    new = engine.step(params, state, ctrl)
    assert np.asarray(state.foot_force).any(), "the states must touch the floor"
    for i in range(N):
        before = (state.qpos[i], state.qvel[i], state.carry[i])
        assert_state(new, i, reference(engine.physics, row(params, i), *before, ctrl[i], engine.physics.n_substeps))
    np.testing.assert_allclose(new.time, state.time + engine.physics.control_dt, rtol=1e-6)


def test_step_with_randomised_parameters_is_mj_step(engine):
    def draw(key):
        params = engine.physics.params()
        for randomiser in (ScaleMass((0.7, 1.3)), ScaleFriction((0.3, 1.5)), ScaleGains((0.7, 1.3))):
            key, sub = jax.random.split(key)
            params = randomiser(sub, params)
        return params

    params = jax.vmap(draw)(jax.random.split(jax.random.key(3), N))
    state, _ = restless(engine, N, 10, seed=1)
    new = engine.step(params, state, engine.home(N))
    for i in range(N):
        before = (state.qpos[i], state.qvel[i], state.carry[i])
        expected = reference(
            engine.physics, row(params, i), *before, engine.robot.home_joints, engine.physics.n_substeps
        )
        assert_state(new, i, expected)


def test_alone_vmapped_nested_and_scanned_agree_to_the_bit(native_hopper):
    physics = native_hopper.physics
    state, _ = restless(native_hopper, N, 5)
    params, ctrl = physics.params(), native_hopper.home(N)
    vmapped = native_hopper.step(native_hopper.params(N), state, ctrl)
    alone = jax.jit(lambda p, s, c: physics.step(p, s, c))
    for i in range(N):
        assert_same_bits(alone(params, row(state, i), ctrl[i]), row(vmapped, i))
    assert_same_bits(jax.jit(jax.vmap(physics.step, (None, 0, 0)))(params, state, ctrl), vmapped)

    pairs = jax.tree.map(lambda a: a.reshape(2, N // 2, *a.shape[1:]), (state, ctrl))
    nested = jax.jit(jax.vmap(jax.vmap(lambda s, c: physics.step(params, s, c))))(*pairs)
    assert_same_bits(jax.tree.map(lambda a: a.reshape(N, *a.shape[2:]), nested), vmapped)

    per_row = jax.tree.map(lambda a: jnp.stack([a, 1.1 * a]), params)  # parameters by row, states by row and column
    nested = jax.jit(jax.vmap(jax.vmap(physics.step, (None, 0, 0))))(per_row, *pairs)
    flat = jax.tree.map(lambda a: jnp.repeat(a, N // 2, axis=0), per_row)
    assert_same_bits(jax.tree.map(lambda a: a.reshape(N, *a.shape[2:]), nested), native_hopper.step(flat, state, ctrl))

    def body(state, _):
        return jax.vmap(physics.step, (None, 0, 0))(params, state, ctrl), None

    scanned, _ = jax.jit(lambda s: jax.lax.scan(body, s, None, 3))(state)
    looped = state
    for _ in range(3):
        looped = native_hopper.step(native_hopper.params(N), looped, ctrl)
    assert_same_bits(scanned, looped)


def test_equal_inputs_give_equal_bits_whatever_ran_between(engine):
    state, _ = restless(engine, N, 5)
    params, ctrl = engine.params(N), engine.home(N)
    first = engine.step(params, state, ctrl)
    other = jax.tree.map(lambda a: 1.2 * a, params)
    engine.step(other, engine.at_home(other), 0.5 * ctrl)
    assert_same_bits(engine.step(params, state, ctrl), first)
    few = jax.tree.map(lambda a: a[2:4], (params, state, ctrl))
    assert_same_bits(engine.step(*few), jax.tree.map(lambda a: a[2:4], first))


def test_threads_do_not_matter(hopper, native_hopper):
    state, _ = restless(native_hopper, N, 5)
    params, ctrl = native_hopper.params(N), native_hopper.home(N)
    one = jax.jit(jax.vmap(NativePhysics(hopper, threads=1).step))(params, state, ctrl)
    assert_same_bits(one, native_hopper.step(params, state, ctrl))


def test_feet_carry_the_weight(engine):
    state = engine.stand(engine.params(2), 4.0)
    weight = engine.robot.model.mj.body_mass.sum() * 9.81
    np.testing.assert_allclose(state.foot_force.sum(axis=1), [[0, 0, weight]] * 2, atol=2e-3 * weight)
    assert (np.asarray(state.foot_force[..., 2]) > 0.2 * weight).all()


def test_velocity_sensors_belong_to_the_new_state(native_wildrobot):
    robot, engine = native_wildrobot.robot, native_wildrobot
    state, _ = restless(engine, N, 10)
    for i in range(N):
        w, x, y, z = np.asarray(state.qpos[i, 3:7], np.float64)
        world = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
        np.testing.assert_allclose(robot.base.linvel.read(state.sensordata[i]), state.qvel[i, :3], atol=1e-6)
        np.testing.assert_allclose(robot.base.angvel.read(state.sensordata[i]), world @ state.qvel[i, 3:6], atol=1e-5)
    np.testing.assert_array_equal(state.xpos[:, robot.base.body], state.qpos[:, :3])
    quat = jax.vmap(robot.sensor("pelvis_quat").read)(state.sensordata)
    np.testing.assert_allclose(quat, state.qpos[:, 3:7], atol=1e-6)


def test_accelerometer_at_rest_reads_the_support_of_the_floor(native_wildrobot):
    state = native_wildrobot.stand(native_wildrobot.params(1), 4.0)
    accel = native_wildrobot.robot.imu("chest").accel.read(state.sensordata[0])
    np.testing.assert_allclose(np.linalg.norm(accel), 9.81, rtol=2e-3)
    assert accel[2] > 9.0, "upward: a specific force, not gravity"


def test_params_differ_inside_one_batch(native_wildrobot):
    engine = native_wildrobot
    params = engine.params(4)
    params = replace(
        params,
        body_mass=params.body_mass.at[1].multiply(1.1),
        geom_friction=params.geom_friction.at[2, :, 0].set(0.05),
        actuator_gainprm=params.actuator_gainprm.at[3].multiply(0.5),
        actuator_biasprm=params.actuator_biasprm.at[3].multiply(0.5),
        gravity=params.gravity.at[:, 1].set(-0.981),  # sideways, as on a slope of 10%
    )
    state = engine.stand(params, 2.0)
    load = np.asarray(state.foot_force[:, :, 2].sum(axis=1))
    assert load[1] / load[0] == pytest.approx(1.1, rel=5e-3)
    slid = np.abs(np.asarray(state.qpos[:, 1]))
    assert slid[0] < 0.02
    assert slid[2] > 0.5, "friction 0.05 holds no slope of 0.1"
    knee = engine.robot.joint_names.index("left_knee_pitch")
    sag = np.asarray(state.qpos[:, engine.robot.joint_qpos[knee]]) - float(engine.robot.home_joints[knee])
    assert sag[3] > 1.5 * sag[0] > 0


@pytest.mark.parametrize("what", ["qpos", "qvel", "ctrl"])
def test_nan_in_gives_nan_out_in_that_env_only(native_hopper, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engine = native_hopper
    params, ctrl = engine.params(3), engine.home(3)
    state = engine.stand(params, 0.2)
    good = engine.step(params, state, ctrl)
    if what == "ctrl":
        bad = engine.step(params, state, ctrl.at[1, 0].set(jnp.nan))
    else:
        broken = replace(state, **{what: getattr(state, what).at[1, 0].set(jnp.nan)})
        bad = engine.step(params, broken, ctrl)
    assert np.isnan(bad.qpos[1]).any()
    assert float(bad.time[1]) != pytest.approx(engine.physics.control_dt), "no silent reset"
    for i in (0, 2):
        assert_same_bits(row(bad, i), row(good, i))
    assert_same_bits(engine.step(params, state, ctrl), good)
    assert not list(tmp_path.iterdir()), "no log file beside the user's work"


def test_timestep_must_divide_the_control_period(hopper):
    with pytest.raises(WildRobotError, match=r"0\.003 s does not divide") as caught:
        NativePhysics(hopper, timestep=0.003)
    assert "0.005" in caught.value.hint


@pytest.mark.parametrize("timestep", [0.0, -0.005, float("nan"), float("inf")])
def test_timestep_must_be_a_positive_number(hopper, timestep):
    with pytest.raises(WildRobotError, match="must be a positive number of seconds") as caught:
        NativePhysics(hopper, timestep=timestep)
    assert "'hopper'" in caught.value.where
    assert "0.005" in caught.value.hint


def test_threads_where_the_system_tells_no_affinity(hopper, monkeypatch):
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert NativePhysics(hopper).threads == 3


def test_the_last_engine_that_leaves_gives_the_warnings_back():
    """Two that overlap, as two threads may: the handler belongs to the process."""

    def mine(message: str) -> None:
        """The user's own."""

    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(mine)
    try:
        first, second = ExitStack(), ExitStack()
        for engine in (first, second):
            engine.enter_context(native._QUIET)
            assert mujoco.get_mju_user_warning() is not mine
        first.close()
        assert mujoco.get_mju_user_warning() is not mine
        second.close()
        assert mujoco.get_mju_user_warning() is mine
    finally:
        mujoco.set_mju_user_warning(before)


def test_engines_of_one_robot_are_one_tree(hopper):
    first, second = NativePhysics(hopper), NativePhysics(hopper)
    assert jax.tree.structure(first) == jax.tree.structure(second)
    assert first.control_dt == pytest.approx(0.02)
    assert NativePhysics(hopper, timestep=0.002).n_substeps == 10


def test_a_simulation_that_blows_up_ends_in_nan(native_hopper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engine = native_hopper
    nominal, ctrl = engine.params(2), engine.home(2)
    params = replace(nominal, dof_damping=nominal.dof_damping.at[1].set(-20.0))
    state = engine.stand(nominal, 0.1)
    for _ in range(100):
        state = engine.step(params, state, ctrl)
    assert np.isnan(state.qpos[1]).any()
    assert np.isfinite(state.qpos[0]).all()
    assert not list(tmp_path.iterdir())


def test_a_solver_that_is_starved_for_mjx_converges(hopper, caplog):
    """With iterations="1" feet sink into the floor; the engine takes MuJoCo's own, says so once, and is MuJoCo then."""

    def starve(mj):
        mj.opt.iterations, mj.opt.ls_iterations = 1, 4

    starved = dataclasses.replace(hopper, model=hopper.model.edit(starve))
    with caplog.at_level("WARNING", logger="wildrobot_eqx"):
        engines = [NativePhysics(starved, threads=1) for _ in range(2)]
    assert len(caplog.records) == 1
    assert "iterations=1 and ls_iterations=4" in caplog.text
    for engine in engines:
        assert (engine.model.mj.opt.iterations, engine.model.mj.opt.ls_iterations) == (100, 50)
    assert (starved.model.mj.opt.iterations, hopper.model.mj.opt.iterations) == (1, 100)
    for iterations in range(1, 30):  # the simulated robot of a bundle does the same, without importing us
        ours, its = (mujoco.MjModel.__copy__(hopper.model.mj) for _ in range(2))
        for mj in (ours, its):
            mj.opt.iterations, mj.opt.ls_iterations = iterations, 30 - iterations
        feed(ours)
        mujoco_robot._feed(its)
        assert (ours.opt.iterations, ours.opt.ls_iterations) == (its.opt.iterations, its.opt.ls_iterations)
    caplog.clear()
    assert NativePhysics(hopper, threads=1).model.mj.opt.iterations == 100
    assert not caplog.records
