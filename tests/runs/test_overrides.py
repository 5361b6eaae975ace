"""--set: dotted paths through a recipe, values that fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wildrobot_eqx import WildRobotError, load_recipe
from wildrobot_eqx.recipes.overrides import apply_overrides


@pytest.fixture(scope="module")
def hop():
    return load_recipe("hop")(num_envs=8)


def test_figures_of_every_kind(hop):
    new = apply_overrides(
        hop,
        [
            "learner.learning_rate=3e-4",
            "learner.discount=1",
            "learner.desired_kl=null",
            "learner.hidden=[32, 16]",
            "steps=1000",
            "name=other",
            "env.rewards.track.weight=4",
            "env.commands.velocity.lin_vel_x=[0, 0.2]",
            "env.observations.policy.terms.joint_pos.driven.home=[0.3, 0.6, -0.3]",
        ],
    )
    assert (new.learner.learning_rate, new.learner.discount, new.learner.desired_kl) == (3e-4, 1.0, None)
    assert isinstance(new.learner.discount, float)
    assert new.learner.hidden == (32, 16)
    assert (new.steps, new.name) == (1000, "other")
    weight = new.env.rewards["track"].weight
    assert (float(weight), weight.dtype, weight.shape, weight.weak_type) == (4.0, jnp.float32, (), False)
    np.testing.assert_array_equal(new.env.commands["velocity"].lin_vel_x, np.float32([0.0, 0.2]))
    assert float(hop.env.rewards["track"].weight) == 3.0
    assert float(new.env.rewards["upright"].weight) == float(hop.env.rewards["upright"].weight)
    assert jax.tree.structure(new.env) == jax.tree.structure(hop.env)


def test_figures_are_checked_together(hop):
    new = apply_overrides(hop, ["learner.num_minibatches=3", "learner.num_envs=96"])
    assert (new.learner.num_minibatches, new.learner.num_envs) == (3, 96)
    assert (hop.learner.num_minibatches, hop.learner.num_envs) == (4, 8)
    with pytest.raises(WildRobotError, match="96 envs do not divide into 5 minibatches"):
        apply_overrides(hop, ["learner.num_minibatches=5", "learner.num_envs=96"])
    with pytest.raises(WildRobotError, match="at least one step"):
        apply_overrides(hop, ["steps=0"])


def test_later_ones_win(hop):
    assert apply_overrides(hop, ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("learner.learning_rte=1", "learner has no key 'learning_rte'(.|\n)*did you mean 'learning_rate'"),
        ("env.rewards.trak.weight=1", "env.rewards has no key 'trak'(.|\n)*did you mean 'track'"),
        ("pp.clip=1", "the recipe has no key 'pp'"),
        ("learner.clip.x=1", "learner.clip has no key 'x'(.|\n)*set it itself"),
        ("ppo.clip", "not of the form key=value"),
        ("learner.clip=big", "'big' is not a JSON value"),
        ("learner.clip=NaN", "NaN is not JSON"),
        ('learner.clip="big"', "'clip' takes float"),
        ("learner.num_envs=2.5", "'num_envs' takes int"),
        ("learner.symmetric=1", "'symmetric' takes bool"),
        ("env.commands.velocity.lin_vel_x=0.3", r"shape \[\], the key takes \[2\]"),
        ("env.commands.velocity.lin_vel_x=[0, [1]]", "ragged"),
        ("env.rewards.track.weight=true", "does not fit float32"),
        ('env.rewards.track.weight="x"', "does not fit float32"),
        ("env.episode_length=[1.5]", r"shape \[1\], the key takes \[\]"),
        ("env.rewards.track=1", "'track' is a TrackLinVelX, not a figure"),
        ("env.physics.n_substeps=8", "structure of NativePhysics"),
    ],
)
def test_what_does_not_fit_is_refused(hop, assignment, message):
    with pytest.raises(WildRobotError, match=message) as caught:
        apply_overrides(hop, [assignment])
    assert caught.value.where == f"--set {assignment}"
    assert caught.value.hint
    assert caught.value.exit_code == 2
