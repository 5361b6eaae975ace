"""Bundles of robots that do not walk: a motor on a rail, an arm that is asked for places, parts of a user's own."""

import math

import numpy as np
import pytest
from bundles import Files, amplified, make_files, opened, readings, tampered, with_rows
from own import own_env, own_policy

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.export.export import bundle_files
from wildrobot_eqx.deploy.hardware.mujoco_robot import MujocoRobot
from wildrobot_eqx.deploy.player.loop import drive
from wildrobot_eqx.deploy.player.player import Player
from wildrobot_eqx.deploy.proof.play import play
from wildrobot_eqx.deploy.proof.replay import replay
from wildrobot_eqx.deploy.proof.retrace import retrace
from wildrobot_eqx.release.verify import verify_bundle


@pytest.fixture(scope="module")
def cart_files() -> Files:
    """A motor on a rail and a pole that has only an encoder; no base, no command."""
    return make_files("cartpole")


@pytest.fixture(scope="module")
def cart(cart_files) -> Bundle:
    return opened(cart_files)


@pytest.fixture(scope="module")
def reach() -> Bundle:
    """Two servos, and a place that is asked for; no base."""
    return opened(make_files("reach"))


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Bundle:
    """Two joints that get their speeds from one action, whose command, term and controller are a user's own."""
    env = own_env(tmp_path_factory.mktemp("own"))
    return opened(bundle_files(env, own_policy(env), {"recipe": "own"}, None))


@pytest.mark.parametrize("name", ["cart", "reach", "own"])
def test_the_player_repeats_training(name, request):
    bundle = request.getfixturevalue(name)
    rows = bundle.golden()
    assert (np.ptp(rows["command"], axis=0) > 0.01).all(), "golden vectors that ask for nothing would prove nothing"
    assert np.ptp(rows["target"], axis=0).min() > 1e-2
    player = Player(bundle, unguarded=True)
    for _ in range(2):
        found = replay(bundle, player)
        assert found.passed, found.wrong
    walked = retrace(bundle)
    assert walked.passed, walked.wrong
    assert verify_bundle(bundle, 1).passed


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("cart", lambda rows: rows["joint_positions"][:, ::-1].copy()),
        ("reach", lambda rows: rows["joint_positions"][:, ::-1].copy()),
    ],
)
def test_golden_vectors_notice_joints_that_are_mixed_up(name, spoil, request):
    bundle = request.getfixturevalue(name)
    rows = bundle.golden()
    found = replay(with_rows(bundle, {**rows, "joint_positions": spoil(rows)}))
    assert "step 0: the observation" in found.wrong


def test_golden_vectors_notice_a_place_that_is_lost(reach):
    rows = reach.golden()
    rows["command"] = np.zeros_like(rows["command"])
    assert "'goal'" in replay(with_rows(reach, rows)).wrong


# --- a motor ---------------------------------------------------------------------------------------------------


def test_the_contract_of_a_motor_says_what_is_sent_and_what_is_measured(cart):
    contract, document = cart.contract, cart.contract.document
    (joint,) = document["joints"]
    assert (joint["name"], joint["unit"]) == ("slider", "m")
    assert (joint["target"]["kind"], joint["target"]["rest"]) == ("motor", 0.0)
    assert [joint["target"]["low"], joint["target"]["high"]] == [-1.0, 1.0]
    assert "N over gear and gain" in joint["target"]["unit"]
    assert document["encoders"] == [{"name": "pole", "unit": "rad"}]
    assert contract.measured == ("slider", "pole")
    assert not contract.servos.any()
    assert contract.inputs == {"joint_positions": 2, "joint_velocities": 2}
    assert [contract.low[1], contract.high[1]] == [-math.inf, math.inf]
    assert (document["command"]["channels"], document["sensors"], document["safety"]["tilt"]) == ([], [], None)
    assert document["simulation"]["base"] is None
    assert contract.safe_pose.tolist() == [0.0]
    text = cart.text("README.md")
    assert "of the joints below, and of pole (without an actuator)" in text
    assert 'readings["command"]' not in text
    assert "IMU" not in text
    assert "It takes its actuators to rest" in text
    assert "The policy has the robot from the first reading on" in text


def test_a_motor_has_no_ramp(cart):
    """Its actuator knows no positions: wherever the cart is found, the policy has it from the first reading on."""
    player = Player(cart)
    step = player.step(readings(player, 0, joint_positions={"slider": 1.2, "pole": 3.0}))
    assert (step.mode, step.fault) == ("run", None)
    assert cart.contract.document["safety"]["ramp_seconds"] == 0.0


def test_a_motor_rests_at_once(cart_files):
    """A torque that fades slowly would go on pushing."""
    bundle = opened(tampered(cart_files, _fast))
    for fault in (True, False):
        player = Player(bundle)
        step = player.step(readings(player, 0, joint_positions={"slider": 0.5, "pole": 1.0}))
        assert abs(step.target[0]) == 1.0
        if fault:
            step = player.step(readings(player, 1, joint_velocities={"slider": math.nan, "pole": 0.0}))
            assert "no finite number" in step.fault
        else:
            player.rest()
            step = player.step({})
            assert step.fault is None
        assert (step.mode, step.target.tolist(), player.rested) == ("safe", [0.0], True)
        for k in range(2, 5):
            assert player.step(readings(player, k)).target.tolist() == [0.0]


def _fast(document, files):
    """The motor's whole force, either way, in one step."""
    amplified(1e6)(document, files)
    document["joints"][0]["target"]["speed"] = 1e6


