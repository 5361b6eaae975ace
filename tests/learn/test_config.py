"""PPO's figures: what cannot train is refused before anything is made."""

import dataclasses

import pytest

from wildrobot_eqx import PPO, WildRobotError


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("num_envs", 0, "at least 1"),
        ("unroll_length", -1, "at least 1"),
        ("num_epochs", 0, "at least 1"),
        ("num_minibatches", 0, "at least 1"),
        ("reset_pool", 0, "at least 1"),
        ("decay_steps", 0, "at least 1"),
        ("learning_rate", -1e-3, "not negative"),
        ("learning_rate", float("nan"), "not negative"),
        ("learning_rate", float("inf"), "not negative"),
        ("max_learning_rate", 0.0, "a positive number"),
        ("desired_kl", -0.01, "not negative"),
        ("entropy_cost", -1.0, "not negative"),
        ("value_cost", -1.0, "not negative"),
        ("clip", 0.0, "a positive number"),
        ("max_grad_norm", 0.0, "a positive number"),
        ("init_std", 0.0, "a positive number"),
        ("discount", 1.5, "between 0 and 1"),
        ("gae_lambda", -0.1, "between 0 and 1"),
        ("decay_to", 1.1, "between 0 and 1"),
        ("hidden", (64, 0), "sizes of at least 1"),
    ],
)
def test_a_figure_that_cannot_train_is_named(name, value, kind):
    with pytest.raises(WildRobotError) as caught:
        dataclasses.replace(PPO(), **{name: value})
    assert caught.value.what.startswith(f"learner.{name} must be")
    assert kind in caught.value.what
    assert caught.value.where == f"PPO, {name}"
    assert caught.value.hint


def test_every_number_has_a_range():
    """A new hyperparameter must join one of the lists: numbers out of range end in a refusal, whatever they mean."""
    for field in dataclasses.fields(PPO):
        if field.name not in ("hidden", "symmetric"):
            bad = -1 if "int" in str(field.type) else -1.0
            with pytest.raises(WildRobotError, match=field.name):
                PPO(**{field.name: bad})


def test_none_stays_none():
    assert PPO(decay_steps=None, desired_kl=None).desired_kl is None
    assert PPO(hidden=()).hidden == ()


def test_envs_divide_into_minibatches():
    with pytest.raises(WildRobotError) as caught:
        PPO(num_envs=6, num_minibatches=4)
    assert "6 envs do not divide into 4 minibatches" in caught.value.what
    assert "num_minibatches" in caught.value.where
    assert "a multiple of 4" in caught.value.hint
    assert PPO(num_envs=6, num_minibatches=3).num_minibatches == 3


@pytest.mark.parametrize(("envs", "pool", "size"), [(16, None, 16), (128, None, 64), (4096, None, 1024), (64, 8, 8)])
def test_the_pool_of_first_states_grows_with_the_envs(envs, pool, size):
    assert PPO(num_envs=envs, reset_pool=pool).pool_size == size


def test_steps_per_iteration():
    assert PPO(num_envs=10, num_minibatches=5, unroll_length=7).steps_per_iteration == 70
