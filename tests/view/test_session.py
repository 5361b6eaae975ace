"""The view without a browser: steering, pushing, dials, strips. Two robots of MuJoCo alone, nothing compiled."""

import math

import numpy as np
import pytest
from made import arm, made

from wildrobot_eqx.errors import WildRobotError
from wildrobot_eqx.view.held import HeldSimulation
from wildrobot_eqx.view.session import SAMPLE, SECONDS, Session
from wildrobot_eqx.view.simulation import World
from wildrobot_eqx.view.stage import arrange

QUARTER = 0.25  # s, the most that `advance` makes up for


@pytest.fixture
def session(robot) -> Session:
    return arrange([HeldSimulation(robot)])


def _run(session: Session, seconds: float) -> None:
    for _ in range(round(seconds / QUARTER)):
        session.advance(QUARTER)


def test_time_passes_as_fast_as_it_is_asked_to(session):
    session.advance(0.2)
    assert session.focused.time == pytest.approx(0.2)
    session.speed = 0.5
    session.advance(0.2)
    assert session.focused.time == pytest.approx(0.3)
    session.advance(60.0)  # a machine that slept does not simulate a minute at once
    assert session.focused.time == pytest.approx(0.3 + QUARTER, abs=0.021)


def test_parts_of_a_period_are_not_lost(session):
    for _ in range(10):
        session.advance(0.007)
    assert session.focused.time == pytest.approx(0.06)


def test_a_pause_a_step_and_going_on(session):
    session.toggle()
    session.advance(0.2)
    assert session.focused.time == 0.0
    session.step_once()
    session.step_once()
    session.advance(0.2)
    assert session.focused.time == pytest.approx(2 * session.focused.simulation.dt)
    session.toggle()
    session.advance(0.1)
    assert session.focused.time == pytest.approx(0.1 + 2 * session.focused.simulation.dt)


def test_what_is_posted_is_done_by_the_next_advance(session):
    session.post(session.toggle)
    assert not session.paused
    session.advance(0.0)
    assert session.paused


def test_a_channel_moves_its_joint_and_the_strips_say_so(session):
    channel = session.channels[0]
    session.ask(channel.name, 1e9)
    assert session.asked[channel.name] == channel.high  # no further than it goes
    session.ask(channel.name, math.nan)
    assert session.asked[channel.name] == channel.high
    session.ask(channel.name, 0.5 * (channel.rest + channel.low))
    _run(session, 0.5)
    last = session.focused.samples[-1]
    assert last.asked[channel.name] == 0.5 * (channel.rest + channel.low)
    assert abs(last.measured[channel.name] - channel.rest) > 0.2 * abs(last.asked[channel.name] - channel.rest)
    session.rest()
    assert session.asked == {c.name: c.rest for c in session.channels}
    with pytest.raises(KeyError):
        session.ask("no such channel", 0.0)


def test_a_key_asks_for_a_fifth_more_and_one_without_a_channel_for_nothing(session):
    channel = session.channels[1]
    reach = max(channel.high - channel.rest, channel.rest - channel.low)
    session.nudge(1, 1.0)
    assert session.asked[channel.name] == pytest.approx(min(channel.rest + 0.2 * reach, channel.high))
    before = dict(session.asked)
    session.nudge(len(session.channels), 1.0)
    assert session.asked == before
    assert session.axis("lin_vel_x", 0) == 0  # who is asked for no velocity has keys all the same


def test_a_push_changes_the_momentum_by_its_impulse(session):
    place = session.focused
    session.impulse, session.direction = 0.3, 90.0
    before = place.simulation.pose.qvel[:3].copy()
    session.push()
    added = place.shadow.mass * (place.simulation.pose.qvel[:3] - before)
    angle = place.shadow.heading + math.pi / 2
    np.testing.assert_allclose(added, 0.3 * np.array([math.cos(angle), math.sin(angle), 0.0]), atol=1e-6)
    assert place.push is not None
    _run(session, 1.0)
    assert place.push is None  # it is drawn for a moment


