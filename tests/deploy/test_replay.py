"""Golden vectors pass, and every way to play a policy wrongly makes them fail."""

import io
import zipfile

import numpy as np
import onnx
import pytest
from bundles import opened, tampered

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.bundle.bundle import GOLDEN
from wildrobot_eqx.deploy.bundle.contract import observation_digest
from wildrobot_eqx.deploy.export.export import _arrays
from wildrobot_eqx.deploy.player.player import Player
from wildrobot_eqx.deploy.proof.replay import TOLERANCE, replay


def test_the_player_repeats_training(bundle):
    found = replay(bundle)
    assert found.passed, found.wrong
    assert found.steps == 100
    assert max(found.target, found.action) < TOLERANCE / 3


def test_a_player_that_starts_again_remembers_nothing(bundle):
    player = Player(bundle, unguarded=True)
    first = replay(bundle, player)
    assert replay(bundle, player) == first
    assert first.passed


def test_golden_vectors_are_worth_something(bundle):
    """They stand, walk and stop, and nothing in them is constant that a mistake could hide behind."""
    rows = bundle.golden()
    assert {0.0} < set(rows["speed"].tolist())
    assert rows["speed"][0] == rows["speed"][-1] == 0.0
    assert rows["target"].std(axis=0).min() > 1e-3
    assert (rows["observation"][:, :6].std(axis=0) > 1e-4).sum() >= 3
    np.testing.assert_allclose(rows["time"], np.arange(100) * bundle.contract.dt, atol=1e-5)


def _graph(change):
    """A change of the policy's graph."""

    def apply(document, files):
        model = onnx.load_model_from_string(files["policy.onnx"])
        change(model.graph, model)
        files["policy.onnx"] = model.SerializeToString()

    return apply


def _constant(graph, name):
    return next(tensor for tensor in graph.initializer if tensor.name == name)


def _without_normaliser(graph, model):
    for name, value in (("norm.mean", 0.0), ("norm.sd", 1.0)):
        tensor = _constant(graph, name)
        array = onnx.numpy_helper.to_array(tensor)
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.full_like(array, value), name))


def _without_symmetry(graph, model):
    _constant(graph, "mirror.zero").CopyFrom(onnx.numpy_helper.from_array(np.float32(-2.0), "mirror.zero"))


def _swap_joints(document, files):
    """Joints in another order throughout, as in a robot whose servos are counted otherwise."""
    joints = document["joints"]
    joints[0], joints[1] = joints[1], joints[0]
    _restamp(document, files)


def _restamp(document, files):
    model = onnx.load_model_from_string(files["policy.onnx"])
    onnx.helper.set_model_props(model, {"observation": observation_digest(document)})
    files["policy.onnx"] = model.SerializeToString()


def _rescale(document, files):
    for joint in document["joints"]:
        joint["scale"] *= 1.01


def _rescale_action(graph, model):
    name = max(t.name for t in graph.initializer if t.name.startswith("mlp.bias"))
    tensor = _constant(graph, name)
    tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) + np.float32(1e-3), name))


def _golden(name, change):
    def apply(document, files):
        with np.load(io.BytesIO(files[GOLDEN])) as arrays:
            rows = {n: arrays[n] for n in arrays.files}
        rows[name] = change(rows[name])
        files[GOLDEN] = _arrays(rows)

    return apply


def _part(kind, **changes):
    def apply(document, files):
        part = next(p for p in document["observation"] if p["kind"] == kind)
        part.update(changes)

    return apply


def _faster_clock(document, files):
    document["clock"]["period"] *= 1.05
    _part("gait_phase", constants={"period": document["clock"]["period"]})(document, files)


def _weaker_hold(document, files):
    hold = document["command"]["heading_hold"]
    hold["gain"] *= 0.9
    part = next(p for p in document["observation"] if p["kind"] == "velocity_command")
    part["constants"]["heading gain"] = hold["gain"]


