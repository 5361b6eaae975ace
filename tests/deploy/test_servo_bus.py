"""The servo bus against servos on a line, once a pseudo-terminal; its packets against the protocol's own examples.

Time is the test's own, so that no answer comes late on a busy machine.
"""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from fake_servos import Clock, Line, ServoLine, Servos

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.hardware import servo_robot
from wildrobot_eqx.deploy.hardware.packets import Command, Decoder, Packet, checksum, signed_word, word
from wildrobot_eqx.deploy.hardware.port import SerialPort
from wildrobot_eqx.deploy.hardware.servo_bus import ServoBus
from wildrobot_eqx.deploy.hardware.servo_robot import RAD_PER_UNIT, ServoMount, ServoRobot
from wildrobot_eqx.deploy.player.loop import drive
from wildrobot_eqx.deploy.player.player import Player


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """The bus's and the robot's clock."""
    clock = Clock()
    monkeypatch.setattr(servo_robot, "time", SimpleNamespace(monotonic=clock, sleep=clock.sleep))
    return clock


@pytest.fixture
def servos() -> Servos:
    return Servos({1: 500, 2: 600, 7: 320})


@pytest.fixture
def bus(servos, clock) -> ServoBus:
    return ServoBus(Line(servos, clock), timeout=0.2, retries=1)


@pytest.fixture
def wired(servos):
    """The same servos behind a serial device; 60 s are never waited for, as every question has its answer."""
    line = ServoLine(servos)
    bus = ServoBus(SerialPort(line.path), timeout=60.0)
    yield bus
    bus.close()
    line.close()


# --- packets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packet", "wire"),
    [
        # Written out by hand from the protocol's definition: ~(1 + 7 + 1 + 0xF4 + 1 + 0xE8 + 3) & 0xFF = 0x16.
        (Packet(1, Command.MOVE_TIME_WRITE, word(500) + word(1000)), "55 55 01 07 01 f4 01 e8 03 16"),
        (Packet(1, Command.POS_READ, b""), "55 55 01 03 1c df"),
        (Packet(254, Command.MOVE_START, b""), "55 55 fe 03 0b f3"),
        (Packet(254, Command.LOAD_OR_UNLOAD_WRITE, b"\x00"), "55 55 fe 04 1f 00 de"),
    ],
)
def test_packets_are_those_of_the_protocol(packet, wire):
    assert packet.encode() == bytes.fromhex(wire)
    assert Decoder().feed(bytes.fromhex(wire)) == [packet]


def test_the_checksum_is_the_complement_of_the_sum():
    assert checksum(bytes([1, 3, 28])) == 255 - 32
    assert checksum(bytes([255, 255, 255])) == ~(3 * 255) & 0xFF


@pytest.mark.parametrize(("data", "value"), [(b"\xf4\x01", 500), (b"\xff\xff", -1), (b"\x00\x00", 0)])
def test_positions_may_be_negative(data, value):
    assert signed_word(data) == value


@pytest.mark.parametrize(
    "make",
    [
        lambda: word(-1),
        lambda: word(65536),
        lambda: Packet(255, 1, b"").encode(),
        lambda: Packet(1, 1, b"12345678").encode(),
    ],
)
def test_what_does_not_fit_a_packet_is_refused(make):
    with pytest.raises(ValueError, match=r"lies between|takes at most"):
        make()


def test_packets_are_found_in_noise_and_in_pieces():
    rng = np.random.default_rng(0)
    packets = [Packet(i, int(rng.integers(1, 37)), rng.bytes(int(rng.integers(0, 8)))) for i in range(200)]
    packets += [Packet(0x55, 0x55, b"\x55\x55\x55")]  # looks like headers all along
    stream = b"".join(p.encode() + bytes(rng.integers(0, 0x55, int(rng.integers(0, 4)), np.uint8)) for p in packets)
    decoder, found = Decoder(), []
    place = 0
    while place < len(stream):
        size = int(rng.integers(1, 12))
        found += decoder.feed(stream[place : place + size])
        place += size
    assert found == packets
    assert decoder.damaged == 0


def test_a_damaged_packet_is_counted_and_the_next_is_found():
    decoder = Decoder()
    good = Packet(3, Command.POS_READ, word(7))
    broken = bytearray(good.encode())
    broken[-1] ^= 1
    assert decoder.feed(bytes(broken) + good.encode()) == [good]
    assert decoder.damaged == 1


# --- the bus ---------------------------------------------------------------------------------------------


