"""Every entry of a dict of arrays is checked while tracing, not one of them."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest
from helpers import random_signals
from jaxtyping import TypeCheckError

from wildrobot_eqx.env import Timestep

ZERO, NEVER = jnp.zeros((), jnp.float32), jnp.zeros((), bool)
WRONG = {
    "whole numbers": jnp.zeros((2,), jnp.int32),
    "a matrix": jnp.zeros((2, 2), jnp.float32),
    "no array": (0.0, 0.0),
}


@pytest.mark.parametrize("name", ["aaa", "mmm", "zzz"])
@pytest.mark.parametrize("wrong", WRONG)
def test_an_observed_command_is_a_vector_of_floats_whatever_its_place(hopper, wrong, name):
    signals = random_signals(hopper)
    good = {**signals.observed, "bbb": jnp.zeros((2,), jnp.float32), "yyy": jnp.zeros((3,), jnp.float32)}
    assert dataclasses.replace(signals, observed=good).observed == good
    with pytest.raises(TypeCheckError, match=name):
        dataclasses.replace(signals, observed={**good, name: WRONG[wrong]})


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_observations_are_vectors_and_figures_are_scalars(name):
    good = {"mmm": jnp.zeros((2,), jnp.float32)}, ZERO, NEVER, NEVER, {"mmm": ZERO}
    assert not Timestep(*good).done
    with pytest.raises(TypeCheckError, match=name):
        Timestep({**good[0], name: ZERO}, *good[1:])
    with pytest.raises(TypeCheckError, match=name):
        jax.jit(lambda x: Timestep(*good[:-1], {"mmm": x, name: jnp.zeros((1,), jnp.float32)}))(ZERO)
