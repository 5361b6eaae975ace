"""A serial port with the standard library alone (POSIX)."""

import abc
import os
import select
import time
from pathlib import Path

from ...errors import WildRobotError


class AbstractPort(abc.ABC):
    """Bytes out, bytes in."""

    def now(self) -> float:
        """The present, s, on the clock by which answers are waited for."""
        return time.monotonic()

    @abc.abstractmethod
    def write(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            OSError: the port is gone, or takes nothing any more.
        """

    @abc.abstractmethod
    def read(self, timeout: float) -> bytes:
        """What has come in; waits up to `timeout` s for the first byte, and is empty where there was none.

        Raises:
            OSError: the port is gone.
        """

    @abc.abstractmethod
    def discard(self) -> None:
        """Forget what has come in and was not read."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give the port back."""


class SerialPort(AbstractPort):
    """A serial device in raw mode: 8 data bits, no parity, one stop bit.

    Args:
        path: the device, such as /dev/ttyUSB0.
        baud: bits per second.

    Raises:
        WildRobotError: it cannot be opened, or the system has no such speed.
    """

    def __init__(self, path: str | os.PathLike[str], baud: int = 115_200):
        try:
            import termios
            import tty
        except ImportError as error:
            raise WildRobotError(
                "This system has no POSIX serial ports.", where=str(path), hint="write an AbstractPort for it"
            ) from error
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            raise WildRobotError(f"This system knows no {baud} baud.", where=str(path), hint="such as 115200")
        self.path = Path(path)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise WildRobotError(
                f"The serial port cannot be opened: {error.strerror}.",
                where=str(path),
                hint="is it plugged in, and may you use it (group dialout)?",
                exit_code=1,
            ) from error
        try:
            tty.setraw(self._file)
            settings = termios.tcgetattr(self._file)
            settings[2] |= termios.CLOCAL | termios.CREAD | termios.CS8
            settings[2] &= ~(termios.PARENB | termios.CSTOPB)
            settings[4] = settings[5] = speed
            termios.tcsetattr(self._file, termios.TCSANOW, settings)
        except termios.error as error:
            os.close(self._file)
            raise WildRobotError(
                f"This is no serial port: {error}.", where=str(path), hint="name a device such as /dev/ttyUSB0"
            ) from error

    def write(self, data: bytes) -> None:
        deadline = time.monotonic() + 1.0
        while data:
            _, ready, _ = select.select([], [self._file], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"{self.path} takes no bytes")
            data = data[os.write(self._file, data) :]

    def read(self, timeout: float) -> bytes:
        ready, _, _ = select.select([self._file], [], [], max(0.0, timeout))
        return os.read(self._file, 4096) if ready else b""

    def discard(self) -> None:
        while self.read(0.0):
            pass

    def close(self) -> None:
        os.close(self._file)
