"""Logs: what was written is read back, exactly; cut off, spoilt, full disks; the ring; figures. By two readers."""

import dataclasses
import json
import math

import numpy as np
import pytest
from bundles import readings
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.cli import main
from wildrobot_eqx.deploy import MujocoRobot, Player, Recorder, Tick, drive, read_log
from wildrobot_eqx.deploy.log import recorder as recorder_module
from wildrobot_eqx.deploy.log.cdr import Field, Message, members, parse
from wildrobot_eqx.deploy.log.figures import angles, compare, figures, slope
from wildrobot_eqx.deploy.log.layout import Layout

LAYOUT = Layout("box", 0.02, ("a", "b"), ("a", "b", "c"), {"quat": 4, "gyro": 3}, tilt="quat")


def _tick(k: int, **changes) -> Tick:
    now = 5.0 + 0.02 * k
    given = {
        "time": now,
        "joint_positions": {"a": 0.1 * k, "b": -0.2, "c": 0.3},
        "joint_ages": {"a": 0.001},
        "quat": [1.0, 0.0, 0.0, 0.0],
        "gyro": [0.0, 0.1, 0.2],
        **changes.pop("readings", {}),
    }
    return Tick(time=now, readings=given, mode="run", target=np.array([0.5, 0.25 * k]), sent=now + 0.003, **changes)


@pytest.fixture(scope="module")
def driven(hop, tmp_path_factory):
    """A simulated drive, its log, and what was seen of each step beside it."""
    path = tmp_path_factory.mktemp("log") / "a.mcap"
    robot, seen = MujocoRobot(hop), []
    player = Player(hop, joints=robot.joints)

    def watch(given, step):
        seen.append((given, step, robot.data.qpos.copy()))

    drive(player, robot, {"lin_vel_x": 0.1}, 0.6, ramp=False, watch=watch, rest=False, on_fault="hold", log=path)
    return path, seen


# --- what is written is read back ------------------------------------------------------------------------


def test_a_simulated_episode_is_read_back_exactly(driven, hop):
    path, seen = driven
    found = read_log(path)
    assert (found.joints, found.measured) == (hop.contract.joints, hop.contract.measured)
    assert found.simulated
    assert found.cut is None
    assert found.tick.tolist() == list(range(len(seen)))
    assert found.mode.tolist() == [step.mode for _, step, _ in seen]
    for k, (given, step, qpos) in enumerate(seen):
        assert found.time[k] == given["time"]
        assert found.position[k].tolist() == list(given["joint_positions"].values())
        assert found.sensors["torso_imu_quat"][k].tolist() == given["torso_imu_quat"].tolist()
        assert np.array_equal(found.target[k], step.target)
        assert np.array_equal(found.qpos[k], qpos)
        if step.action is not None:
            assert np.array_equal(found.observation[k], step.observation)
            assert np.array_equal(found.action[k], step.action)
    assert found.header["bundle"] == hop.contract.document["digest"]
    assert found.foot_force.shape == (len(seen), len(found.header["loads"]))
    assert np.isfinite(found.foot_force).all()
    assert found.events[-1].message == "the torque is off"


def test_another_reader_reads_the_same(driven):
    """ROS 2's own decoder, which knows nothing of ours but the schemas in the file."""
    path, _ = driven
    found, count = read_log(path), 0
    with path.open("rb") as file:
        for _, channel, message, value in make_reader(
            file, decoder_factories=[DecoderFactory()]
        ).iter_decoded_messages():
            if channel.topic == "/events":
                assert value.message
                continue
            k, count = value.tick, count + 1
            assert value.time == found.time[k]
            assert message.log_time == message.publish_time
            if channel.topic == "/joints":
                assert [getattr(value.position, name) for name in found.measured] == found.position[k].tolist()
            if channel.topic == "/tick":
                assert (value.mode, value.fault) == (found.mode[k], found.fault[k])
                assert value.seconds.period == found.timing["period"][k]
            if channel.topic == "/policy":
                np.testing.assert_array_equal(value.action, found.action[k])
            if channel.topic == "/truth":
                assert value.fallen == found.fallen[k]
                np.testing.assert_array_equal(value.qpos, found.qpos[k])
    assert count > 6 * len(found.time)


