"""Random keys: split and folded, one for all rows of a batch, the same in every turn of a loop, raw ones carried on."""

import inspect

import equinox as eqx
import faults
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from wildrobot_eqx import Env, check
from wildrobot_eqx.arrays import f32
from wildrobot_eqx.check.rules import prng as keys
from wildrobot_eqx.check.trace import source
from wildrobot_eqx.check.trace.tracing import trace
from wildrobot_eqx.resets import AbstractReset, HomeReset

normal, split, fold_in = jax.random.normal, jax.random.split, jax.random.fold_in
ROWS = jnp.zeros(3)


def _split_and_fold(key):
    a, b = split(key)
    return normal(a) + normal(b) + normal(fold_in(key, 1))  # wrong


def _fold_and_split(key):
    folded = fold_in(key, 0)
    return normal(folded) + jnp.sum(jax.vmap(normal)(split(key, 3)))  # wrong


def _split_and_fold_unknown(key):
    a, number = split(key)
    return normal(a) + normal(fold_in(key, jax.random.key_data(number)[0]))  # wrong


def _fold_and_draw(key):
    return normal(fold_in(key, 77)) + normal(key)  # wrong


def _split_and_loop_of_folds(key):
    a, b = split(key)

    def body(x, i):
        return x + normal(fold_in(key, i)), None  # wrong

    return jax.lax.scan(body, normal(a) + normal(b), jnp.arange(3))[0]


def _unbatched(key):
    return jnp.sum(jax.vmap(lambda x: x + normal(key))(ROWS))  # wrong


def _unbatched_axis(key):
    return jnp.sum(jax.vmap(lambda key, x: x + normal(split(key)[0]), in_axes=(None, 0))(key, ROWS))  # wrong


def _unbatched_inside(key):
    inner = jax.vmap(lambda key, x: x + normal(key), in_axes=(None, 0))  # wrong
    return jnp.sum(jax.vmap(lambda key: inner(key, ROWS))(split(key, 2)))


def _unbatched_in_scan(key):
    def body(key, _):
        key, sub = split(key)
        return key, jnp.sum(jax.vmap(lambda x: x + normal(sub))(ROWS))  # wrong

    return jnp.sum(jax.lax.scan(body, key, None, 2)[1])


def _broadcast(key):
    return jnp.sum(jax.vmap(normal)(jnp.broadcast_to(key, (3,))))  # wrong


def _broadcast_split(key):
    pairs = jax.vmap(split)(jnp.broadcast_to(key, (3,)))  # wrong
    return jnp.sum(jax.vmap(normal)(pairs[:, 0]))


def _stacked(key):
    return jnp.sum(jax.vmap(normal)(jnp.stack([key] * 3)))  # wrong


def _repeated(key):
    return jnp.sum(jax.vmap(normal)(jnp.repeat(key[None], 3, axis=0)))  # wrong


def _fold_in_loop(key):
    def body(x, _):
        return x + normal(fold_in(key, 7)), None  # wrong

    return jax.lax.scan(body, 0.0, None, 3)[0]


def _far_fold(key):
    """Folded by a number that no split reaches."""
    return normal(split(key)[0]) + normal(fold_in(key, 0xFFFF_0001))


def _folds(key):
    return jnp.sum(jax.vmap(lambda i: normal(fold_in(key, i)))(jnp.arange(3)))


def _loop_of_folds(key):
    return jax.lax.scan(lambda x, i: (x + normal(fold_in(key, i)), None), 0.0, jnp.arange(3))[0]


def _batched(key):
    return jnp.sum(jax.vmap(lambda key, x: x + normal(key))(split(key, 3), ROWS))


def _batched_twice(key):
    rows = jax.vmap(lambda key: jnp.sum(jax.vmap(normal)(split(key, 2))))
    return jnp.sum(rows(split(key, 3)))


