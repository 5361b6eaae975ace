"""The player on a robot: it ramps in, keeps limits, falls back, and fits or refuses."""

import math
import time

import numpy as np
import onnx
import pytest
from bundles import amplified, opened, readings, regraphed, spliced, tampered

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.player.player import Player


@pytest.fixture
def player(hop) -> Player:
    return Player(hop)


def _running(player: Player, steps: int = 3) -> int:
    """A player that has begun without a ramp; returns the next control step."""
    player.start(ramp=False)
    for k in range(steps):
        assert player.step(readings(player, k)).mode == "run"
    return steps


# --- the ramp --------------------------------------------------------------------------------------------


def test_it_ramps_in_from_the_pose_that_it_finds(player):
    home = player.bundle.contract.home
    found = home + np.float32([0.3, -0.2, 0.0])
    pose = dict(zip(player.joints, found.tolist()))
    targets, modes = [], []
    for k in range(120):
        step = player.step(readings(player, k, joint_positions=pose))
        targets.append(step.target)
        modes.append(step.mode)
        if step.mode == "run":
            break
    way = np.array(targets[: modes.count("ramp")])
    assert modes.count("ramp") == 100  # two seconds
    assert np.abs(way[0] - found).max() < 1e-3
    assert np.array_equal(way[-1], home)
    changes = np.diff(way, axis=0)
    assert (np.abs(changes).max(axis=0)[:2] > 0.0).all()
    assert np.all(changes[:, 0] <= 0.0)
    assert np.all(changes[:, 1] >= 0.0)
    assert np.abs(changes).max() < 1.1 * player.dt  # the contract's ramp_speed is 1 rad/s


def test_a_long_way_takes_longer(player):
    """It is the speed that is kept, not the time."""
    pose = {name: float(low) for name, low in zip(player.joints, player.bundle.contract.low)}
    targets = []
    for k in range(1000):
        step = player.step(readings(player, k, joint_positions=pose))
        if step.mode == "run":
            break
        targets.append(step.target)
    assert len(targets) > 105
    assert np.abs(np.diff(targets, axis=0)).max() <= 1.01 * player.dt


def test_the_policy_starts_afresh_after_the_ramp(hop):
    """However long the ramp was, and whatever the heading: the first observation is that of a reset."""
    turned = [math.cos(0.5), 0.0, 0.0, math.sin(0.5)]
    first = []
    for ramp in (True, False):
        player = Player(hop)
        player.start(ramp=ramp)
        for k in range(200):
            step = player.step(readings(player, k, torso_imu_quat=turned))
            if step.mode == "run":
                first.append(step.observation)
                break
    assert np.array_equal(*first)


# --- limits ----------------------------------------------------------------------------------------------


def _mad(bundle_files, speed: float) -> Player:
    """A player whose policy gives huge targets, and whose targets may change by so much per second."""

    def change(document, files):
        amplified(1e4)(document, files)
        for joint in document["joints"]:
            joint["target"]["speed"] = speed

    return Player(opened(tampered(bundle_files, change)))


def test_targets_stay_within_limits(hop_files):
    player = _mad(hop_files, 1e6)
    contract = player.bundle.contract
    player.start(ramp=False)
    targets = np.array([player.step(readings(player, k)).target for k in range(50)])
    assert (targets >= contract.low).all()
    assert (targets <= contract.high).all()
    assert ((np.isclose(targets, contract.low)) | (np.isclose(targets, contract.high))).any()


def test_targets_change_no_faster_than_they_may(hop_files):
    player = _mad(hop_files, 2.0)
    player.start(ramp=False)
    targets = np.array([player.bundle.contract.home, *(player.step(readings(player, k)).target for k in range(50))])
    fastest = np.abs(np.diff(targets, axis=0)).max() / player.dt
    assert fastest == pytest.approx(2.0, rel=1e-3)


def test_commands_stay_within_what_was_trained(hop):
    """Another speed than the fastest trained one changes nothing, unless the player is unguarded."""
    seen = {}
    for name, speed, unguarded in [("limit", 0.3, False), ("beyond", 9.0, False), ("free", 9.0, True)]:
        player = Player(hop, unguarded=unguarded)
        player.start(ramp=False)
        seen[name] = player.step(readings(player, 0, command={"lin_vel_x": speed})).observation
    assert np.array_equal(seen["limit"], seen["beyond"])
    assert seen["free"][-2] == 9.0