def test_messages_come_back_whatever_stands_before_a_number():
    """Numbers start at multiples of their size, behind texts of any length."""
    message = Message.of(
        "Odd",
        Field("flag", "bool"),
        Field("text", "string"),
        Field("small", "uint8"),
        Field("row", "float32", 3),
        Field("group", names=("x", "y")),
        Field("nothing", names=()),
        Field("last", "int32", about="m"),
    )
    again = parse(message.schema_name, message.schema())
    assert again == dataclasses.replace(message, fields=again.fields)
    assert [field.name for field in again.fields] == ["flag", "text", "small", "row", "group", "last"]
    for text in ("", "a", "abcdefg", "grün"):
        values = {"flag": True, "text": text, "small": 7, "row": [1.0, 2.0, 3.0], "group": [0.1, 0.2], "last": -5}
        data = message.encode(values)
        found = again.decode(data)
        assert found["text"] == text
        assert found["group"].tolist() == [0.1, 0.2]
        assert found["last"].tolist() == [-5]
        for end in range(len(data)):
            with pytest.raises(ValueError, match="Odd"):
                again.decode(data[:end])
    with pytest.raises(ValueError, match="holds 3 numbers, got 2"):
        message.encode({"row": [1.0, 2.0]})


def test_names_that_no_schema_may_hold_become_others():
    assert members(("left knee", "left-knee", "left_knee", "1", "FL_HAA", "é")) == (
        "left_knee",
        "left_knee_2",
        "left_knee_3",
        "n_1",
        "FL_HAA",
        members(("é",))[0],
    )
    assert members(("é",))[0].isascii()


def test_what_is_not_known_is_nan(tmp_path):
    with Recorder(LAYOUT, tmp_path / "a.mcap") as log:
        log.tick(_tick(0))
        log.tick(_tick(1, readings={"joint_positions": {"a": "x"}, "quat": [1.0], "gyro": None, "time": "now"}))
        log.tick(dataclasses.replace(_tick(2), target=None, sent=math.nan))
    found = read_log(tmp_path / "a.mcap")
    assert found.position[0].tolist() == [0.0, -0.2, 0.3]
    np.testing.assert_allclose(found.age[0], [0.001, 0.0, 0.0])
    assert np.isnan(found.position[1]).all()
    assert np.isnan(found.sensors["quat"][1]).all()
    assert np.isnan(found.target[2]).all()
    assert np.isnan(found.velocity).all()
    assert np.isnan(found.voltage).all()
    assert found.qpos is None
    assert not found.simulated
    assert found.observation.shape == (3, 0)
    part = found.between(0.01, 1.0)
    assert part.tick.tolist() == [1, 2]
    assert part.sensors["gyro"].shape == (2, 3)


# --- files that are not whole ----------------------------------------------------------------------------


