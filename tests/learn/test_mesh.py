"""The cut of one training over devices: who gets which envs, and that a mesh of one device is no other training."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import shifted

from wildrobot_eqx import PPO, WildRobotError
from wildrobot_eqx.learn.mesh import DEFAULT_DEVICE, Devices, check_parts
from wildrobot_eqx.learn.ppo import _minibatches

CONFIG = PPO(num_envs=24, num_minibatches=3, num_epochs=2)


@pytest.fixture(scope="module")
def mesh():
    """A mesh of one device; tests/runs/test_devices.py has those of several."""
    return Devices.of(jax.devices()[:1])


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_minibatches_are_permutations_with_as_many_of_each_group(groups):
    config = dataclasses.replace(CONFIG, minibatch_groups=groups)
    batches = np.asarray(_minibatches(config, jax.random.key(shifted(0))))
    assert batches.shape == (6, 8)
    for epoch in (batches[:3], batches[3:]):
        assert sorted(epoch.ravel()) == list(range(24))
    assert not np.array_equal(batches[:3], batches[3:])
    of = batches // (24 // groups)
    np.testing.assert_array_equal(of, np.broadcast_to(np.repeat(np.arange(groups), 8 // groups), of.shape))


def test_one_group_is_one_permutation_of_all():
    key = jax.random.key(shifted(1))
    orders = [jax.random.permutation(one, 24) for one in jax.random.split(key, 2)]
    np.testing.assert_array_equal(_minibatches(CONFIG, key), np.concatenate(orders).reshape(6, 8))


def test_groups_that_minibatches_cannot_hold_are_refused():
    with pytest.raises(WildRobotError, match="16 groups") as caught:
        dataclasses.replace(CONFIG, minibatch_groups=16)
    assert caught.value.where == "PPO, learner.minibatch_groups"


def test_minibatches_that_devices_cannot_share_are_refused(mesh):
    with pytest.raises(WildRobotError, match="3 equal parts") as caught:
        check_parts(CONFIG, 3)
    assert "take 2 devices, or a multiple of 9 envs" in caught.value.hint
    mesh.check(CONFIG)
    DEFAULT_DEVICE.check(CONFIG)


def _data():
    key = jax.random.key(shifted(2))
    rows = {"memory": jax.random.normal(key, (8, 3)), "key": jax.random.split(key, 8)}
    sequences = (jax.random.normal(key, (5, 8, 2)), jnp.arange(40).reshape(5, 8), jnp.zeros((5, 8, 0)))
    return rows, sequences


def _words(tree):
    return [
        jax.random.key_data(a) if jnp.issubdtype(a.dtype, jax.dtypes.prng_key) else a for a in jax.tree.leaves(tree)
    ]


@pytest.mark.parametrize("groups", [1, 3])
def test_a_mesh_picks_what_is_picked_without_one(mesh, groups):
    """Of the rows that all devices were sent, and of a device's own."""
    envs = jnp.asarray([5, 0, 3])

    @eqx.filter_jit
    def picked(devices, rows, sequences):
        return devices.picker(rows, sequences, 8, groups)(envs)

    rows, sequences = _data()
    one, other = picked(mesh, rows, sequences), picked(DEFAULT_DEVICE, rows, sequences)
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(_words(one), _words(other), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one[1][1], np.arange(40).reshape(5, 8)[:, np.asarray(envs)])


@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_gathered_stays_what_it_is(mesh, axis):
    tree = _data()[axis]
    gathered = eqx.filter_jit(lambda devices, tree: devices.gather(tree, axis))(mesh, tree)
    assert jax.tree.structure(gathered) == jax.tree.structure(tree)
    for a, b in zip(_words(gathered), _words(tree), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_array_equal(a, b)


def test_each_device_has_its_number_and_its_rows(mesh):
    def part(rows, whole):
        return rows + whole, rows[None] * 2.0, (mesh.index() + rows.shape[0])[None]

    joined = jax.jit(lambda rows, whole: mesh.on_each(part, rows, whole))(jnp.arange(4.0), jnp.float32(1.0))
    for got, wanted in zip(joined, ([1.0, 2.0, 3.0, 4.0], [[0.0, 2.0, 4.0, 6.0]], [4]), strict=True):
        np.testing.assert_array_equal(got, wanted)