def _shared(key):
    """One draw for all rows, made outside of them, is meant."""
    noise = normal(key)
    return jnp.sum(jax.vmap(lambda x: x + noise)(ROWS))


def _row_of_split(key):
    subs = split(key, 3)
    return jnp.sum(jax.vmap(lambda i: normal(subs[i]))(jnp.arange(3)))


def _samplers(key):
    a, b, c, d = split(key, 4)
    picked = jax.random.choice(a, jnp.arange(5), (3,), replace=False)
    return jnp.sum(picked) + jnp.sum(jax.random.gamma(b, 2.0, (3,))) + jax.random.categorical(c, ROWS) + normal(d)


RIGHT = [_far_fold, _folds, _loop_of_folds, _batched, _batched_twice, _shared, _row_of_split, _samplers]
WRONG = [
    _split_and_fold,
    _fold_and_split,
    _split_and_fold_unknown,
    _fold_and_draw,
    _split_and_loop_of_folds,
    _unbatched,
    _unbatched_axis,
    _unbatched_inside,
    _unbatched_in_scan,
    _broadcast,
    _broadcast_split,
    _stacked,
    _repeated,
    _fold_in_loop,
]


def _found(draw, key):
    return keys.reuses(trace(lambda _, key: draw(key), None, key))


def _marked(function):
    lines, first = inspect.getsourcelines(function)
    (line,) = [first + i for i, text in enumerate(lines) if "# wrong" in text]
    return f"{__file__}:{line}"


@pytest.mark.parametrize("draw", RIGHT, ids=lambda f: f.__name__)
@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_keys_used_well_pass(draw, make):
    assert _found(draw, make(0)) == []


@pytest.mark.parametrize("draw", WRONG, ids=lambda f: f.__name__)
def test_keys_used_twice_are_found_at_their_line(draw):
    found = _found(draw, jax.random.key(0))
    assert len(found) == 1
    assert source.of_operation(found[0].operations[-1], None) == _marked(draw)


def test_split_and_fold_coincide_as_the_check_says():
    """The fact behind the rule, in this JAX."""
    key = jax.random.key(7)
    parts, folded = split(key, 3), jax.vmap(lambda i: fold_in(key, i))(jnp.arange(3))
    assert np.array_equal(jax.random.key_data(parts), jax.random.key_data(folded))


def _carried(key):
    return normal(key), key


def _split_on(key):
    key, sub = split(key)
    return normal(sub), key


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_a_key_carried_on_after_use_is_found_typed_or_raw(make):
    (reuse,) = _found(_carried, make(0))
    assert "carried on unchanged" in reuse.what
    assert _found(_split_on, make(0)) == []


class FoldedReset(AbstractReset):
    """A reset as the package once had it: its place is folded out of a key that it also splits."""

    home: HomeReset
    spread: Float[Array, ""] = eqx.field(default=3.0, converter=f32)

    def __call__(self, key, commands):
        key_joint, key_vel, key_yaw = split(key, 3)
        qpos, _ = self.home(key_joint, commands)
        qvel = jax.random.uniform(key_vel, (self.home.robot.nv,), jnp.float32, -1.0, 1.0)
        place = jax.random.uniform(fold_in(key, 1), (2,), jnp.float32, -1.0, 1.0)  # wrong
        return qpos.at[:2].add(self.spread * place), qvel + 0.0 * normal(key_yaw)


def test_a_reset_that_folds_the_key_that_it_splits_is_found(env):
    planted = faults.as_slot(env, "reset_state", FoldedReset(env.reset_state))
    (finding,) = check.check_env(planted).findings
    assert finding.leaf == "env.reset_state"
    assert "split(key, 3)" in finding.after
    assert finding.source == f"FoldedReset ({_marked(FoldedReset)})"
    assert "split once" in finding.fix


def test_an_env_is_still_one(env):
    assert type(faults.as_slot(env, "reset_state", env.reset_state)) is Env