def test_a_small_command_means_stand(player):
    _running(player)
    step = player.step(readings(player, 3, command={"lin_vel_x": 0.04}))
    assert step.observation[-2] == 0.0


# --- faults ----------------------------------------------------------------------------------------------

TILTED = [math.cos(0.5), 0.0, math.sin(0.5), 0.0]  # 1 rad
JOINTS = ("hip_pitch", "knee_pitch", "ankle_pitch")
FAULTS = {
    "joint missing": ({"joint_positions": {"hip_pitch": 0.4}}, "'joint_positions' lacks the joint 'knee_pitch'"),
    "no joints": ({"joint_positions": None}, "no 'joint_positions'"),
    "joint not finite": ({"joint_positions": dict.fromkeys(JOINTS, math.nan)}, "no finite number"),
    "joint of text": ({"joint_velocities": dict.fromkeys(JOINTS, "x")}, "no finite number"),
    "joint far away": ({"joint_positions": dict(zip(JOINTS, (3.0, 0.8, -0.4)))}, "'hip_pitch' reads 3.000, far"),
    "gyro missing": ({"torso_imu_gyro": None}, "'torso_imu_gyro' is missing"),
    "gyro infinite": ({"torso_imu_gyro": [0.0, math.inf, 0.0]}, "'torso_imu_gyro'"),
    "gyro of two": ({"torso_imu_gyro": [0.0, 0.0]}, "does not read 3 finite numbers"),
    "quaternion of zeros": ({"torso_imu_quat": [0.0] * 4}, "has the length 0.000"),
    "tilted": ({"torso_imu_quat": TILTED}, "tilted by 57 degrees"),
    "no command": ({"command": None}, "'command'"),
    "command of one number": ({"command": 0.1}, "no 'command' by channel"),
    "command not finite": ({"command": {"lin_vel_x": math.nan}}, "finite 'lin_vel_x'"),
    "command of text": ({"command": {"lin_vel_x": "fast"}}, "finite 'lin_vel_x'"),
    "another command": ({"command": {"lin_vel_y": 0.1}}, "names 'lin_vel_y', which is no channel"),
    "no time": ({"time": None}, "no 'time'"),
    "clock backwards": ({"time": 1.0}, "ran backwards"),
    "loop stood still": ({"time": 200.0}, "control loop stood still for"),
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
def test_readings_that_cannot_be_trusted_end_in_the_safe_pose(what, player):
    changes, message = FAULTS[what]
    k = _running(player)
    before = player.step(readings(player, k)).target
    step = player.step(readings(player, k + 1, **changes))
    assert step.mode == "safe"
    assert message in step.fault
    assert step.action is None
    pose = player.bundle.contract.safe_pose
    assert np.abs(step.target - before).max() <= 1.01 * player.dt  # at ramp_speed, from where it was
    for j in range(2, 300):  # good readings do not bring it back
        step = player.step(readings(player, k + j))
    assert step.mode == "safe"
    assert message in player.fault
    assert np.array_equal(step.target, pose)
    player.start()
    assert player.step(readings(player, 1000)).mode == "ramp"
    assert player.fault is None


@pytest.mark.parametrize("nothing", [None, [], {}, {"time": "now"}, {"joint_positions": {"hip_pitch": [1]}}])
@pytest.mark.parametrize("ramp", [True, False])
def test_nothing_that_a_driver_hands_over_raises(nothing, ramp, player):
    """Before the joints are found there is no target, and nothing lasts; afterwards it is a fault."""
    player.start(ramp=ramp)
    for _ in range(20):
        step = player.step(nothing)
        assert (step.mode, step.target.shape, player.fault) == ("wait", (0,), None)
        assert step.fault
    assert player.step(readings(player, 0)).mode == ("ramp" if ramp else "run")
    assert player.step(nothing).mode == "safe"
    assert player.fault is not None


@pytest.mark.parametrize("beyond", [0.3, -0.3])
def test_joints_found_beyond_their_limits_are_led_back(beyond, player):
    """The first target is where the joint was found: clipped to its limits, it would be a jump."""
    contract = player.bundle.contract
    found = contract.home.copy()
    found[1] = contract.high[1] + beyond if beyond > 0.0 else contract.low[1] + beyond
    pose = dict(zip(player.joints, found.tolist()))
    targets = [player.step(readings(player, k, joint_positions=pose)).target for k in range(400)]
    assert np.abs(targets[0] - found).max() < 1e-3
    assert np.abs(np.diff(targets[: _ramp_length(player, found)], axis=0)).max() <= 1.01 * player.dt
    player.start()
    step = player.step(readings(player, 0, joint_positions=pose, torso_imu_quat=TILTED))
    assert step.mode == "safe"
    assert np.abs(step.target - found).max() <= 1.01 * player.dt


def _ramp_length(player: Player, found: np.ndarray) -> int:
    return max(100, round(1.5 * float(np.abs(found - player.bundle.contract.home).max()) / player.dt))


def test_it_rests_in_the_safe_pose_when_asked(hop):
    player = Player(hop, safe_pose={"knee_pitch": 1.2})
    k = _running(player)
    last = player.step(readings(player, k)).target
    player.rest()
    targets = [last]
    while not player.rested:
        step = player.step({})
        assert (step.mode, step.fault) == ("safe", None)
        targets.append(step.target)
    assert np.abs(np.diff(targets, axis=0)).max() <= 1.01 * player.dt
    np.testing.assert_allclose(targets[-1], [0.4, 1.2, -0.4], atol=1e-6)
    player.start()
    assert player.step(readings(player, 100)).mode == "ramp"


def test_repeated_readings_are_good_for_a_moment(player):
    k = _running(player)
    modes = [player.step(readings(player, k)).mode for _ in range(8)]
    assert modes == ["run"] * 6 + ["safe"] * 2  # 0.1 s at 50 Hz, and the first was fresh
    assert "stale" in player.fault


def test_the_present_tells_how_old_readings_are(player):
    player.start(ramp=False)
    assert player.step(readings(player, 0), now=100.05).mode == "run"
    assert player.step(readings(player, 0), now=100.12).mode == "safe"
    assert "stale: 0.120 s old" in player.fault
    player.start(ramp=False)
    player.step(readings(player, 5), now=100.0)
    assert "0.100 s in the future" in player.fault


def test_a_fault_on_the_ramp_goes_to_the_safe_pose_from_there(hop):
    player = Player(hop, safe_pose={"knee_pitch": 1.2})
    pose = dict(zip(player.joints, [0.5, 0.9, -0.5]))
    for k in range(10):
        step = player.step(readings(player, k, joint_positions=pose))
    safe = player.step(readings(player, 10, joint_positions=pose, torso_imu_quat=TILTED))
    assert np.abs(safe.target - step.target).max() <= 1.01 * player.dt
    for _ in range(200):
        safe = player.step({})
    np.testing.assert_allclose(safe.target, [0.4, 1.2, -0.4], atol=1e-6)


def test_a_first_reading_that_is_bad_moves_nothing_quickly(player):
    """The joints' own positions are known, so the way to the safe pose starts there."""
    pose = dict(zip(player.joints, [0.9, 0.2, 0.3]))
    step = player.step(readings(player, 0, joint_positions=pose, torso_imu_gyro=[math.nan] * 3))
    assert step.mode == "safe"
    assert np.abs(step.target - np.float32([0.9, 0.2, 0.3])).max() <= 1.01 * player.dt


@pytest.mark.parametrize("what", ["action", "target"])
def test_an_action_that_is_not_finite_is_no_target(what, hop_files):
    """It is divided by 1 in the first step, and by 0 in the next."""
    one = onnx.numpy_helper.from_array(np.float32([[1.0]]), "spliced.one")
    nodes = [
        onnx.helper.make_node("Sub", ["spliced.one", "started"], ["spliced.first"]),
        onnx.helper.make_node("Div", ["own", "spliced.first"], [what]),
    ]
    player = Player(opened(tampered(hop_files, regraphed(spliced(what, nodes, one)))))
    player.start(ramp=False)
    assert player.step(readings(player, 0)).mode == "run"
    step = player.step(readings(player, 1))
    assert (step.mode, step.fault) == ("safe", "the policy's action is not finite")
    assert np.isfinite(step.target).all()


# --- fitting a robot -------------------------------------------------------------------------------------


def test_quaternions_in_the_other_order(hop):
    """An IMU that gives xyzw says so; taken for wxyz, a robot that stands upright would look fallen."""
    turned = [math.cos(0.1), 0.0, math.sin(0.1), 0.0]
    seen = []
    for order, quat in (("wxyz", turned), ("xyzw", [*turned[1:], turned[0]])):
        player = Player(hop, quaternion=order)
        player.start(ramp=False)
        seen.append(player.step(readings(player, 0, torso_imu_quat=quat)).observation)
    assert np.array_equal(*seen)
    np.testing.assert_allclose(seen[0][:3], [math.sin(0.2), 0.0, -math.cos(0.2)], atol=1e-6)
    player = Player(hop)
    assert "tilted by" in player.step(readings(player, 0, torso_imu_quat=[0.0, 1.0, 0.0, 0.0])).fault


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"joints": ["hip_pitch", "ankle_pitch"]},
            "reads or moves the joint 'knee_pitch', which this robot does not have",
        ),
        ({"rate": 60.0}, "trained at 50 Hz, and is to run at 60 Hz"),
        ({"rate": math.nan}, "trained at 50 Hz"),
        (
            {"limits": {"knee_pitch": (0.0, 1.0)}},
            "moves the joint 'knee_pitch' from 0.000 to 2.269 rad",
        ),
        ({"quaternion": "zyxw"}, "no order of quaternions 'zyxw'"),
        ({"safe_pose": {"elbow": 0.0}}, "safe pose names the joint 'elbow'"),
        ({"safe_pose": {"knee_pitch": 9.0}}, "safe pose puts the joint 'knee_pitch' at 9.000 rad"),
        ({"safe_pose": {"knee_pitch": math.nan}}, "safe pose puts the joint"),
    ],
)
def test_a_robot_that_does_not_fit_is_refused(arguments, message, hop):
    with pytest.raises(WildRobotError, match=message):
        Player(hop, **arguments)


