"""The tree engine as `AbstractPhysics`: one state type, every transform, its gradients, what it refuses."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from engines import Engine, native, restless
from helpers import replace
from tree_models import compile_text

from wildrobot_eqx import NativePhysics, TreePhysics, WildRobotError, load_robot
from wildrobot_eqx.physics import make_physics
from wildrobot_eqx.physics.tree.check import check_class
from wildrobot_eqx.physics.tree.kernels import check_compiler

N = 24


@pytest.fixture(scope="module")
def tree() -> Engine:
    return Engine(TreePhysics(load_robot("hopper")))


def layout(tree):
    return [(path, leaf.shape, leaf.dtype, leaf.weak_type) for path, leaf in jax.tree.leaves_with_path(tree)]


def test_the_state_is_every_backends(hopper):
    physics, native_physics = make_physics("tree", hopper), NativePhysics(hopper)
    qvel = jnp.zeros((hopper.nv,), jnp.float32)
    wanted = eqx.filter_eval_shape(native_physics.init, physics.params(), hopper.home_qpos, qvel)
    first = eqx.filter_eval_shape(physics.init, physics.params(), hopper.home_qpos, qvel)
    second = eqx.filter_eval_shape(physics.step, physics.params(), first, hopper.home_joints)
    for state in (first, second):
        assert jax.tree.structure(state) == jax.tree.structure(wanted)
        assert layout(state) == layout(wanted)


def programs(function, *arguments):
    """The engine's programs that a function runs, and the rows of each."""
    equations = jax.make_jaxpr(function)(*arguments).eqns
    return [rows for eqn in equations for rows in _programs(eqn)]


def _programs(eqn):
    if eqn.primitive.name == "tree_rows":
        return [(eqn.params["program"], eqn.outvars[0].aval.shape[:-1])]
    inner = [v for v in eqn.params.values() if hasattr(v, "eqns") or hasattr(v, "jaxpr")]
    return [rows for jaxpr in inner for e in jaxpr.eqns for rows in _programs(e)]


