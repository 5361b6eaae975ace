"""A port as the makers' own libraries of Dynamixel and Feetech expect one."""

import importlib
from typing import Any

from ...errors import WildRobotError
from .port import AbstractPort

_GRAIN = 0.001  # s, of one wait for bytes


def library(name: str, package: str, what: str) -> Any:
    """A maker's library.

    Raises:
        WildRobotError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise WildRobotError(
            f"{what} need {package}, which is not installed.", where="import", hint='pip install "wildrobot-eqx[robot]"'
        ) from error


class SdkPort:
    """Stands in for `PortHandler` of `dynamixel_sdk` and of `scservo_sdk`: bytes go through an `AbstractPort`.

    Their own waits 34 or 50 ms for a lost answer, longer than a control period.

    Args:
        port: the line.
        baud: bits per second, for the time that bytes take.
        timeout: s, of the servo's own time before an answer.
    """

    def __init__(self, port: AbstractPort, baud: int, timeout: float):
        self.port, self.is_open, self.is_using = port, True, False
        self._byte, self._timeout, self._baud = 10.0 / baud, timeout, baud
        self._deadline = self._quiet = 0.0
        self._pending = b""

    def clearPort(self) -> None:  # noqa: N802 - the library's names
        """Forget what has come in."""
        self.port.discard()
        self._pending = b""

    def readPort(self, length: int) -> list[int]:  # noqa: N802
        """Up to `length` bytes, as numbers; waits a moment for the first."""
        if not self._pending:
            self._pending = self.port.read(min(_GRAIN, max(0.0, self._deadline - self.port.now())))
        data, self._pending = self._pending[:length], self._pending[length:]
        return list(data)

    def writePort(self, packet: list[int]) -> int:  # noqa: N802
        """Send all of a packet; how many bytes that were."""
        self._quiet = max(self._quiet, self.port.now()) + self._byte * len(packet)
        self.port.write(bytes(packet))
        return len(packet)

    def getBaudRate(self) -> int:  # noqa: N802
        """Bits per second."""
        return self._baud

    def setPacketTimeout(self, packet_length: int) -> None:  # noqa: N802
        """From now on wait for an answer of so many bytes."""
        self._deadline = max(self.port.now(), self._quiet) + self._byte * packet_length + self._timeout

    def setPacketTimeoutMillis(self, msec: float) -> None:  # noqa: N802
        """From now on wait for so long."""
        self._deadline = self.port.now() + msec / 1e3

    def isPacketTimeout(self) -> bool:  # noqa: N802
        """Whether the time is over."""
        return not self._pending and self.port.now() >= self._deadline
