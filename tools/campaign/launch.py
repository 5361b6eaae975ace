"""`python tools/campaign/launch.py FAULTS ARGUMENTS...`: the command line with faults from within.

FAULTS is a JSON object:

- `save_every`: seconds between two checkpoints of a training, 20 otherwise.
- `unreadable`: a path; opening it, or what lies in it, for reading raises PermissionError (root ignores file modes).
- `clock`: a seed; the wall clock jumps by up to a year, to and fro. The monotonic clock goes on, as it does.
- `poison`: an iteration after which a weight of the policy is NaN.
- `no_user`: there is no home folder, and the system knows no user of this id.
- `file_bytes`: no file may become larger (RLIMIT_FSIZE).
- `compiles`: a file that is told the number of compiled programs, a line each time it grows.
"""

import datetime
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from typing import Any


def save_every(seconds: float) -> None:
    """Save so often."""
    from wildrobot_eqx.train import loop

    loop.SAVE_EVERY = seconds


def unreadable(path: str) -> None:
    """Refuse to open a path for reading: by an audit hook, which is asked before every `open` of Python."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], str | bytes):
            asked = os.path.abspath(os.fsdecode(arguments[0]))
            reads = event != "open" or not (arguments[1] or "r").startswith(("w", "a", "x"))
            if reads and (asked == path or asked.startswith(path + os.sep)):
                raise PermissionError(13, "Permission denied", asked)

    sys.addaudithook(hook)


def clock(seed: int) -> None:
    """Let the wall clock jump, once in ten looks."""
    rng, real, real_ns, moment = random.Random(seed), time.time, time.time_ns, datetime.datetime
    offset = 0.0

    def shifted() -> float:
        nonlocal offset
        if rng.random() < 0.1:
            offset = rng.choice([-1.0, 1.0]) * rng.choice([2.0, 3600.0, 86400.0, 3e7])
        return offset

    class Jumping(moment):  # type: ignore[valid-type, misc]
        """A datetime whose now is that of the jumping clock."""

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return moment.fromtimestamp(real() + shifted(), tz)

    time.time = lambda: real() + shifted()
    time.time_ns = lambda: real_ns() + int(shifted() * 1e9)
    setattr(datetime, "datetime", Jumping)  # noqa: B010


def poison(iteration: int) -> None:
    """Give one iteration a policy with a NaN in every array."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from wildrobot_eqx.learn import ppo

    compile_update = ppo._compile_update

    def compiled(*arguments: Any) -> Any:
        update = compile_update(*arguments)

        def run(*given: Any) -> Any:
            state, figures = update(*given)
            if int(state.iteration) != iteration:
                return state, figures
            agent = jax.tree.map(lambda x: jnp.full_like(x, jnp.nan) if eqx.is_inexact_array(x) else x, state.agent)
            return eqx.tree_at(lambda s: s.agent, state, agent), figures

        return run

    ppo._compile_update = compiled


def no_user(_: object) -> None:
    """Nobody is at home."""
    import pwd

    os.environ.pop("HOME", None)

    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    setattr(pwd, "getpwuid", unknown)  # noqa: B010


def file_bytes(size: int) -> None:
    """Let no file grow further; Python ignores the signal, so that a write fails."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def compiles(path: str) -> None:
    """Count compiled programs."""
    import jax.monitoring

    with open(path, "a", buffering=1) as file:
        keep = os.dup(file.fileno())

    def listen(event: str, seconds: float, **named: Any) -> None:
        if event.endswith("backend_compile_duration"):
            os.write(keep, f"{time.monotonic()}\n".encode())

    jax.monitoring.register_event_duration_secs_listener(listen)


FAULTS: dict[str, Callable[[Any], None]] = {
    f.__name__: f for f in (save_every, clock, poison, no_user, file_bytes, compiles, unreadable)
}


def main(argv: list[str]) -> int:
    """Do what is asked for, then run the command."""
    faults, *arguments = argv
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # as wildrobot_eqx.__main__ does while it loads
    from wildrobot_eqx.cli import main as command

    sys.argv = ["wildrobot-eqx", *arguments]
    wanted = json.loads(faults)
    for name, fault in FAULTS.items():
        if name in wanted:
            fault(wanted[name])
    signal.signal(signal.SIGINT, before)
    return command(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
