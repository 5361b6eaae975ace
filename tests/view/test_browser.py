"""The page in a real browser: headless Chromium by Playwright. Skipped in one line where there is none."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import pytest

from wildrobot_eqx import load_robot
from wildrobot_eqx.view.held import HeldSimulation
from wildrobot_eqx.view.serve import free_port, opened, serve
from wildrobot_eqx.view.stage import arrange

pytestmark = [pytest.mark.slow, pytest.mark.browser]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SOFTWARE = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
PATIENCE = 120.0  # s


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="no browser: pip install playwright")
    if BROWSER is None:
        pytest.skip("no browser: apt install chromium")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=SOFTWARE)
        yield chromium
        chromium.close()


class Shown:
    """A session that is served on a thread of its own, as the command serves it."""

    def __init__(self):
        self.session = arrange([HeldSimulation(load_robot("wildrobot"))])
        self.port = free_port("127.0.0.1", None)
        self.address = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self._stack, self._stop = contextlib.ExitStack(), threading.Event()
        page, self.watched = self._stack.enter_context(opened(self.session, "127.0.0.1", self.port, "test"))
        self._thread = threading.Thread(
            target=serve, args=(self.session, page, self._stop, self.watched, time.monotonic)
        )
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        self._thread.join()
        self._stack.close()


def _until(what) -> None:
    """Wait until it holds."""
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.1)


@pytest.fixture
def shown():
    with Shown() as one:
        yield one


@pytest.mark.slow
def test_the_page_loads_without_errors_and_without_the_internet(browser, shown):
    page = browser.new_page(viewport={"width": 1400, "height": 860})
    wrong, asked = [], []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(shown.address)
    page.get_by_text("wildrobot: holds").wait_for(timeout=PATIENCE * 1e3)
    _until(lambda: shown.session.focused.time > 0.3)
    assert wrong == []
    assert [url for url in asked if not re.match(rf"(ws|http)://127\.0\.0\.1:{shown.port}|data:|blob:", url)] == []
    page.close()
    _until(lambda: shown.watched() == 0)  # a page that is closed is forgotten
    at = shown.session.focused.time
    time.sleep(1.0)
    assert shown.session.focused.time - at < 0.5  # and time stands still


@pytest.mark.slow
def test_keys_and_buttons_of_one_page_are_seen_in_another(browser, shown):
    one, other = (browser.new_page(viewport={"width": 1400, "height": 860}) for _ in range(2))
    for page in (one, other):
        page.goto(shown.address)
        page.get_by_text("wildrobot: holds").wait_for(timeout=PATIENCE * 1e3)
    assert shown.watched() == 2
    session, channel = shown.session, shown.session.channels[0]
    hip = session.focused.simulation.pose.qpos[7:].copy()
    one.keyboard.press("i")
    _until(lambda: session.asked[channel.name] != channel.rest)
    _until(lambda: abs(session.focused.simulation.pose.qpos[7:] - hip).max() > 0.02)  # the robot moves
    value = f"{session.asked[channel.name]:.2f}"[:4]
    _until(lambda: any(box.input_value().startswith(value) for box in other.locator("input").all() if box.is_visible()))
    session.impulse = session.focused.shadow.mass  # N s: 1 m/s
    before = session.focused.simulation.pose.qpos[:2].copy()
    other.keyboard.press("p")
    _until(lambda: session.focused.push is not None)
    _until(lambda: abs(session.focused.simulation.pose.qpos[:2] - before).max() > 0.01)  # the push moves it
    one.get_by_role("button", name="Pause").click()
    _until(lambda: session.paused)
    other.get_by_text("paused").wait_for(timeout=PATIENCE * 1e3)
    one.close()
    other.close()


@pytest.mark.slow
def test_the_command_serves_and_stops(browser, tmp_path):
    """As a user types it: it says where the page is, on this machine alone, and Ctrl-C ends it with 0."""
    command = [sys.executable, "-m", "wildrobot_eqx.cli", "view", "hopper", "--no-browser"]
    served = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env={**os.environ})
    try:
        assert served.stderr is not None
        address = next(found for line in served.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        page = browser.new_page()
        page.goto(address[0])
        page.get_by_text("hopper: holds").wait_for(timeout=PATIENCE * 1e3)
        page.close()
        served.send_signal(2)
        assert served.wait(PATIENCE) == 0
    finally:
        served.kill()
        served.communicate()
