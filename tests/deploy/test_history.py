"""A policy that sees the last moments: its graph keeps them, and golden vectors notice one that keeps them wrongly."""

import copy
import re

import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from bundles import env_and_policy, make_files, opened, sealed, tampered

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.bundle.read import read_contract
from wildrobot_eqx.deploy.export.onnx.graph import policy_graph, policy_states
from wildrobot_eqx.deploy.player.player import Player
from wildrobot_eqx.deploy.proof.replay import replay
from wildrobot_eqx.deploy.proof.retrace import retrace
from wildrobot_eqx.release.verify import verify_bundle

MOMENTS = 3


@pytest.fixture(scope="module")
def files():
    return make_files("hop", history=MOMENTS)


@pytest.fixture(scope="module")
def remembering(files):
    return opened(files)


@pytest.mark.parametrize(("name", "history"), [("hop", 3), ("walk", 2)])
def test_the_graph_sees_what_the_stack_shows(name, history):
    """Against NumPy's own shifting; the biped's policy is reflected by the newest gait clock."""
    env, policy = env_and_policy(name, history)
    size = env.observations["policy"].size // history
    session = onnxruntime.InferenceSession(policy_graph(policy, size, {}, history), providers=["CPUExecutionProvider"])
    states = policy_states(policy, size, history)
    assert {s.input: s.shape for s in states} == {"history": (1, history, size), "started": (1, 1)}
    frames = np.random.default_rng(2).normal(size=(12, size)).astype(np.float32)
    seen = np.repeat(frames[:1], history, axis=0)
    carried = {s.input: np.zeros(s.shape, np.float32) for s in states}
    for k, frame in enumerate(frames):
        seen = np.concatenate([frame[None], seen[:-1]]) if k else seen
        action, *after = session.run(None, {"observation": frame[None], **carried})
        carried = dict(zip(carried, after))
        np.testing.assert_array_equal(carried["history"][0], seen)
        wanted = policy(jnp.asarray(seen.ravel()), ())[0].mean
        np.testing.assert_allclose(action[0], wanted, atol=2e-6)
    assert carried["started"] == 1.0


def test_the_contract_says_what_is_old(remembering):
    contract = remembering.contract
    layout = env_and_policy("hop", MOMENTS)[0].observations["policy"].layout
    parts = contract.document["observation"]
    assert [(p["name"], p["start"], p["stop"], p["age"]) for p in parts] == [
        (s.name, s.start, s.stop, s.age) for s in layout
    ]
    assert {p["age"] for p in parts} == {0, 1, 2}
    policy = contract.document["policy"]
    assert policy["observation_size"] == MOMENTS * policy["input_size"] == layout[-1].stop
    kinds = [state.kind for state in contract.states]
    assert kinds[:2] == ["history", "started"]
    assert set(kinds[2:]) == {"step"}
    readme = remembering.text("README.md")
    assert "It sees the last 3 observations" in readme
    assert f"| `history` | `next_history` | [1, 3, {policy['input_size']}] |" in readme


def test_the_player_repeats_training(remembering):
    player = Player(remembering, unguarded=True)
    for _ in range(2):  # a player that starts again remembers nothing
        found = replay(remembering, player)
        assert found.passed, found.wrong
    walked = retrace(remembering)
    assert walked.passed, walked.wrong


def _at_rest(kind):
    return {"orientation": [1.0, 0.0, 0.0, 0.0], "gyro": [0.0] * 3, "accelerometer": [0.0, 0.0, 9.81]}[kind]


