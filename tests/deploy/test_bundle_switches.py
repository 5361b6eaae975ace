"""A bundle whose policy reads foot switches: recorded, replayed, simulated, and refused where they are wrong."""

import copy

import numpy as np
import pytest
from bundles import make_files, opened, readings, tampered

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.hardware.mujoco_robot import MujocoRobot
from wildrobot_eqx.deploy.player.player import Player
from wildrobot_eqx.deploy.proof.replay import replay
from wildrobot_eqx.deploy.proof.retrace import retrace


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_files("walk", switches=tmp_path_factory.mktemp("robot"))


@pytest.fixture(scope="module")
def bundle(files) -> Bundle:
    return opened(files)


def test_the_contract_names_feet_and_their_thresholds(bundle):
    feet = bundle.contract.document["feet"]
    assert [(foot["name"], foot["sensor"]) for foot in feet] == [
        ("left", "left_foot_force"),
        ("right", "right_foot_force"),
    ]
    assert [foot["threshold"] for foot in feet] == pytest.approx([10.48, 10.48], rel=2e-3)  # 0.3 of its weight
    assert 'readings["foot_switches"]' in bundle.files["README.md"].decode()


def test_the_player_repeats_training(bundle):
    rows = bundle.golden()
    assert (np.ptp(rows["foot_switches"], axis=0) == 1.0).any(), "switches that never move would prove nothing"
    found = replay(bundle)
    assert found.passed, found.wrong
    walked = retrace(bundle)
    assert walked.passed, walked.wrong


@pytest.mark.parametrize("spoil", [lambda s: s[:, ::-1], lambda s: 1.0 - s, lambda s: np.roll(s, 1, axis=0)])
def test_golden_vectors_notice_switches_that_are_wrong(spoil, bundle):
    rows = copy.copy(bundle.golden())
    assert (np.ptp(rows["foot_switches"], axis=1) == 1.0).any(), "feet that always agree would prove nothing"
    rows["foot_switches"] = spoil(rows["foot_switches"])
    other = Bundle(bundle.contract, bundle.files, bundle.path)
    object.__setattr__(other, "golden", lambda: rows)
    assert "'switches'" in str(replay(other).wrong)


def test_the_simulated_robot_has_the_switches_of_training(bundle):
    """Both feet are on the floor in the home pose, and none is in the air."""
    robot = MujocoRobot(bundle)
    player = Player(bundle, joints=robot.joints)
    player.start(ramp=False)
    for _ in range(10):
        robot.write(dict(zip(player.joints, player.bundle.contract.home)), player.dt)
        robot.advance()
    assert robot.read()["foot_switches"] == {"left": 1.0, "right": 1.0}
    robot.data.qpos[2] += 0.1
    robot.advance()
    assert robot.read()["foot_switches"] == {"left": 0.0, "right": 0.0}


@pytest.mark.parametrize(
    "wrong", [None, {}, {"left": 1}, {"left": 0.5, "right": 0}, {"left": "on", "right": "off"}, [1, 0]]
)
def test_switches_that_are_not_read_are_a_fault(wrong, bundle):
    player = Player(bundle)
    player.start(ramp=False)
    part = next(p for p in bundle.contract.parts if p.kind == "FootSwitches")
    for k, (left, right) in enumerate([(True, False), (0, 1)]):
        step = player.step(readings(player, k, foot_switches={"right": right, "left": left}))
        np.testing.assert_array_equal(step.observation[part.start : part.stop], [left, right])
    step = player.step(readings(player, 2, foot_switches=wrong))
    assert step.mode == "safe"
    assert "'foot_switches'" in step.fault


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("feet"),
        lambda document: document["feet"].pop(),
        lambda document: document["feet"][1].update(name="left"),
        lambda document: document["feet"][0].update(threshold=0.0),
    ],
)
def test_a_contract_that_contradicts_itself_about_feet_is_refused(change, files):
    with pytest.raises(WildRobotError) as caught:
        opened(tampered(files, lambda document, _: change(document)))
    assert "contract.json" in str(caught.value.where)
