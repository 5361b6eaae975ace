"""One training in several processes: who writes, what all agree on, and what happens when one ends.

JAX's distributed runtime connects them; process 0 coordinates and alone writes the run folder.
"""

import contextlib
import hashlib
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from .. import jax_compat
from ..errors import WildRobotError, first_line
from ..runs.folder import RunFolder

_log = logging.getLogger(__name__)

GONE_AFTER = 18.0  # s without a sign of life after which a process is taken for ended
NEVER_CAME = 120.0  # s without a first one
GRACE = 4.0  # s in which a process may find out by itself, at its next exchange, that another has ended
_EVERY = 1.0  # s between signs of life
_PAUSE = 0.05  # s between looks for what others say
_ROOT = "wildrobot_eqx"


class Processes:
    """The processes of a training, seen from one of them; one alone agrees with itself."""

    def __init__(self) -> None:
        self.index, self.count = jax.process_index(), jax.process_count()
        if self.index > 0:
            logging.getLogger(_ROOT).setLevel(logging.WARNING)  # process 0 says it
        self.client: Any = jax_compat.distributed_client() if self.count > 1 else None
        self.found, self.raised, self.leaving = threading.Event(), threading.Event(), threading.Event()
        self.gone: set[int] = set()  # without a word
        self.what, self.told = "", 0
        self.at_end: list[Callable[[WildRobotError], None]] = []

    @property
    def writes(self) -> bool:
        """Whether this one writes the run folder."""
        return self.index == 0

    def agree(self, stop: bool, save: bool) -> tuple[bool, bool]:
        """Whether any process is to stop, and whether process 0 wants to save; all ask at the same time."""
        if self.client is None:
            return stop, save
        flags = np.asarray(multihost_utils.process_allgather(np.array([stop, save])))
        return bool(flags[:, 0].any()), bool(flags[0, 1])

    def share(self, text: str | None) -> str:
        """Process 0's text."""
        if self.client is None:
            return text or ""
        self.told += 1
        name = f"{_ROOT}/text/{self.told}/"
        if text is not None and self.writes:
            self.client.key_value_set(f"{name}0", text)
        return self._answers(name, 1)[0]

    def _answers(self, name: str, count: int) -> dict[int, str]:
        """What so many processes say under a name; a Ctrl-C is heard meanwhile, and `watched` hears of an end."""
        while True:
            found = _by_process(self.client.key_value_dir_get(name))
            if len(found) >= count:
                return found
            if self.found.is_set():
                raise self._error()
            time.sleep(_PAUSE)

    def check_same(self, what: str, value: object) -> None:
        """Refuse processes of which one has another value than process 0.

        Raises:
            WildRobotError: one has.
        """
        if self.client is None:
            return
        own = hashlib.sha256(repr(value).encode()).hexdigest()
        if self.share(own) != own:
            raise WildRobotError(
                f"Process {self.index} has another {what} than process 0.",
                where=f"--process {self.index}",
                hint="start all processes with the same command, the same version and the same files",
            )

    def wait(self) -> None:
        """Until all are here."""
        if self.client is not None:
            self.told += 1
            name = f"{_ROOT}/here/{self.told}/"
            self.client.key_value_set(f"{name}{self.index}", "")
            self._answers(name, self.count)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Meanwhile each process learns within half a minute that another has ended, and ends as well.

        Where a process cannot raise, as it waits for the one that ended, `at_end` is called, and it exits.

        Raises:
            WildRobotError: another process has ended.
        """
        if self.client is None:
            yield
            return
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        try:
            yield
        except BaseException as error:
            self.raised.set()
            # An exchange with a process that ended fails at once, its signs of life run out later.
            failed = _of_runtime(error) and self.found.wait(GONE_AFTER + GRACE)
            self.leave(first_line(error) if isinstance(error, Exception) else "it was interrupted")
            if failed:
                raise self._error() from error
            raise
        self.raised.set()
        self.leave("")

    def leave(self, why: str) -> None:
        """Disconnect and say why, empty where all is well; process 0, which coordinates, waits for the others."""
        if self.client is None or self.leaving.is_set():
            return
        self.leaving.set()
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            self.client.key_value_set(f"{_ROOT}/left/{self.index}", why)
            began = time.monotonic()
            while self.writes and time.monotonic() - began < GONE_AFTER:
                if len(self.client.key_value_dir_get(f"{_ROOT}/left/")) >= self.count - len(self.gone):
                    break
                time.sleep(_PAUSE)
            jax.distributed.shutdown()

    def _error(self) -> WildRobotError:
        return WildRobotError(
            f"{self.what} A training by several processes ends with the first of them.",
            where=f"process {self.index} of {self.count}",
            hint="the last checkpoint is whole: start all again with --resume RUN",
            exit_code=1,
        )

    def _watch(self) -> None:
        """Give signs of life, and look for those of the others, until one has ended."""
        now = time.monotonic()
        last = {i: ("", now + NEVER_CAME - GONE_AFTER) for i in range(self.count) if i != self.index}
        beats = 0
        while not self.found.is_set():
            beats += 1
            with contextlib.suppress(jax.errors.JaxRuntimeError):
                self.client.key_value_set(f"{_ROOT}/alive/{self.index}", str(beats), allow_overwrite=True)
                self._look(last, time.monotonic())
            time.sleep(_EVERY)
            if self.leaving.is_set():
                return
        if self.raised.wait(GRACE) or self.leaving.is_set():
            return
        error = self._error()
        for tell in self.at_end:
            tell(error)
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            self.client.key_value_set(f"{_ROOT}/left/{self.index}", error.what)  # nobody need wait for this one
        sys.stderr.flush()
        os._exit(error.exit_code)

    def _look(self, last: dict[int, tuple[str, float]], now: float) -> None:
        """Find out who has ended; `last` has each other's last sign of life and when it came."""
        alive = _by_process(self.client.key_value_dir_get(f"{_ROOT}/alive/"))
        left = _by_process(self.client.key_value_dir_get(f"{_ROOT}/left/"))
        for other, (known, when) in last.items():
            if left.get(other):
                self._note(f"Process {other} ended: {left[other].rstrip('.')}.")
            elif other in left:
                continue
            elif alive.get(other, known) != known:
                last[other] = (alive[other], now)
            elif now - when > GONE_AFTER:
                self.gone.add(other)
                self._note(f"Process {other} gives no sign of life.")

    def _note(self, what: str) -> None:
        self.what = self.what or what
        self.found.set()


def _of_runtime(error: BaseException) -> bool:
    """Whether JAX's runtime raised it, as when an exchange fails: a few of its statuses come as built-in errors."""
    return isinstance(error, jax.errors.JaxRuntimeError) or re.match("[A-Z_]{5,}: ", str(error)) is not None


def _by_process(entries: list[tuple[str, str]]) -> dict[int, str]:
    return {int(name.rpartition("/")[2]): value for name, value in entries}


def shared_folder(path: str, processes: Processes) -> RunFolder:
    """The run folder that process 0 made, seen from another.

    Raises:
        WildRobotError: it is not there, as on a file system of process 0's own.
    """
    folder = RunFolder(path)
    began = time.monotonic()
    while not folder.manifest_path.is_file():
        if time.monotonic() - began > GRACE:
            raise WildRobotError(
                f"Process {processes.index} does not see the run folder that process 0 made.",
                where=path,
                hint="say --out, a folder on a file system that all processes share",
                exit_code=1,
            )
        time.sleep(0.1)
    return folder