def test_servos_are_asked(bus, servos):
    assert bus.positions([7, 1]) == {7: 320, 1: 500}
    assert bus.voltage(1) == 11.1
    assert bus.temperature(2) == 41
    assert bus.faults(1) == ["too hot", "locked"]
    servos.positions[1] = -12
    assert bus.position(1) == -12
    assert bus.timeouts == bus.strays == bus.damaged == 0


def test_a_serial_device_carries_all_of_it(wired, servos):
    servos.noise = b"\x00\x55\x55\x07\xff"
    assert wired.positions([7, 1]) == {7: 320, 1: 500}
    wired.move_together({1: 100, 2: 200, 7: 300}, 20)
    assert wired.positions([1, 2, 7]) == {1: 100, 2: 200, 7: 300}  # the answer comes after the move
    wired.torque(False)
    assert wired.position(2) == 200
    assert not any(servos.loaded.values())
    servos.noise, servos.echo = b"", True
    assert wired.position(1) == 100
    assert (wired.timeouts, wired.strays, wired.damaged) == (0, 1, 0)


def test_servos_are_moved_alone_and_together(bus, servos):
    bus.move(1, 250, 400)
    assert servos.positions[1] == 250
    assert servos.times[1] == 400
    bus.move_together({1: 100, 2: 200, 7: 300}, 20)
    assert servos.positions == {1: 100, 2: 200, 7: 300}
    assert [p.command for p in servos.heard[-4:]] == [Command.MOVE_TIME_WAIT_WRITE] * 3 + [Command.MOVE_START]
    assert servos.heard[-1].id == 254


def test_torque_goes_off_for_one_or_all(bus, servos):
    bus.torque(False, 2)
    assert servos.loaded == {1: True, 2: False, 7: True}
    bus.torque(False)
    assert not any(servos.loaded.values())


@pytest.mark.parametrize("position", [-1, 1001])
def test_a_position_out_of_travel_is_never_sent(position, bus, servos):
    with pytest.raises(ValueError, match="lies between 0 and 1000"):
        bus.move_together({1: 500, 2: position}, 20)
    with pytest.raises(ValueError, match="takes between"):
        bus.move(1, 500, -5)
    assert servos.heard == []


def test_a_lost_question_is_asked_again(bus, servos):
    servos.deaf = 1
    assert bus.position(2) == 600
    assert bus.timeouts == 1


def test_a_silent_servo_is_named(bus, servos, clock):
    servos.silent.add(2)
    began = clock.now
    with pytest.raises(WildRobotError, match="servo 2 did not answer POS_READ in 2 attempts") as caught:
        bus.position(2)
    assert clock.now - began == pytest.approx(2 * (0.2 + 6 * 10 / 115_200)), "after each question has gone out"
    assert [packet.id for packet in servos.heard] == [2, 2]
    assert caught.value.exit_code == 1
    assert bus.position(1) == 500  # the others are not held up


def test_a_damaged_answer_is_no_answer(bus, servos):
    servos.corrupt = True
    with pytest.raises(WildRobotError, match="2 answers were damaged"):
        bus.position(1)
    servos.corrupt = False
    assert bus.position(1) == 500


def test_noise_and_the_lines_own_echo_are_passed_over(bus, servos):
    servos.noise = b"\x00\x55\x55\x07\xff"
    assert bus.position(1) == 500
    servos.noise = b""
    servos.echo = True
    assert bus.positions([1, 2, 7]) == {1: 500, 2: 600, 7: 320}
    assert bus.strays == 3


def test_ports_that_are_none_are_refused(tmp_path):
    with pytest.raises(WildRobotError, match="cannot be opened: No such file"):
        SerialPort(tmp_path / "ttyUSB9")
    (tmp_path / "file").write_text("")
    with pytest.raises(WildRobotError, match="no serial port"):
        SerialPort(tmp_path / "file")
    with pytest.raises(WildRobotError, match="knows no 12345 baud"):
        SerialPort(tmp_path / "file", 12345)


# --- the robot -------------------------------------------------------------------------------------------

MOUNTS = [
    ServoMount("hip_pitch", 1),
    ServoMount("knee_pitch", 2, zero=600, sign=-1),
    ServoMount("ankle_pitch", 7, zero=320),
]


def _imu() -> dict:
    return {"torso_imu_quat": [1.0, 0.0, 0.0, 0.0], "torso_imu_gyro": [0.0, 0.0, 0.0]}


