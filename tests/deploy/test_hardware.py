"""The loop between player and robot: lost answers, late steps, and an end with the torque off."""

import pytest
from test_player import readings

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.player.loop import AbstractRobot, drive
from wildrobot_eqx.deploy.player.player import Player


class Puppet(AbstractRobot):
    """A robot that stands still in its home pose; what goes wrong is up to the test."""

    def __init__(self, player: Player, slow: float = 0.001):
        self.player, self.slow = player, slow
        self.time, self.released, self.sent = 100.0, 0, []
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
        found = readings(self.player, 0, time=self.time)
        del found["command"]
        return found

    def write(self, targets):
        self.writes += 1
        if self.writes - 1 in self.bad_writes:
            raise OSError("gone")
        self.sent.append(dict(targets))

    def wait(self, until):
        self.time = max(self.time, until)

    def release(self):
        self.released += 1


@pytest.fixture
def puppet(hop):
    return Puppet(Player(hop))


def test_a_drive_ramps_walks_and_lets_go(puppet):
    told = []
    went = drive(puppet.player, puppet, lambda t: told.append(t) or 0.1, 1.0, watch=lambda r, s: None)
    assert (went.steps, went.late, went.failed_reads, went.failed_writes, went.fault) == (150, 0, 0, 0, None)
    assert len(went.step_seconds) == 150
    assert puppet.released == 1
    assert puppet.time == pytest.approx(103.0, abs=0.01)
    assert told[-1] == pytest.approx(0.98)
    assert set(puppet.sent[0]) == set(puppet.joints)


def test_a_lost_answer_is_no_fall(puppet):
    puppet.bad_reads = {10, 11, 40}
    went = drive(puppet.player, puppet, lambda t: 0.1, 1.0, ramp=False)
    assert (went.failed_reads, went.fault) == (3, None)


def test_many_lost_answers_are(puppet):
    puppet.bad_reads = set(range(10, 20))
    went = drive(puppet.player, puppet, lambda t: 0.1, 1.0, ramp=False)
    assert "stale" in went.fault
    assert puppet.released == 1


def test_a_robot_that_never_answers_goes_to_its_safe_pose(puppet):
    puppet.bad_reads = set(range(1000))
    went = drive(puppet.player, puppet, lambda t: 0.1, 0.1)
    assert went.fault == "the readings have no 'time'"


def test_lost_targets_are_told_when_they_are_many(puppet):
    puppet.bad_writes = {3, 4}
    assert drive(puppet.player, puppet, lambda t: 0.1, 1.0, ramp=False).failed_writes == 2
    puppet.bad_writes = set(range(puppet.writes + 3, 1000))
    with pytest.raises(WildRobotError, match="does not take targets any more: gone"):
        drive(puppet.player, puppet, lambda t: 0.1, 1.0, ramp=False)
    assert puppet.released == 2


def test_a_slow_bus_is_counted_and_not_made_up_for(puppet):
    puppet.slow = 0.03  # and the control period is 0.02
    went = drive(puppet.player, puppet, lambda t: 0.1, 1.0, ramp=False)
    assert went.steps == 50
    assert went.late == pytest.approx(25, abs=2)
    assert puppet.time == pytest.approx(101.5, abs=0.05)


def test_a_robot_that_stands_may_be_left_standing(puppet):
    drive(puppet.player, puppet, lambda t: 0.1, 0.2, ramp=False, hold=True)
    assert puppet.released == 0
    puppet.bad_reads = set(range(1000))
    drive(puppet.player, puppet, lambda t: 0.1, 0.2, ramp=False, hold=True)
    assert puppet.released == 1


def test_whatever_happens_the_torque_goes_off(puppet):
    def stop(readings, step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(puppet.player, puppet, lambda t: 0.1, 1.0, watch=stop)
    assert puppet.released == 1
