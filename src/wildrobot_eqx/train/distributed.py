"""One training in several processes: where it runs, who writes, what all agree on, and what happens when one ends.

JAX's distributed runtime connects them; process 0 coordinates and alone writes the run folder.
"""

import contextlib
import dataclasses
import hashlib
import logging
import os
import re
import signal
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
from ..learn.mesh import DEFAULT_DEVICE, Devices
from ..runs.folder import RunFolder

_log = logging.getLogger(__name__)

GONE_AFTER = 18.0  # s without a sign of life after which a process is taken for ended
NEVER_CAME = 120.0  # s without a first one
GRACE = 4.0  # s in which a process may find out by itself, at its next exchange, that another has ended
PATIENCE = 120.0  # s in which the processes of a training find each other
_EVERY = 1.0  # s between signs of life
_PAUSE = 0.05  # s between looks for what others say
_ROOT = "wildrobot_eqx"


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where a training is to run, as asked for.

    Args:
        devices: how many of this process's devices; None: one, and all of each process of several.
        distributed: one of several processes.
        coordinator: HOST:PORT of process 0; None: as the cluster says that started the processes.
        processes: how many there are.
        process: which of them this is.
    """

    devices: int | None = None
    distributed: bool = False
    coordinator: str | None = None
    processes: int | None = None
    process: int | None = None

    def __post_init__(self) -> None:
        explicit = {"--coordinator": self.coordinator, "--processes": self.processes, "--process": self.process}
        given = [name for name, value in explicit.items() if value is not None]
        if given and not self.distributed:
            raise WildRobotError(f"{given[0]} belongs to --distributed.", where=given[0], hint="add --distributed")
        if given and len(given) < len(explicit):
            missing = next(name for name in explicit if name not in given)
            raise WildRobotError(
                f"{given[0]} takes {missing} beside it.",
                where=given[0],
                hint="--coordinator HOST:PORT --processes N --process I, or none of them under Slurm, Open MPI or "
                "Kubernetes",
            )
        if self.devices is not None and self.devices < 1:
            raise WildRobotError(f"A training takes at least 1 device, got {self.devices}.", where="--devices")
        if self.coordinator is not None and not self.coordinator.rpartition(":")[2].isdigit():
            raise WildRobotError(
                f"{self.coordinator!r} names no port.", where="--coordinator", hint="say HOST:PORT, such as node1:9876"
            )
        if self.processes is not None and self.process is not None and not 0 <= self.process < self.processes:
            raise WildRobotError(
                f"There is no process {self.process} of {self.processes}.",
                where="--process",
                hint=f"they are numbered 0 to {self.processes - 1}" if self.processes > 0 else "--processes 2",
            )

    def start(self) -> None:
        """Give JAX its devices; before anything is computed.

        Raises:
            WildRobotError: the processes do not find each other, or no cluster is known.
        """
        if self.devices is not None:
            jax_compat.offer_cpu_devices(self.devices)
        if not self.distributed:
            return
        jax_compat.prepare_distributed()
        # JAX aborts the process where it waits in vain, and hears no Ctrl-C meanwhile: the timer comes first.
        timer = threading.Timer(PATIENCE, self._give_up)
        timer.daemon = True
        timer.start()
        try:
            with _deadly_ctrl_c():
                jax.distributed.initialize(
                    self.coordinator,
                    self.processes,
                    self.process,
                    coordinator_bind_address=self.coordinator,
                    initialization_timeout=round(2 * PATIENCE),
                    heartbeat_timeout_seconds=round(GONE_AFTER),
                    shutdown_timeout_seconds=round(GONE_AFTER),
                )
        except (ValueError, RuntimeError) as error:
            raise self._not_connected(error) from error
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        error = self._not_connected(TimeoutError(f"not all came within {PATIENCE:.0f} s."))
        _log.error(f"error: {error}")
        os._exit(error.exit_code)

    def _not_connected(self, error: Exception) -> WildRobotError:
        if self.coordinator is None and isinstance(error, ValueError):
            return WildRobotError(
                "Nothing here says which processes belong together: JAX finds no cluster that started this one.",
                where="--distributed",
                hint="start it by Slurm, Open MPI or Kubernetes, or say --coordinator, --processes and --process",
            )
        return WildRobotError(
            f"The processes did not find each other: {first_line(error)}",
            where=f"--coordinator {self.coordinator or 'of the cluster'}",
            hint="start all of them, each with the same --coordinator and --processes, where that port can be reached",
            exit_code=1,
        )

    def choose(self) -> Devices:
        """The devices to train on.

        Raises:
            WildRobotError: a process has fewer than are asked for.
        """
        if self.devices is None and not self.distributed:
            return DEFAULT_DEVICE
        found = jax.local_device_count()
        wanted = self.devices or (found if jax.default_backend() != "cpu" else 1)
        if wanted > found:
            raise WildRobotError(
                f"{wanted} devices are asked for; here are {found} ({jax.devices()[0].device_kind}).",
                where="--devices",
                hint=f"--devices {found}",
            )
        chosen = [d for i in range(jax.process_count()) for d in _devices_of(i)[:wanted]]
        return Devices.of(chosen)


@contextlib.contextmanager
def _deadly_ctrl_c() -> Iterator[None]:
    """Meanwhile a Ctrl-C ends the process, also where no Python runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _devices_of(process: int) -> list[jax.Device]:
    return sorted((d for d in jax.devices() if d.process_index == process), key=lambda d: d.id)


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
