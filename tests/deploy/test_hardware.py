"""The loop between player and robot: lost answers, late steps, and an end with the torque off."""

import numpy as np
import pytest
from test_player import readings

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.player.loop import drive
from wildrobot_eqx.deploy.player.player import Player
from wildrobot_eqx.deploy.player.robot import AbstractRobot


class Puppet(AbstractRobot):
    """A robot that stands still in its home pose; what goes wrong is up to the test."""

    def __init__(self, player: Player, slow: float = 0.001):
        self.player, self.slow = player, slow
        self.time, self.released, self.sent, self.within = 100.0, 0, [], []
        self.pose = player.bundle.contract.home.tolist()
        self.bad_reads: set[int] = set()
        self.bad_writes: set[int] = set()
        self.reads = self.writes = 0

    @property
    def joints(self):
        return self.player.joints

    def now(self):
        return self.time

    def read(self):
        self.time += self.slow
        self.reads += 1
        if self.reads - 1 in self.bad_reads:
            raise TimeoutError("no answer")
        pose = dict(zip(self.joints, self.pose))
        found = readings(self.player, 0, time=self.time, joint_positions=pose)
        del found["command"]
        return found

    def write(self, targets, seconds):
        self.writes += 1
        if self.writes - 1 in self.bad_writes:
            raise OSError("gone")
        self.sent.append(dict(targets))
        self.within.append(seconds)

    def wait(self, until):
        self.time = max(self.time, until)

    def release(self):
        self.released += 1

    @property
    def targets(self) -> np.ndarray:
        """What was sent, a row per write."""
        return np.array([[targets[name] for name in self.joints] for targets in self.sent]).reshape(
            -1, len(self.joints)
        )


@pytest.fixture
def puppet(hop):
    return Puppet(Player(hop))


def test_a_drive_ramps_walks_and_lets_go(puppet):
    times, modes = [], []
    watch = lambda readings, step: modes.append(step.mode)  # noqa: E731
    went = drive(puppet.player, puppet, lambda t: times.append(t) or {"lin_vel_x": 0.1}, 1.0, watch=watch, rest=False)
    assert (went.steps, went.late, went.failed_reads, went.failed_writes, went.fault) == (150, 0, 0, 0, None)
    assert modes == ["ramp"] * 100 + ["run"] * 50
    assert len(went.step_seconds) == 150
    assert puppet.released == 1
    assert puppet.time == pytest.approx(103.0, abs=0.01)
    assert times[-1] == pytest.approx(0.98)
    assert set(puppet.sent[0]) == set(puppet.joints)
    assert puppet.within == [puppet.player.dt] * 150


def test_the_torque_goes_off_in_the_safe_pose(hop):
    """Not in the middle of a step: at a good end the robot moves there first, slowly."""
    player = Player(hop, safe_pose={"knee_pitch": 1.2})
    puppet, modes = Puppet(player), []
    puppet.release = lambda: modes.append("released")
    went = drive(player, puppet, {"lin_vel_x": 0.1}, 0.2, ramp=False, watch=lambda r, step: modes.append(step.mode))
    resting = modes.count("safe")
    assert modes == ["run"] * 10 + ["safe"] * resting + ["released"]
    assert (went.steps, went.fault) == (10 + resting, None)
    np.testing.assert_allclose(puppet.targets[-1], [0.4, 1.2, -0.4], atol=1e-6)
    changes = np.abs(np.diff(puppet.targets[9:], axis=0))
    assert changes.max() <= 1.01 * player.dt  # the contract's ramp_speed is 1 rad/s
    assert resting < 120


def test_a_lost_answer_is_no_fall(puppet):
    puppet.bad_reads = {10, 11, 40}
    went = drive(puppet.player, puppet, {"lin_vel_x": 0.1}, 1.0, ramp=False)
    assert (went.failed_reads, went.fault) == (3, None)


def test_many_lost_answers_are(puppet):
    puppet.bad_reads = set(range(10, 20))
    went = drive(puppet.player, puppet, {"lin_vel_x": 0.1}, 1.0, ramp=False)
    assert "stale" in went.fault
    assert puppet.released == 1


FAR = np.float32([0.6, 0.3, 0.2])  # rad, from the home pose