def _narrower(document, files):
    for joint in document["joints"]:
        joint["high"] = joint["home"] + 0.02


def _slower(document, files):
    for joint in document["joints"]:
        joint["target_speed"] = 0.05


WRONG = {
    "normaliser removed": ("walk", _graph(_without_normaliser), "the action"),
    "symmetry removed": ("walk", _graph(_without_symmetry), "the action"),
    "two joints swapped": ("hop", _swap_joints, "joint_pos"),
    "action rescaled": ("walk", _rescale, "the target"),
    "network's output moved": ("walk", _graph(_rescale_action), "the action"),
    "sensors a step late": ("walk", _golden("sensor/chest_imu_gyro", lambda rows: np.roll(rows, 1, 0)), "gyro"),
    "joints a step late": ("hop", _golden("joint_positions", lambda rows: np.roll(rows, 1, 0)), "joint_pos"),
    "clock too fast": ("walk", _faster_clock, "gait_phase"),
    "heading hold too weak": ("walk", _weaker_hold, "command"),
    "filter stronger": ("hop", lambda d, f: d["controller"]["low_pass"][0].update(alpha=0.5), "the target"),
    "filter left out": ("hop", lambda d, f: d["controller"]["low_pass"].pop(), "the target"),
    "limits narrower": ("walk", _narrower, "the target"),
    "speed limit too low": ("walk", _slower, "the target"),
    "golden targets moved": ("hop", _golden("target", lambda rows: rows + np.float32(2e-5)), "the target"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_player_that_does_something_else_is_found(what, request):
    robot, change, told = WRONG[what]
    found = replay(opened(tampered(request.getfixturevalue(f"{robot}_files"), change)))
    assert not found.passed
    assert told in found.wrong


def test_a_last_action_that_is_a_step_late_is_found(walk, monkeypatch):
    """The history that the policy sees, shifted by one."""
    player = Player(walk, unguarded=True)
    observe = player._observer.__class__.__call__
    seen = [np.zeros(11, np.float32)]

    def late(self, sensors, positions, velocities, speed, last_action, *beside):
        seen.append(last_action)
        return observe(self, sensors, positions, velocities, speed, seen[-2], *beside)

    monkeypatch.setattr(player._observer.__class__, "__call__", late)
    found = replay(walk, player)
    assert "step 1: the observation 'last_action'" in found.wrong


def test_a_player_that_gives_up_is_found(walk):
    """A guarded player would not go on with a robot that lies on its side."""
    rows = walk.golden()
    rows["sensor/chest_imu_quat"][50:] = [0.7071, 0.7071, 0.0, 0.0]
    files = {**walk.files, GOLDEN: _arrays(rows)}
    found = replay(type(walk)(walk.contract, files, "bundle"), Player(walk))
    assert found.wrong == "step 50: the player gave up: the robot is tilted by 90 degrees"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows.pop("action"), "lack 'action'"),
        (lambda rows: rows.update(target=rows["target"][:-1]), "'target' do not fit"),
        (lambda rows: rows["target"].__setitem__((3, 0), np.nan), "'target' do not fit"),
        (lambda rows: rows.update({"sensor/torso_imu_quat": rows["sensor/torso_imu_gyro"]}), "do not fit"),
    ],
)
def test_golden_vectors_that_do_not_fit_are_refused(change, told, hop):
    rows = hop.golden()
    change(rows)
    with pytest.raises(WildRobotError, match=told):
        replay(type(hop)(hop.contract, {**hop.files, GOLDEN: _arrays(rows)}, "bundle"))


def test_golden_vectors_hold_no_objects(hop):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.array([{"a": 1}], object), allow_pickle=True)
        archive.writestr("target.npy", buffer.getvalue())
    with pytest.raises(WildRobotError, match="golden vectors cannot be read: Object arrays"):
        replay(type(hop)(hop.contract, {**hop.files, GOLDEN: packed.getvalue()}, "bundle"))
