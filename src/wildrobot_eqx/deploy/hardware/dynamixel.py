"""A bus of Dynamixel X servos, protocol 2.0, by their makers' `dynamixel_sdk`."""

import contextlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from .bus import AbstractServoBus, ServoHealth, ServoReading, no_answer
from .port import AbstractPort
from .sdk_port import SdkPort, library

# The control table of the X series (XL330, XM430, ...): address and bytes. Source: ROBOTIS e-Manual.
TORQUE, ERRORS, PROFILE_VELOCITY, GOAL = (64, 1), (70, 1), (112, 4), (116, 4)
LOAD, VELOCITY, POSITION = (126, 2), (128, 4), (132, 4)  # in a row
VOLTAGE, TEMPERATURE = (144, 2), (146, 1)
_PRESENT = (LOAD[0], LOAD[1] + VELOCITY[1] + POSITION[1])
_RPM = 0.229  # rev/min, of a unit of velocity
_FAULTS = {1: "its voltage is out of range", 4: "too hot", 8: "encoder", 16: "electrical shock", 32: "overload"}
_BROADCAST = 254


class DynamixelBus(AbstractServoBus):
    """Talks to Dynamixel X servos in position mode; all are read by one question (sync read).

    Args:
        port: the line.
        baud: bits per second.
        timeout: s, of a servo's own time before an answer (its Return Delay Time, and the adapter's latency).
        retries: how often to ask again.

    Raises:
        WildRobotError: `dynamixel-sdk` is not installed.
    """

    step = 2.0 * math.pi / 4096.0
    low, high = 0, 4095
    together = True

    def __init__(self, port: AbstractPort, baud: int = 1_000_000, timeout: float = 0.004, retries: int = 2):
        self._sdk = library("dynamixel_sdk", "dynamixel-sdk", "Dynamixel servos")
        self._line = SdkPort(port, baud, timeout)
        self._packets = self._sdk.PacketHandler(2.0)
        self.retries = retries
        self.timeouts = self.strays = self._damaged = 0

    @property
    def damaged(self) -> int:
        return self._damaged

    def ping(self, id: int) -> bool:
        return self._try(lambda: self._packets.ping(self._line, id)) is not None

    def read(self, id: int) -> ServoReading:
        data = self._read(id, _PRESENT, "its position")
        return self._reading(bytes(data))

    def read_many(self, ids: Iterable[int]) -> dict[int, ServoReading]:
        ids = list(ids)
        group = self._sdk.GroupSyncRead(self._line, self._packets, *_PRESENT)
        for id in ids:
            group.addParam(id)
        found: dict[int, ServoReading] = {}
        if not ids or group.txPacket() != self._sdk.COMM_SUCCESS:
            return found
        while len(found) < len(ids):  # the group's own reader gives up at the first that is lost
            packet, result = self._packets.rxPacket(self._line, False)
            if self._count(result) and packet[4] in ids and len(packet) >= 9 + _PRESENT[1]:
                found[packet[4]] = self._reading(bytes(packet[9 : 9 + _PRESENT[1]]))
            elif result == self._sdk.COMM_SUCCESS:
                self.strays += 1
            elif self._line.isPacketTimeout():
                break
        return found

    def write(self, targets: Mapping[int, int], milliseconds: int) -> None:
        self.check_targets(targets, milliseconds)
        group = self._sdk.GroupSyncWrite(self._line, self._packets, *GOAL)
        for id, position in targets.items():
            group.addParam(id, list(position.to_bytes(4, "little", signed=True)))
        if targets and group.txPacket() != self._sdk.COMM_SUCCESS:
            raise OSError("the port takes no bytes")

    def torque(self, on: bool, id: int | None = None) -> None:
        target = _BROADCAST if id is None else id
        self._line.is_using = False
        if self._packets.write1ByteTxOnly(self._line, target, TORQUE[0], int(on)) != self._sdk.COMM_SUCCESS:
            raise OSError("the port takes no bytes")
        self._line.is_using = False

    def health(self, id: int) -> ServoHealth:
        volts = int.from_bytes(self._read(id, VOLTAGE, "its voltage"), "little") / 10.0
        hot = self._read(id, TEMPERATURE, "its temperature")[0]
        load = int.from_bytes(self._read(id, LOAD, "its load"), "little", signed=True) / 1000.0
        bits = self._read(id, ERRORS, "its errors")[0]
        return ServoHealth(volts, float(hot), load, tuple(text for bit, text in _FAULTS.items() if bits & bit))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._line.port.close()

    def _reading(self, data: bytes) -> ServoReading:
        load = int.from_bytes(data[:2], "little", signed=True) / 1000.0
        speed = int.from_bytes(data[2:6], "little", signed=True) * _RPM / 60.0 * 4096.0
        return ServoReading(int.from_bytes(data[6:10], "little", signed=True), self._line.port.now(), speed, load)

    def _read(self, id: int, place: tuple[int, int], what: str) -> bytes:
        before = self._damaged
        data = self._try(lambda: self._packets.readTxRx(self._line, id, *place))
        if data is None or len(data) != place[1]:
            raise no_answer(id, what, 1 + self.retries, self._damaged - before)
        return bytes(data)

    def _try(self, ask: Any) -> Any:
        for _ in range(1 + self.retries):
            value, result, _error = ask()
            if self._count(result):
                return value
        return None

    def _count(self, result: int) -> bool:
        if result == self._sdk.COMM_RX_CORRUPT:
            self._damaged += 1
        if result != self._sdk.COMM_SUCCESS:
            self.timeouts += 1
        return bool(result == self._sdk.COMM_SUCCESS)
