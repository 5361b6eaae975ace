"""The exported graph is the policy, the contract is the env to the last bit, and the rest is refused."""

import dataclasses
import json
import re

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from bundles import env_and_policy, make_files, tampered
from own import Lacking, Sees, Wrapped

from wildrobot_eqx import ObservationStack, WildRobotError
from wildrobot_eqx.controllers import LowPass
from wildrobot_eqx.deploy.bundle.archive import read_files
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.bundle.contract import FILE
from wildrobot_eqx.deploy.export import export as exporting
from wildrobot_eqx.deploy.export import place
from wildrobot_eqx.deploy.export.export import export_bundle
from wildrobot_eqx.deploy.export.onnx.graph import policy_graph
from wildrobot_eqx.deploy.proof.replay import Replay
from wildrobot_eqx.learn.squashed import SquashedPolicy


@pytest.fixture(scope="module", params=["hop", "walk"])
def pair(request):
    return env_and_policy(request.param)


def _run(graph: bytes, observations: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["action"], {"observation": row[None]})[0] for row in observations])


def _observations(env, n: int = 200) -> np.ndarray:
    """Some of them far outside of what the normaliser clips to."""
    rng = np.random.default_rng(1)
    size = env.observations["policy"].size
    return (rng.normal(size=(n, size)) * rng.uniform(0.1, 30.0, (n, 1))).astype(np.float32)


def test_the_graph_is_the_policy(pair):
    env, policy = pair
    observations = _observations(env)
    wanted = np.asarray(policy(jnp.asarray(observations), policy.init())[0].mean)
    found = _run(policy_graph(policy, observations.shape[1], {}), observations)
    np.testing.assert_allclose(found, wanted, atol=2e-5, rtol=2e-6)
    if policy.mirror is not None:
        second = observations[:, policy.mirror.index] < 0.0
        assert 50 < second.sum() < 150  # both halves of the cycle


def test_a_squashed_policy_is_exported_with_its_tanh(pair):
    env, policy = pair
    squashed = SquashedPolicy(policy.norm, policy.log_std, policy.mlp)
    observations = _observations(env)
    wanted = np.asarray(squashed(jnp.asarray(observations), ())[0].mean)
    np.testing.assert_allclose(_run(policy_graph(squashed, observations.shape[1], {}), observations), wanted, atol=2e-6)


def test_the_graph_has_fixed_names_and_shapes_and_full_precision(pair):
    env, policy = pair
    size = env.observations["policy"].size
    model = onnx.load_model_from_string(policy_graph(policy, size, {"b": "2", "a": "1"}))
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"observation": [1, size], "action": [1, env.action_size]}
    assert {p.key: p.value for p in model.metadata_props} == {"a": "1", "b": "2"}
    kept = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    assert np.array_equal(kept["mlp.weight.1"], np.asarray(policy.mlp.weights[1]))
    assert np.array_equal(kept["norm.mean"], np.asarray(policy.norm.mean))
    assert {array.dtype.name for array in kept.values()} <= {"float32", "int64"}


def test_weights_that_are_not_finite_are_refused(pair):
    env, policy = pair
    broken = eqx.tree_at(lambda p: p.mlp.biases[0], policy, policy.mlp.biases[0] * jnp.nan)
    with pytest.raises(WildRobotError, match=r"mlp\.bias\.0 holds a number that is not finite"):
        policy_graph(broken, env.observations["policy"].size, {})


def test_every_figure_is_that_of_the_env(walk):
    env, _ = env_and_policy("walk")
    contract = walk.contract
    assert contract.joints == env.physics.robot.joint_names
    assert contract.measured == contract.joints
    assert np.array_equal(contract.home, np.asarray(env.controller.home))
    ranges = np.asarray(env.controller.range)
    assert np.array_equal(np.stack([contract.low, contract.high], 1), ranges)
    assert np.array_equal(np.stack([contract.target_low, contract.target_high], 1), ranges)
    assert np.array_equal(contract.target_rest, np.asarray(env.controller.rest()))
    assert contract.servos.all()
    document = contract.document
    gait = env.commands["gait"]
    assert np.float32(document["clock"]["period"]) == gait.period
    assert np.float32(document["clock"]["swing"]) == gait.swing
    assert document["clock"]["mid_swing"] == dict(zip(gait.feet, gait.mid_swing.tolist()))
    assert document["clock"]["rests"] is True
    (channel,) = contract.channels
    assert (channel.name, channel.command, channel.unit, channel.rest) == ("lin_vel_x", "velocity", "m/s", 0.0)
    assert [np.float32(channel.low), np.float32(channel.high)] == env.commands["velocity"].bounds()[0].tolist()
    hold = document["command"]["parts"]["velocity"]
    assert hold["kind"] == "VelocityCommand"
    assert np.float32(hold["constants"]["heading gain"]) == env.commands["velocity"].heading.gain
    assert np.float32(hold["constants"]["deadband"]) == env.commands["velocity"].deadband > 0.0
    assert document["command"]["parts"]["gait"]["kind"] == "Gait"
    assert [(p["name"], p["start"], p["stop"], p["unit"]) for p in document["observation"]] == [
        (s.name, s.start, s.stop, s.unit) for s in env.observations["policy"].layout
    ]
    assert document["joints"][0]["kp"] == pytest.approx(21.1)
    assert document["joints"][0]["kd"] == pytest.approx(0.5)
    assert document["control"]["dt"] == env.physics.control_dt
    assert [(p["name"], p["kind"]) for p in document["observation"]] == [
        (name, type(env.observations["policy"].terms[name]).__name__) for name in env.observations["policy"].names
    ]
    assert document["safety"]["tilt"]["upright"] == pytest.approx([0.0, 0.0, 1.0])
    assert document["safety"]["tilt"]["sensor"] == "chest_imu_quat"
    assert document["policy"]["inputs"] == [
        {"name": "command", "size": 1},
        {"name": "joint_positions", "size": 11},
        {"name": "joint_velocities", "size": 11},
        {"name": "sensor.chest_imu_gyro", "size": 3},
        {"name": "sensor.chest_imu_quat", "size": 4},
    ]
    assert {s["name"]: s["required"] for s in document["sensors"]} == {
        "chest_imu_quat": True,
        "chest_imu_gyro": True,
        "chest_imu_accel": False,
    }


