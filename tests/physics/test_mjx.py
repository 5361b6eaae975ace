"""MJX against the native engine: one state type, the same moments, the same numbers."""

import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from engines import restless
from helpers import replace
from walks import walking

from wildrobot_eqx import MjxPhysics, WildRobotError, load_robot
from wildrobot_eqx.physics import Effort, NativePhysics, make_physics

N = 64


def layout(tree):
    return [(path, leaf.shape, leaf.dtype, leaf.weak_type) for path, leaf in jax.tree.leaves_with_path(tree)]


@pytest.mark.slow
def test_both_backends_have_one_state_type(hopper):
    native, mjx = NativePhysics(hopper), MjxPhysics(hopper)
    params, qvel = native.params(), jnp.zeros((hopper.nv,), jnp.float32)
    states = [eqx.filter_eval_shape(physics.init, params, hopper.home_qpos, qvel) for physics in (native, mjx)]
    states += [
        eqx.filter_eval_shape(physics.step, params, state, hopper.home_joints)
        for physics, state in zip((native, mjx), states)
    ]
    for state in states[1:]:
        assert jax.tree.structure(state) == jax.tree.structure(states[0])
        assert layout(state) == layout(states[0])


def test_mjx_agrees_with_native_and_runs_its_parameters(native_hopper, mjx_hopper):
    """One test for all that needs the compiled step, which takes longer than all else here."""
    params, ctrl = native_hopper.params(N), native_hopper.home(N)
    rng = np.random.default_rng(0)
    factor = jnp.asarray(rng.uniform(0.7, 1.3, (N, 1)), jnp.float32)
    params = replace(
        params,
        body_mass=params.body_mass * factor,
        body_inertia=params.body_inertia * factor[..., None],
        geom_friction=params.geom_friction * factor[..., None],
        dof_damping=params.dof_damping * factor,
        dof_frictionloss=params.dof_frictionloss * factor,
        actuator_gainprm=params.actuator_gainprm * factor[..., None],
        actuator_biasprm=params.actuator_biasprm * factor[..., None],
    )
    state, up = restless(native_hopper, N, 12)
    assert up.mean() > 0.8
    assert (np.asarray(state.foot_force[:, 0, 2]) > 1.0).mean() > 0.4, "many must touch the floor"
    expected, found = (engine.step(params, state, ctrl) for engine in (native_hopper, mjx_hopper))
    for name, tolerance in {"qpos": 1e-5, "qvel": 1e-3, "xpos": 1e-5, "xquat": 1e-5, "site_xpos": 1e-5}.items():
        error = np.abs(getattr(found, name) - getattr(expected, name)).reshape(N, -1).max(axis=1)
        assert np.percentile(error, 95) < tolerance, name
    for name in ("sensordata", "foot_force", "actuator_force"):
        a, b = getattr(found, name), getattr(expected, name)
        error = (np.abs(a - b) / (1.0 + np.abs(b))).reshape(N, -1).max(axis=1)
        assert np.percentile(error, 95) < 2e-3, name

    # Contact-free for 1 s, half of it falling and half weightless, legs waving.
    air = replace(
        state,
        qpos=state.qpos.at[:, 1].set(10.0),
        qvel=jnp.asarray(rng.normal(size=state.qvel.shape), jnp.float32),
        carry=jnp.zeros_like(state.carry),
    )
    params = replace(params, gravity=params.gravity.at[N // 2 :].set(0.0))
    ends = []
    for engine in (native_hopper, mjx_hopper):
        end = air
        for i in range(50):
            end = engine.step(params, end, ctrl + 0.3 * np.float32(np.sin(0.3 * i)))
        ends.append(end)
    assert not np.asarray(ends[0].foot_force).any()
    assert float(ends[0].qpos[0, 1]) < 7.0 < float(ends[0].qpos[-1, 1])
    np.testing.assert_allclose(ends[1].qpos, ends[0].qpos, atol=1e-4)

    broken = replace(state, qvel=state.qvel.at[3, 0].set(jnp.nan))
    ended = mjx_hopper.step(params, broken, ctrl)
    assert np.isnan(ended.qpos[3]).any()
    assert np.isfinite(np.delete(np.asarray(ended.qpos), 3, axis=0)).all()


def tumbling(engine, n):
    """States half a second into random targets, those that are still up, and the home pose as the next target."""
    state, up = restless(engine, n + n // 2, 25)
    return jax.tree.map(lambda a: a[np.flatnonzero(up)[:n]], state), engine.home(n)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["restless", "walking"])
def test_mjx_holds_the_biped_as_native_does(native_wildrobot, mjx_wildrobot, source):
    n = 1000
    state, ctrl = walking(n) if source == "walking" else tumbling(native_wildrobot, n)
    assert len(state.time) == n
    params = native_wildrobot.params(n)
    a, b = (engine.step(params, state, ctrl) for engine in (native_wildrobot, mjx_wildrobot))
    error = np.abs(np.asarray(a.qpos - b.qpos))
    joints = error[:, list(native_wildrobot.robot.joint_qpos)].max(axis=1)
    base = error[:, :3].max(axis=1)
    print(f"joints p99 {np.percentile(joints, 99):.2e} rad, base p99 {np.percentile(base, 99):.2e} m")
    assert np.percentile(joints, 99) < 1e-3
    assert np.percentile(base, 99) < 1e-3
    assert np.percentile(np.abs(a.foot_force - b.foot_force).reshape(n, -1).max(axis=1), 90) < 0.1


@pytest.mark.slow
def test_mjx_flies_as_native_does(native_wildrobot, mjx_wildrobot):
    """Contact-free for 1 s."""
    n = 1000
    state, ctrl = tumbling(native_wildrobot, n)
    params = native_wildrobot.params(n)
    air = replace(state, qpos=state.qpos.at[:, 2].set(10.0), carry=jnp.zeros_like(state.carry))
    ends = []
    for engine in (native_wildrobot, mjx_wildrobot):
        end = air
        for i in range(50):
            end = engine.step(params, end, ctrl + 0.2 * np.float32(np.sin(0.3 * i)))
        ends.append(np.asarray(end.qpos))
    print(f"contact-free for 1 s: {np.abs(ends[0] - ends[1]).max():.2e}")
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-4)


@pytest.mark.slow
def test_mjx_init_and_stand(native_hopper, mjx_hopper):
    params = native_hopper.params(2)
    rng = np.random.default_rng(0)
    qpos = jnp.broadcast_to(native_hopper.robot.home_qpos, (2, 6)).at[:, 1].add(jnp.array([-0.002, 0.01]))
    qvel = jnp.asarray(rng.normal(size=(2, 6)), jnp.float32)
    a, b = (engine.init(params, qpos, qvel) for engine in (native_hopper, mjx_hopper))
    assert float(a.foot_force[0, 0, 2]) > 10.0
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(y, x, rtol=1e-4, atol=1e-3)


def test_mjx_refuses_what_it_cannot_do(hopper, tmp_path):
    with pytest.raises(WildRobotError, match="no impl 'wrap'") as caught:
        MjxPhysics(hopper, impl="wrap")
    assert "'warp'" in caught.value.hint
    from wildrobot_eqx.paths import data_dir

    for file in ("robot.toml", "hopper.xml"):
        text = (data_dir("robots") / "hopper" / file).read_text()
        (tmp_path / file).write_text(text.replace('integrator="Euler"', 'integrator="RK4"'))
    with pytest.raises(WildRobotError, match="MJX cannot simulate this model: its integrator") as caught:
        MjxPhysics(load_robot(tmp_path))
    assert "native" in caught.value.hint


def test_warp_without_warp_says_what_to_install(hopper, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WildRobotError, match="warp-lang") as caught:
        MjxPhysics(hopper, impl="warp")
    assert "pip install warp-lang" in caught.value.hint


def test_importing_mjx_keeps_standard_output_clean():
    code = "from wildrobot_eqx.physics.mjx import _import_mjx; _import_mjx()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_make_physics(hopper):
    assert isinstance(make_physics("native", hopper), NativePhysics)
    mjx = make_physics("mjx", hopper, 0.002)
    assert isinstance(mjx, MjxPhysics)
    assert mjx.n_substeps == 10
    assert jax.tree.structure(mjx) == jax.tree.structure(make_physics("mjx", load_robot("hopper"), 0.002))
    with pytest.raises(WildRobotError, match="no physics engine 'mjxx'") as caught:
        make_physics("mjxx", hopper)
    assert "did you mean 'mjx'" in caught.value.hint


def test_effort_caps_the_solver_and_never_lifts_it(hopper):
    """An argument, as the tree engine has it; the MJCF's own numbers stay the most."""
    model = hopper.model
    default, little = (MjxPhysics(hopper, effort=effort) for effort in (None, Effort(steps=3, line=2)))
    assert (default._engine().model.opt.iterations, default._engine().model.opt.ls_iterations) == (10, 4)
    assert (little._engine().model.opt.iterations, little._engine().model.opt.ls_iterations) == (3, 2)
    most = MjxPhysics(hopper, effort=Effort(steps=10**6, line=10**6))._engine().model.opt
    assert (most.iterations, most.ls_iterations) == (model.mj.opt.iterations, model.mj.opt.ls_iterations)
