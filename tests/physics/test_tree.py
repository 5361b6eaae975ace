"""The tree engine against MuJoCo's C engine: one control step from the same states, in contact and in the air."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from engines import Engine, native, restless, tree
from helpers import replace

from wildrobot_eqx import load_robot
from wildrobot_eqx.physics.base import jit_for
from wildrobot_eqx.physics.tree import TreePhysics, kernels
from wildrobot_eqx.physics.tree.solver import Effort


def layout(state):
    return [(path, leaf.shape, leaf.dtype, leaf.weak_type) for path, leaf in jax.tree.leaves_with_path(state)]


def test_its_state_is_that_of_native(hopper):
    states = []
    for engine in (native("hopper"), tree("hopper")):
        physics, params = engine.physics, engine.physics.params()
        first = jax.eval_shape(physics.init, params, hopper.home_qpos, jnp.zeros((hopper.nv,), jnp.float32))
        states += [first, jax.eval_shape(physics.step, params, first, hopper.home_joints)]
    assert all(layout(state) == layout(states[0]) for state in states[1:])


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("microduck", "solo12", "wildrobot", "wildrobot17")]


@pytest.mark.newest
@pytest.mark.parametrize("name", ["hopper", *SLOW])
def test_a_step_is_that_of_native(name):
    """With parameters that differ from robot to robot, feet on the floor; then the same robots in the air."""
    reference, ours, n = native(name), tree(name), 256
    params, ctrl = reference.params(n), reference.home(n)
    factor = jnp.asarray(np.random.default_rng(0).uniform(0.7, 1.3, (n, 1)), jnp.float32)
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
    state, up = restless(reference, n, 12)
    assert up.mean() > 0.8
    assert (np.asarray(state.foot_force[:, :, 2]).sum(axis=1) > 1.0).mean() > 0.4, "many must touch the floor"
    height = 2 if reference.robot.base.floating else 1
    air = replace(state, qpos=state.qpos.at[:, height].add(5.0), carry=jnp.zeros_like(state.carry))
    most = 99 if name in ("hopper", "wildrobot") else 95  # where in one env of 20 five Newton steps are too few
    expected = [reference.step(params, start, ctrl) for start in (state, air)]
    for start, right in zip((state, air), expected):
        same_step(ours.step(params, start, ctrl), right, most)
    if name != "hopper":  # with as many as it takes, none differs
        same_step(to_the_end(name).step(params, state, ctrl), expected[0], 100)


def same_step(found, expected, most: float):
    """All but a few envs, down to the percentile `most`, within rounding."""
    n = len(expected.time)
    for field, tolerance in {"qpos": 1e-5, "qvel": 1e-3, "xpos": 1e-5, "xquat": 1e-5, "site_xpos": 1e-5}.items():
        error = np.abs(getattr(found, field) - getattr(expected, field)).reshape(n, -1).max(axis=1)
        print(f"{field}: {np.percentile(error, most):.1e} at the {most}th percentile")
        assert np.percentile(error, most) < tolerance, field
    for field in ("sensordata", "foot_force", "actuator_force"):
        a, b = getattr(found, field), getattr(expected, field)
        error = (np.abs(a - b) / (1.0 + np.abs(b))).reshape(n, -1).max(axis=1)
        assert np.percentile(error, min(most, 95)) < 2e-3, field


def to_the_end(name: str) -> Engine:
    """The engine with as much effort as the solver takes."""
    return Engine(TreePhysics(load_robot(name), effort=Effort(steps=12, line=6)), 4)


@pytest.mark.newest
def test_what_it_asks_of_the_compiler_is_known():
    """One option that a version of XLA lacks takes none of the others away."""
    level = "xla_backend_optimization_level"  # known to each
    assert kernels.knows(level, 0)
    assert not kernels.knows("xla_no_such_option", 0)
    quick_compile = tree("hopper").physics.compiler_options(quick_compile=True)
    assert quick_compile[level] == 0
    assert quick_compile.keys() - {level} == tree("hopper").physics.compiler_options().keys()
    assert ("xla_cpu_use_fusion_emitters" in quick_compile) == kernels.knows("xla_cpu_use_fusion_emitters", False)
    if jax.__version_info__ < (0, 11):
        assert quick_compile["xla_cpu_use_fusion_emitters"] is False


def test_what_is_compiled_so_may_be_traced_within_something_else():
    """As restoring a run does, which traces the first training state for its shapes."""
    ours = tree("hopper")
    shape = eqx.filter_eval_shape(jit_for(ours.physics, _reset, quick_compile=True), ours.physics, *_poses(ours))
    assert shape.qpos.shape == (4, ours.physics.robot.nq)


@pytest.mark.slow
def test_a_reset_compiled_quickly_is_the_same():
    ours = tree("hopper")
    args = _poses(ours)
    plain, quick = (jit_for(ours.physics, _reset, quick_compile=s)(ours.physics, *args) for s in (False, True))
    np.testing.assert_allclose(quick.sensordata, plain.sensordata, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(quick.xpos, plain.xpos, atol=1e-6)


def _poses(engine):
    """Parameters, poses and velocities of four hoppers."""
    robot = engine.physics.robot
    joints = jnp.asarray(np.random.default_rng(0).normal(0.0, 0.05, (4, robot.nq)), jnp.float32)
    return engine.params(4), robot.home_qpos + joints.at[:, 0].set(0.0), jnp.zeros((4, robot.nv), jnp.float32)


def _reset(physics, params, qpos, qvel):
    return jax.vmap(physics.init)(params, qpos, qvel)
