"""A bus of Hiwonder's serial servos: commands, answers, timeouts and faults."""

import math
from collections.abc import Iterable, Mapping

from ...errors import WildRobotError
from .bus import AbstractServoBus, ServoHealth, ServoReading, no_answer
from .packets import BROADCAST, Command, Decoder, Packet, signed_word, word
from .port import AbstractPort

UNITS = 1000  # positions lie between 0 and this, over 240 degrees
_FAULTS = {1: "too hot", 2: "its voltage is out of range", 4: "locked"}


class ServoBus(AbstractServoBus):
    """Talks to Hiwonder's servos on one half-duplex line. Not for use from two threads.

    They are asked one by one, and tell no velocity and no load.

    Args:
        port: the line.
        timeout: s, for one answer. One takes 14 bytes, 1.2 ms at 115200 baud, and the servo's own time. What was sent
            before must be out first: the targets of eleven servos take 10 ms.
        retries: how often to ask again.
        baud: bits per second.
    """

    step = math.radians(240.0 / UNITS)
    low, high = 0, UNITS

    def __init__(self, port: AbstractPort, timeout: float = 0.01, retries: int = 2, baud: int = 115_200):
        self._port, self._timeout, self.retries = port, timeout, retries
        self._decoder = Decoder()
        self._byte, self._quiet = 10.0 / baud, -math.inf  # s, of one byte; when the line is silent again
        self.timeouts = self.strays = 0

    @property
    def damaged(self) -> int:
        return self._decoder.damaged

    def ping(self, id: int) -> bool:
        try:
            return self._ask(id, Command.ID_READ, 1)[0] == id
        except WildRobotError:
            return False

    def read(self, id: int) -> ServoReading:
        return ServoReading(self.position(id), self._port.now())

    def write(self, targets: Mapping[int, int], milliseconds: int) -> None:
        self.move_together(targets, milliseconds)

    def health(self, id: int) -> ServoHealth:
        return ServoHealth(self.voltage(id), float(self.temperature(id)), math.nan, tuple(self.faults(id)))

    def position(self, id: int) -> int:
        """Where a servo is, in units of 0.24 degrees; a little below 0 and above 1000 is possible.

        Raises:
            WildRobotError: it does not answer.
            OSError: the port is gone.
        """
        return signed_word(self._ask(id, Command.POS_READ, 2))

    def positions(self, ids: Iterable[int]) -> dict[int, int]:
        """The positions of several servos, one after the other: this bus has no common question.

        Raises:
            WildRobotError: one does not answer.
            OSError: the port is gone.
        """
        return {id: self.position(id) for id in ids}

    def voltage(self, id: int) -> float:
        """What a servo is fed with, V.

        Raises:
            WildRobotError: it does not answer.
            OSError: the port is gone.
        """
        return int.from_bytes(self._ask(id, Command.VIN_READ, 2), "little") / 1000.0

    def temperature(self, id: int) -> int:
        """How hot a servo is, degrees Celsius.

        Raises:
            WildRobotError: it does not answer.
            OSError: the port is gone.
        """
        return self._ask(id, Command.TEMP_READ, 1)[0]

    def faults(self, id: int) -> list[str]:
        """What a servo complains of, from its error bits (those that its LED is set to show).

        Raises:
            WildRobotError: it does not answer.
            OSError: the port is gone.
        """
        bits = self._ask(id, Command.LED_ERROR_READ, 1)[0]
        return [words for bit, words in _FAULTS.items() if bits & bit]

    def move(self, id: int, position: int, milliseconds: int) -> None:
        """Send one servo to a position within some time.

        Raises:
            ValueError: the position or the time is out of range.
            OSError: the port is gone.
        """
        self._send(id, Command.MOVE_TIME_WRITE, _move(position, milliseconds))

    def move_together(self, positions: Mapping[int, int], milliseconds: int) -> None:
        """Move several servos at once: each gets its position, then all get the start. Nothing is sent if one is wrong.

        Raises:
            ValueError: a position or the time is out of range.
            OSError: the port is gone.
        """
        packets = [
            Packet(id, Command.MOVE_TIME_WAIT_WRITE, _move(position, milliseconds)).encode()
            for id, position in positions.items()
        ]
        self._out(b"".join([*packets, Packet(BROADCAST, Command.MOVE_START, b"").encode()]))

    def torque(self, on: bool, id: int | None = None) -> None:
        self._send(BROADCAST if id is None else id, Command.LOAD_OR_UNLOAD_WRITE, bytes((int(on),)))

    def close(self) -> None:
        self._port.close()

    def _send(self, id: int, command: Command, parameters: bytes = b"") -> None:
        self._out(Packet(id, command, parameters).encode())

    def _out(self, data: bytes) -> None:
        self._quiet = max(self._quiet, self._port.now()) + self._byte * len(data)
        self._port.write(data)

    def _ask(self, id: int, command: Command, size: int) -> bytes:
        """The parameters of a servo's answer, `size` bytes."""
        damaged = self._decoder.damaged
        for _ in range(1 + self.retries):
            self._port.discard()
            self._decoder.clear()
            self._send(id, command)
            deadline = max(self._port.now(), self._quiet) + self._timeout
            while (left := deadline - self._port.now()) > 0.0:
                for packet in self._decoder.feed(self._port.read(left)):
                    if (packet.id, packet.command, len(packet.parameters)) == (id, command, size):
                        return packet.parameters
                    self.strays += 1
            self.timeouts += 1
        broken = self._decoder.damaged - damaged
        raise no_answer(id, command.name, 1 + self.retries, broken)


def _move(position: int, milliseconds: int) -> bytes:
    if not 0 <= position <= UNITS:
        raise ValueError(f"a servo's position lies between 0 and {UNITS}, got {position}")
    if not 0 <= milliseconds <= 30_000:
        raise ValueError(f"a move takes between 0 and 30000 ms, got {milliseconds}")
    return word(position) + word(milliseconds)