def test_a_log_that_was_cut_is_read_up_to_there(tmp_path):
    path, cut = tmp_path / "a.mcap", tmp_path / "cut.mcap"
    with Recorder(LAYOUT, path) as log:
        for k in range(400):
            log.tick(_tick(k))
    data, whole = path.read_bytes(), read_log(path)
    counts = []
    for part in (0.3, 0.6, 0.9, 0.999):
        cut.write_bytes(data[: int(len(data) * part)])
        found = read_log(cut)
        counts.append(len(found.time))
        assert found.cut is not None
        assert np.array_equal(found.position, whole.position[: len(found.time)])
    assert counts == sorted(counts)
    assert 0 < counts[0] < counts[-1] == 400
    counts = []
    for place in range(len(data) // 10, len(data), len(data) // 10):  # a byte of an index spoils nothing
        spoilt = bytearray(data)
        spoilt[place] ^= 0xFF
        cut.write_bytes(bytes(spoilt))
        found = read_log(cut)
        counts.append(len(found.time))
        assert (found.cut is None) <= (len(found.time) == 400)
        assert np.array_equal(found.position, whole.position[: len(found.time)])
    assert min(counts) < 200


def test_steps_are_on_the_disk_before_the_end(tmp_path):
    log = Recorder(LAYOUT, tmp_path / "a.mcap")
    for k in range(400):
        log.tick(_tick(k))
    log._file._stream.flush()
    found = read_log(tmp_path / "a.mcap")
    assert found.cut is not None
    assert len(found.time) > 300
    log.close()
    assert len(read_log(tmp_path / "a.mcap").time) == 400


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no MCAP"),
        (b"PK\x03\x04", "no MCAP"),
        (b"\x89MCAP0\r\n", "before its header"),
        (b"\x89MCAP0\r\n\x01" + b"\xff" * 40, "before its header"),
    ],
)
def test_what_is_no_log_is_refused(data, message, tmp_path, capsys):
    (tmp_path / "a.mcap").write_bytes(data)
    with pytest.raises(WildRobotError, match=message):
        read_log(tmp_path / "a.mcap")
    assert main(["log", "show", str(tmp_path / "a.mcap")]) == 2
    assert "This is no log" in capsys.readouterr().err
    with pytest.raises(WildRobotError, match="No such file"):
        read_log(tmp_path / "b.mcap")


def test_a_log_takes_no_files_place(tmp_path):
    (tmp_path / "a.mcap").write_bytes(b"mine")
    with pytest.raises(WildRobotError, match="exists already"):
        Recorder(LAYOUT, tmp_path / "a.mcap")
    assert (tmp_path / "a.mcap").read_bytes() == b"mine"


def test_a_full_disk_stops_the_log_and_not_the_robot(tmp_path, monkeypatch, caplog):
    log = Recorder(LAYOUT, tmp_path / "a.mcap")
    log.tick(_tick(0))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder_module.LogFile, "add", full)
    log.tick(_tick(1))
    log.tick(_tick(2))
    log.close()
    assert caplog.text.count("ends here: No space left on device") == 1


# --- the last minute -------------------------------------------------------------------------------------


def test_the_last_minute_is_written_after_a_fault(tmp_path):
    log = Recorder(LAYOUT, faults=tmp_path / "faults", seconds=1.0)
    for k in range(200):
        log.tick(_tick(k))
    assert log.written is None
    log.tick(_tick(200, fault="it burns"))
    log.tick(_tick(201, fault="it burns"))
    (file,) = (tmp_path / "faults").iterdir()
    assert log.written == file
    found = read_log(file)
    assert found.tick.tolist() == list(range(150, 201))
    assert found.fault[-1] == "it burns"
    assert found.events[-1].message == "it burns"
    assert found.header["ring"] is True
    log.tick(_tick(202))
    log.tick(_tick(203, fault="it burns"))
    assert len(list((tmp_path / "faults").iterdir())) == 2


def test_a_drive_writes_the_last_minute_after_its_fault(hop, tmp_path):
    robot = MujocoRobot(hop)
    player = Player(hop, joints=robot.joints)
    steps = []

    def watch(given, step):
        steps.append(step.mode)
        if len(steps) == 20:
            robot.data.qpos[2] = 1.2  # pushed over: the hopper's pitch

    went = drive(player, robot, {}, 3.0, ramp=False, watch=watch, faults=tmp_path)
    assert "tilted" in went.fault
    (file,) = tmp_path.iterdir()
    found = read_log(file)
    assert found.fault[-1] == went.fault
    assert len(steps) < 30  # the torque goes off with the fall, not at the end of the drive


