import dataclasses

import numpy as np
import pytest
from identified_logs import simulated

from wildrobot_eqx.deploy.bringup.excite import excitation
from wildrobot_eqx.errors import WildRobotError
from wildrobot_eqx.identify.replay import replay
from wildrobot_eqx.identify.subject import Subject
from wildrobot_eqx.report.replay_page import write_replay_page

pytest.importorskip("mcap")


@pytest.fixture(scope="module")
def subject(robot):
    return Subject.of(robot, 0.005)


@pytest.fixture(scope="module")
def log(robot, subject, tmp_path_factory):
    path = tmp_path_factory.mktemp("logs") / "own.mcap"
    return simulated(robot, path, excitation(subject.stance, 4.0))


def test_a_log_of_our_own_simulator_has_no_errors(subject, log):
    found = replay(subject, log).figures
    assert found["windows"] == 8
    assert found["largest_error_deg"] < 1e-8
    for joint in found["joints"].values():
        assert joint["whole"]["most_deg"] < 1e-6
    assert found["tilt"]["most_deg"] < 1e-8
    assert found["causes"] is None
    assert found["parts"] is None


def test_a_delay_is_told_joint_by_joint(subject, log):
    late = dataclasses.replace(log, target=np.concatenate([log.target[2:], log.target[-1:], log.target[-1:]]))
    found = replay(subject, late, find_causes=False).figures  # targets that the log has too early by two steps
    moved = [joint["delay_ms"] for joint in found["joints"].values() if joint["delay_ms"] is not None]
    assert len(moved) > 5
    assert np.median(moved) == pytest.approx(40.0, abs=4.0)


def test_a_page_holds_its_plots(subject, log, tmp_path):
    path = write_replay_page(replay(subject, log, find_causes=False), "<own>.mcap", tmp_path / "page.html")
    text = path.read_text()
    assert text.count("data:image/png;base64,") == 2
    assert "&lt;own&gt;.mcap" in text


def test_a_log_of_another_robot_is_refused(log, hopper):
    with pytest.raises(WildRobotError, match="lacks") as error:
        replay(Subject.of(hopper), log)
    assert "--robot" in error.value.hint


def test_a_log_without_targets_is_refused(subject, log):
    still = dataclasses.replace(log, target=np.full_like(log.target, np.nan))
    with pytest.raises(WildRobotError, match="in a row"):
        replay(subject, still)
