"""`python -m wildrobot_eqx.deploy.hidden BUNDLE`: a hidden robot as a process of its own, behind pseudo-terminals.

It prints one line of JSON, the paths of its servo lines and of its IMU, and then obeys the hand that is written to its
standard input, a line of JSON each: {"put": {}}, {"hang": {}}, {"jig": {"pose": {JOINT: rad}}},
{"lean": {"pitch": rad, "roll": rad, "rate": rad/s}}, {"stop": {}}. Each is answered by a line.
"""

import argparse
import json
import os
import select
import sys
import time
from typing import Any

from ...errors import WildRobotError
from ..bundle.bundle import Bundle
from .parameters import draw, read_hidden
from .robot import HiddenRobot

_WAIT = 0.0005  # s, of one look at the lines
_BEHIND = 0.25  # s: a process that was held up for longer does not catch up


def main(arguments: list[str] | None = None) -> int:
    """Run until it is told to stop, or its input ends; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m wildrobot_eqx.deploy.hidden", description=__doc__)
    parser.add_argument("bundle", help="whose robot it is a variation of")
    parser.add_argument("--seed", type=int, default=0, help="draws in what it differs")
    parser.add_argument("--parameters", help="a JSON file that says so instead")
    parser.add_argument("--driver", choices=("hiwonder", "dynamixel", "feetech"), default="hiwonder")
    parser.add_argument("--imu", choices=("text", "bno08x"), default="text")
    parser.add_argument("--lines", type=int, default=1)
    parser.add_argument("--baud", type=int, default=115_200)
    given = parser.parse_args(arguments)
    try:
        bundle = Bundle.open(given.bundle)
        count = len(bundle.contract.joints)
        hidden = read_hidden(given.parameters, count) if given.parameters else draw(given.seed, count)
        robot = HiddenRobot(bundle, hidden, driver=given.driver, imu=given.imu, lines=given.lines, baud=given.baud)
    except WildRobotError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    serve(robot)
    return 0


def _open_line() -> tuple[int, str]:
    """A pseudo-terminal: the file of its near end, and the path of its far one.

    Raises:
        WildRobotError: the system has none.
    """
    if os.name == "posix":
        import tty

        near, far = os.openpty()
        tty.setraw(far)
        os.set_blocking(near, False)
        return near, os.ttyname(far)
    raise WildRobotError(
        "A hidden robot speaks through pseudo-terminals, and this system has none.",
        where="python -m wildrobot_eqx.deploy.hidden",
        hint="run it on Linux or macOS, or use HiddenRobot(...).bus_port() within a program",
    )


def serve(robot: HiddenRobot) -> None:
    """Carry bytes between a robot and pseudo-terminals, in real time, until standard input ends."""
    names = [*range(len(robot.lines)), -1]
    ends = {}
    for name in names:
        file, path = _open_line()
        ends[file] = (name, path)
    paths = dict(ends.values())
    print(json.dumps({"lines": [paths[name] for name in names[:-1]], "imu": paths[-1]}), flush=True)
    start = time.monotonic()
    while True:
        now = time.monotonic() - start
        if now - robot.now() > _BEHIND:
            start += now - robot.now()
            now = robot.now()
        robot.advance(max(now, robot.now()))
        for file, (name, _) in ends.items():
            if said := robot.said(name):
                try:
                    os.write(file, said)
                except BlockingIOError:  # nobody reads: what is old gets lost, as on a wire
                    continue
        ready, _, _ = select.select([*ends, sys.stdin], [], [], _WAIT)
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line or not _obey(robot, line):
                return
            start = time.monotonic() - robot.now()
        for file in ends:
            if file not in ready:
                continue
            try:
                data = os.read(file, 4096)
            except OSError:  # nobody has opened it yet, or it was closed
                continue
            robot.hear(ends[file][0], data)


def _obey(robot: HiddenRobot, line: str) -> bool:
    """One order to the hand; whether to go on."""
    try:
        ((order, how),) = json.loads(line).items()
        world = robot.world
        hands: dict[str, Any] = {"put": world.put, "hang": world.hang, "jig": world.jig, "lean": world.lean}
        if order == "stop":
            return False
        hands[order](**how)
        print(json.dumps({"done": order}), flush=True)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
