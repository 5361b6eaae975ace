"""Golden vectors pass, and every way to play a policy wrongly makes them fail."""

import io
import zipfile

import numpy as np
import onnx
import pytest
from bundles import constant, constants, opened, regraphed, restamped, spoilt_rows, tampered, with_rows

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.bundle.bundle import GOLDEN
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
    assert {0.0} < set(rows["command"][:, 0].tolist())
    assert rows["command"][0] == rows["command"][-1] == 0.0
    assert rows["target"].std(axis=0).min() > 1e-3
    assert (rows["observation"][:, :6].std(axis=0) > 1e-4).sum() >= 3
    np.testing.assert_allclose(rows["time"], np.arange(100) * bundle.contract.dt, atol=1e-5)


def _without_normaliser(graph):
    constant("norm.mean", np.zeros_like)(graph)
    constant("norm.sd", np.ones_like)(graph)


def _swap_joints(document, files):
    """Joints in another order throughout, as in a robot whose servos are counted otherwise."""
    joints = document["joints"]
    joints[0], joints[1] = joints[1], joints[0]
    restamped(document, files)


def _last_bias(graph):
    name = max(tensor.name for tensor in graph.initializer if tensor.name.startswith("mlp.bias"))
    constant(name, lambda bias: bias + np.float32(1e-3))(graph)


def _kept(state):
    """A state of which every step gets what was there at first."""

    def change(graph):
        for node in graph.node:
            node.input[:] = ["never" if name == state else name for name in node.input]
        like = next(value for value in graph.input if value.name == state)
        shape = [entry.dim_value for entry in like.type.tensor_type.shape.dim]
        graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(shape, np.float32), "never"))

    return change


def _narrower(document, files):
    for joint in document["joints"]:
        joint["target"]["high"] = joint["home"] + 0.02


def _slower(document, files):
    for joint in document["joints"]:
        joint["target"]["speed"] = 0.05


SCALE = np.full(11, 0.4, np.float32)
STEP = np.float32(2.0 * np.pi * 0.02) / np.float32(0.7)  # rad, of the biped's clock in a control step
DOWN = np.array([0.0, 0.0, -1.0], np.float32)
HOME = np.array([0.4, 0.8, -0.4], np.float32)
WRONG = {
    "normaliser removed": ("walk", regraphed(_without_normaliser), "the action"),
    "symmetry removed": ("walk", regraphed(constant("mirror.zero", lambda _: -2.0)), "the action"),
    "two joints swapped": ("hop", _swap_joints, "the target"),
    "action rescaled": ("walk", regraphed(constants(SCALE, SCALE * 1.01)), "the target"),
    "network's output moved": ("walk", regraphed(_last_bias), "the action"),
    "gravity upside down": ("hop", regraphed(constants(DOWN, -DOWN)), "gravity"),
    "sensors a step late": ("walk", spoilt_rows("sensor/chest_imu_gyro", lambda rows: np.roll(rows, 1, 0)), "gyro"),
    "joints a step late": ("hop", spoilt_rows("joint_positions", lambda rows: np.roll(rows, 1, 0)), "joint_pos"),
    "another home": ("hop", regraphed(constants(HOME, HOME + 0.01)), "joint_pos"),
    "clock too fast": ("walk", regraphed(constants(STEP, STEP * 1.05)), "gait_phase"),
    "clock never handed on": ("walk", regraphed(_kept("state.commands.gait.phase")), "gait_phase"),
    "heading hold too weak": ("walk", regraphed(constants(np.float32(1.5), 1.35)), "command"),
    "heading never handed on": ("walk", regraphed(_kept("state.commands.velocity.origin")), "command"),
    "deadband too wide": ("walk", regraphed(constants(np.float32(0.05), 9.0)), "gait_phase"),
    "last action forgotten": ("walk", regraphed(_kept("state.action")), "step 1: the observation 'last_action'"),
    "filter stronger": ("hop", regraphed(constants(np.float32(0.9), 0.5)), "the target"),
    "filter forgotten": ("hop", regraphed(_kept("state.controller.1")), "the target"),
    "every step the first": ("walk", regraphed(constant("started.zero", lambda _: 2.0)), "step 1: the observation"),
    "no step the first": ("hop", regraphed(constant("started.zero", lambda _: -1.0)), "step 0"),
    "limits narrower": ("walk", _narrower, "the target"),
    "speed limit too low": ("walk", _slower, "the target"),
    "golden targets moved": ("hop", spoilt_rows("target", lambda rows: rows + np.float32(2e-5)), "the target"),
    "golden command moved": ("hop", spoilt_rows("command", lambda rows: rows * np.float32(1.01)), "command"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_player_that_does_something_else_is_found(what, request):
    robot, change, message = WRONG[what]
    found = replay(opened(tampered(request.getfixturevalue(f"{robot}_files"), change)))
    assert not found.passed
    assert message in found.wrong


def test_states_that_are_handed_on_a_step_late_are_found(walk):
    """By a player that is mistaken, whatever the policy's file."""
    player = Player(walk, unguarded=True)
    session, held = player._session, []

    class Lagging:
        def run(self, outputs, inputs):
            held.append(inputs["state.action"])
            return session.run(outputs, {**inputs, "state.action": held[max(len(held) - 2, 0)]})

    player._session = Lagging()
    assert "step 1: the observation 'last_action'" in replay(walk, player).wrong


def test_a_player_that_gives_up_is_found(walk):
    """A guarded player would not go on with a robot that lies on its side."""
    rows = walk.golden()
    rows["sensor/chest_imu_quat"][50:] = [0.7071, 0.7071, 0.0, 0.0]
    found = replay(with_rows(walk, rows), Player(walk))
    assert found.wrong == "step 50: the player gave up: the robot is tilted by 90 degrees"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.pop("action"), "lack 'action'"),
        (lambda rows: rows.update(target=rows["target"][:-1]), "'target' do not fit"),
        (lambda rows: rows["target"].__setitem__((3, 0), np.nan), "'target' do not fit"),
        (lambda rows: rows.update({"sensor/torso_imu_quat": rows["sensor/torso_imu_gyro"]}), "do not fit"),
    ],
)
def test_golden_vectors_that_do_not_fit_are_refused(change, message, hop):
    rows = hop.golden()
    change(rows)
    with pytest.raises(WildRobotError, match=message):
        replay(with_rows(hop, rows))


def test_golden_vectors_hold_no_objects(hop):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.array([{"a": 1}], object), allow_pickle=True)
        archive.writestr("target.npy", buffer.getvalue())
    with pytest.raises(WildRobotError, match="golden vectors cannot be read: Object arrays"):
        replay(type(hop)(hop.contract, {**hop.files, GOLDEN: packed.getvalue()}, "bundle"))
