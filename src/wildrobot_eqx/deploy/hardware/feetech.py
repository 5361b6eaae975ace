"""A bus of Feetech SMS/STS servos by their makers' `scservo_sdk` (package ftservo-python-sdk)."""

import contextlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from .bus import AbstractServoBus, ServoHealth, ServoReading, no_answer
from .port import AbstractPort
from .sdk_port import SdkPort, library

# The memory table of the SMS and STS series: address and bytes. Source: Feetech, "SMS/STS memory table".
TORQUE, GOAL, PRESENT = 40, 42, 56  # goal: position, time, speed; present: position, speed, load, voltage, temperature
_GOAL_BYTES, _PRESENT_BYTES, _STATUS, _BROADCAST = 6, 10, 65, 254
_FAULTS = {1: "its voltage is out of range", 2: "encoder", 4: "too hot", 8: "too much current", 32: "overload"}


class FeetechBus(AbstractServoBus):
    """Talks to Feetech's STS and SMS servos in position mode; all are read by one question (sync read).

    Args:
        port: the line.
        baud: bits per second.
        timeout: s, of a servo's own time before an answer.
        retries: how often to ask again.

    Raises:
        WildRobotError: `ftservo-python-sdk` is not installed.
    """

    step = 2.0 * math.pi / 4096.0
    low, high = 0, 4095
    together = True

    def __init__(self, port: AbstractPort, baud: int = 1_000_000, timeout: float = 0.004, retries: int = 2):
        self._sdk = library("scservo_sdk", "ftservo-python-sdk", "Feetech servos")
        self._line = SdkPort(port, baud, timeout)
        self._packets = self._sdk.sms_sts(self._line)
        self.retries = retries
        self.timeouts = self.strays = self._damaged = 0

    @property
    def damaged(self) -> int:
        return self._damaged

    def ping(self, id: int) -> bool:
        return self._try(lambda: self._packets.ping(id)) is not None

    def read(self, id: int) -> ServoReading:
        return self._reading(self._read(id, PRESENT, _PRESENT_BYTES, "its position"))

    def read_many(self, ids: Iterable[int]) -> dict[int, ServoReading]:
        ids = list(ids)
        group = self._sdk.GroupSyncRead(self._packets, PRESENT, _PRESENT_BYTES)
        for id in ids:
            group.addParam(id)
        if not ids or group.txPacket() != self._sdk.COMM_SUCCESS:
            return {}
        _, packet = self._packets.syncReadRx(_PRESENT_BYTES, len(ids))
        found = {}
        for id in ids:
            data, result = group.readRx(packet, id, _PRESENT_BYTES)  # the error, then the bytes
            if result == self._sdk.COMM_SUCCESS:
                found[id] = self._reading(bytes(data[1 : 1 + _PRESENT_BYTES]))
            else:
                self.timeouts += 1
                self._damaged += bytes((0xFF, 0xFF, id)) in bytes(packet)
        return found

    def write(self, targets: Mapping[int, int], milliseconds: int) -> None:
        self.check_targets(targets, milliseconds)
        group = self._sdk.GroupSyncWrite(self._packets, GOAL, _GOAL_BYTES)
        for id, position in targets.items():
            group.addParam(id, [*position.to_bytes(2, "little"), *milliseconds.to_bytes(2, "little"), 0, 0])
        if targets and group.txPacket() != self._sdk.COMM_SUCCESS:
            raise OSError("the port takes no bytes")

    def torque(self, on: bool, id: int | None = None) -> None:
        self._line.is_using = False
        target = _BROADCAST if id is None else id
        if self._packets.writeTxOnly(target, TORQUE, 1, [int(on)]) != self._sdk.COMM_SUCCESS:
            raise OSError("the port takes no bytes")
        self._line.is_using = False

    def health(self, id: int) -> ServoHealth:
        data = self._read(id, PRESENT, _PRESENT_BYTES, "its voltage")
        bits = self._read(id, _STATUS, 1, "its errors")[0]
        faults = tuple(text for bit, text in _FAULTS.items() if bits & bit)
        return ServoHealth(data[6] / 10.0, float(data[7]), _signed(data[4:6], 10) / 1000.0, faults)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._line.port.close()

    def _reading(self, data: bytes) -> ServoReading:
        load = _signed(data[4:6], 10) / 1000.0
        return ServoReading(_signed(data[:2], 15), self._line.port.now(), float(_signed(data[2:4], 15)), load)

    def _read(self, id: int, address: int, size: int, what: str) -> bytes:
        before = self._damaged
        data = self._try(lambda: self._packets.readTxRx(id, address, size))
        if data is None or len(data) != size:
            raise no_answer(id, what, 1 + self.retries, self._damaged - before)
        return bytes(data)

    def _try(self, ask: Any) -> Any:
        for _ in range(1 + self.retries):
            value, result, _error = ask()
            if result == self._sdk.COMM_SUCCESS:
                return value
            self.timeouts += 1
            self._damaged += result == self._sdk.COMM_RX_CORRUPT
        return None


def _signed(data: bytes, bit: int) -> int:
    """A number whose sign is a bit of its own."""
    value = int.from_bytes(data, "little")
    return -(value & ~(1 << bit)) if value & (1 << bit) else value