def test_filters_and_delays_are_distinguished(hop):
    """A delay is the robot's own: the player must not wait once more. Filters are part of the graph."""
    controller = hop.contract.document["controller"]
    assert (controller["kind"], controller["delay"]) == ("LowPass", 2)
    held = {state.input: state.shape for state in hop.contract.states if ".controller." in state.input}
    assert held == {"state.controller.0.1": (1, 3), "state.controller.1": (1, 3)}


def test_equal_runs_give_equal_bytes(hop_files):
    assert make_files("hop") == hop_files


def test_what_no_robot_could_compute_is_refused_before_the_rollout(monkeypatch):
    """And raised by `bundle_files`, whatever finds it."""
    env, policy = env_and_policy("hop")
    monkeypatch.setattr(exporting, "record", lambda *_: pytest.fail("it was rolled out"))
    stack = env.observations["policy"].terms
    for changes, message in (
        (
            {"observations": {"policy": ObservationStack({**stack, "site": Sees("site_xpos")})}},
            "reads physics.site_xpos",
        ),
        (
            {"observations": {"policy": ObservationStack({**stack, "lacking": Lacking("sorted")})}},
            "computes with `sort`",
        ),
        ({"controller": LowPass(Wrapped(env.controller), env.controller.rest(), 0.5)}, "A Delay lies within a Wrapped"),
    ):
        with pytest.raises(WildRobotError, match=re.escape(message)):
            exporting.bundle_files(dataclasses.replace(env, **changes), policy, {}, None)


@pytest.fixture
def written(monkeypatch, hop_files):
    """`export_bundle` of files that are there already: nothing is compiled."""
    monkeypatch.setattr(exporting, "bundle_files", lambda *_: dict(hop_files))
    return lambda folder: export_bundle(*env_and_policy("hop"), folder, {}, None)


def test_an_older_bundle_is_replaced(tmp_path, written, monkeypatch, hop_files):
    folder, packed = written(tmp_path / "bundle")
    assert Bundle.open(folder).files == Bundle.open(packed).files
    newer = tampered(hop_files, lambda document, files: files.update({"robot/new.xml": files.pop("README.md")}))
    monkeypatch.setattr(exporting, "bundle_files", lambda *_: dict(newer))
    written(tmp_path / "bundle")
    assert Bundle.open(folder).files == Bundle.open(packed).files
    assert "README.md" not in read_files(folder)  # the older one's, which the newer one lacks
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "bundle.zip"]


def test_a_player_that_differs_is_never_written(tmp_path, written, monkeypatch):
    found = Replay(100, 0.0, 0.0, 1.0, "step 0: the target of 'knee_pitch' is off by 1")
    monkeypatch.setattr(exporting, "replay", lambda bundle: found)
    with pytest.raises(WildRobotError, match="The player does not do what training does: step 0") as caught:
        written(tmp_path / "bundle")
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported(tmp_path, written, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place, "write_zip", full)
    with pytest.raises(WildRobotError, match="No space left on device"):
        written(tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_a_robot_that_cannot_travel_is_left_out(hop_files, monkeypatch, heard):
    def stays(robot):
        raise WildRobotError("It stays at home.", where="here")

    monkeypatch.setattr(exporting, "pack_robot", stays)
    files = exporting.bundle_files(*env_and_policy("hop"), {}, None)
    assert json.loads(files[FILE])["simulation"] is None
    assert "cannot be played in simulation" in heard.messages[0]
    assert not any(name.startswith("robot/") for name in files)


def test_float32_survives_json():
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    assert np.array_equal(np.array(json.loads(json.dumps([float(v) for v in values])), np.float32), values)
