"""IMUs against bytes: a BNO08x in SHTP, lines of text; their order and mounting found by motion."""

import math

import numpy as np
import pytest
from boxes import SENSORS, hidden

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.bringup.measure import imu_mounting, imu_order, up_of
from wildrobot_eqx.deploy.hardware.bno08x import Bno08x, framed
from wildrobot_eqx.deploy.hardware.imu import MountedImu, inverse, rotate
from wildrobot_eqx.deploy.hardware.port import AbstractPort
from wildrobot_eqx.deploy.hardware.text_imu import TextImu
from wildrobot_eqx.deploy.hidden.parameters import Hidden
from wildrobot_eqx.deploy.player.attitude import exp, multiply


class Bytes(AbstractPort):
    """A port whose bytes are given."""

    def __init__(self, *parts: bytes):
        self.parts, self.sent, self.clock = list(parts), b"", 100.0

    def now(self) -> float:
        return self.clock

    def write(self, data: bytes) -> None:
        self.sent += data

    def read(self, timeout: float) -> bytes:
        return self.parts.pop(0) if self.parts else b""

    def discard(self) -> None:
        self.parts.clear()

    def close(self) -> None:
        pass


# --- a BNO08x --------------------------------------------------------------------------------------------

# Written out by hand: base time 0; game rotation (i, j, k, real) = (0, 0.5, 0, 0.866); gyro (1, 0, -2) rad/s;
# accelerometer (0, 0, 9.8125) m/s^2.
REPORTS = bytes.fromhex(
    "fb 00 00 00 00  08 01 03 00 00 00 00 20 00 00 6d 37  02 01 03 00 00 02 00 00 00 fc  01 01 03 00 00 00 00 00 d0 09"
)
PACKET = (len(REPORTS) + 4).to_bytes(2, "little") + b"\x03\x07" + REPORTS


def test_a_bno08x_is_asked_and_read():
    port = Bytes(b"\x00\xff" + framed(PACKET)[:9], framed(PACKET)[9:])
    imu = Bno08x(port, rate=100.0)
    found = imu.read()
    np.testing.assert_allclose(found.quat, [math.cos(math.pi / 6), 0.0, 0.5, 0.0], atol=1e-3)  # w, x, y, z
    assert found.gyro == (1.0, 0.0, -2.0)
    assert found.accel == (0.0, 0.0, 9.8125)
    assert found.time == 100.0
    assert imu.damaged == 0
    port.clock += 2.0  # it was switched off: it is asked again for each of its reports
    imu.read()
    assert [port.sent.count(bytes.fromhex(f"fd {report}")) for report in ("08", "02", "01")] == [1, 1, 1]
    assert port.sent.startswith(bytes.fromhex("7e 01 15 00 02 00 fd 08 00 00 00 10 27 00 00"))


def test_bytes_that_mean_something_else_are_escaped():
    assert framed(b"\x7e\x7d") == b"\x7e\x01\x7d\x5e\x7d\x5d\x7e"
    turned = REPORTS.replace(b"\x00\x02\x00\x00\x00\xfc", b"\x7e\x7d\x00\x00\x00\xfc")
    imu = Bno08x(Bytes(framed(PACKET[:4] + turned)))
    assert imu.read().gyro[0] == 0x7D7E / 512.0


@pytest.mark.parametrize(
    "data",
    [
        framed(PACKET[:-3]),  # shorter than it says
        framed(PACKET[:4] + b"\xee" + REPORTS[1:]),  # a report that nobody knows
        framed(PACKET[:4] + REPORTS.replace(b"\x6d\x37", b"\x6d\x77")),  # no unit quaternion
        b"\x7e" + b"\x01" * 3000,
    ],
)
def test_frames_that_are_none_are_passed_over_and_counted(data):
    imu = Bno08x(Bytes(data))
    assert imu.read() is None
    assert imu.damaged >= 1


def test_a_bno08x_behind_a_hidden_robot():
    robot = hidden(Hidden(imu_tilt=(0.0, 0.1, 0.0)), imu="bno08x")
    imu = Bno08x(robot.imu_port())
    imu.read()
    robot.sleep(0.1)
    found = imu.read()
    np.testing.assert_allclose(found.quat, [math.cos(0.05), 0.0, math.sin(0.05), 0.0], atol=2e-3)
    assert robot.now() - found.time < 0.02
    np.testing.assert_allclose(np.linalg.norm(found.accel), 9.81, atol=0.2)


# --- lines of text ---------------------------------------------------------------------------------------


def test_lines_of_text_are_read():
    port = Bytes(b"garbage\r\n1 0 0 0 0.1 0.2 0.3 0 0 9.8\r\n0.5,0.5,", b"0.5,0.5,1,2,3,4,5,6\r\n1,0")
    imu = TextImu(port)
    found = imu.read()
    assert found.quat == (0.5, 0.5, 0.5, 0.5)
    assert (found.gyro, found.accel) == ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    assert imu.damaged == 1
    raw = TextImu(Bytes(b"0.1,180,-90,0,0,0,1\n"), ("-", "gx", "gy", "gz", "ax", "ay", "az"), degrees=True, g=True)
    found = raw.read()
    np.testing.assert_allclose(found.gyro, [math.pi, -math.pi / 2.0, 0.0])
    assert (found.quat, found.accel) == (None, (0.0, 0.0, 9.80665))


