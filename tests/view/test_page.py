"""The page without a browser: what viser is told, and that one callback's thread never steps anything."""

import threading

import pytest

from wildrobot_eqx.view.held import HeldSimulation
from wildrobot_eqx.view.page import KEYS
from wildrobot_eqx.view.serve import free_port, opened, serve
from wildrobot_eqx.view.session import Session
from wildrobot_eqx.view.simulation import World
from wildrobot_eqx.view.stage import arrange


@pytest.fixture
def session(robot, hopper) -> Session:
    return arrange([HeldSimulation(robot), HeldSimulation(hopper)])


def test_a_page_follows_its_session(session):
    with opened(session, "127.0.0.1", free_port("127.0.0.1", None), "test") as (page, watched):
        assert watched() == 0
        session.advance(0.1)
        page.draw()
        page.write(1.0)
        bodies = page._figures[0]._bodies
        moved = bodies[session.focused.simulation.base]
        assert tuple(moved.position) == pytest.approx(tuple(session.focused.shadow.place))
        assert page._figures[0]._forces.visible
        channel = session.channels[0]
        session.ask(channel.name, channel.low)
        page.write(1.0)
        assert page._sliders[channel.name].value == pytest.approx(channel.low)
        assert "wildrobot: holds" in page._status.content
        session.focus = 1
        session.enter(World(friction=0.5))
        page.draw()
        page.write(1.0)
        assert "hopper" in page._status.content


def test_new_ground_is_drawn(robot):
    session = arrange([HeldSimulation(robot)])
    with opened(session, "127.0.0.1", free_port("127.0.0.1", None), "test") as (page, _):
        figure = page._figures[0]
        session.enter(World(terrain="steps"))
        page.draw()
        assert figure.model is session.focused.simulation.model
        assert 0 in figure._bodies  # the ground is a mesh now


def test_every_key_does_something_to_a_session(session):
    assert len({key for key, _, _ in KEYS}) == len(KEYS)
    assert not {key for key, _, _ in KEYS} & set("WASDQE")  # viser's camera has them
    for _, _, action in KEYS:
        before = (dict(session.asked), session.paused, session._steps, session.focused.push)
        session.advance(0.02)
        session.asked[session.channels[0].name] = session.channels[0].low
        action(session)
        assert before is not None


def test_time_stands_still_while_nobody_looks(session):
    stop, looks = threading.Event(), iter([0, 0, 1, 1, 1])
    now = iter([0.1 * i for i in range(100)])

    def watched() -> int:
        seen = next(looks, None)
        if seen is None:
            stop.set()
            return 0
        return seen

    with opened(session, "127.0.0.1", free_port("127.0.0.1", None), "test") as (page, _):
        serve(session, page, stop, watched, lambda: next(now))
    assert 0.0 < session.focused.time < 0.8


def test_a_slider_that_moves_on_is_not_pulled_back(session):
    """A panel that is written between a slider's move and the step that hears of it keeps the slider where it is."""
    channel = session.channels[0]
    with opened(session, "127.0.0.1", free_port("127.0.0.1", None), "test") as (page, _):
        slider = page._sliders[channel.name]
        slider.value = channel.low  # as a browser moves it
        page.write(1.0)
        assert slider.value == channel.low
        session.rest()
        session.nudge(0, 1.0)
        page.write(1.0)
        assert slider.value == session.asked[channel.name]