def test_a_first_reading_that_is_bad_moves_no_motor(cart):
    player = Player(cart)
    step = player.step(readings(player, 0, joint_velocities=None))
    assert (step.mode, step.target.tolist()) == ("safe", [0.0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joint_positions": {"slider": 0.0}}, "'joint_positions' lacks the joint 'pole'"),
        ({"joint_velocities": {"slider": 0.0}}, "'joint_velocities' lacks the joint 'pole'"),
        ({"joint_positions": {"slider": 3.0, "pole": 0.0}}, "'slider' reads 3.000, far beyond its limits"),
        ({"command": {"lin_vel_x": 0.1}}, "'lin_vel_x', which is no channel"),
    ],
)
def test_joints_that_are_only_measured_must_be(changes, message, cart):
    player = Player(cart)
    for k in range(2):  # a pole may have gone round any number of times
        turned = readings(player, k, joint_positions={"slider": 0.0, "pole": 50.0 * k})
        del turned["command"]
        assert player.step(turned).mode == "run"
    step = player.step(readings(player, 2, **changes))
    assert step.mode == "safe"
    assert message in step.fault


def test_a_robot_without_the_encoder_does_not_fit(cart):
    assert Player(cart, joints=["pole", "slider"]).joints == ("slider",)
    with pytest.raises(WildRobotError, match="reads or moves the joint 'pole', which this robot does not have"):
        Player(cart, joints=["slider"])
    with pytest.raises(WildRobotError, match=r"safe pose puts the joint 'slider' at 2\.000 N"):
        Player(cart, safe_pose={"slider": 2.0})


def test_a_cart_is_played(cart):
    robot = MujocoRobot(cart)
    assert robot.joints == ("slider", "pole")
    assert set(robot.read()) == {"time", "joint_positions", "joint_velocities"}
    assert robot.read()["joint_positions"]["pole"] == pytest.approx(math.pi)
    assert (robot.fallen, robot.position.tolist(), robot.heading) == (False, [0.0] * 3, 0.0)
    velocities = robot.data.qvel.copy()
    robot.kick(np.ones(3))
    assert np.array_equal(robot.data.qvel, velocities)
    played = play(cart, {}, 1.0)
    assert played.active.tolist() == [True] * 50
    assert played.walk is None
    assert played.to_json().keys() == {"survived", "seconds", "upright_s", "command", "fault", "player_us"}
    assert np.abs(np.diff(played.qpos[:, 0])).max() > 1e-4
    with pytest.raises(WildRobotError, match="cannot be asked for 'lin_vel_x'"):
        play(cart, {"lin_vel_x": 0.1}, 1.0)


def test_a_drive_of_a_motor_ends_at_rest(cart):
    robot, sent = MujocoRobot(cart), []
    player = Player(cart, joints=robot.joints)
    went = drive(player, robot, {}, 0.2, watch=lambda readings, step: sent.append((step.mode, float(step.target[0]))))
    assert went.fault is None
    assert [mode for mode, _ in sent] == ["run"] * 10 + ["safe"]
    assert sent[-1] == ("safe", 0.0)
    assert any(target for _, target in sent[:-1])


# --- places ----------------------------------------------------------------------------------------------------


def test_an_arm_is_asked_for_places(reach):
    contract = reach.contract
    assert [(c.name, c.command, c.unit, c.rest) for c in contract.channels] == [
        ("x", "goal", "m", 0.0),
        ("y", "goal", "m", 0.0),
    ]
    assert contract.document["command"]["parts"]["goal"]["kind"] == "PointCommand"
    assert contract.servos.all()
    part = next(p for p in contract.parts if p.name == "goal")
    player = Player(reach)
    player.start(ramp=False)
    seen = []
    for k, command in enumerate([{"x": 0.15, "y": -0.1}, {"y": 0.05}, {}, {"x": 9.0}]):
        seen.append(player.step(readings(player, k, command=command)).observation[part.start : part.stop].tolist())
    high = contract.channels[0].high
    np.testing.assert_allclose(seen, [[0.15, -0.1], [0.0, 0.05], [0.0, 0.0], [high, 0.0]], atol=1e-7)
    assert "# 'x': m, -0.22 to 0.22" in reach.text("README.md")


def test_an_arm_is_played(reach):
    played = play(reach, {"x": 0.15}, 1.0)
    assert played.command == {"x": pytest.approx(0.15), "y": 0.0}
    assert played.walk is None
    assert "distance_m" not in played.to_json()
    assert played.survived
    assert played.active.sum() == 50


# --- parts of a user's own ---------------------------------------------------------------------------------------


def test_parts_of_a_users_own_are_reported_by_their_names(own):
    document = own.contract.document
    assert [p["kind"] for p in document["observation"]] == [
        "Tally",
        "JointVelocities",
        "CommandTerm",
        "CommandTerm",
        "LastAction",
    ]
    assert document["controller"]["kind"] == "Coupled"
    assert {name: part["kind"] for name, part in document["command"]["parts"].items()} == {
        "gait": "Gait",
        "spin": "Spin",
    }
    assert [(c.name, c.unit, c.low, c.high, c.rest) for c in own.contract.channels] == [
        ("spin", "rad/s", -1.0, 2.0, 0.0),
        ("lean", "rad", 0.0, 0.5, 0.0),
    ]
    assert document["policy"]["action_size"] == 1
    assert [joint["target"]["kind"] for joint in document["joints"]] == ["velocity"] * 2
    assert document["clock"]["period"] == 0.5
    step = Player(own).step(readings(Player(own), 0, command={"spin": 0.5}))
    assert (step.mode, step.action.shape, step.target.shape) == ("run", (1,), (2,))


def test_an_action_of_another_size_is_compared(own):
    rows = own.golden()
    rows["action"] += np.float32(1e-3)
    assert "the action [0] is off by 0.001" in replay(with_rows(own, rows)).wrong
