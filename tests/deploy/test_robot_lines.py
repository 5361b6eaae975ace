"""Bring-up of a hidden robot as a process of its own, over pseudo-terminals: every `robot` command as it is typed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wildrobot_eqx.deploy import read_log

pytest.importorskip("mcap")
pytestmark = pytest.mark.slow
if os.name != "posix":
    pytest.skip("pseudo-terminals are those of Linux and macOS", allow_module_level=True)
BUNDLE = Path(__file__).parents[2] / "demos" / "stand.zip"
SECONDS = 120.0  # s, that a command may take


class Hand:
    """What holds the hidden robot, and its ports."""

    def __init__(self, process):
        self.process = process
        ports = json.loads(process.stdout.readline())
        (self.line,), self.imu = ports["lines"], ports["imu"]

    def __call__(self, order, **how):
        self.process.stdin.write(json.dumps({order: how}) + "\n")
        self.process.stdin.flush()
        assert json.loads(self.process.stdout.readline()) == {"done": order}


@pytest.fixture(scope="module")
def hand():
    """A hidden robot that runs until the tests are over."""
    hidden = [sys.executable, "-m", "wildrobot_eqx.deploy.hidden", str(BUNDLE), "--seed", "3"]
    with subprocess.Popen(hidden, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Hand(process)
        process.stdin.close()
        process.wait(SECONDS)


@pytest.fixture(scope="module")
def place(hand, tmp_path_factory):
    """A folder with a hardware.toml of which zeros and IMU are measured."""
    folder = tmp_path_factory.mktemp("bringup")
    done = said(folder, "scan", str(BUNDLE), "--port", hand.line, "--imu", hand.imu, "--out", "hardware.toml", "--json")
    assert len(done["servos"]) == 11
    hand("jig")
    zeros = said(folder, "calibrate", str(BUNDLE), "zeros", "--yes", "--json")
    assert 0.1 < max(map(abs, zeros["moved_deg"].values())) < 2.2
    with begun(folder, "calibrate", str(BUNDLE), "imu", "--yes", "--json") as process:
        heard(process, "now lean it")
        hand("lean", pitch=0.35)
        out = process.communicate(timeout=SECONDS)[0]
    assert process.returncode == 0, out
    assert json.loads(out)["order"] == "wxyz"
    return folder


@contextlib.contextmanager
def begun(folder, *arguments):
    """A `robot` command in a folder, as a process."""
    program = [sys.executable, "-m", "wildrobot_eqx.cli", "robot", *arguments]
    with subprocess.Popen(
        program, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process, words):
    """Wait until it has said so on standard error."""
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"it ended without {words!r}: {process.wait()}")


def said(folder, *arguments):
    """The JSON document of a command that ends well."""
    with begun(folder, *arguments) as process:
        out, error = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, error
    return json.loads(out)


def held(hand, folder, *arguments):
    """A command that moves the robot, which is put onto the floor once its torque is on."""
    hand("jig")
    stack = contextlib.ExitStack()
    process = stack.enter_context(begun(folder, *arguments))
    heard(process, "The robot is about to")
    time.sleep(1.5)
    hand("put")
    return stack, process


def ended(stack, process):
    """Its status and its JSON document."""
    with stack:
        out, error = process.communicate(timeout=SECONDS)
    return process.returncode, json.loads(out) if out else error


def test_the_policy_stands_and_the_log_says_so(hand, place):
    log = place / "run.mcap"
    status, document = ended(*held(hand, place, "run", str(BUNDLE), "--seconds=3", f"--log={log}", "--yes", "--json"))
    assert (status, document["fault"]) == (0, None)
    recording = read_log(log)
    assert {"ramp", "hold", "run", "safe"} <= set(recording.mode.tolist())
    assert recording.cut is None
    assert recording.events[-1].message == "the torque is off"
    assert abs(document["figures"]["base"]["pitch"]["mean"]) < 10.0
    assert recording.age[recording.mode == "run"].max() < 0.25


def test_it_is_excited_on_its_feet(hand, place):
    log = place / "excite.mcap"
    status, document = ended(
        *held(hand, place, "excite", str(BUNDLE), "--seconds=12", f"--log={log}", "--yes", "--json")
    )
    assert (status, document["fault"]) == (0, None)
    recording = read_log(log)
    moved = recording.rows(recording.mode == "run")
    assert (moved.target.max(axis=0) - moved.target.min(axis=0) > 0.05).all()
    assert abs(document["figures"]["base"]["roll"]["mean"]) < 10.0


def test_an_interrupt_takes_the_torque_off(hand, place):
    log = place / "stopped.mcap"
    stack, process = held(hand, place, "hold", str(BUNDLE), "--seconds=60", f"--log={log}", "--yes")
    with stack:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    recording = read_log(log)
    assert recording.events[-1].message == "the torque is off"
    assert recording.events[-1].time - recording.time[-1] < 0.1


def test_a_tilt_takes_the_torque_off(hand, place):
    log = place / "tilted.mcap"
    stack, process = held(hand, place, "hold", str(BUNDLE), "--seconds=60", f"--log={log}", "--yes", "--json")
    time.sleep(1.5)
    hand("put", pitch=1.0)
    status, document = ended(stack, process)
    assert status == 1
    assert "tilted" in document["fault"]
    assert Path(place / document["last_minute"]).exists()
    recording = read_log(log)
    (first,) = [event.time for event in recording.events if event.message == "the torque is off"]
    assert first - recording.time[recording.fault != ""][0] < 0.1


def test_an_overload_takes_the_torque_off(hand, place):
    stack, process = held(hand, place, "hold", str(BUNDLE), "--seconds=60", "--yes", "--json")
    hand("jig", pose={"left_knee_pitch": 1.3})
    status, document = ended(stack, process)
    assert status == 1
    assert "left_knee_pitch" in document["fault"]