# --- figures ---------------------------------------------------------------------------------------------


def test_slopes_are_those_of_least_squares():
    rng = np.random.default_rng(0)
    t = np.arange(0.0, 10.0, 0.02)
    v = 3.0 + 0.2 * t + 0.1 * rng.normal(size=t.size)
    rate, error = slope(t, np.where(np.arange(t.size) % 7 == 0, np.nan, v))
    good = np.arange(t.size) % 7 != 0
    wanted, covariance = np.polyfit(t[good], v[good], 1, cov=True)
    assert rate == pytest.approx(wanted[0])
    assert error == pytest.approx(math.sqrt(covariance[0, 0]), rel=0.1)
    assert all(math.isnan(value) for value in slope(t[:2], v[:2]))


def test_the_error_of_a_slope_grows_with_what_neighbours_share():
    """Of residuals of an AR(1) process: the spread of many slopes is what one of them says of itself."""
    rng = np.random.default_rng(1)
    t = np.arange(0.0, 10.0, 0.02)
    rates, errors = [], []
    for _ in range(200):
        noise = np.zeros(t.size)
        for i, step in enumerate(rng.normal(size=t.size)):
            noise[i] = 0.9 * noise[i - 1] + step
        rate, error = slope(t, noise)
        rates.append(rate)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(rates), rel=0.2)


def test_pitch_roll_and_heading_have_their_signs(tmp_path):
    turns = {"pitch": [0.0, 1.0, 0.0], "roll": [1.0, 0.0, 0.0], "heading": [0.0, 0.0, 1.0]}
    for i, (name, axis) in enumerate(turns.items()):
        with Recorder(LAYOUT, tmp_path / f"{name}.mcap") as log:
            for k in range(60):
                angle = math.radians(0.1 * k)
                quat = [math.cos(angle / 2.0), *(math.sin(angle / 2.0) * np.array(axis))]
                log.tick(_tick(k, readings={"quat": quat}))
        found = read_log(tmp_path / f"{name}.mcap")
        np.testing.assert_allclose(np.degrees(angles(found)[-1]), 5.9 * np.eye(3)[i], atol=1e-9)
        assert figures(found)["base"][name]["slope"] == pytest.approx(5.0, abs=1e-6)