def test_reset_goes_back_to_the_beginning(session):
    first = session.focused.simulation.pose
    session.nudge(0, 1.0)
    session.push()
    _run(session, 0.5)
    session.reset()
    np.testing.assert_array_equal(session.focused.simulation.pose.qpos, first.qpos)
    assert session.focused.time == 0.0
    assert not session.focused.samples


def test_strips_hold_so_many_seconds(session):
    _run(session, SECONDS + 1.0)
    samples = session.focused.samples
    assert len(samples) == round(SECONDS / SAMPLE)
    assert samples[-1].time - samples[0].time == pytest.approx(SECONDS - SAMPLE, abs=0.05)
    assert sum(samples[-1].feet.values()) == pytest.approx(session.focused.shadow.mass * 9.81, rel=0.2)


def test_friction_and_payload_are_those_of_the_dials(session):
    place, model = session.focused, session.focused.simulation.model
    friction, mass = model.geom_friction.copy(), place.shadow.mass
    session.enter(World(0.5, 0.4))
    np.testing.assert_allclose(model.geom_friction[:, 0], 0.5 * friction[:, 0])
    np.testing.assert_allclose(model.geom_friction[:, 1:], friction[:, 1:])
    assert place.shadow.mass == pytest.approx(mass + 0.4)
    session.enter(World())
    np.testing.assert_array_equal(model.geom_friction, friction)
    assert place.shadow.mass == pytest.approx(mass)


@pytest.mark.parametrize("terrain", ["bumps", "slope", "steps"])
def test_a_robot_stands_on_other_ground(session, terrain):
    session.enter(World(terrain=terrain))
    model = session.focused.simulation.model
    assert model.nhfield == 1
    assert np.ptp(model.hfield_data) == 1.0  # of the elevation: it is not flat
    _run(session, 0.5)
    assert session.focused.simulation.ended is None
    assert sum(session.focused.shadow.foot_forces().values()) > 0.5 * 9.81 * session.focused.shadow.mass
    session.enter(World())
    assert session.focused.simulation.model.nhfield == 0


def test_a_world_that_is_refused_changes_nothing(tmp_path):
    """An arm in the void has no floor that could become uneven."""
    session = arrange([HeldSimulation(made(tmp_path, arm()))])
    session.enter(World(friction=0.5))
    before, model = session.world, session.focused.simulation.model
    session.enter(World(terrain="bumps"))
    assert session.world == before
    assert "0 planes" in session.note
    assert session.focused.simulation.model is model
    session.advance(0.1)
    assert session.focused.time == pytest.approx(0.1)


def test_policies_of_one_robot_share_a_place_and_take_over_where_it_is(robot, hopper):
    session = arrange([HeldSimulation(robot), HeldSimulation(hopper), HeldSimulation(robot)])
    assert [len(place.choices) for place in session.places] == [2, 1]
    session.push()
    _run(session, 0.25)
    session.enter(World(friction=0.7))
    pose = session.focused.simulation.pose
    session.choose(1)
    assert session.focused.chosen == 1
    np.testing.assert_array_equal(session.focused.simulation.pose.qpos, pose.qpos)
    assert session.focused.simulation.world == session.world
    assert session.places[1].chosen == 0


def test_side_by_side_each_has_a_place(robot):
    session = arrange([HeldSimulation(robot), HeldSimulation(robot)], side_by_side=True)
    offsets = [place.offset for place in session.places]
    assert abs(offsets[0][1] - offsets[1][1]) > session.focused.shadow.place[2]
    session.advance(0.1)
    assert [place.time for place in session.places] == pytest.approx([0.1, 0.1])


def test_nothing_cannot_be_shown():
    with pytest.raises(WildRobotError, match="nothing to show"):
        arrange([])
