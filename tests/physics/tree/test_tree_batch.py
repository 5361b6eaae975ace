"""What carries the engine through `vmap`, `scan` and `grad`, on a program that compiles at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wildrobot_eqx.physics.tree.batch import batched

TILE = 32


def mix(a, b, c):
    """Three scalars to two, with a loop inside as the engine's substeps."""

    def body(carry, _):
        return jnp.sin(carry) * a + b, None

    end, _ = jax.lax.scan(body, c, None, 3)
    return [end, jnp.where(a < b, a * c, b)]


packed = batched(mix, (2, 1), 2, TILE)


def plain(x, y):
    return jnp.stack(mix(x[0], x[1], y[0]))


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return (jnp.asarray(rng.normal(size=(6, 15, k)), jnp.float32) for k in (2, 1))


@pytest.mark.newest
def test_every_nesting_is_one_function(inputs):
    """90 rows run as tiles of an odd width; alone, mapped over one or both arguments, nested and scanned."""
    x, y = inputs
    wanted = np.asarray(jax.vmap(jax.vmap(plain))(x, y))
    flat = jax.jit(jax.vmap(packed))(x.reshape(90, 2), y.reshape(90, 1))
    np.testing.assert_allclose(flat.reshape(6, 15, 2), wanted, rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(jax.vmap(packed))(x, y), wanted, rtol=1e-5)
    np.testing.assert_allclose(packed(x[2, 3], y[2, 3]), wanted[2, 3], rtol=1e-5)
    swapped = jax.vmap(packed, in_axes=(1, 1))(x[0].T, y[0].T)
    np.testing.assert_allclose(swapped, wanted[0], rtol=1e-5)
    one = jax.vmap(packed, in_axes=(0, None))(x[0], y[0, 0])
    np.testing.assert_allclose(one, jax.vmap(plain, in_axes=(0, None))(x[0], y[0, 0]), rtol=1e-5)
    _, scanned = jax.lax.scan(lambda carry, xy: (carry, jax.vmap(packed)(*xy)), None, (x, y))
    np.testing.assert_allclose(scanned, wanted, rtol=1e-5)


@pytest.mark.newest
def test_gradients_in_every_nesting(inputs):
    x, y = (a[0] for a in inputs)

    def total(f):
        return lambda x, y: jnp.sum(f(x, y) * jnp.arange(1.0, 3.0))

    wanted = jax.vmap(jax.grad(total(plain), argnums=(0, 1)))(x, y)
    mapped = jax.jit(jax.vmap(jax.grad(total(packed), argnums=(0, 1))))(x, y)
    summed = jax.grad(lambda x, y: jnp.sum(jax.vmap(total(packed))(x, y)), argnums=(0, 1))(x, y)
    alone = jax.grad(total(packed), argnums=(0, 1))(x[4], y[4])
    for k in range(2):
        np.testing.assert_allclose(mapped[k], wanted[k], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(summed[k], wanted[k], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(alone[k], wanted[k][4], rtol=1e-4, atol=1e-6)


def test_there_is_no_forward_derivative(inputs):
    x, y = (a[0, 0] for a in inputs)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(packed, (x, y), (x, y))
