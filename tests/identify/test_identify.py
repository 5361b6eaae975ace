import dataclasses

import numpy as np
import pytest
from identified_logs import as_drawn, simulated, stand_in

from wildrobot_eqx.deploy.bringup.excite import excitation
from wildrobot_eqx.errors import WildRobotError
from wildrobot_eqx.identify.identified import Entry, Identified, read_identified
from wildrobot_eqx.identify.parameters import KINDS, Parameters
from wildrobot_eqx.identify.problem import Problem
from wildrobot_eqx.identify.residuals import differences
from wildrobot_eqx.identify.run import identify
from wildrobot_eqx.identify.simulate import simulate
from wildrobot_eqx.identify.subject import Subject
from wildrobot_eqx.identify.weak import weak
from wildrobot_eqx.identify.windows import cut

pytest.importorskip("mcap")
TILT = np.array([0.02, -0.03, 0.01])


@pytest.fixture(scope="module")
def subject(robot):
    return Subject.of(robot, 0.005)


@pytest.fixture(scope="module")
def truth(robot, subject):
    drawn = as_drawn(robot.nu, len(subject.bodies))
    gain = np.full(robot.nu, 0.8)
    return dataclasses.replace(drawn, delay=0.021, stiffness=gain, imu_tilt=TILT)


@pytest.fixture(scope="module")
def log(robot, subject, truth, tmp_path_factory):
    return stand_in(robot, subject, truth, tmp_path_factory.mktemp("logs") / "hidden.mcap", seconds=4.0)


@pytest.fixture(scope="module")
def found(subject, log):
    kinds = ("delay", "smoothing", "stiffness", "imu_tilt", "voltage")
    return identify(subject, [log], kinds=kinds, test=log, window=2.0, warm_up=1.0, rounds=(2, 2))


def test_parameters_of_a_stand_in_are_found(found, truth):
    fit = found.fit
    value = {kind: fit.parameters.values(kind, fit.values[None])[0] for kind in fit.parameters.kinds}
    late = value["delay"][0] + 0.5 * value["smoothing"][0]
    assert late == pytest.approx(truth.delay, abs=0.002)
    assert np.median(value["stiffness"]) == pytest.approx(0.8, abs=0.04)
    np.testing.assert_allclose(value["imu_tilt"][:2], TILT[:2], atol=np.radians(0.3))


def test_the_simulation_comes_nearer_to_the_log(found):
    for before, after in ((found.before, found.after), found.tested):
        assert after["joints_deg"] < before["joints_deg"]
        assert after["tilt_deg"] < 0.5 * before["tilt_deg"]
    assert found.fit.cost[1] < found.fit.cost[0]


def test_what_the_log_does_not_tell_is_named(found):
    """No servo comes near its torque limit, so the voltage stays as believed, and is named with what would tell it."""
    fit = found.fit
    i = fit.parameters.names.index("voltage")
    assert fit.told[i] < 1e-6
    assert fit.values[i] == pytest.approx(KINDS["voltage"].mean, abs=1e-9)
    assert fit.deviation[i] == pytest.approx(KINDS["voltage"].own)
    assert fit.told[fit.parameters.names.index("delay")] > 0.5
    named = weak(fit)
    alone = [one for one in named if one["parameters"].get("voltage", 0.0) > 0.99]
    assert len(alone) == 1
    assert alone[0]["told"] == pytest.approx(0.0, abs=1e-6)
    assert "torque limit" in alone[0]["excitation"]
    both = [one["parameters"] for one in named if {"delay", "smoothing"} <= one["parameters"].keys()]
    assert both, "a straight line over twice the time is as late as a delay"
    assert both[0]["delay"] * both[0]["smoothing"] < 0.0


