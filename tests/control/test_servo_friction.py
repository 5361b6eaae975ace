"""Friction that a part adds to joints without any, on engines that lay out their constraints in advance."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import make_env, replace

import wildrobot_eqx as we
from wildrobot_eqx.physics import AbstractRandomiser, with_friction


@pytest.fixture(scope="module")
def smooth(hopper):
    """The hopper without dry friction in any joint."""

    def change(mj):
        mj.dof_frictionloss[:] = 0.0

    return dataclasses.replace(hopper, model=hopper.model.edit(change))


class Rust(AbstractRandomiser):
    """Friction in every degree of freedom, whatever there was."""

    adds_frictionloss = True

    def __call__(self, key, params):
        return replace(params, dof_frictionloss=jnp.full_like(params.dof_frictionloss, 0.5))


@pytest.mark.parametrize("engine", [we.TreePhysics, pytest.param(we.MjxPhysics, marks=pytest.mark.slow)])
def test_a_part_that_rubs_does_so_on_every_engine(smooth, engine):
    """An ankle at 3 rad/s, aloft, with and without the friction of `GearFriction`, which is all there is."""
    servos = we.Servos(smooth, {"gears": we.servos.GearFriction(stribeck=0.3, stribeck_velocity=10.0)})
    expected, found = (slowed(kind(smooth), servos) for kind in (we.NativePhysics, engine))
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert abs(expected[0] - expected[1]) > 0.1, "friction is felt"


def slowed(physics, servos) -> np.ndarray:
    """The ankle's velocity after a control period, by the share 0 and 1 of the servos' friction."""
    robot = physics.robot
    params = replace(physics.params(), gravity=jnp.zeros(3, jnp.float32))
    ankle = robot.joint_dof[robot.joint_names.index("ankle_pitch")]
    qvel = jnp.zeros(robot.nv, jnp.float32).at[ankle].set(3.0)
    zero = jnp.zeros(robot.nu, jnp.float32)
    # All engines begin from one state; of a state they read positions, velocities and the warm start.
    state = jax.jit(lambda *at: we.NativePhysics(robot, threads=1).init(*at))(
        params, robot.home_qpos.at[1].add(1.0), qvel
    )

    @eqx.filter_jit
    def end(share):
        scaled = eqx.tree_at(lambda s: s.parts["gears"].scale, servos, jnp.stack([share, share]))
        servo = scaled.init(jax.random.key(0), physics, params, state, zero)
        return scaled.step(physics, params, state, servo, robot.home_joints, zero)[0].qvel[ankle]

    return np.asarray(jax.vmap(end)(jnp.asarray([0.0, 1.0], jnp.float32)))


def test_only_what_lacks_it_is_made_ready(smooth, hopper):
    plain = we.NativePhysics(hopper)
    assert with_friction(plain, hopper.joint_dof) is plain
    ready = with_friction(we.NativePhysics(smooth), hopper.joint_dof)
    np.testing.assert_array_equal(ready.model.mj.dof_frictionloss > 0.0, [False] * 3 + [True] * 3)
    assert (with_friction(plain).model.mj.dof_frictionloss > 0.0).all()
    assert ready.n_substeps == 4


def test_an_env_is_ready_for_what_its_randomisers_write(smooth):
    scaled = make_env(smooth, randomisers=(we.randomise.ScaleMass(), we.randomise.ScaleFrictionLoss()))
    assert scaled.disturbances.engine(scaled.physics) is scaled.physics, "any factor of nothing is nothing"
    rusty = make_env(smooth, randomisers=(we.randomise.ScaleMass(), Rust()))
    assert (rusty.disturbances.engine(rusty.physics).model.mj.dof_frictionloss > 0.0).all()
