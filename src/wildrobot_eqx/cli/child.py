"""`python -m wildrobot_eqx.cli.child PARENT CORES ARGUMENTS...`: a command that ends with the process that started it.

A sweep starts its trainings so. When the process PARENT is gone the command is asked to stop as by SIGTERM, so that a
training saves a checkpoint; with CORES it holds itself to so many processors that no other such command holds.
"""

import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from ..errors import WildRobotError
from ..runs.lock import lock

_GRACE = 120.0  # s between being asked to stop and being stopped
_HELD: list[IO[bytes]] = []


def main(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    parent, cores, *arguments = argv
    sys.argv = ["wildrobot-eqx", *arguments]  # what a run's manifest says that it was started by
    hold_cores(int(cores))
    threading.Thread(target=_watch, args=(int(parent),), daemon=True).start()
    from . import main as command

    return command(arguments)


def hold_cores(count: int, folder: Path | None = None) -> None:
    """Keep this process and its threads on `count` processors that no other process holds so; 0: on any.

    Where too few are free, or the system cannot do it (macOS, Windows), nothing changes. A processor is held by a
    locked file, until the process ends.
    """
    try:
        known = sorted(os.sched_getaffinity(0))
    except AttributeError:
        return
    if not 0 < count < len(known):
        return
    held: dict[int, IO[bytes]] = {}
    try:
        folder = folder or Path(tempfile.gettempdir()) / f"wildrobot-eqx-cores-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        for core in known:
            if len(held) < count and (handle := _try_lock(folder / f"core{core}")) is not None:
                held[core] = handle
        if len(held) == count:
            os.sched_setaffinity(0, held)
            _HELD.extend(held.values())
            return
    except (AttributeError, OSError, WildRobotError):
        pass
    for handle in held.values():
        handle.close()


def _try_lock(path: Path) -> IO[bytes] | None:
    try:
        return lock(path)
    except BlockingIOError:
        return None


def _watch(parent: int) -> None:
    """Stop this process once its parent is another one than `parent`."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