def test_a_file_comes_back_as_it_was(found, robot, tmp_path):
    one = Identified.of(found.fit, ["hidden.mcap"], [0.75, 0.25])
    one.write(tmp_path / "identified.toml")
    back = read_identified(tmp_path / "identified.toml")
    assert (back.robot, back.model, back.logs) == (robot.name, robot.model.digest, ("hidden.mcap",))
    assert [entry.name for entry in back.entries] == [entry.name for entry in one.entries]
    assert back.ages == (0.75, 0.25)
    for a, b in zip(back.entries, one.entries):
        np.testing.assert_allclose((a.value, a.low, a.high), (b.value, b.low, b.high), rtol=1e-6)
    delay = back.of_kind("delay")[""]
    assert delay.low < delay.value < delay.high
    _, values = back.row(found.fit.parameters.subject)
    np.testing.assert_allclose(values, found.fit.values, atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("value = ", "value = '", "TOML"),
        ('format = "wildrobot-eqx identified"', 'format = "x"', "nothing that was identified"),
        ("version = 1", "version = 9", "version 9"),
        ("told = ", "tolt = ", "no value, range and told"),
        ("range = [", "range = [9e9, ", "no value, range and told"),
        ('["delay"]', '["dellay"]', "dellay"),
    ],
)
def test_a_spoilt_file_is_refused(found, tmp_path, old, new, what):
    path = tmp_path / "identified.toml"
    Identified.of(found.fit, []).write(path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(WildRobotError, match=what) as error:
        read_identified(path)
    assert str(path) in error.value.where


def test_a_file_of_another_robot_is_refused(found, hopper):
    with pytest.raises(WildRobotError, match="is of robot"):
        Identified.of(found.fit, []).check_robot(hopper, "--identified")


def test_a_log_in_which_the_robot_fell_is_used_up_to_there(subject, log):
    """Windows end half a second before the IMU says that it lies."""
    quat = log.sensors[subject.quat_name].copy()
    quat[150:] = [np.cos(0.6), 0.0, np.sin(0.6), 0.0]  # 1.2 rad nose down, from 3 s on
    fallen = dataclasses.replace(log, sensors={**log.sensors, subject.quat_name: quat})
    assert {w.first + len(w.time) for w in cut(subject, fallen, 0.5, 0.0)} <= set(range(126))
    assert max(w.first + len(w.time) for w in cut(subject, log, 0.5, 0.0)) > 175


def test_zeros_that_were_corrected_on_the_robot_are_no_more_taken_off(robot):
    entry = Entry("servo_zero", "waist_yaw", 0.02, 0.01, 0.03, 0.9)
    other = Entry("delay", "", 0.02, 0.01, 0.03, 0.9)
    after = Identified("r", "m", (entry, other)).corrected("servo_zero")
    assert after.entries[1] == other
    np.testing.assert_allclose((after.entries[0].value, after.entries[0].low, after.entries[0].high), (0, -0.01, 0.01))


def test_an_unknown_kind_is_refused(subject):
    with pytest.raises(WildRobotError, match="fricton") as error:
        Parameters.of(subject, ("fricton",))
    assert "friction" in error.value.hint


def test_start_states_are_those_of_a_simulation(robot, subject, tmp_path):
    """From readings alone, of a robot that moves on its feet: joints, the base's tilt, height and speed."""
    from wildrobot_eqx.identify.start import states

    log = simulated(robot, tmp_path / "own.mcap", excitation(subject.stance, 3.0))
    windows = cut(subject, log, 0.2, 0.0)
    parameters = Parameters.of(subject, ("delay",))
    qpos, qvel = states(subject, parameters, parameters.nominal[None], windows)
    rows = [window.first for window in windows]
    np.testing.assert_allclose(qpos[0][:, subject.qpos], log.qpos[rows][:, subject.qpos], atol=2e-3)
    np.testing.assert_allclose(qpos[0][:, 2], log.qpos[rows][:, 2], atol=1e-3)
    np.testing.assert_allclose(qpos[0][:, 3:7], log.qpos[rows][:, 3:7], atol=1e-3)
    np.testing.assert_allclose(qvel[0][1:, :3], log.qvel[rows][1:, :3], atol=0.03)
    np.testing.assert_allclose(qvel[0][1:, 3:6], log.qvel[rows][1:, 3:6], atol=0.1)


def test_zeros_and_tilt_change_readings_as_the_package_says(subject, log):
    """An encoder reads its joint plus its zero; an IMU reads R^T v of a vector v."""
    parameters = Parameters.of(subject, ("servo_zero", "imu_tilt", "gyro_bias"))
    windows = cut(subject, log, 1.0, 0.0)[:1]
    row = parameters.nominal
    row[parameters.at("servo_zero")[0]] = 0.05
    row[parameters.at("imu_tilt")] = [0.0, 0.1, 0.0]
    row[parameters.at("gyro_bias")] = [0.0, 0.0, 0.3]
    traces = simulate(subject, parameters, parameters.nominal[None], windows)
    rows = np.stack([parameters.nominal, row])
    off = differences(parameters, rows, windows, traces, np.zeros(2, np.int64), everything=True)
    np.testing.assert_allclose(
        off.position[0] - off.position[1], np.eye(1, len(subject.joints))[0] * 0.05 + off.position[0] * 0, atol=1e-12
    )
    c, s = np.cos(0.1), np.sin(0.1)
    up = traces.up[0, 0, :-1]
    turned = np.stack([c * up[:, 0] - s * up[:, 2], up[:, 1], s * up[:, 0] + c * up[:, 2]], axis=1)
    np.testing.assert_allclose((off.up[0] - off.up[1])[0], turned - up, atol=0.01)
    assert np.median((off.gyro[0] - off.gyro[1])[0, :, 2]) == pytest.approx(0.3, abs=0.02)


def test_the_prior_is_a_residual(subject, log):
    parameters = Parameters.of(subject, ("stiffness",))
    problem = Problem.of(parameters, cut(subject, log, 1.0, 0.0)[:1])
    row = parameters.mean + 0.1
    tail = problem.residuals(row[None])[-len(parameters) :, 0]
    expected = 0.01 * np.ones(len(parameters)) @ np.linalg.inv(parameters.prior) @ np.ones(len(parameters))
    assert tail @ tail == pytest.approx(expected)
