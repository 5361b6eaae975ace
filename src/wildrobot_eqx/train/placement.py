"""Where a training runs: on which devices, and as one process of how many."""

import contextlib
import dataclasses
import logging
import os
import signal
import threading
from collections.abc import Iterator

import jax

from .. import jax_compat
from ..errors import WildRobotError, first_line
from ..learn.mesh import DEFAULT_DEVICE, Devices
from .distributed import GONE_AFTER

_log = logging.getLogger(__name__)

PATIENCE = 120.0  # s in which the processes of a training find each other


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
