"""Servo drivers against servos that speak the real bytes: answers lost, checksums wrong; in time of their own."""

import os
import subprocess
import sys

import numpy as np
import pytest
from boxes import JOINTS, hidden, mounts

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.hardware import sdk_port
from wildrobot_eqx.deploy.hardware.dynamixel import DynamixelBus
from wildrobot_eqx.deploy.hardware.feetech import FeetechBus
from wildrobot_eqx.deploy.hardware.lines import Lines
from wildrobot_eqx.deploy.hardware.servo_bus import ServoBus
from wildrobot_eqx.deploy.hardware.servo_robot import Overload, ServoRobot
from wildrobot_eqx.deploy.hidden.parameters import Hidden
from wildrobot_eqx.deploy.hidden.registers import crc16

MAKES = {"hiwonder": (ServoBus, 500, 115_200), "dynamixel": (DynamixelBus, 2048, 1_000_000)}
MAKES |= {"feetech": (FeetechBus, 2048, 1_000_000)}
WIRED = Hidden(sign=(1, -1, 1))


def _bus(make: str, changes: Hidden = WIRED):
    """A bus, and the hidden robot behind it."""
    kind, _, baud = MAKES[make]
    robot = hidden(changes, driver=make, baud=baud)
    more = {"timeout": 0.006} if make == "hiwonder" else {}
    return kind(robot.bus_port(), **more), robot


@pytest.fixture(params=MAKES)
def make(request) -> str:
    return request.param


def test_servos_are_found_read_and_moved(make):
    bus, robot = _bus(make)
    middle = MAKES[make][1]
    assert [id for id in range(1, 6) if bus.ping(id)] == [1, 2, 3]
    bus.timeouts = 0
    found = bus.read_many([1, 2, 3])
    assert {id: one.position for id, one in found.items()} == {1: middle, 2: middle, 3: middle}
    units = round(0.4 / bus.step)
    bus.write({1: middle + units, 2: middle + units, 3: middle}, 20)
    robot.sleep(1.5)
    there = np.degrees([robot.world.encoder(i) for i in range(3)])
    np.testing.assert_allclose(there, np.degrees([0.4, -0.4, 0.0]), atol=2.5)  # the sign of the second
    for i in range(3):
        sign = WIRED.sign[i]
        assert abs(bus.read(i + 1).position - middle - sign * robot.world.encoder(i) / bus.step) <= 1.0
    assert (bus.timeouts, bus.damaged) == (0, 0)


def test_servos_say_how_they_are(make):
    bus, _ = _bus(make)
    health = bus.health(2)
    assert (health.voltage, health.temperature, health.faults) == (pytest.approx(11.1, abs=0.11), 40.0, ())
    with pytest.raises(WildRobotError, match="The servo 9 did not answer"):
        bus.health(9)


def test_speed_and_load_are_read_where_servos_measure_them(make):
    bus, robot = _bus(make)
    bus.write({1: bus.low + MAKES[make][1] + round(0.8 / bus.step)}, 0)
    robot.sleep(0.06)
    found = bus.read(1)
    if make == "hiwonder":
        assert (found.velocity, found.load) == (None, None)
        return
    assert found.velocity * bus.step == pytest.approx(robot.world.speed(0), rel=0.15)
    assert found.load == pytest.approx(robot.world.load(0), abs=0.1)
    assert robot.world.speed(0) > 0.5


def test_torque_goes_off_for_one_or_all(make):
    bus, robot = _bus(make)
    bus.torque(False, 2)
    robot.sleep(0.01)
    assert robot.world.loaded.tolist() == [True, False, True]
    bus.torque(False)
    robot.sleep(0.01)
    assert not robot.world.loaded.any()
    bus.torque(True, 1)
    robot.sleep(0.01)
    assert robot.world.loaded.tolist() == [True, False, False]


def test_a_target_out_of_travel_is_never_sent(make):
    bus, robot = _bus(make)
    with pytest.raises(ValueError, match="lies between"):
        bus.write({1: MAKES[make][1], 2: bus.high + 1}, 20)
    robot.sleep(0.1)
    assert abs(robot.world.speed(0)) < 0.05


def test_lost_and_damaged_answers_are_counted_and_asked_again(make):
    bus, _ = _bus(make, Hidden(lost=0.2, corrupted=0.1))
    bus.retries = 6
    middle = MAKES[make][1]
    assert {bus.read(1 + k % 3).position for k in range(60)} <= {middle - 1, middle, middle + 1}
    assert bus.timeouts >= 6
    assert bus.damaged >= 1
    heard = [bus.read_many([1, 2, 3]) for _ in range(30)] if make != "hiwonder" else []
    assert all(abs(one.position - middle) <= 1 for found in heard for one in found.values())
    if heard:  # a lost answer costs its own servo only
        assert {id for found in heard for id in found} == {1, 2, 3}
        assert any(0 < len(found) < 3 for found in heard)