def test_units_are_angles(bus, servos):
    robot = ServoRobot([bus], MOUNTS, _imu)
    found = robot.read()["joint_positions"]
    assert found == {
        "hip_pitch": 0.0,
        "knee_pitch": 0.0,
        "ankle_pitch": 0.0,
    }
    robot.write({"hip_pitch": math.radians(24.0), "knee_pitch": math.radians(24.0), "ankle_pitch": -10.0}, 0.0196)
    assert servos.positions == {1: 600, 2: 500, 7: 0}  # the last one ends at the servo's travel
    assert servos.times == {1: 20, 2: 20, 7: 20}  # ms
    robot.release()
    assert not any(servos.loaded.values())


def test_limits_are_those_of_the_servos(bus):
    limits = ServoRobot([bus], MOUNTS, _imu).limits
    np.testing.assert_allclose(np.degrees(limits["hip_pitch"]), [-120.0, 120.0])
    np.testing.assert_allclose(np.degrees(limits["knee_pitch"]), [-96.0, 144.0])


def test_an_angle_comes_back_within_half_a_unit():
    mount = ServoMount("x", 1, zero=437, sign=-1)
    for angle in np.linspace(-1.5, 1.5, 101):
        assert abs(mount.angle(mount.units(angle)) - angle) <= 0.5 * RAD_PER_UNIT + 1e-12


def test_velocities_are_differences_of_positions(bus, servos, clock):
    robot = ServoRobot([bus], MOUNTS, _imu, clock=clock)
    assert set(robot.read()["joint_velocities"].values()) == {0.0}
    for _ in range(12):
        clock.now += 0.02
        servos.positions[1] += 10
        servos.positions[2] += 10
        found = robot.read()["joint_velocities"]
    speed = 10 * RAD_PER_UNIT / 0.02
    assert found["hip_pitch"] == pytest.approx(speed, rel=1e-2)
    assert found["knee_pitch"] == pytest.approx(-speed, rel=1e-2)
    assert found["ankle_pitch"] == 0.0


def test_servos_read_in_turn_are_as_old_as_the_oldest(bus, servos, clock):
    robot = ServoRobot([bus], MOUNTS, _imu, reads=1, clock=clock)
    assert robot.read()["time"] == 10.0  # all of them, the first time
    times = []
    for k in range(1, 7):
        clock.now = 10.0 + k
        servos.heard.clear()
        times.append(robot.read()["time"])
        assert len(servos.heard) == 1
    assert times == [10.0, 10.0, 11.0, 12.0, 13.0, 14.0]


@pytest.mark.parametrize(
    ("mounts", "message"),
    [
        ([ServoMount("a", 1), ServoMount("b", 1)], "'a' and 'b' share the servo 1"),
        ([ServoMount("a", 1, bus=1)], "'a' is on bus 1, and there are 1"),
        ([ServoMount("a", 1, sign=0)], "a sign of 0"),
        ([ServoMount("a", 1, zero=2000)], "a zero of 2000"),
        ([ServoMount("a", 1), ServoMount("a", 2)], "two mounts"),
    ],
)
def test_mounts_that_are_wrong_are_refused(mounts, message, bus):
    with pytest.raises(WildRobotError, match=message):
        ServoRobot([bus], mounts, _imu)


def test_a_policy_drives_servos(hop, bus, servos, clock):
    """The whole way: a bundle's player, the loop, packets on a line, and back; then the cable is pulled."""
    home = dict(zip(hop.contract.joints, hop.contract.home.tolist()))
    for mount in MOUNTS:
        servos.positions[mount.id] = mount.units(home[mount.joint])
    robot = ServoRobot([bus], MOUNTS, _imu, clock=clock)
    player = Player(hop, joints=robot.joints, limits=robot.limits)
    targets = []
    went = drive(player, robot, {"lin_vel_x": 0.1}, 0.5, ramp=False, watch=lambda r, s: targets.append(s.target))
    assert (went.fault, went.late) == (None, 0)
    assert len(targets) == went.steps
    assert not any(servos.loaded.values())
    sent = [p for p in servos.heard if p.command == Command.MOVE_TIME_WAIT_WRITE and p.id == 1]
    units = [int.from_bytes(p.parameters[:2], "little") for p in sent]
    assert units == [MOUNTS[0].units(target[0]) for target in targets]
    servos.silent |= {1, 2, 7}
    servos.heard.clear()
    bus._timeout = 0.01
    with pytest.raises(WildRobotError) as caught:
        drive(player, robot, {"lin_vel_x": 0.1}, 0.3, ramp=False)
    assert caught.value.where == "read"
    assert {p.command for p in servos.heard} <= {Command.POS_READ, Command.LOAD_OR_UNLOAD_WRITE}