@pytest.mark.parametrize("ramp", [True, False])
@pytest.mark.parametrize("lost", [{0}, {0, 1, 2}])
def test_a_lost_first_reading_moves_nothing_and_is_asked_for_again(lost, ramp, puppet):
    """Where the joints are is not known before: the first target is where they are found, or near the home pose."""
    home = puppet.player.bundle.contract.home
    puppet.pose = (home + FAR).tolist() if ramp else home.tolist()
    puppet.bad_reads = lost
    went = drive(puppet.player, puppet, {"lin_vel_x": 0.1}, 0.1, ramp=ramp, rest=False)
    assert (went.failed_reads, went.fault) == (len(lost), None)
    assert puppet.writes == went.steps == len(went.step_seconds)
    assert puppet.reads == went.steps + len(lost)
    if ramp:
        assert np.abs(puppet.targets[0] - puppet.pose).max() < 1e-3
        assert np.abs(np.diff(puppet.targets[:100], axis=0)).max() < 1.01 * puppet.player.dt


@pytest.mark.parametrize("ramp", [True, False])
def test_a_robot_that_never_answers_is_sent_nothing(ramp, puppet):
    puppet.bad_reads = set(range(1000))
    with pytest.raises(WildRobotError) as caught:
        drive(puppet.player, puppet, {"lin_vel_x": 0.1}, 0.1, ramp=ramp)
    assert (caught.value.where, caught.value.exit_code) == ("read", 1)
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert puppet.sent == []
    assert puppet.released == 1
    stale = puppet.player.bundle.contract.document["safety"]["stale_seconds"]
    assert stale < puppet.time - 100.0 < stale + 2.0 * puppet.player.dt


def test_a_first_reading_without_one_joint_moves_nothing(puppet, monkeypatch):
    """Nor does one that cannot be: what is not known of one joint is not guessed."""
    whole = puppet.read

    def read(spoil):
        found = whole()
        if puppet.reads <= 2:
            spoil(found["joint_positions"])
        return found

    home = puppet.player.bundle.contract.home
    puppet.pose = (home + FAR).tolist()
    spoils = [lambda pose: pose.pop("knee_pitch"), lambda pose: pose.update(knee_pitch=50.0)]
    for spoil in spoils:
        puppet.reads, puppet.sent = 0, []
        monkeypatch.setattr(puppet, "read", lambda spoil=spoil: read(spoil))
        assert drive(puppet.player, puppet, {"lin_vel_x": 0.1}, 0.1, rest=False).fault is None
        assert np.abs(puppet.targets[0] - puppet.pose).max() < 1e-3


def test_lost_targets_are_reported_when_they_are_many(puppet):
    puppet.bad_writes = {3, 4}
    assert drive(puppet.player, puppet, {"lin_vel_x": 0.1}, 1.0, ramp=False).failed_writes == 2
    puppet.bad_writes = set(range(puppet.writes + 3, 1000))
    with pytest.raises(WildRobotError, match="does not take targets any more: gone"):
        drive(puppet.player, puppet, {"lin_vel_x": 0.1}, 1.0, ramp=False)
    assert puppet.released == 2


def test_a_slow_bus_is_counted_and_not_made_up_for(puppet):
    puppet.slow = 0.03  # and the control period is 0.02
    went = drive(puppet.player, puppet, {"lin_vel_x": 0.1}, 1.0, ramp=False, rest=False)
    assert went.steps == 50
    assert went.late == pytest.approx(25, abs=2)
    assert puppet.time == pytest.approx(101.5, abs=0.05)


def test_a_robot_that_stands_may_be_left_standing(puppet):
    drive(puppet.player, puppet, {"lin_vel_x": 0.1}, 0.2, ramp=False, hold=True)
    assert puppet.released == 0
    np.testing.assert_allclose(puppet.targets[-1], puppet.player.bundle.contract.safe_pose)
    puppet.bad_reads = set(range(puppet.reads + 3, 1000))
    assert drive(puppet.player, puppet, {"lin_vel_x": 0.1}, 0.2, ramp=False, hold=True).fault is not None
    assert puppet.released == 1


def test_whatever_happens_the_torque_goes_off(puppet):
    def stop(readings, step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(puppet.player, puppet, {"lin_vel_x": 0.1}, 1.0, watch=stop)
    assert puppet.released == 1