def test_figures_and_comparison(tmp_path, capsys):
    for name, off in (("a", 0.5), ("b", 0.6)):
        with Recorder(LAYOUT, tmp_path / f"{name}.mcap") as log:
            for k in range(50):
                at = {"a": off - 0.1, "b": 0.0, "c": 0.0}
                log.tick(_tick(k, readings={"joint_positions": at}, missed=int(k == 9), failed_reads=k // 10))
    found = figures(read_log(tmp_path / "a.mcap"))
    assert found["joints"]["a"]["error_deg"] == pytest.approx(math.degrees(0.1))
    assert found["joints"]["a"]["age_ms"]["p50"] == pytest.approx(1.0)
    assert (found["missed"], found["bus"]["failed_reads"]) == (1, 4)
    assert found["modes"] == {"run": 1.0}
    both = compare(read_log(tmp_path / "a.mcap"), read_log(tmp_path / "b.mcap"))
    (row,) = (row for row in both["rows"] if row["figure"] == "a, error")
    assert row["difference"] == pytest.approx(-math.degrees(0.1), abs=1e-5)
    files = [str(tmp_path / "a.mcap"), str(tmp_path / "b.mcap")]
    assert main(["log", "show", files[0]]) == 0
    assert "readings lost: 4" in capsys.readouterr().out
    assert main(["log", "compare", *files, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == files


def test_a_play_writes_the_same_log(hop_files, tmp_path, capsys):
    from wildrobot_eqx.deploy.bundle.archive import write_zip

    write_zip(hop_files, tmp_path / "b.zip")
    arguments = ["play", str(tmp_path / "b.zip"), "--no-ramp", "--seconds=0.2", f"--log={tmp_path / 'a.mcap'}"]
    assert main(arguments) in (0, 1)
    assert len(read_log(tmp_path / "a.mcap").time) == 10
    assert main(arguments) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_version_of_later_is_refused(tmp_path):
    with Recorder(LAYOUT, tmp_path / "a.mcap", about={"version": 9}) as log:
        log.tick(_tick(0))
    with pytest.raises(WildRobotError, match="version 9"):
        read_log(tmp_path / "a.mcap")
    with Recorder(LAYOUT, tmp_path / "b.mcap", about={"joints": 3}) as log:
        log.tick(_tick(0))
    with pytest.raises(WildRobotError, match="header is damaged"):
        read_log(tmp_path / "b.mcap")


def test_a_player_that_holds_its_home_pose_waits_to_take_over(hop):
    """For a paired trial: the same placement under the home pose, and then under the policy."""
    robot, modes = MujocoRobot(hop), []
    player = Player(hop, joints=robot.joints)
    watched = {"watch": lambda r, s: modes.append(s.mode), "rest": False, "on_fault": "hold"}
    drive(player, robot, {}, 0.1, home_seconds=0.2, **watched)
    assert modes == ["ramp"] * 100 + ["hold"] * 10 + ["run"] * 5
    modes.clear()
    drive(player, robot, {}, 0.0, home_seconds=0.1, ramp=False, **watched)
    assert modes == ["hold"] * 5
    player.start(ramp=False, wait=True)
    found = hop.contract.home + np.float32([0.2, 0.0, -0.1])
    step = player.step(readings(player, 0, joint_positions=dict(zip(player.joints, found.tolist()))))
    assert np.abs(step.target - found).max() <= 1.01 * player.dt  # the first target is no jump


def test_readings_may_be_older_where_it_is_said(hop):
    player = Player(hop, stale_seconds=0.3)
    player.start(ramp=False)
    assert player.step(readings(player, 0), now=100.25).mode == "run"
    assert player.step(readings(player, 0), now=100.35).mode == "safe"
    for seconds in (0.0, math.nan, 0.03):
        with pytest.raises(WildRobotError, match="stale_seconds"):
            Player(hop, stale_seconds=seconds)


# --- the IMU is proved by motion -------------------------------------------------------------------------


def _leaned(angle: float) -> list[float]:
    return [math.cos(0.5 * angle), 0.0, math.sin(0.5 * angle), 0.0]


@pytest.mark.parametrize(("order", "proved"), [("wxyz", True), ("xyzw", False)])
def test_an_imu_is_proved_by_motion_before_the_policy_takes_over(order, proved, hop):
    """Leaned by hand by 14 degrees and back; the driver gives w, x, y, z, and the player is told either."""
    player = Player(hop, prove_imu=True, quaternion=order)
    player.start(ramp=False)
    still = [1.0, 0.0, 0.0, 0.0] if order == "wxyz" else [0.0, 0.0, 0.0, 1.0]
    assert player.step(readings(player, 0, torso_imu_quat=still)).mode == "hold"
    for k in range(1, 200):
        t = 0.02 * k
        angle, rate = 0.25 * math.sin(3.0 * t), 0.75 * math.cos(3.0 * t)
        step = player.step(
            readings(player, k, torso_imu_quat=_leaned(angle), torso_imu_gyro=[0.0, rate, 0.0], command={})
        )
        if step.mode != "hold":
            break
    assert step.mode == ("run" if proved else "safe")
    assert player.proved is proved
    if not proved:
        assert "does not turn as the gyro" in step.fault or "tilted" in step.fault


def test_an_imu_at_rest_proves_nothing(hop):
    player = Player(hop, prove_imu=True)
    player.start(ramp=False)
    assert {player.step(readings(player, k)).mode for k in range(100)} == {"hold"}
    assert Player(hop).proved