def test_a_quaternion_that_a_bus_has_rounded_is_a_direction(hop):
    """Its length is not: gravity is 1 long."""
    player = Player(hop)
    player.start(ramp=False)
    turned = 1.03 * np.array([math.cos(0.1), 0.0, math.sin(0.1), 0.0])
    observation = player.step(readings(player, 0, torso_imu_quat=turned)).observation
    assert np.linalg.norm(observation[:3]) == pytest.approx(1.0, abs=1e-6)


def test_what_is_handed_out_is_a_copy(player):
    """A caller who changes a target in place changes nothing of the player's."""
    player.start(ramp=False)
    step = player.step(readings(player, 0))
    kept = step.action.copy()
    for array in (step.target, step.action, step.observation):
        array[:] = 9.0
    following = player.step(readings(player, 1))
    part = next(p for p in player.bundle.contract.parts if p.kind == "LastAction")
    assert np.array_equal(following.observation[part.start : part.stop], kept)
    assert following.target.max() < 9.0


def test_a_robot_may_have_more_joints_in_any_order(hop):
    assert Player(hop, joints=["neck", "ankle_pitch", "knee_pitch", "hip_pitch"], rate=50.0).joints[0] == "hip_pitch"


@pytest.mark.parametrize("what", ["order", "shape", "no model"])
def test_a_policy_that_is_not_the_contracts_is_refused(what, hop_files, walk_files):
    def change(document, files):
        if what == "order":
            joints = document["joints"]
            joints[0], joints[2] = joints[2], joints[0]
        elif what == "shape":
            files["policy.onnx"] = walk_files["policy.onnx"]
        else:
            files["policy.onnx"] = b"no model"

    message = {
        "order": "another order of joints",
        "shape": "The policy takes and gives",
        "no model": "cannot be loaded",
    }
    with pytest.raises(WildRobotError, match=message[what]):
        Player(opened(tampered(hop_files, change)))


def test_a_bundle_is_opened_by_its_path(tmp_path, hop_files):
    from wildrobot_eqx.deploy.bundle.archive import write_zip

    write_zip(hop_files, tmp_path / "b.zip")
    assert Player(tmp_path / "b.zip").joints == Player(Bundle.open(tmp_path / "b.zip")).joints


@pytest.mark.slow
def test_a_step_takes_less_than_a_millisecond(walk):
    """Of the processor, the median of many, so that a busy machine does not matter; it is about a tenth of that."""
    player = Player(walk)
    player.start(ramp=False)
    took = []
    for k in range(300):
        now = readings(player, k)
        began = time.process_time()
        player.step(now)
        took.append(time.process_time() - began)
    assert player.fault is None
    assert np.median(took) < 1e-3
