"""A hidden robot over its bus, in time of its own: the policy, an excitation, and what takes the torque off."""

from pathlib import Path

import numpy as np
import pytest

from wildrobot_eqx.bench.over_bus import record_over_bus, ride
from wildrobot_eqx.deploy import Bundle, read_log
from wildrobot_eqx.deploy.hidden.parameters import draw
from wildrobot_eqx.deploy.hidden.robot import HiddenRobot

pytest.importorskip("mcap")
pytestmark = pytest.mark.slow
DT = 0.02  # s


@pytest.fixture(scope="module")
def bundle():
    return Bundle.open(Path(__file__).parents[2] / "demos" / "walk_robust.zip")


@pytest.fixture
def robot(bundle):
    return HiddenRobot(bundle, draw(3, len(bundle.contract.joints)))


def test_the_policy_has_it_and_the_log_says_how(bundle, robot, tmp_path):
    """One that was trained with errors; its servos' zeros are known, as after `robot calibrate zeros`."""
    zeros = dict(zip(bundle.contract.joints, robot.world.zero.tolist()))
    assert ride(bundle, robot, 3.0, tmp_path / "run.mcap", zeros=zeros) is None
    log = read_log(tmp_path / "run.mcap")
    assert list(dict.fromkeys(log.mode.tolist()))[-4:] == ["ramp", "hold", "run", "safe"]
    assert log.events[-1].message == "the torque is off"
    assert not robot.world.loaded.any()
    running = log.mode == "run"
    assert running.sum() == 150
    assert np.isfinite(log.action[running]).all()
    assert 0.02 < np.median(log.age[running]) < 0.15, "eleven servos take turns on one line"
    assert np.diff(log.time).max() < 2.0 * DT


def test_it_stays_on_its_feet_while_it_is_excited(bundle, tmp_path):
    hidden = draw(3, len(bundle.contract.joints))
    assert record_over_bus(bundle, hidden, 12.0, tmp_path / "excite.mcap") is None
    log = read_log(tmp_path / "excite.mcap")
    moved = log.target[log.mode == "run"]
    assert (np.ptp(moved, axis=0) > 0.02).all()


def during(robot, what):
    """A motion that stays at home, and does something to the robot after half a second."""
    order = robot.world.model.jnt_qposadr[robot.world.model.actuator_trnid[robot.world.plan.actuators, 0]]
    home, done = robot.world.plan.home[order].astype(np.float32), []

    def motion(t):
        if t > 0.5 and not done:
            done.append(robot.now())
            what()
        return home

    return motion, done


def test_a_robot_that_tilts_is_let_go(bundle, robot, tmp_path):
    motion, done = during(robot, lambda: robot.world.put(pitch=1.0))
    fault = ride(bundle, robot, 20.0, tmp_path / "tilt.mcap", motion=motion)
    assert "tilted" in fault
    assert not robot.world.loaded.any()
    assert read_log(tmp_path / "tilt.mcap").events[-1].time - done[0] < 0.1


def test_a_servo_that_is_overloaded_is_let_go(bundle, robot, tmp_path):
    motion, done = during(robot, lambda: robot.world.jig({"left_knee_pitch": 1.3}))
    fault = ride(bundle, robot, 20.0, tmp_path / "load.mcap", motion=motion)
    assert "left_knee_pitch" in fault
    assert not robot.world.loaded.any()
    assert robot.now() - done[0] < 6.0, "a stall of 2 s, and every servo's health is asked for within 3 s"


def test_an_interrupt_takes_the_torque_off_within_a_step(bundle, robot, tmp_path):
    def stop():
        raise KeyboardInterrupt

    motion, done = during(robot, stop)
    with pytest.raises(KeyboardInterrupt):
        ride(bundle, robot, 20.0, tmp_path / "stop.mcap", motion=motion)
    assert not robot.world.loaded.any()
    log = read_log(tmp_path / "stop.mcap")
    assert log.events[-1].message == "the torque is off"
    assert log.events[-1].time - done[0] < DT
