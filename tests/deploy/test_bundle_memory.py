"""A policy with a memory: JAX traces it into the graph, the player carries it, golden vectors notice a wrong one."""

import json
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from bundles import env_and_policy, opened, tampered
from helpers import shifted
from jaxtyping import Array, Float
from recurrent import make_gated, make_layered

from wildrobot_eqx import PPO, WildRobotError, load_recipe
from wildrobot_eqx.deploy.bundle.bundle import GOLDEN, Bundle
from wildrobot_eqx.deploy.bundle.contract import FILE
from wildrobot_eqx.deploy.export.export import _arrays, bundle_files, export_bundle
from wildrobot_eqx.deploy.export.onnx.graph import policy_graph, policy_states
from wildrobot_eqx.deploy.player.player import Player
from wildrobot_eqx.deploy.proof.play import play
from wildrobot_eqx.deploy.proof.replay import replay
from wildrobot_eqx.deploy.proof.retrace import retrace
from wildrobot_eqx.evaluate.rollout import judged_env
from wildrobot_eqx.learn import ppo
from wildrobot_eqx.learn.networks import Normal
from wildrobot_eqx.learn.normalise import RunningNorm
from wildrobot_eqx.policies import AbstractPolicy
from wildrobot_eqx.release.verify import verify_bundle


@pytest.fixture(scope="module")
def env():
    return env_and_policy("hop")[0]


@pytest.fixture(scope="module")
def files(env):
    return bundle_files(env, make_gated(env, PPO(), jax.random.key(shifted(1))), {"recipe": "hop"}, None)


@pytest.fixture(scope="module")
def gated(files):
    return opened(files)


@pytest.mark.newest
@pytest.mark.parametrize(
    ("make", "shapes"),
    [
        (make_gated, {"memory": (1, 8), "started": (1, 1)}),
        (make_layered, {"memory_0": (1, 6), "memory_1": (1, 6), "memory_2": (1,)}),
    ],
)
def test_the_graph_remembers_as_the_policy_does(make, shapes, env):
    policy = make(env, PPO(), jax.random.key(shifted(1)))
    size = env.observations["policy"].size
    session = onnxruntime.InferenceSession(policy_graph(policy, size, {}), providers=["CPUExecutionProvider"])
    states = policy_states(policy, size)
    assert {s.input: s.shape for s in states} == shapes
    memory = policy.init()
    act = eqx.filter_jit(policy)
    for _ in range(2):  # the same from the start
        carried = {s.input: np.zeros(s.shape, np.float32) for s in states}
        memory = policy.init()
        for obs in np.random.default_rng(4).normal(size=(12, size)).astype(np.float32):
            wanted, memory = act(jnp.asarray(obs), memory)
            action, *after = session.run(None, {"observation": obs[None], **carried})
            carried = dict(zip(carried, after))
            np.testing.assert_allclose(action[0], wanted.mean, atol=2e-6)
            for leaf, found in zip(jax.tree.leaves(memory), after):
                np.testing.assert_allclose(found[0], leaf, atol=2e-6)


def test_the_player_repeats_training(gated):
    states = [(s["kind"], s["input"], s["output"]) for s in gated.contract.document["policy"]["state"]]
    assert states[:2] == [("memory", "memory", "next_memory"), ("started", "started", "next_started")]
    assert {kind for kind, _, _ in states[2:]} == {"step"}
    player = Player(gated, unguarded=True)
    for _ in range(2):  # a player that starts again remembers nothing
        found = replay(gated, player)
        assert found.passed, found.wrong
        assert 0.0 < found.memory < 3e-6
    assert retrace(gated).passed
    assert gated.golden()["state/memory"].std(axis=0).min() > 1e-3
    assert "| `memory` | `next_memory` | [1, 8] | memory |" in gated.text("README.md")


def _start_forgotten(document, files):
    model = onnx.load_model_from_string(files["policy.onnx"])
    (zero,) = (tensor for tensor in model.graph.initializer if tensor.name == "started.zero")
    zero.CopyFrom(onnx.numpy_helper.from_array(np.float32(-1.0), zero.name))
    files["policy.onnx"] = model.SerializeToString()