def test_randomised_steps_agree_with_native(tree):
    """Each env has parameters of its own; in every nesting it is one program, which test_tree_batch.py runs in all."""
    engine = native("hopper")
    state, _ = restless(engine, N, 12)
    factor = jnp.asarray(np.random.default_rng(0).uniform(0.7, 1.3, (N, 1)), jnp.float32)
    params = engine.params(N)
    params = replace(
        params,
        body_mass=params.body_mass * factor,
        body_inertia=params.body_inertia * factor[..., None],
        body_ipos=params.body_ipos * factor[..., None],
        geom_friction=params.geom_friction * factor[..., None],
        dof_damping=params.dof_damping * factor,
        dof_frictionloss=params.dof_frictionloss * factor,
        dof_armature=params.dof_armature * factor,
        actuator_gainprm=params.actuator_gainprm * factor[..., None],
        actuator_biasprm=params.actuator_biasprm * factor[..., None],
        actuator_forcerange=params.actuator_forcerange * factor[..., None],
        gravity=params.gravity * factor,
    )
    ctrl = engine.home(N)
    expected, found = engine.step(params, state, ctrl), tree.step(params, state, ctrl)
    assert (np.asarray(state.foot_force[:, 0, 2]) > 1.0).mean() > 0.4, "many must touch the floor"
    for name in ("qpos", "qvel", "xpos", "xquat", "site_xpos", "time"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=2e-4, err_msg=name)
    for name in ("sensordata", "foot_force", "actuator_force"):
        a, b = np.asarray(getattr(found, name)), np.asarray(getattr(expected, name))
        assert np.percentile(np.abs(a - b) / (1.0 + np.abs(b)), 99) < 2e-3, name

    pairs = jax.tree.map(lambda a: a.reshape(2, N // 2, *a.shape[1:]), (params, state, ctrl))
    flat = programs(jax.vmap(tree.physics.step), params, state, ctrl)
    nested = programs(jax.vmap(jax.vmap(tree.physics.step)), *pairs)
    alone = programs(tree.physics.step, *jax.tree.map(lambda a: a[3], (params, state, ctrl)))
    assert [[shape for _, shape in found] for found in (flat, nested, alone)] == [[(N,)], [(2, N // 2)], [()]]
    assert flat[0][0] is nested[0][0] is alone[0][0]

    broken = replace(state, qvel=state.qvel.at[3, 0].set(jnp.nan))
    ended = tree.step(params, broken, ctrl)
    assert np.isnan(ended.qpos[3]).any()
    assert np.isfinite(np.delete(np.asarray(ended.qpos), 3, axis=0)).all()


def test_friction_loss_of_zero_is_no_friction(tree):
    """Drawn as 0 where the MJCF has some: the constraint is there, and bound to nothing, as MuJoCo leaves it out."""
    engine = native("hopper")
    state, _ = restless(engine, N, 12)
    params = engine.params(N)
    none = replace(params, dof_frictionloss=jnp.zeros_like(params.dof_frictionloss))
    expected, found = engine.step(none, state, engine.home(N)), tree.step(none, state, tree.home(N))
    np.testing.assert_allclose(found.qpos, expected.qpos, atol=2e-5)
    assert np.abs(found.qvel - tree.step(params, state, tree.home(N)).qvel).max() > 1e-3


def test_feet_carry_the_weight(tree):
    state = tree.stand(tree.params(2), 3.0)
    weight = tree.robot.model.mj.body_mass.sum() * 9.81
    np.testing.assert_allclose(state.foot_force.sum(axis=1), [[0, 0, weight]] * 2, atol=1e-2 * weight)


def test_what_is_out_of_the_class_is_listed_at_once():
    model = compile_text(
        """
    <mujoco><option integrator="RK4" density="1.2"/><worldbody><geom type="plane" size="0 0 1"/>
      <body name="a"><freejoint/><geom type="cylinder" size=".1 .1"/><geom name="b" size=".1"/></body>
      <body pos="0 0 3"><joint name="j"/><geom name="c" size=".1"/></body></worldbody>
      <actuator><general joint="j" dyntype="integrator" name="slow"/></actuator>
      <sensor><torque site="s" name="t"/></sensor></mujoco>""".replace(
            '<geom name="b"', '<site name="s"/><geom name="b"'
        )
    )
    with pytest.raises(WildRobotError) as caught:
        check_class(model, ignore_self_contact=False)
    for text in ("rk4", "fluid", "'slow' has dynamics", "'t' (torque)", "among moving geoms of a sphere and a"):
        assert text in str(caught.value)
    assert "--physics native" in caught.value.hint
    assert "ignore_self_contact=True" in caught.value.hint
    with pytest.raises(WildRobotError) as caught:
        check_class(model, ignore_self_contact=True)
    assert "among moving" not in str(caught.value)


BODY = '<body name="a"><freejoint/><geom size=".1" contype="0" conaffinity="0"/>{}</body>'
LINK = '<body><joint name="j" axis="0 1 0" range="-1 1"/><geom size=".1" contype="0" conaffinity="0"/></body>'
REFUSED = {
    "its integrator is implicit": '<option integrator="implicit"/><worldbody>{body}</worldbody>',
    "fluid forces": '<option viscosity="1e-5"/><worldbody>{body}</worldbody>',
    "noslip iterations": '<option noslip_iterations="3"/><worldbody>{body}</worldbody>',
    "the flag override": '<option><flag override="enable"/></option><worldbody>{body}</worldbody>',
    "1 equality constraints of the kind weld": '<worldbody>{body}</worldbody><equality><weld body1="a"/></equality>',
    "1 tendons": '<worldbody>{body}</worldbody><tendon><fixed><joint joint="j" coef="1"/></fixed></tendon>',
    "1 mocap bodies": '<worldbody>{body}<body mocap="true"/></worldbody>',
    "gravity compensation": '<worldbody>{body}<body gravcomp="1"><joint/><geom size="1" contype="0"/></body>'
    "</worldbody>",
    "with still geoms of a sphere and a cylinder": '<worldbody>{body}<geom type="cylinder" size="1 1"/>'
    '<body pos="0 0 5"><joint/><geom size=".1"/></body></worldbody>',
    "'pull' acts on no hinge": '<worldbody>{body}</worldbody><actuator><motor name="pull" site="s"/></actuator>',
    "has a gain or bias that is neither": '<worldbody>{body}</worldbody><actuator><muscle joint="j"/></actuator>',
    "'seen' (rangefinder)": '<worldbody>{body}</worldbody><sensor><rangefinder name="seen" site="s"/></sensor>',
}


@pytest.mark.parametrize("told", REFUSED)
def test_each_thing_out_of_the_class_is_refused_by_name(told):
    body = BODY.format('<site name="s"/>' + LINK)
    with pytest.raises(WildRobotError, match="The tree engine cannot simulate this model") as caught:
        check_class(compile_text(f"<mujoco>{REFUSED[told].format(body=body)}</mujoco>"), ignore_self_contact=False)
    assert told in str(caught.value)
    assert "native" in caught.value.hint
    check_class(compile_text(f"<mujoco><worldbody>{body}</worldbody></mujoco>"), ignore_self_contact=False)


def test_a_compiler_that_drops_the_kernels_body_is_refused(monkeypatch):
    check_compiler()
    monkeypatch.setattr(jax.lax, "reduce_window", lambda operands, *_: operands)
    with pytest.raises(WildRobotError, match="version of XLA"):
        check_compiler.__wrapped__()
