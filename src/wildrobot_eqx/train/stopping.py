"""Ctrl-C and SIGTERM while training: the first ends it after an iteration, a second at once."""

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from typing import Any

_log = logging.getLogger(__name__)


class Stop:
    """What the user has asked for so far."""

    def __init__(self) -> None:
        self.patient = False  # whether there are iterations to wait for the end of
        self.asked = False
        self.forced = False


@contextlib.contextmanager
def stop_signals() -> Iterator[Stop]:
    """Turns the first SIGINT or SIGTERM into `asked`; a second, or one while not `patient`, interrupts at once."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handler(number: int, frame: Any) -> None:
        if stop.asked or not stop.patient:
            stop.asked = stop.forced = True
            raise KeyboardInterrupt
        stop.asked = True
        with contextlib.suppress(RuntimeError):  # the signal came in the midst of another message
            _log.info("stopping after this iteration; once more stops at once")

    previous = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