def test_the_first_reading_stands_for_what_was_before(remembering):
    """In training, in the golden vectors, and after a ramp, however long it was."""
    rows = remembering.golden()["observation"].reshape(100, MOMENTS, -1)
    np.testing.assert_array_equal(rows[0], np.repeat(rows[0, :1], MOMENTS, axis=0))
    np.testing.assert_array_equal(rows[2:, 2], rows[:-2, 0])
    player = Player(remembering)
    contract = remembering.contract
    player.start(ramp=True)
    steps = []
    for k in range(400):
        steps.append(
            player.step(
                {
                    "time": k * player.dt,
                    "command": {},
                    "joint_positions": dict(zip(player.joints, contract.home + 0.001 * k)),
                    "joint_velocities": dict.fromkeys(player.joints, 0.0),
                    **{s["name"]: _at_rest(s["kind"]) for s in contract.document["sensors"]},
                }
            )
        )
        if steps[-1].mode == "run" and steps[-3].mode == "run":
            break
    first, _, third = (step.observation.reshape(MOMENTS, -1) for step in steps[-3:])
    np.testing.assert_array_equal(first, np.repeat(first[:1], MOMENTS, axis=0))
    np.testing.assert_array_equal(third[2], first[0])
    assert (third[0] != third[1]).any()


def _shifted(document, files):
    """Older by one step: the newest of the past is left out."""
    model = onnx.load_model_from_string(files["policy.onnx"])
    for tensor in model.graph.initializer:
        if tensor.name in ("history.first", "history.last"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) + 1, tensor.name))
    files["policy.onnx"] = model.SerializeToString()


def _never_filled(document, files):
    """Zeros stand for what was before the first reading."""
    model = onnx.load_model_from_string(files["policy.onnx"])
    (zero,) = (tensor for tensor in model.graph.initializer if tensor.name == "started.zero")
    zero.CopyFrom(onnx.numpy_helper.from_array(np.float32(-1.0), zero.name))
    files["policy.onnx"] = model.SerializeToString()


def _newest_last(document, files):
    """The past put before the present."""
    model = onnx.load_model_from_string(files["policy.onnx"])
    (joined,) = (node for node in model.graph.node if "next_history" in node.output)
    joined.input[:] = list(reversed(joined.input))
    files["policy.onnx"] = model.SerializeToString()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_shifted, r"step 2: the observation '\w+'\[\d\] of 1 control step ago is off by"),
        (_never_filled, r"step 0: the observation '\w+'\[\d\] of 1 control step ago is off by"),
        (_newest_last, r"step 1: the observation '\w+'\[\d\] is off by"),
    ],
)
def test_a_history_kept_wrongly_fails_the_bundles_proof(change, message, files):
    found = verify_bundle(opened(tampered(files, change)), 1)
    assert not found.passed
    assert found.retrace is None
    assert re.match(message, found.replay.wrong), found.replay.wrong


def test_a_player_that_hands_the_history_on_a_step_late_is_found(remembering):
    player = Player(remembering, unguarded=True)
    session, held = player._session, []

    class Lagging:
        def run(self, outputs, inputs):
            held.append(inputs["history"])
            return session.run(outputs, {**inputs, "history": held[max(len(held) - 2, 0)]})

    player._session = Lagging()
    found = replay(remembering, player)
    assert "of 1 control step ago is off by" in found.wrong


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["observation"][-1].update(age=1), "is not the 'command' of 2 control steps ago"),
        (lambda d: d["observation"][-1].update(name="x"), "is not the 'command' of 2 control steps ago"),
        (lambda d: d["policy"].update(history=2), "a history of 2 moments"),
        (lambda d: d["policy"].update(history=1), "a history of 1 moments"),
        (lambda d: d["policy"]["state"].pop(0), "a policy that keeps none"),
        (lambda d: d["policy"]["state"][0].update(shape=[1, 2, 3]), r"a policy that keeps \[\(1, 2, 3\)\]"),
        (lambda d: d["policy"]["state"][0].update(output="action"), "share a name"),
        (lambda d: d["policy"]["state"][0].update(kind="dream"), "must be one of"),
    ],
)
def test_a_contract_whose_history_makes_no_sense_is_refused(change, message, remembering):
    document = copy.deepcopy(remembering.contract.document)
    change(document)
    with pytest.raises(WildRobotError, match=message):
        read_contract(sealed(document))


def test_a_policy_without_its_history_is_refused(files, hop_files):
    """The file of a policy that sees the present alone, under a contract that says otherwise."""
    foreign = tampered(files, lambda d, f: f.update({"policy.onnx": hop_files["policy.onnx"]}))
    with pytest.raises(WildRobotError, match="the contract says"):
        Player(opened(foreign))