def test_a_first_memory_that_is_lost_fails_the_bundles_proof(files):
    found = verify_bundle(opened(tampered(files, _start_forgotten)), 1)
    assert not found.passed
    assert "step 0: the memory 'memory'[" in found.replay.wrong


@pytest.mark.parametrize("late", [1, 1000])
def test_a_memory_that_is_late_or_never_handed_on_is_found(late, gated):
    player = Player(gated, unguarded=True)
    session, held = player._session, []

    class Lagging:
        def run(self, outputs, inputs):
            held.append(inputs["memory"])
            return session.run(outputs, {**inputs, "memory": held[max(len(held) - 1 - late, 0)]})

    player._session = Lagging()
    assert "step 1: the memory 'memory'[" in replay(gated, player).wrong


def test_golden_vectors_compare_the_memory(gated):
    rows = gated.golden()
    rows["state/memory"][7:, 2] += 1e-4
    found = replay(Bundle(gated.contract, {**gated.files, GOLDEN: _arrays(rows)}, "bundle"))
    assert found.wrong.startswith("step 7: the memory 'memory'[2] is off by")
    del rows["state/memory"]
    with pytest.raises(WildRobotError, match="lack 'state/memory'"):
        replay(Bundle(gated.contract, {**gated.files, GOLDEN: _arrays(rows)}, "bundle"))


class Odd(AbstractPolicy):
    """A policy of which something is wrong."""

    norm: RunningNorm
    log_std: Float[Array, " nu"]
    start: Any
    how: str = eqx.field(static=True)

    def init(self) -> Any:
        return self.start

    def __call__(self, obs: Float[Array, "*batch nobs"], carry: Any):
        mean = jnp.zeros((*obs.shape[:-1], self.log_std.size), jnp.float32)
        if self.how == "loops":
            mean = jax.lax.fori_loop(0, 3, lambda i, x: x + obs[..., :3], mean)
        if self.how == "sorts":
            mean = jnp.sort(obs, axis=-1)[..., :3]
        if self.how == "shrinks":
            mean = self.log_std  # of one sample, whatever it is given
        return Normal(mean, self.log_std), carry

    def update_norm(self, obs):
        return self


@pytest.mark.parametrize(
    ("start", "how", "message"),
    [
        ((), "loops", "an Odd, computes with `(scan|while)`"),
        ((), "sorts", "an Odd, computes with `sort`"),
        ((), "shrinks", r"gives .*\(3,\)"),
        (jnp.zeros((2,), jnp.int32), "", "remembers int32, and a bundle hands on float32"),
    ],
)
def test_what_cannot_be_written_down_is_refused(start, how, message):
    policy = Odd(RunningNorm.init(5), jnp.zeros((3,), jnp.float32), start, how)
    with pytest.raises(WildRobotError, match=message.replace("an Odd", "a Odd")):
        policy_graph(policy, 5, {})


@pytest.mark.slow
def test_a_recurrent_policy_goes_from_training_to_a_robot(tmp_path):
    """The whole way of a policy of one's own: train, export, verify, play."""
    recipe = load_recipe("hop")(num_envs=16)
    config = PPO(num_envs=16, unroll_length=16, reset_pool=8)
    state = ppo.init(recipe.env, config, jax.random.key(shifted(0)), make_gated)
    for after, _ in ppo.train(recipe.env, config, state, 20):
        state = after
    env = judged_env(recipe.env, 0.005)
    _, archive = export_bundle(env, state.agent.policy, tmp_path / "bundle", {"recipe": "hop"}, None)
    bundle = Bundle.open(archive)
    assert json.loads(tmp_path.joinpath("bundle", FILE).read_text())["policy"]["kind"] == "Gated"
    assert verify_bundle(bundle, 1).passed
    assert play(bundle, {"lin_vel_x": 0.1}, 1.0).fault is None