def test_the_checksum_of_dynamixel_is_that_of_its_manual():
    """The example of the e-Manual: a ping of servo 1."""
    assert crc16(bytes.fromhex("ff ff fd 00 01 03 00 01")) == 0x4E19


def test_a_makers_library_that_is_missing_is_named(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(sdk_port.importlib, "import_module", missing)
    with pytest.raises(WildRobotError, match="Feetech servos need ftservo-python-sdk") as caught:
        FeetechBus(hidden().bus_port())
    assert "wildrobot-eqx[robot]" in caught.value.hint


# --- the robot -------------------------------------------------------------------------------------------


def _robot(changes: Hidden | None = None, lines: int = 1, **how) -> tuple[ServoRobot, object]:
    behind = hidden(changes, lines=lines)
    buses = [ServoBus(behind.bus_port(i), timeout=0.006) for i in range(lines)]
    of = [mount.__class__(mount.joint, mount.id, bus=i % lines) for i, mount in enumerate(mounts(500))]
    return ServoRobot(buses, of, dict, clock=behind.now, sleep=behind.sleep, **how), behind


def test_a_slow_line_is_read_in_turns_and_ages_are_told():
    """Three answers of 3 ms, and 7 ms of time: two of them in each control period."""
    robot, behind = _robot(seconds=0.007)
    robot.read()  # those that were never seen come first
    robot.read()
    ages = []
    for _ in range(12):
        robot.wait(robot.now() + 0.02 - 0.006)
        found = robot.read()["joint_ages"]
        ages.append([found[name] for name in JOINTS])
    ages = np.array(ages)
    assert ((ages < 0.007).sum(axis=1) == 2).all()
    assert 0.02 < ages.max() < 0.05
    found = robot.read()
    assert found["time"] == pytest.approx(behind.now() - max(found["joint_ages"].values()))


def test_a_servo_that_is_lost_keeps_its_value_which_ages():
    robot, behind = _robot(overload=Overload(every=0.0))
    robot.read()
    behind.lines[0].at.pop(2)  # its plug comes off
    for k in range(1, 4):
        robot.wait(robot.now() + 0.02)
        found = robot.read()
        assert found["joint_positions"]["left"] == 0.0
        assert found["joint_ages"]["left"] > 0.02 * k
        assert found["joint_ages"]["front"] < 0.04
    behind.lines[0].at.clear()
    with pytest.raises(WildRobotError, match="No servo answered"):
        robot.read()


def test_lines_are_asked_at_the_same_time():
    """Each line waits until every other has been asked, too: one after the other they would wait for ever."""
    import threading

    together = threading.Barrier(3)

    class Waits(ServoBus):
        def read_many(self, ids):
            together.wait(20.0)
            return {id: self.read(id) for id in ids}

    behind = [hidden() for _ in range(3)]
    lines = Lines([Waits(one.bus_port()) for one in behind], [(1,), (2,), (3,)], None, None, behind[0].now)
    assert [set(found) for found in lines.read()] == [{1}, {2}, {3}]


def test_trouble_is_told_with_its_servo():
    robot, behind = _robot(overload=Overload(every=0.02, voltage=10.0))
    robot.read()
    assert robot.trouble() is None
    behind.world.stalled = lambda i: i == 1
    for _ in range(4):
        robot.wait(robot.now() + 0.03)
        robot.read()
    assert robot.trouble() == "the servo of 'left' reports: locked"
    assert robot.health().temperature == dict.fromkeys(JOINTS, 40.0)
    assert robot.health().voltage == pytest.approx(11.1, abs=0.01)
    robot, _ = _robot(Hidden(voltage=0.85), overload=Overload(every=0.02, voltage=10.0))
    robot.read()
    assert "the battery is empty: 9.4 V" in robot.trouble()


def test_the_drivers_load_where_there_is_no_mujoco():
    """They run on a Raspberry Pi: the standard library, NumPy and the makers' own libraries."""
    code = (
        "import sys; sys.modules['mujoco'] = sys.modules['jax'] = sys.modules['equinox'] = None\n"
        "import wildrobot_eqx.deploy.hardware.dynamixel, wildrobot_eqx.deploy.hardware.feetech\n"
        "import wildrobot_eqx.deploy.hardware.bno08x, wildrobot_eqx.deploy.bringup.hardware\n"
        "import wildrobot_eqx.deploy.bringup.measure\n"
    )
    bare = {**os.environ, "WILDROBOT_EQX_TYPECHECK": "0"}
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, capture_output=True, text=True, timeout=300, check=False, env=bare)
    assert (done.returncode, done.stderr) == (0, "")