@pytest.mark.parametrize(
    ("line", "good"),
    [
        (b"1,0,0,0,0,0,0,0,0,9.8*2F\n", False),
        (b"1,0,0,0,0,0,0,0,0,9.8*zz\n", False),
        (b"1,0,0,0,0,0,0,0,0,nan\n", False),
        (b"1,0,0,0,0,0,0,0,0\n", False),
        (b"2,0,0,0,0,0,0,0,0,9.8\n", False),
        (b"1,0,0,0,0,0,0,0,0,9.8\n", True),
    ],
)
def test_lines_with_a_wrong_checksum_or_form_are_passed_over(line, good):
    body = b"1,0,0,0,0,0,0,0,0,9.8"
    wanted = 0
    for byte in body:
        wanted ^= byte
    imu = TextImu(Bytes(line))
    assert (imu.read() is not None) == good
    assert imu.damaged == (not good)
    checked = TextImu(Bytes(body + f"*{wanted:02X}\r\n".encode(), body + b"\n"), checksum=True)
    assert checked.read() is not None
    assert checked.damaged == 1


def test_columns_that_mean_nothing_are_refused():
    with pytest.raises(WildRobotError, match="no column 'qq'"):
        TextImu(Bytes(), ("qq",))
    with pytest.raises(WildRobotError, match="only some of gx, gy, gz"):
        TextImu(Bytes(), ("gx", "gy"))


def test_a_mounted_imu_speaks_in_the_models_frame():
    """Mounted a quarter turn about the vertical: what is its x is the model's y."""
    quarter = [math.cos(math.pi / 4), 0.0, 0.0, math.sin(math.pi / 4)]
    line = b"1,0,0,0,1,0,0,0,0,9.8\n"
    time, values = MountedImu(TextImu(Bytes(line)), SENSORS, quarter).read()
    assert time == 100.0
    np.testing.assert_allclose(values["gyro"], [0.0, 1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(values["quat"], inverse(np.array(quarter)), atol=1e-12)
    assert MountedImu(TextImu(Bytes()), SENSORS).read() is None


# --- order and mounting by motion ------------------------------------------------------------------------


def _leaned_by_hand(changes: Hidden, imu: str = "text"):
    """Readings of a hidden block: level, while it is leaned nose down by 20 degrees, and leaned."""
    robot = hidden(changes, imu=imu)
    robot.world.hang()
    sensor = Bno08x(robot.imu_port()) if imu == "bno08x" else TextImu(robot.imu_port())
    sensor.read()

    def watch(seconds: float) -> list:
        rows = []
        for _ in range(round(seconds / 0.01)):
            robot.sleep(0.01)
            found = sensor.read()
            if found is not None and (not rows or found.time > rows[-1].time):
                rows.append(found)
        return rows

    level = watch(0.5)
    robot.world.lean(math.radians(20.0), 0.0, 0.5)
    moving = watch(1.0)
    return level, moving, watch(0.5)


@pytest.mark.parametrize("tilt", [(0.0, 0.0, 0.0), (0.03, -0.05, 0.04), (0.0, 0.0, 1.2)])
@pytest.mark.parametrize(("imu", "swapped"), [("text", False), ("text", True), ("bno08x", False)])
def test_order_and_mounting_are_found_by_leaning(tilt, imu, swapped):
    level, moving, leaned = _leaned_by_hand(Hidden(imu_tilt=tilt, swapped_imu=swapped), imu)
    found = imu_order([*level, *moving])
    assert found.order == ("xyzw" if swapped else "wxyz")
    assert found.missed[found.order] < 0.2
    assert max(found.missed.values()) > 0.8
    mounting = imu_mounting(up_of(level), up_of(leaned), (0.0, 0.0, 1.0))
    wanted = exp(np.array(tilt))
    off = multiply(inverse(wanted), mounting)
    assert math.degrees(2.0 * np.linalg.norm(off[1:])) < 0.7


def test_mounting_of_vectors_that_are_known():
    """Against rotations drawn at random: up and the axis of the lean, seen by an IMU that is mounted so."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        turn = rng.normal(size=4)
        turn /= np.linalg.norm(turn)
        angle = rng.uniform(0.2, 0.9)
        leaned = np.array([-math.sin(angle), 0.0, math.cos(angle)])
        seen = [rotate(inverse(turn), up) for up in (np.array([0.0, 0.0, 1.0]), leaned)]
        found = imu_mounting(*seen, (0.0, 0.0, 1.0))
        assert abs(abs(float(found @ turn)) - 1.0) < 1e-9


def test_an_imu_that_is_not_moved_or_contradicts_itself_is_refused():
    level, moving, _ = _leaned_by_hand(Hidden())
    with pytest.raises(WildRobotError, match="hardly turned"):
        imu_order(level)
    wrong = [row.__class__(row.time, row.quat, tuple(-57.3 * v for v in row.gyro), row.accel) for row in moving]
    with pytest.raises(WildRobotError, match="in neither order"):
        imu_order([*level, *wrong])
    with pytest.raises(WildRobotError, match="leaned by 0 degrees"):
        imu_mounting(up_of(level), up_of(level), (0.0, 0.0, 1.0))
    with pytest.raises(WildRobotError, match="sees up at"):
        imu_mounting(up_of(level), up_of(moving), (1.0, 0.0, 0.0))
